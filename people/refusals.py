"""What a service says when it will not do what was asked: one vocabulary for both halves."""

from __future__ import annotations


class Refused(Exception):
    """The request cannot be done. The message is one sentence for the person who asked; nothing was changed."""


class Missing(Refused):
    """There is no such thing, or none that whoever asked may know of."""


class Forbidden(Refused):
    """The thing is there, and whoever asked may not do this with it."""


class Conflict(Refused):
    """The request was right once, but the state of things has moved on."""
