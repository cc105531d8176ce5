"""Around every request: who may ask from where, what a body may hold, what a browser is told."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub import tokens
from hub.core import Hub
from hub.errors import HubError, TooMany
from protocol.base import Problem

MOST_HEADER_BYTES = 16 * 1024
DEFAULT_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443"}
TOLD = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}
_TOLD = [(name.encode(), value.encode()) for name, value in TOLD.items()]
_TOLD_SECURELY = [*_TOLD, (b"strict-transport-security", b"max-age=31536000")]


class BadAddress(HubError):
    """This address holds a token or a NUL; send tokens in the Authorization header only."""

    code, status = "bad_address", 400


class ForeignOrigin(HubError):
    """This socket is for pages of this hub, and for programs that send no Origin."""

    code, status = "foreign_origin", 403


class BadJson(HubError):
    """This body is not JSON as we take it: UTF-8, no key twice, no broken characters, no bombs."""

    code, status = "bad_json", 400


class HeadersTooLarge(HubError):
    """These headers are larger than 16 KiB together; send fewer or shorter ones."""

    code, status = "headers_too_large", 431


class BadHost(HubError):
    """A request names the host that it is for, and only one."""

    code, status = "bad_host", 400


class Guards:
    """Refuse at the door what no endpoint should ever see."""

    def __init__(self, app: ASGIApp, hub: Hub) -> None:
        self.app = app
        self.hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer with a refusal."""
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            await self._at_the_door(scope)
            receive = await self._checked(scope, receive)
        except HubError as error:
            await _refuse(scope, send, error)
            return
        await self.app(scope, receive, send)

    async def _at_the_door(self, scope: Scope) -> None:
        _must_be_modest(scope)
        address = f"{scope['path']}?{unquote(scope['query_string'].decode('latin-1'))}"
        if "\x00" in scope["path"] or b"%00" in scope["query_string"].lower():
            raise BadAddress
        if tokens.PATTERN.search(address):
            self.hub.limits.failed(caller(scope))
            raise BadAddress
        said = said_token(scope)
        if said and self.hub.limits.vouched(said):
            return
        try:
            self.hub.limits.anonymous(caller(scope))
        except TooMany:
            # A neighbour's flood must not lock out who holds a genuine token.
            if not said or not await run_in_threadpool(self._genuine, said):
                raise

    def _genuine(self, token: str) -> bool:
        try:
            with self.hub.database.read() as session:
                tokens.recognise(session, token, self.hub.clock(), *tokens.KINDS)
        except HubError:
            return False
        self.hub.limits.vouch(token)
        return True

    async def _checked(self, scope: Scope, receive: Receive) -> Receive:
        kind = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
        if scope["method"] in ("GET", "HEAD") or not kind.endswith(("/json", "+json")):
            return receive
        body = await whole(receive)
        try:
            check_json(body)
        except BadJson:
            self.hub.limits.failed(caller(scope))
            raise
        return again({"type": "http.request", "body": body, "more_body": False}, receive)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        in_query = tokens.PATTERN.search(unquote(scope["query_string"].decode("latin-1")))
        try:
            if in_query:
                raise BadAddress
            if origin is not None and origin not in our_origins(scope, self.hub):
                raise ForeignOrigin
            with self.hub.limits.socket(caller(scope)):
                await self.app(scope, receive, send)
        except (BadAddress, ForeignOrigin, TooMany) as error:
            await receive()
            await _refuse(scope, send, error)


class Telling:
    """Say with every answer what a browser may do with it."""

    def __init__(self, app: ASGIApp, hub: Hub) -> None:
        self.app = app
        self.hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "http":
            send = _telling(send, told(scope, self.hub))
        await self.app(scope, receive, send)


def told(scope: Scope, hub: Hub) -> list[tuple[bytes, bytes]]:
    """Headers for the browser; over https also that it must stay there."""
    address = hub.settings.public_url or scope["scheme"]
    return _TOLD_SECURELY if address.startswith("https") else _TOLD


def _must_be_modest(scope: Scope) -> None:
    """Refuse headers that no client of ours sends; HTTP/1.0 alone may leave the host out."""
    said = scope["headers"]
    if sum(len(name) + len(value) for name, value in said) > MOST_HEADER_BYTES:
        raise HeadersTooLarge
    hosts = sum(name == b"host" for name, _ in said)
    if hosts > 1 or (hosts == 0 and scope.get("http_version", "1.1") == "1.1"):
        raise BadHost


def caller(scope: Scope | Mapping[str, Any]) -> str:
    """The address that a request comes from, as the server or its trusted proxy saw it."""
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


def said_token(scope: Scope) -> str:
    """The token in the Authorization header, or nothing."""
    return bearer(Headers(scope=scope).get("authorization", ""))


def bearer(credentials: str) -> str:
    """The token in what an Authorization header says, or nothing."""
    kind, _, token = credentials.partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def our_origins(scope: Scope | Mapping[str, Any], hub: Hub) -> set[str]:
    """The origins whose pages are ours: the public address, and the one this request came to."""
    found = {hub.settings.public_url or ""} - {""}
    host = Headers(raw=scope["headers"]).get("host")
    if host and not hub.settings.public_url:
        scheme = str(scope["scheme"]).replace("ws", "http")
        found.add(f"{scheme}://{host.removesuffix(':' + DEFAULT_PORTS[scheme])}")
    return found


def check_json(body: bytes) -> None:
    """Raise BadJson for what Python would read, and nobody should mean."""
    if not body:
        return
    if _reads_back(body):
        return
    try:
        read = json.loads(body.decode(), object_pairs_hook=_no_twins)
        if b"\\ud" in body or b"\\uD" in body:  # only so can half a character get past UTF-8
            json.dumps(read, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise BadJson from error


def _reads_back(body: bytes) -> bool:
    """Whether the body is what a strict reader would write again, so that it lost nothing.

    True of nearly all that our clients send, and several times cheaper to find out.
    """
    try:
        return orjson.dumps(orjson.loads(body)) == body
    except ValueError:
        return False


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands there twice")
    return found


async def whole(receive: Receive) -> bytes:
    """A request's body, once it is there."""
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body", False):
            return b"".join(parts)


def again(message: Message, receive: Receive) -> Receive:
    """Hand on what was received already, and then what comes."""
    waiting = iter([message])

    async def _replay() -> Message:
        return next(waiting, None) or await receive()

    return _replay


def _telling(send: Send, told: list[tuple[bytes, bytes]]) -> Send:
    async def _send(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            said = {name.lower() for name, _ in headers}
            message["headers"] = headers + [each for each in told if each[0] not in said]
        await send(message)

    return _send


async def _refuse(scope: Scope, send: Send, error: HubError) -> None:
    problem = Problem(
        code=error.code,
        title=type(error).__name__,
        status=error.status,
        detail=error.detail,
        request_id=scope.get("state", {}).get("request_id", ""),
    )
    body = problem.model_dump_json().encode()
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
    ]
    if isinstance(error, TooMany) and error.retry_after is not None:
        headers.append((b"retry-after", str(max(1, round(error.retry_after))).encode()))
    kind = "websocket.http" if scope["type"] == "websocket" else "http"
    await send({"type": f"{kind}.response.start", "status": error.status, "headers": headers})
    await send({"type": f"{kind}.response.body", "body": body})
