"""`{% load work %}{{ seconds|duration }}`, `{{ counts|as_json }}`"""

import json

from django import template

register = template.Library()


@register.filter
def duration(seconds: int) -> str:
    """Seconds in words, to the minute: "0 min", "under 1 min", "12 min", "3 h 05 min"."""
    minutes = round(seconds / 60)
    if minutes == 0:
        return "under 1 min" if seconds else "0 min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest:02d} min" if hours else f"{rest} min"


@register.filter
def as_json(value: object) -> str:
    """JSON for an attribute, where the template escapes it."""
    return json.dumps(value)
