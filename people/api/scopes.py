"""Which scope of a token opens which address of the API: one table, asked before every view.

A token never does more than its person: scopes are looked at first, roles after them. A session, or a program that
signs in with a password, has no scopes and may do what its person may.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from people.models import AccessToken, Scope

if TYPE_CHECKING:  # the views' module reads the settings, which name this one
    from rest_framework.views import APIView

READ, LABEL, REVIEW, MANAGE, TRAIN = Scope.READ, Scope.LABEL, Scope.REVIEW, Scope.MANAGE, Scope.TRAIN


@dataclass(frozen=True)
class Needs:
    """The scopes of which a token needs one, to read and to write."""

    reading: frozenset[Scope]
    writing: frozenset[Scope]

    def of(self, method: str) -> frozenset[Scope]:
        """Those for one HTTP method."""
        return self.reading if method in SAFE_METHODS else self.writing


def _to(*writing: Scope, reading: tuple[Scope, ...] = ()) -> Needs:
    """Who may write may read; so may a token that only reads."""
    return Needs(frozenset({READ, *writing, *reading}), frozenset(writing))


_ANY = Needs(frozenset(Scope), frozenset(Scope))
_SET_UP = _to(MANAGE, reading=(LABEL, REVIEW, TRAIN))

NEEDS = {
    # the person
    "api-token": _ANY,
    "api-tokens": _ANY,
    "api-token-detail": _ANY,
    "api-me": _ANY,
    # projects and how they are labeled
    "api-projects": _SET_UP,
    "api-project": _SET_UP,
    "api-members": _to(MANAGE),
    "api-member": _to(MANAGE),
    "api-setup": _SET_UP,
    "api-instructions": _SET_UP,
    "api-forms": _SET_UP,
    "api-form": _SET_UP,
    # data
    "api-overview": _to(MANAGE, reading=(REVIEW, TRAIN)),
    "api-prompts": _to(MANAGE, reading=(REVIEW, TRAIN)),
    "api-prompt": _to(MANAGE, reading=(REVIEW, TRAIN)),
    "api-imports": _to(MANAGE),
    "api-import": _to(MANAGE),
    "api-curation": _to(MANAGE),
    "api-curation-funnel": _to(MANAGE),
    "api-curation-step": _to(MANAGE),
    "api-curation-undo": _to(MANAGE),
    "api-curation-dropped": _to(MANAGE),
    "api-curation-masks": _to(MANAGE),
    "api-snapshots": _to(MANAGE, TRAIN, reading=(REVIEW,)),
    "api-snapshot": _to(MANAGE, TRAIN, reading=(REVIEW,)),
    "api-completion-batches": _to(MANAGE, TRAIN, reading=(REVIEW,)),
    # labeling
    "api-assignments-next": _to(LABEL),
    "api-assignment": _to(LABEL),
    "api-assignment-draft": _to(LABEL),
    "api-assignment-heartbeat": _to(LABEL),
    "api-assignment-resume": _to(LABEL),
    "api-assignment-skip": _to(LABEL),
    "api-assignment-submit": _to(LABEL),
    "api-assignment-release": _to(LABEL),
    "api-assignment-continue": _to(LABEL),
    "api-assignment-flag": _to(LABEL),
    "api-next-anywhere": _to(LABEL),
    "api-assignment-label": _to(LABEL),
    "api-assignment-correct": _to(LABEL),
    "api-assignment-revisions": _to(LABEL),
    "api-assignment-posts": _to(LABEL),
    "api-progress": _to(LABEL),
    "api-history": _to(LABEL),
    "api-feedback-unread": _to(LABEL),
    "api-answers-unread": _to(LABEL),
    "api-reading": _to(LABEL, reading=(REVIEW, MANAGE)),
    # reviewing and talk
    "api-assignment-feedback": _to(REVIEW, reading=(LABEL,)),
    "api-review": _to(REVIEW),
    "api-questions": _to(REVIEW, MANAGE),
    "api-task-posts": _to(REVIEW, MANAGE),
    "api-task-settle": _to(REVIEW, MANAGE),
    "api-announcements": _to(MANAGE, reading=(LABEL, REVIEW)),
    "api-announcement": _to(MANAGE),
    # tasks, and what is wrong with them
    "api-flags": _to(MANAGE),
    "api-flag-settle": _to(MANAGE),
    "api-skips": _to(MANAGE),
    "api-tasks": _to(MANAGE),
    "api-task": _to(MANAGE),
    "api-offers": _to(MANAGE),
    "api-offer": _to(MANAGE),
    "api-prompt-completions": _to(MANAGE, TRAIN),
    # training
    "api-runs": _to(TRAIN),
    "api-run": _to(TRAIN),
    "api-run-cancel": _to(TRAIN),
    "api-run-resume": _to(TRAIN),
    "api-run-metrics": _to(TRAIN),
    "api-run-settings": _to(TRAIN),
    "api-checkpoints": _to(TRAIN),
    "api-checkpoint": _to(TRAIN),
    "api-training-snapshots": _to(TRAIN),
}
"""By the name of the address. One that is not here opens to no token."""


class TokenAllows(BasePermission):
    """Whether the token that the request carries has one of the scopes that the address asks for."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """True for who came without a token; the reason stands in `message` where it is not."""
        token = request.auth
        if not isinstance(token, AccessToken):
            return True
        name = request.resolver_match.url_name if request.resolver_match is not None else None
        needs = NEEDS.get(name or "")
        wanted = needs.of(request.method or "GET") if needs is not None else frozenset()
        if wanted & set(token.scopes):
            return True
        self.message = f"This token may not do that; it takes one with the scope {listed(wanted)}."
        return False


def listed(scopes: frozenset[Scope]) -> str:
    """Scopes in words, in their own order."""
    return " or ".join(f'"{scope}"' for scope in Scope if scope in scopes) or "of no token"
