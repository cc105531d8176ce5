"""Signing in by OpenID Connect: one browser's attempt, what comes back of it, and who may enter.

An attempt (state, nonce, verifier) lives in its browser's own signed cookie, so that any hub
process can finish what another began.
"""

from dataclasses import asdict, dataclass
from datetime import timedelta

from itsdangerous import BadSignature, URLSafeSerializer

from hub.errors import HubError

ATTEMPT_LIFETIME = timedelta(minutes=10)
CALLBACK = "/v1/session/openid/callback"


class NoProvider(HubError):
    """This hub has no sign-in provider; sign in by a one-time link from `hub operator link`."""

    code, status = "no_provider", 404


class ProviderAway(HubError):
    """The sign-in provider does not answer as it should; try again, or use a one-time link."""

    code, status = "provider_away", 503
    retry_after = 30.0


class SignInLost(HubError):
    """This sign-in was begun in another browser or over ten minutes ago; begin again."""

    code, status = "sign_in_lost", 403


class SignInDeclined(HubError):
    """The sign-in provider declined, or the answer was used before; begin again."""

    code, status = "sign_in_declined", 403


class BadIdentity(HubError):
    """The sign-in provider's word cannot be trusted; tell the people who run this hub."""

    code, status = "bad_identity", 403


@dataclass(frozen=True)
class Attempt:
    """What must come back unchanged; `expires` is seconds since 1970 on the hub's clock."""

    state: str
    nonce: str
    verifier: str
    expires: float


@dataclass(frozen=True)
class Answer:
    """What the browser brings back from the provider."""

    state: str
    code: str
    error: str = ""
    issuer: str = ""


@dataclass(frozen=True)
class Identity:
    """Who the provider says somebody is; `email` only where it has verified it."""

    subject: str
    email: str | None = None


def seal(key: str, attempt: Attempt) -> str:
    """What the attempt's cookie holds."""
    return str(URLSafeSerializer(key, salt="openid").dumps(asdict(attempt)))


def opened(key: str, cookie: str) -> Attempt:
    """The attempt in a cookie; raises SignInLost when the hub did not write it."""
    try:
        return Attempt(**URLSafeSerializer(key, salt="openid").loads(cookie))
    except (BadSignature, TypeError, UnicodeError) as error:
        raise SignInLost from error
