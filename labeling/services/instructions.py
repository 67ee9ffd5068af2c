"""Writing instructions, whose versions are added and never changed, and saying that one has read them."""

from __future__ import annotations

from django.db import transaction

from exchange.text import is_blank
from labeling.models import Assignment, Instructions, InstructionsRead
from people.access import LABELING, has_role
from people.models import Project, User
from people.refusals import Refused

MAX_CHARACTERS = 200_000
_TEXTS = ("text", "examples", "training_priorities", "evaluation_priorities")


@transaction.atomic
def instructions_add(
    *,
    project: Project,
    text: str,
    examples: str = "",
    training_priorities: str = "",
    evaluation_priorities: str = "",
    change_note: str = "",
) -> Instructions:
    """Add the next version of a project's instructions.

    The same texts as the newest version's add nothing and return that version. Raises Refused for an empty text.
    """
    texts = dict(zip(_TEXTS, (text, examples, training_priorities, evaluation_priorities), strict=True))
    if is_blank(text):
        raise Refused("Instructions must not be empty.")
    if sum(map(len, texts.values())) > MAX_CHARACTERS:
        raise Refused(f"Instructions may have at most {MAX_CHARACTERS:,} characters.")
    if any("\x00" in given for given in (*texts.values(), change_note)):
        raise Refused("Instructions must not contain NUL characters.")
    Project.objects.select_for_update().get(pk=project.pk)  # one writer at a time numbers the versions
    newest = Instructions.objects.filter(project=project).order_by("-version").first()
    if newest is not None and all(getattr(newest, name) == given for name, given in texts.items()):
        return newest
    version = newest.version + 1 if newest is not None else 1
    return Instructions.objects.create(project=project, version=version, change_note=change_note[:300], **texts)


def instructions_confirm(*, project: Project, labeler: User, version: int) -> tuple[InstructionsRead, bool]:
    """Note that the labeler has read a version; returns the note and whether it is new.

    What they have in work is from then on given under that version. Raises Refused for an unknown version and for
    somebody who does not label in the project.
    """
    if not has_role(labeler, project, LABELING):
        raise Refused(f"You do not label in the project {project.name} any more.")
    found = Instructions.objects.filter(project=project, version=version).first()
    if found is None:
        raise Refused(f"There is no version {version} of these instructions.")
    read, created = InstructionsRead.objects.get_or_create(instructions=found, labeler=labeler)
    begun = Assignment.objects.filter(
        labeler=labeler,
        task__project=project,
        state__in=(Assignment.State.OFFERED, Assignment.State.LEASED, Assignment.State.EXPIRED),
        instructions_version__lt=version,
    )
    # One row a statement: several rows locked at once, in an order of their own, could wait for each other.
    for pk in list(begun.values_list("pk", flat=True)):
        begun.filter(pk=pk).update(instructions_version=version)
    return read, created
