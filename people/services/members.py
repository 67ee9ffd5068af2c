"""Bringing people into a project."""

from __future__ import annotations

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from people.models import Cohort, Membership, Project, User
from people.refusals import Refused


@transaction.atomic
def membership_create(
    *,
    project: Project,
    username: str,
    role: str,
    cohort: str = Cohort.TRAINING,
    password: str = "",
    is_simulated: bool = False,
) -> Membership:
    """Give a user a role in the project; with a password, make the user first.

    Raises Refused when the user exists and a password is given, does not exist and none is given, holds the role
    already, or when the name, password, role or cohort is not acceptable. Then nothing was changed.
    """
    user = User.objects.filter(username=username).first()
    if user is None:
        user = _user_create(username=username, password=password, is_simulated=is_simulated)
    elif password:
        raise Refused(_taken(username))
    elif is_simulated != user.is_simulated:
        raise Refused(f"{username!r} is {'' if user.is_simulated else 'not '}a simulated labeler.")
    membership = Membership(user=user, project=project, role=role, cohort=cohort)
    try:
        membership.clean_fields()
    except ValidationError as error:
        field, reasons = next(iter(error.message_dict.items()))
        raise Refused(f"{field}: {reasons[0]}") from error
    try:
        with transaction.atomic():
            membership.save()
    except IntegrityError as error:
        raise Refused(f"{username!r} holds this role in the project already.") from error
    return membership


def _user_create(*, username: str, password: str, is_simulated: bool) -> User:
    if not password:
        raise Refused(f"There is no user {username!r}: give a password to make one.")
    user = User(username=username, is_simulated=is_simulated)
    try:
        user.clean_fields(exclude=["password"])
        validate_password(password, user)
    except ValidationError as error:
        raise Refused(" ".join(error.messages)) from error
    user.set_password(password)
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError as error:  # somebody made the same user since we looked
        raise Refused(_taken(username)) from error
    return user


def _taken(username: str) -> str:
    return f"There is already a user {username!r}: leave the password out to add them."
