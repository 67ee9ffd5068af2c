"""Sign-in and the people's part of the API."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from people.api.projects import MembersView, ProjectsView, ProjectView
from people.api.tokens import MeView, TokenView
from people.views import SignInView

urlpatterns = [
    path("login/", SignInView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(next_page="login"), name="logout"),
    path("api/v1/auth/token/", TokenView.as_view(), name="api-token"),
    path("api/v1/me/", MeView.as_view(), name="api-me"),
    path("api/v1/projects/", ProjectsView.as_view(), name="api-projects"),
    path("api/v1/projects/<slug:slug>/", ProjectView.as_view(), name="api-project"),
    path("api/v1/projects/<slug:slug>/members/", MembersView.as_view(), name="api-members"),
]
