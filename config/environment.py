"""Environment variables, each read with its rule: what breaks it is one sentence at start, not a failure hours later.

An empty variable counts as unset. Defaults are taken as they are. Every function raises EnvironmentValueError.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

_FLAGS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
_RATE = re.compile(r"[1-9][0-9]{0,8}/(s|sec|second|m|min|minute|h|hour|d|day)")
_HOST = re.compile(r"\*|\.?[A-Za-z0-9_-][A-Za-z0-9._-]*|\[[0-9a-fA-F:.]+\]")
_ORIGIN = re.compile(r"https?://[^\s/]+")
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_SHOWN = 60


class EnvironmentValueError(ImproperlyConfigured):
    """A variable has a value that cannot be. The sentence names the variable, what it was and what may be."""


def text(name: str, default: str = "") -> str:
    """Any text."""
    return os.environ.get(name) or default


def whole(name: str, default: int, low: int, high: int) -> int:
    """A whole number from `low` to `high`."""
    value = text(name)
    if not value:
        return default
    if not re.fullmatch(r"-?[0-9]{1,18}", value) or not low <= int(value) <= high:
        raise _refusal(name, f"a whole number from {low} to {high}", value)
    return int(value)


def flag(name: str, default: bool = False) -> bool:
    """On or off."""
    value = text(name)
    if value and value.lower() not in _FLAGS:
        raise _refusal(name, "1 or 0 (or true or false, yes or no, on or off)", value)
    return _FLAGS[value.lower()] if value else default


def rate(name: str, default: str) -> str:
    """A number a period, as REST framework's throttles read it."""
    value = text(name)
    if value and not _RATE.fullmatch(value):
        raise _refusal(name, "a positive number a s, min, hour or day, such as 20/min", value)
    return value or default


def log_level(name: str, default: str) -> str:
    """A level of the standard library's logging, in either case."""
    value = text(name)
    if value and value.upper() not in _LEVELS:
        raise _refusal(name, f"one of {', '.join(_LEVELS)}", value)
    return value.upper() or default


def hosts(name: str, default: list[str]) -> list[str]:
    """Host names, parted by commas; a dot before one includes those below it, * is any."""
    return _several(name, default, _HOST, "host names without scheme or port, parted by commas")


def origins(name: str) -> list[str]:
    """Schemes with hosts, parted by commas."""
    return _several(name, [], _ORIGIN, "addresses such as https://label.example.org, parted by commas")


def folder(name: str, default: Path) -> Path:
    """A folder that can be written, absolute; made where it is not there."""
    path = Path(text(name) or default).resolve()
    try:
        path.mkdir(parents=True, exist_ok=True)
        is_writable = os.access(path, os.W_OK)
    except OSError as error:
        raise _refusal(name, "a folder that can be written", str(path)) from error
    if not is_writable:
        raise _refusal(name, "a folder that can be written", str(path))
    return path


def database(name: str, default: str) -> dict[str, Any]:
    """Django's settings of a PostgreSQL database."""
    url = text(name) or default
    allowed = "postgresql://user:password@host:port/name (special characters in the password as %xx)"
    if not url.startswith(("postgresql://", "postgres://")):
        raise _refusal(name, allowed, url)
    try:
        found: dict[str, Any] = environ.Env.db_url_config(url)
    except ValueError as error:
        raise _refusal(name, allowed, url) from error
    if not found["NAME"]:
        raise _refusal(name, allowed, url)
    return found


def redis_url(name: str, default: str) -> str:
    """Where Redis or Valkey is, over TCP, TLS or a Unix socket."""
    value = text(name)
    if not value:
        return default
    allowed = "redis://host:port/number, rediss://… or unix:///path?db=number"
    try:
        parts = urlsplit(value)
        is_socket = parts.scheme == "unix"
        number = parse_qs(parts.query).get("db", ["0" if is_socket else parts.path.strip("/") or "0"])[0]
        fits = parts.path not in ("", "/") if is_socket else parts.scheme in ("redis", "rediss") and parts.port != 0
    except ValueError as error:
        raise _refusal(name, allowed, value) from error
    if not fits or not re.fullmatch(r"[0-9]{1,4}", number):
        raise _refusal(name, allowed, value)
    return value


def storage(name: str, default: str) -> str:
    """A folder or any URL that fsspec can open here."""
    value = text(name)
    if "://" in value or "::" in value:
        import fsspec  # only where it is asked: with nothing set, the first page needs it and not the start

        try:
            fsspec.get_filesystem_class(fsspec.utils.get_protocol(value))
        except ValueError as error:
            raise _refusal(name, "a folder or an fsspec URL such as s3://bucket/folder", value) from error
        except ImportError as error:
            raise EnvironmentValueError(f"{name} needs a package that is not installed: {error}.") from error
    return value or default


def _several(name: str, default: list[str], each: re.Pattern[str], allowed: str) -> list[str]:
    values = [value.strip() for value in text(name).split(",") if value.strip()]
    for value in values:
        if not each.fullmatch(value):
            raise _refusal(name, allowed, value)
    return values or default


def _refusal(name: str, allowed: str, value: str) -> EnvironmentValueError:
    shown = repr(_without_secrets(value) if "://" in value or "@" in value else value)
    shown = shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "…"
    return EnvironmentValueError(f"{name} must be {allowed}, not {shown}.")


def _without_secrets(value: str) -> str:
    """A URL without what stands before the host and after the path: logs keep what is printed."""
    return re.sub(r"^([\w.+-]+://)?.*@", r"\1…@", value, flags=re.DOTALL).partition("?")[0]
