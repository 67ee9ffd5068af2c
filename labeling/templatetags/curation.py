"""`{% load curation %}{{ step.options|said }}`, `{{ underway|moving:"bytes" }}`"""

from __future__ import annotations

from typing import Any

from django import template
from django.contrib.humanize.templatetags.humanize import intcomma

from labeling.curation_options import options_said
from labeling.formats.unused import more_said
from labeling.selectors.underway import Underway

register = template.Library()

_MIB = 2**20


@register.filter
def said(options: dict[str, Any]) -> str:
    """What a curation step was told."""
    return options_said(options)


@register.filter
def moving(now: Underway, unit: str) -> str:
    """How far, how fast, how long still: "12 of 260 MiB · 2.1 MiB a second · about 2 min left"."""
    if unit == "bytes":
        words = [f"{now.done / _MIB:,.1f} of {now.total / _MIB:,.1f} MiB"]
        rate = f"{now.rate / _MIB:,.1f} MiB" if now.rate else ""
    else:
        words = [f"{intcomma(now.done)} of {intcomma(now.total)} {unit}"]
        rate = f"{intcomma(round(now.rate))}" if now.rate else ""
    if rate:
        words.append(f"{rate} a second")
    if now.remaining is not None:
        words.append(f"about {_left(now.remaining)} left")
    return " · ".join(words)


def _left(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


@register.filter
def entry(found: dict[int, Underway], pk: int) -> Underway | None:
    """The progress of one job."""
    return found.get(pk)


@register.filter
def more(first: list[str], count: int) -> str:
    """How many columns were not used beside the first."""
    return more_said(first, count)


@register.filter
def whole(messages: list[dict[str, str]]) -> str:
    """The turns of a dialogue in one text, the first of a single turn without its role."""
    if len(messages) == 1:
        return messages[0]["content"]
    return "\n".join(f"{message['role']}: {message['content']}" for message in messages)
