"""What a service says when it will not do what was asked: one vocabulary for both halves."""

from __future__ import annotations


class Refused(Exception):
    """The request cannot be done. The message is one sentence for the person who asked; nothing was changed."""


class Conflict(Refused):
    """The request was right once, but the state of things has moved on."""
