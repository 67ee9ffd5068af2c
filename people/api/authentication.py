"""Who asks the API, by the token that the request carries."""

from __future__ import annotations

from django.utils import timezone
from knox import auth
from knox.crypto import hash_token
from rest_framework.exceptions import AuthenticationFailed

from people.models import AccessToken, User
from people.prepared import Prepared
from people.services.tokens import token_used

_BY_DIGEST = Prepared(lambda digest: AccessToken.objects.select_related("user").filter(digest=digest), digest=str)


class TokenAuthentication(auth.TokenAuthentication):  # type: ignore[misc]  # knox has no types
    """`Authorization: Token …`, found by its hash: one query, where knox's own looks at all tokens of the person."""

    def authenticate_credentials(self, token: bytes) -> tuple[User, AccessToken]:
        """The token's person and the token. Raises AuthenticationFailed for what opens nothing."""
        digest = hash_token(token.decode(errors="replace"))
        row = _BY_DIGEST.first(digest=digest)
        if row is None or (row.expiry is not None and row.expiry < timezone.now()):
            raise AuthenticationFailed("The token is unknown, revoked or expired; make a new one.")
        if not row.user.is_active:
            raise AuthenticationFailed("The user of this token was deactivated.")
        token_used(token=row)
        return row.user, row
