"""What a service says when it does not do what was asked."""


class Refused(Exception):
    """The request breaks a rule. The message is one sentence for the person who asked; nothing was changed."""
