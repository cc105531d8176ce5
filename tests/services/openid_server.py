"""An OpenID provider on this machine: discovery, keys, consent and codes, with faults to order."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import uuid4

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

CLIENT = "agenthub"
SECRET = "the client's own secret, and long enough"
Reply = tuple[int, dict[str, Any]]


@dataclass
class OpenIdServer:
    """Whoever asks is `subject`; `fault` names what goes wrong next, `asked` what was asked."""

    url: str = ""
    subject: str = "248289761001"
    email: str = "grace@example.org"
    email_verified: Any = True
    fault: str = ""
    clock: float = 0.0
    key: RSAKey = field(default_factory=lambda: a_key("first"))
    granted: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def discovery(self) -> dict[str, Any]:
        """Where everything is."""
        said = {
            "issuer": self.url if self.fault != "liar" else "https://accounts.example.org",
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }
        if self.fault == "in the clear":
            said["token_endpoint"] = "http://accounts.example.org/token"
        if self.fault == "post":
            said["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
        return said

    def consent(self, query: dict[str, str]) -> str:
        """Where the browser goes next: everybody consents at once, unless the fault says no."""
        wanted = {"client_id": CLIENT, "response_type": "code", "code_challenge_method": "S256"}
        assert wanted.items() <= query.items() and "openid" in query["scope"].split()
        if self.fault == "declined":
            back = {"error": "access_denied", "state": query["state"]}
        else:
            code = uuid4().hex
            self.granted[code] = query
            back = {"code": code, "state": query["state"], "iss": self.url}
        if self.fault == "mixed up":
            back["iss"] = "https://evil.example"
        return f"{query['redirect_uri']}?{urlencode(back)}"

    def trade(self, form: dict[str, str], authorization: str) -> Reply:
        """A code, once, for tokens."""
        if self.fault == "down":
            return 500, {"said": "out of order"}
        if not self._is_client(form, authorization):
            return 401, {"error": "invalid_client"}
        asked = self.granted.pop(form.get("code", ""), None)
        proof = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(proof).decode().rstrip("=")
        if asked is None or asked["code_challenge"] != challenge:
            return 400, {"error": "invalid_grant"}
        if asked["redirect_uri"] != form.get("redirect_uri"):
            return 400, {"error": "invalid_grant"}
        told = {"access_token": uuid4().hex, "token_type": "Bearer", "expires_in": 300}
        if self.fault != "no token":
            told["id_token"] = self._signed(self._claims(asked["nonce"]))
        return 200, told

    def keys(self) -> dict[str, Any]:
        """The public half."""
        return {"keys": [self.key.as_dict(private=False)]}

    def _is_client(self, form: dict[str, str], authorization: str) -> bool:
        if self.fault == "post":
            return (form.get("client_id"), form.get("client_secret")) == (CLIENT, SECRET)
        kind, _, said = authorization.partition(" ")
        expected = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        return kind == "Basic" and said == expected

    def _claims(self, nonce: str) -> dict[str, Any]:
        now = int(self.clock or time.time())
        said: dict[str, Any] = {
            "iss": self.url,
            "aud": CLIENT,
            "sub": self.subject,
            "email": self.email,
            "email_verified": self.email_verified,
            "nonce": nonce,
            "iat": now,
            "exp": now + 300,
        }
        wrong: dict[str, dict[str, Any]] = {
            "nonce": {"nonce": "another"},
            "no nonce": {"nonce": None},
            "audience": {"aud": "another"},
            "party": {"aud": [CLIENT, "another"], "azp": "another"},
            "no party": {"aud": [CLIENT, "another"]},
            "issuer": {"iss": "https://accounts.example.org"},
            "expired": {"iat": now - 3600, "exp": now - 3300},
            "future": {"nbf": now + 3600},
            "hash": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
            "no subject": {"sub": None},
            "numbered": {"sub": 7},
        }
        said |= wrong.get(self.fault, {})
        return {name: value for name, value in said.items() if value is not None}

    def _signed(self, claims: dict[str, Any]) -> str:
        header = {"alg": "RS256", "kid": "first"}
        if self.fault == "rotated":
            self.key = a_key("second")
            header["kid"] = "second"
        if self.fault == "none":
            head, body = ({"alg": "none"}, claims)
            return ".".join(_packed(each) for each in (head, body)) + "."
        if self.fault == "shared secret":
            return jwt.encode({**header, "alg": "HS256"}, claims, OctKey.import_key(SECRET))
        if self.fault == "public key":  # the RS256 key's own text as an HS256 secret
            said = ".".join(_packed(each) for each in ({**header, "alg": "HS256"}, claims))
            proof = hmac.digest(self.key.as_pem(private=False), said.encode(), "sha256")
            return f"{said}.{base64.urlsafe_b64encode(proof).decode().rstrip('=')}"
        key = a_key("first") if self.fault == "foreign key" else self.key
        return jwt.encode(header, claims, key)


def a_key(name: str) -> RSAKey:
    """A fresh signing key; 2048 bits, as real providers have."""
    return RSAKey.generate_key(2048, {"kid": name, "use": "sig", "alg": "RS256"})


def _packed(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


@contextmanager
def openid_server() -> Iterator[OpenIdServer]:
    """Serve on a free port; everything ends on exit."""
    api = OpenIdServer()
    server = _Server(api)
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    def __init__(self, api: OpenIdServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.api = api


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        """Discovery, keys, consent."""
        parts = urlsplit(self.path)
        api = self.server.api
        api.asked.append(parts.path)
        if parts.path == "/authorize":
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            self.send_response(302)
            self.send_header("location", api.consent(query))
            self.send_header("content-length", "0")
            self.end_headers()
            return
        known = {"/.well-known/openid-configuration": api.discovery, "/keys": api.keys}
        self._send(200, known[parts.path]())

    def do_POST(self) -> None:
        """The token endpoint."""
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        self.server.api.asked.append(self.path)
        self._send(*self.server.api.trade(form, self.headers.get("authorization", "")))

    def _send(self, status: int, said: dict[str, Any]) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep the test's output clean."""
