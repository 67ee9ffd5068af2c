"""Bringing people into a project, saying what they can judge, and letting them go."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from people.models import Cohort, Membership, Project, Role, User
from people.plain_text import is_plain
from people.refusals import Refused

SKILLS_MAX = 20
SKILL_LENGTH = 40


def skills_checked(skills: Iterable[object]) -> list[str]:
    """Skills as they are kept: each once, whatever its case, without outer space. Raises Refused with one sentence."""
    found: dict[str, str] = {}
    for skill in skills:
        if not isinstance(skill, str) or not is_plain(skill):
            raise Refused("A skill is a word or two, as in “de” or “law”.")
        if len(words := " ".join(skill.split())) > SKILL_LENGTH:
            raise Refused(f"A skill has at most {SKILL_LENGTH} characters; {words[:20]!r}… has {len(words)}.")
        if words:
            found.setdefault(words.casefold(), words)
    if len(found) > SKILLS_MAX:
        raise Refused(f"A member has at most {SKILLS_MAX} skills; these are {len(found)}.")
    return list(found.values())


@transaction.atomic
def membership_create(
    *,
    project: Project,
    username: str,
    role: str,
    cohort: str = Cohort.TRAINING,
    skills: Iterable[object] = (),
    password: str = "",
    is_simulated: bool = False,
) -> Membership:
    """Give a user a role in the project; with a password, make the user first.

    Raises Refused when the user exists and a password is given, does not exist and none is given, holds the role
    already, or when the name, password, role, cohort or a skill is not acceptable. Then nothing was changed.
    """
    known = skills_checked(skills)
    user = User.objects.filter(username=username).first()
    if user is None:
        user = _user_create(username=username, password=password, is_simulated=is_simulated)
    elif password:
        raise Refused(_taken(username))
    elif is_simulated != user.is_simulated:
        raise Refused(f"{username!r} is {'' if user.is_simulated else 'not '}a simulated labeler.")
    membership = Membership(user=user, project=project, role=role, cohort=cohort, skills=known)
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


@transaction.atomic
def membership_update(
    *, membership: Membership, cohort: str | None = None, skills: Iterable[object] | None = None
) -> Membership:
    """Change a member's cohort or skills. Tasks handed out from now on follow it; labels and work begun stay.

    Raises Refused when the cohort or a skill is not acceptable.
    """
    if cohort is not None and cohort not in Cohort.values:
        raise Refused(f"The cohort is {' or '.join(Cohort.values)}.")
    known = None if skills is None else skills_checked(skills)
    row = Membership.objects.select_for_update(no_key=True).get(pk=membership.pk)
    row.cohort = row.cohort if cohort is None else cohort
    row.skills = row.skills if known is None else known
    row.save(update_fields=["cohort", "skills"])
    return row


@transaction.atomic
def membership_delete(*, membership: Membership) -> None:
    """Take a role from a user; their labels stay. Raises Refused for the only manager of a project."""
    Project.objects.select_for_update(no_key=True).get(pk=membership.project_id)
    managers = Membership.objects.filter(project_id=membership.project_id, role=Role.MANAGER)
    if membership.role == Role.MANAGER and not managers.exclude(pk=membership.pk).exists():
        raise Refused("The only manager of a project stays: make somebody else a manager first.")
    membership.delete()


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
