"""What a service says when it does not do what was asked."""


class Refused(Exception):
    """The request breaks a rule. The message is one sentence for the person who asked; nothing was changed."""


class Conflict(Refused):
    """The request came too late: what it is about has moved on."""
