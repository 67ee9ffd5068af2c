"""Sign-in and the people's part of the API."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from people.api.projects import MembersView, MemberView, ProjectsView, ProjectView
from people.api.tokens import MeView, TokenDetailView, TokensView, TokenView
from people.views import SignInView, account_token_revoke, account_tokens

urlpatterns = [
    path("login/", SignInView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(next_page="login"), name="logout"),
    path("account/tokens/", account_tokens, name="account-tokens"),
    path("account/tokens/<uuid:handle>/revoke/", account_token_revoke, name="account-token-revoke"),
    path("api/v1/auth/token/", TokenView.as_view(), name="api-token"),
    path("api/v1/auth/tokens/", TokensView.as_view(), name="api-tokens"),
    path("api/v1/auth/tokens/<uuid:handle>/", TokenDetailView.as_view(), name="api-token-detail"),
    path("api/v1/me/", MeView.as_view(), name="api-me"),
    path("api/v1/projects/", ProjectsView.as_view(), name="api-projects"),
    path("api/v1/projects/<slug:slug>/", ProjectView.as_view(), name="api-project"),
    path("api/v1/projects/<slug:slug>/members/", MembersView.as_view(), name="api-members"),
    path("api/v1/projects/<slug:slug>/members/<str:username>/<slug:role>/", MemberView.as_view(), name="api-member"),
]
