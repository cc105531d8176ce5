"""The configured OpenID Connect provider: the authorisation code flow with PKCE, by authlib.

Its address is configuration and nothing else: no request can make the hub ask another machine.
Sources: OpenID Connect Core 1.0, RFC 6749, 7636 (PKCE) and 9207 (mixed-up providers).
"""

import hmac
import secrets
import threading
from datetime import datetime, timedelta
from typing import Any

import httpx2
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from hub.openid import (
    ATTEMPT_LIFETIME,
    CALLBACK,
    Answer,
    Attempt,
    BadIdentity,
    Identity,
    ProviderAway,
    SignInDeclined,
    SignInLost,
)
from hub.settings import Settings, is_safe_address

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
"""Only signatures that the provider alone can make: no `none`, no shared secret."""
METADATA_LIFETIME = timedelta(hours=1)
LEEWAY = 60
"""Seconds by which the provider's clock may differ."""
PATIENCE = 10.0
"""Seconds that the provider may take for an answer."""
WELL_KNOWN = "/.well-known/openid-configuration"
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class Provider:
    """The configured provider; its addresses and keys are asked for once an hour."""

    def __init__(self, settings: Settings) -> None:
        self.issuer = settings.openid_issuer or ""
        self.client_id = settings.openid_client_id or ""
        self.secret = settings.openid_client_secret
        self.redirect = settings.address + CALLBACK
        self._lock = threading.Lock()
        self._known: tuple[datetime, dict[str, Any]] | None = None
        self._keys: KeySet | None = None

    def begin(self, now: datetime) -> tuple[str, Attempt]:
        """Where to send a browser, and what it must bring back."""
        told = self._metadata(now)
        attempt = Attempt(
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            expires=(now + ATTEMPT_LIFETIME).timestamp(),
        )
        with self._client(told) as client:
            address, _ = client.create_authorization_url(
                told["authorization_endpoint"],
                state=attempt.state,
                nonce=attempt.nonce,
                code_verifier=attempt.verifier,
            )
        return str(address), attempt

    def finish(self, attempt: Attempt, answer: Answer, now: datetime) -> Identity:
        """Trade the code for an identity.

        Raises:
            SignInLost: the answer belongs to another attempt, or comes too late.
            SignInDeclined: the person or the provider said no, or the code was used before.
            BadIdentity: the provider's token is not signed by it, not for us, or not for now.
            ProviderAway: the provider does not answer as it should.
        """
        ours = hmac.compare_digest(attempt.state.encode(), answer.state.encode())
        if not ours or attempt.expires <= now.timestamp():
            raise SignInLost
        if answer.error or not answer.code or answer.issuer not in ("", self.issuer):
            raise SignInDeclined
        told = self._metadata(now)
        token = self._traded(told, attempt, answer.code)
        return _identity(self._claims(told, token, attempt, now))

    def _traded(self, told: dict[str, Any], attempt: Attempt, code: str) -> dict[str, Any]:
        try:
            with self._client(told) as client:
                token: dict[str, Any] = client.fetch_token(
                    told["token_endpoint"], code=code, code_verifier=attempt.verifier
                )
        except OAuthError as error:
            raise SignInDeclined from error
        except (httpx2.HTTPError, ValueError) as error:
            raise ProviderAway from error
        return token

    def _claims(
        self, told: dict[str, Any], token: dict[str, Any], attempt: Attempt, now: datetime
    ) -> CodeIDToken:
        signed = token.get("id_token")
        if not isinstance(signed, str):
            raise BadIdentity
        read = self._read(told, signed)
        claims = CodeIDToken(
            read.claims,
            read.header,
            options={"iss": {"value": self.issuer}, "aud": {"value": self.client_id}},
            params={
                "nonce": attempt.nonce,
                "client_id": self.client_id,
                "access_token": token.get("access_token"),
            },
        )
        try:
            claims.validate(now=int(now.timestamp()), leeway=LEEWAY)
        except (JoseError, TypeError, ValueError) as error:
            raise BadIdentity from error
        return claims

    def _read(self, told: dict[str, Any], signed: str) -> jwt.Token:
        """The token, if the provider signed it; keys that changed since are asked for again."""
        try:
            return jwt.decode(signed, self._jwks(told), algorithms=ALGORITHMS)
        except (JoseError, ValueError):
            fresh = self._jwks(told, fresh=True)
        try:
            return jwt.decode(signed, fresh, algorithms=ALGORITHMS)
        except (JoseError, ValueError) as error:
            raise BadIdentity from error

    def _jwks(self, told: dict[str, Any], fresh: bool = False) -> KeySet:
        with self._lock:
            if fresh or self._keys is None:
                keys = self._ask(told["jwks_uri"])
                try:
                    self._keys = KeySet.import_key_set(keys)  # type: ignore[arg-type]
                except (JoseError, KeyError, TypeError, ValueError) as error:
                    raise ProviderAway from error
            return self._keys

    def _metadata(self, now: datetime) -> dict[str, Any]:
        with self._lock:
            if self._known is None or self._known[0] + METADATA_LIFETIME <= now:
                self._known = (now, self._discovered())
                self._keys = None
            return self._known[1]

    def _discovered(self) -> dict[str, Any]:
        """The provider's addresses; one that says it is somebody else is not believed."""
        told = self._ask(self.issuer.rstrip("/") + WELL_KNOWN)
        addresses = [told.get(name) for name in ENDPOINTS]
        safe = all(isinstance(each, str) and is_safe_address(each) for each in addresses)
        if told.get("issuer") != self.issuer or not safe:
            raise ProviderAway
        return told

    def _ask(self, address: str) -> dict[str, Any]:
        try:
            with httpx2.Client(timeout=PATIENCE, follow_redirects=False) as client:
                said = client.get(address).raise_for_status().json()
        except (httpx2.HTTPError, ValueError) as error:
            raise ProviderAway from error
        if not isinstance(said, dict):
            raise ProviderAway
        return said

    def _client(self, told: dict[str, Any]) -> OAuth2Client:
        return OAuth2Client(
            self.client_id,
            self.secret.get_secret_value() if self.secret else None,
            scope="openid email",
            redirect_uri=self.redirect,
            token_endpoint_auth_method=_how(told, self.secret is not None),
            code_challenge_method="S256",
            timeout=PATIENCE,
            follow_redirects=False,
        )


def _how(told: dict[str, Any], secret: bool) -> str:
    """How the hub says who it is: by the Authorization header, which all should take."""
    if not secret:
        return "none"
    taken = told.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    basic = "client_secret_basic" in taken or "client_secret_post" not in taken
    return "client_secret_basic" if basic else "client_secret_post"


def _identity(claims: CodeIDToken) -> Identity:
    subject, email = claims["sub"], claims.get("email")
    if not isinstance(subject, str) or not subject:
        raise BadIdentity
    verified = claims.get("email_verified") is True and isinstance(email, str)
    return Identity(subject, email if verified else None)
