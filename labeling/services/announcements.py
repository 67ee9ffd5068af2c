"""Announcements: what a manager tells all labelers of a project, until it ends."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from exchange.text import written
from labeling.models import Announcement
from people.access import MANAGING, has_role
from people.models import Project, User
from people.refusals import Refused

TEXT_MAX = 5_000


def announcement_add(
    *, project: Project, author: User, text: str, ends_at: datetime | None = None
) -> tuple[Announcement, bool]:
    """Tell all labelers of the project, until `ends_at` where it is given; returns it and whether it is new.

    The same text as one that is still shown adds nothing. Raises Refused for an empty or overlong text, an end in the
    past, and an author who does not manage.
    """
    text = written(text)
    if not has_role(author, project, MANAGING):
        raise Refused("Only managers announce.")
    if not text:
        raise Refused("The announcement is empty; write it first.")
    if len(text) > TEXT_MAX:
        raise Refused(f"The announcement is {len(text):,} characters long; keep it to {TEXT_MAX:,}.")
    if ends_at is not None and ends_at <= timezone.now():
        raise Refused("The end of an announcement lies in the future.")
    for shown in Announcement.objects.filter(project=project, text=text, author=author):
        if shown.ends_at is None or shown.ends_at > timezone.now():
            return shown, False
    return Announcement.objects.create(project=project, author=author, text=text, ends_at=ends_at), True


def announcement_end(*, announcement: Announcement, by: User) -> Announcement:
    """Show it no longer from now on. Ending it twice changes nothing. Raises Refused for who does not manage."""
    if not has_role(by, announcement.project, MANAGING):
        raise Refused("Only managers end an announcement.")
    now = timezone.now()
    if announcement.ends_at is None or announcement.ends_at > now:
        announcement.ends_at = now
        announcement.save(update_fields=["ends_at"])
    return announcement
