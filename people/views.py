"""The sign-in page, for the platform's pages and the admin alike."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import views
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django_htmx.http import HttpResponseClientRefresh

from people.throttle import SignInThrottle

TOO_MANY = "Too many attempts from here: wait a minute, then try again."


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
