"""What stops a run, by audience. Imports nothing heavy: the web reads these too."""

from __future__ import annotations


class RunError(Exception):
    """A run cannot go on for a reason that the person who started it can mend. The message is one sentence for them.

    Anything else that a run raises is for the engineer: it is written to the log with its traceback.
    """


class RunStopped(BaseException):
    """The run was asked to end (SIGTERM). A BaseException, so that no handler of ordinary errors swallows it."""
