"""What a service says when it will not do what was asked."""

from __future__ import annotations


class Refused(Exception):
    """The request cannot be done. The message is one sentence for the person who asked; nothing was changed."""
