"""Making projects."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from people.models import Membership, Project, Role, User
from people.refusals import Refused


@transaction.atomic
def project_create(*, slug: str, name: str, description: str = "", creator: User) -> Project:
    """A new project, managed by its creator, who must be staff.

    Raises Refused when the slug is taken or is not one, and when the creator is not staff.
    """
    if not (creator.is_superuser or creator.is_staff):
        raise Refused("Only staff may make projects; ask an administrator.")
    project = Project(slug=slug, name=name.strip() or slug, description=description)
    try:
        project.clean_fields()
    except ValidationError as error:
        field, reasons = next(iter(error.message_dict.items()))
        raise Refused(f"{field}: {reasons[0]}") from error
    try:
        with transaction.atomic():
            project.save()
    except IntegrityError as error:
        raise Refused(f"There is already a project {slug!r}.") from error
    Membership.objects.create(user=creator, project=project, role=Role.MANAGER)
    return project
