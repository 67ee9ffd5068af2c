"""Writing how a project is labeled."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import transaction

from labeling.models import ProjectSetup
from people.models import Project
from people.refusals import Refused

SETTINGS = (
    "kinds",
    "answers_per_task",
    "allow_ties",
    "strength_levels",
    "open_demonstrations",
    "overlap",
    "shared_percent",
    "max_labels",
    "agreement_floor",
    "skills_by",
    "priority",
    "lease_minutes",
    "open_cap",
    "daily_cap",
    "edit_window_hours",
    "split_by",
    "valid_percent",
    "test_percent",
    "keep_originals",
)


def project_setup_ensure(*, project: Project) -> ProjectSetup:
    """The project's setup, made with the defaults when the project has none yet."""
    setup, _ = ProjectSetup.objects.get_or_create(project=project)
    return setup


@transaction.atomic
def project_setup_update(*, project: Project, **settings: Any) -> ProjectSetup:
    """Change some of a project's settings. What exists already, tasks and splits included, stays as it is.

    Raises Refused when a value is out of its range, or when settings cannot mean anything together.
    """
    if unknown := sorted(settings.keys() - set(SETTINGS)):
        raise Refused(f"The setup of a project has no setting {unknown[0]!r}.")
    project_setup_ensure(project=project)
    setup = ProjectSetup.objects.select_for_update().get(project=project)
    for name, value in settings.items():
        setattr(setup, name, value)
    try:
        setup.clean_fields()
        setup.clean()
    except ValidationError as error:
        name, reasons = next(iter(error.update_error_dict({}).items()))
        sentence = reasons[0].messages[0]
        raise Refused(sentence if name == NON_FIELD_ERRORS else f"{name}: {sentence}") from error
    setup.save()
    return setup
