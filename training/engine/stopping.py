"""What SIGTERM does to a run: it raises RunStopped at once, or waits for the end of a step where one asks for that."""

from __future__ import annotations

import signal
from types import FrameType

from training.engine.errors import RunStopped


class _Wish:
    deferred = False
    wished = False


def install() -> None:
    """Let SIGTERM stop the run from now on. Only a process's main thread may call it."""
    signal.signal(signal.SIGTERM, _on_signal)


def is_installed() -> bool:
    """Whether SIGTERM still stops the run."""
    return signal.getsignal(signal.SIGTERM) is _on_signal


def ignore() -> None:
    """From now on it is too late to stop: what the run made is being written."""
    if is_installed():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def defer() -> None:
    """Until `raise_at_once`, a first SIGTERM is only a wish, which `wished` tells."""
    _Wish.deferred, _Wish.wished = True, False


def raise_at_once() -> None:
    """End `defer`; `wished` still tells."""
    _Wish.deferred = False


def wished() -> bool:
    """Whether the run was asked to stop while that was deferred."""
    return _Wish.wished


def _on_signal(signum: int, frame: FrameType | None) -> None:
    if _Wish.deferred and not _Wish.wished:
        _Wish.wished = True
        return
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise RunStopped
