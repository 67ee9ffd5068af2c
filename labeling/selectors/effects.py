"""What a change of a project's settings would do, in sentences. Nothing is changed here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone

from labeling.models import Assignment, ProjectSetup, SkillsBy, Task
from labeling.selectors.estimates import Rows, rows_about


def setup_effects(old: ProjectSetup, new: ProjectSetup) -> list[str]:
    """A sentence for each setting of `new`, not yet stored, that differs from `old`; at most five counting queries."""
    return [say(old, new) for names, say in _EFFECTS if any(getattr(old, n) != getattr(new, n) for n in names)]


def _kinds(old: ProjectSetup, new: ProjectSetup) -> str:
    labels = dict(Task.Kind.choices)
    off = [kind for kind in old.kinds if kind not in new.kinds]
    on = [kind for kind in new.kinds if kind not in old.kinds]
    said = []
    if on:
        said.append(f"Handed out again: {_listed(on, labels)}.")
    if off:
        said.append(
            f"Handed out no more: {_listed(off, labels)}. {_tasks(_in_use(old).filter(kind__in=off))} of them "
            "wait until they are switched on again; what is in work can be finished."
        )
    return " ".join(said)


def _overlap(old: ProjectSetup, new: ProjectSetup) -> str:
    shared = rows_about(_in_use(old).filter(is_shared=True, wanted=None))
    more = abs(new.overlap - old.overlap)
    verb = "wants" if shared.number == 1 else "want"
    which = f"Labels for each shared task {old.overlap} → {new.overlap}: {shared} shared {_noun(shared)} {verb}"
    if new.overlap > old.overlap:
        return f"{which} {more} {_labels(more)} more each; no task is rewritten."
    return f"{which} {more} {_labels(more)} fewer each; labels given already stay, and no task is rewritten."


def _answers(old: ProjectSetup, new: ProjectSetup) -> str:
    open_now = _tasks(_in_use(old).filter(kind=Task.Kind.RANKING))
    return (
        f"Ranking tasks opened from now on ask about {new.answers_per_task} answers; "
        f"the {open_now} there already keep theirs."
    )


def _shared(old: ProjectSetup, new: ProjectSetup) -> str:
    said = (
        f"Of the tasks opened from now on, {new.shared_percent} in 100 are shared; those there already stay as drawn."
    )
    if new.shared_percent == 0 and new.overlap > 1:
        said += f" No new task will get {new.overlap} labels then."
    return said


def _disagreement(old: ProjectSetup, new: ProjectSetup) -> str:
    if not new.max_labels:
        return "No more labels are asked for where people disagree; those asked for already stay wanted."
    return (
        f"A task whose labels agree on less than {new.agreement_floor}% of the pairs asks for one more label, up to "
        f"{new.max_labels}. It is looked at when its last wanted label comes in, so finished tasks stay finished."
    )


def _skills(old: ProjectSetup, new: ProjectSetup) -> str:
    if new.skills_by == SkillsBy.NONE:
        return "Tasks opened from now on go to every labeler; those there already keep the skills they ask for."
    what = SkillsBy(new.skills_by).label
    return (
        f"Tasks opened from now on go to labelers whose skills name: {what[0].lower()}{what[1:]}. Those there already "
        "go to whom they went before. Skills stand with the project's members."
    )


def _lease(old: ProjectSetup, new: ProjectSetup) -> str:
    held = rows_about(_assignments(old).filter(state=Assignment.State.LEASED))
    return (
        f"A task taken or renewed from now on stays {new.lease_minutes} minutes; "
        f"the {held} in work now keep their time until the next sign of life."
    )


def _window(old: ProjectSetup, new: ProjectSetup) -> str:
    if not new.edit_window_hours:
        return "Labels can be corrected no more."
    since = timezone.now() - timedelta(hours=new.edit_window_hours)
    given = rows_about(_assignments(old).filter(state=Assignment.State.SUBMITTED, submitted_at__gte=since))
    return f"Labels can be corrected for {new.edit_window_hours} hours: {given} of those given can be now."


def _splits(old: ProjectSetup, new: ProjectSetup) -> str:
    shares = f"{100 - new.valid_percent - new.test_percent} : {new.valid_percent} : {new.test_percent}"
    return f"New authors are drawn {shares} into training, validation and test. No prompt moves."


def _from_now_on(sentence: str) -> Callable[[ProjectSetup, ProjectSetup], str]:
    return lambda old, new: sentence


_EFFECTS: tuple[tuple[tuple[str, ...], Callable[[ProjectSetup, ProjectSetup], str]], ...] = (
    (("kinds",), _kinds),
    (("answers_per_task",), _answers),
    (
        ("allow_ties", "strength_levels"),
        _from_now_on("Rankings given from now on follow the new rule; those given stay."),
    ),
    (
        ("open_demonstrations",),
        _from_now_on("Imports from now on follow it; no task is opened or closed for old prompts."),
    ),
    (("overlap",), _overlap),
    (("shared_percent",), _shared),
    (("max_labels", "agreement_floor"), _disagreement),
    (("skills_by",), _skills),
    (("priority",), _from_now_on("The order of projects changes with the next task that anybody takes.")),
    (("lease_minutes",), _lease),
    (("open_cap", "daily_cap"), _from_now_on("The caps hold from the next task on; nobody loses what they hold.")),
    (("edit_window_hours",), _window),
    (("split_by", "valid_percent", "test_percent"), _splits),
    (("keep_originals",), _from_now_on("Masking from now on follows it; originals kept already stay.")),
)


def _in_use(setup: ProjectSetup) -> QuerySet[Task]:
    return Task.objects.filter(project_id=setup.project_id, withdrawn_at=None)


def _assignments(setup: ProjectSetup) -> QuerySet[Assignment]:
    return Assignment.objects.filter(task__project_id=setup.project_id)


def _tasks(tasks: QuerySet[Task]) -> str:
    rows = rows_about(tasks)
    return f"{rows} {_noun(rows)}"


def _noun(rows: Rows) -> str:
    return "task" if rows.number == 1 else "tasks"


def _labels(number: int) -> str:
    return "label" if number == 1 else "labels"


def _listed(kinds: list[str], labels: dict[str, str]) -> str:
    return ", ".join(labels[kind].lower() for kind in kinds)
