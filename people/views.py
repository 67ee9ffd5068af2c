"""The sign-in page, for the platform's pages and the admin alike, and the page of a person's access tokens."""

from __future__ import annotations

from datetime import timedelta
from typing import cast
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import views
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRefresh

from people.access import scopes_of
from people.models import Scope, User
from people.refusals import Refused
from people.services.tokens import LIFETIME, LIVE_MAX, NAME_MAX, token_create, token_revoke, tokens_of
from people.throttle import SignInThrottle

TOO_MANY = "Too many attempts from here: wait a minute, then try again."
SCOPES = {
    Scope.READ: "Read what you may read; change nothing.",
    Scope.LABEL: "Take tasks, keep drafts, submit, skip and ask.",
    Scope.REVIEW: "Look at labels, grade them, answer questions.",
    Scope.MANAGE: "Set up projects, import prompts, bring people in.",
    Scope.TRAIN: "Start and stop runs, publish answers of models.",
}
DAYS = (7, 30, 90, 365)


class SignInView(views.LoginView):
    """Name and password; attempts are counted together with the API's."""

    template_name = "people/login.html"
    redirect_authenticated_user = True

    def get(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        """The form. A fragment that asks after its session ended makes its whole page ask again instead."""
        if request.htmx:  # type: ignore[attr-defined]  # set by the middleware
            return HttpResponseClientRefresh()
        return super().get(request, *args, **kwargs)

    def post(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        """Sign in, or say why not."""
        if not SignInThrottle().allow_request(request, self):  # type: ignore[arg-type]  # it reads META alone
            # An empty form: a bound one would look at the password and tell whether the guess was right.
            context = self.get_context_data(form=AuthenticationForm(request), refusal=TOO_MANY)
            return self.render_to_response(context, status=429)
        return super().post(request, *args, **kwargs)


@never_cache
def admin_sign_in(request: HttpRequest) -> HttpResponse:
    """In place of the admin's own page, whose attempts nobody counts. Raises PermissionDenied for who is no staff."""
    if request.user.is_authenticated and not request.user.is_staff:
        raise PermissionDenied("The admin is for staff; ask an administrator.")
    return redirect_to_login(request.GET.get("next") or reverse("admin:index"), settings.LOGIN_URL)


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def account_tokens(request: HttpRequest) -> HttpResponse:
    """A person's own tokens; POST makes one, which the answer shows this once."""
    user = cast(User, request.user)
    chosen = request.POST.getlist("scopes") if request.method == "POST" else [Scope.READ.value]
    context: dict[str, object] = {"name": request.POST.get("name", ""), "days": _days(request)}
    status = 200
    if request.method == "POST":
        try:
            made = token_create(
                user=user, scopes=chosen, name=request.POST.get("name", ""), lifetime=timedelta(days=_days(request))
            )
        except Refused as refusal:
            context["refusal"], status = str(refusal), 400
        else:
            context |= {"made": made, "name": "", "days": LIFETIME.days}
            chosen, status = [Scope.READ.value], 201
    used = scopes_of(user)
    context |= {
        "tokens": tokens_of(user),
        "most": LIVE_MAX,
        "name_max": NAME_MAX,
        "choices": [
            {"value": scope.value, "label": scope.label, "about": SCOPES[scope], "on": scope.value in chosen}
            | {"unused": scope not in used}
            for scope in Scope
        ],
        "lifetimes": sorted({*(days for days in DAYS if days < LIFETIME.days), LIFETIME.days}),
    }
    return render(request, "people/tokens.html", context, status=status)


@login_required
@require_POST
def account_token_revoke(request: HttpRequest, handle: UUID) -> HttpResponse:
    """Revoke one of the person's own tokens. Raises Http404 for any other."""
    token = tokens_of(cast(User, request.user)).filter(handle=handle).first()
    if token is None:
        raise Http404("You have no such token.")
    token_revoke(token=token)
    messages.success(request, f"{token.name or 'The token'} was revoked and opens nothing any more.")
    return redirect("account-tokens")


def _days(request: HttpRequest) -> int:
    asked = request.POST.get("days", "")
    return int(asked) if asked.isdecimal() and len(asked) < 6 else LIFETIME.days
