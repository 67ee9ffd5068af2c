"""Writing how a project is labeled."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import transaction

from labeling.models import ProjectSetup
from labeling.services.errors import Refused
from people.models import Project

_SETTINGS = ("overlap", "lease_minutes", "valid_percent", "test_percent", "open_demonstrations")


def project_setup_ensure(*, project: Project) -> ProjectSetup:
    """The project's setup, made with the defaults when the project has none yet."""
    setup, _ = ProjectSetup.objects.get_or_create(project=project)
    return setup


@transaction.atomic
def project_setup_update(*, project: Project, **settings: int | bool) -> ProjectSetup:
    """Change some of a project's settings. What exists already, its splits included, stays as it is.

    Raises Refused when a value is out of its range or the splits leave less than a tenth for training.
    """
    if unknown := sorted(settings.keys() - set(_SETTINGS)):
        raise Refused(f"The setup of a project has no setting {unknown[0]!r}.")
    project_setup_ensure(project=project)
    setup = ProjectSetup.objects.select_for_update().get(project=project)
    for name, value in settings.items():
        setattr(setup, name, value)
    try:
        setup.clean_fields()
    except ValidationError as error:
        name, reasons = next(iter(error.message_dict.items()))
        raise Refused(f"{name}: {reasons[0]}") from error
    if setup.valid_percent + setup.test_percent > 90:
        raise Refused("Validation and test together may take at most 90 percent: the rest is for training.")
    setup.save()
    return setup
