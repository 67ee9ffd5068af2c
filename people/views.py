"""The sign-in page."""

from __future__ import annotations

from django.contrib.auth import views
from django.http import HttpRequest, HttpResponse

from people.throttle import SignInThrottle


class SignInView(views.LoginView):
    """Name and password; attempts are counted together with the API's."""

    template_name = "people/login.html"
    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        """Sign in, or say why not."""
        if not SignInThrottle().allow_request(request, self):  # type: ignore[arg-type]  # it reads META alone
            form = self.get_form()
            form.cleaned_data = {}
            form.add_error(None, "Too many attempts from here: wait a minute, then try again.")
            return self._again(form)
        return super().post(request, *args, **kwargs)

    def _again(self, form: object) -> HttpResponse:
        response = self.render_to_response(self.get_context_data(form=form))
        response.status_code = 429
        return response
