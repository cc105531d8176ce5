"""Renewals without the road of all other requests: they come hundreds of times a second."""

import contextlib
import re
import time
from collections.abc import Sequence
from itertools import chain
from typing import TypeGuard
from uuid import UUID

from fastapi import Request
from pydantic import ValidationError
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub import guards
from hub.api import problems, work
from hub.core import Hub
from hub.errors import HubError
from hub.metrics import Measured, Metrics
from hub.middleware import SLOW_SECONDS, Identities, RequestIds, begun, in_time
from hub.renewals import Ask
from protocol.work import Progress

BODY_SECONDS = 1.0
"""Who has not sent the body by then waits on the longer road, which knows how to refuse."""
MOST_BYTES = 1000
_ADDRESS = re.compile(r"/v1/leases/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/renew")
_JSON = (b"content-type", b"application/json")
_ERROR = "agenthub.error"


class Renewing:
    """Does what the endpoint of this address does, before everything that surrounds it.

    Only what is plain in every respect is answered here, so that no check is left out: whatever
    else comes, such as a second header of one name, a long body or a token that was not vouched
    for, goes on to that endpoint, which stays what the API says of itself; see ADR 0023.
    """

    def __init__(self, app: ASGIApp, hub: Hub, metrics: Metrics, identities: Identities) -> None:
        self.app = app
        self.hub = hub
        self.identities = identities
        self.failing = RequestIds(Measured(guards.Telling(_fail, hub), metrics), identities)
        self.route = next(each for each in work.router.routes if _is_ours(each))
        self.counted = metrics.requests.labels("POST", self.route.path, "200")
        self.timed = metrics.seconds.labels(self.route.path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a renewal; pass anything else on."""
        asked = self._asked(scope)
        message = await _body(receive) if asked else None
        said = _said(message) if message else None
        if asked is None or said is None:
            await self.app(scope, guards.again(message, receive) if message else receive, send)
            return
        started = begun(scope)
        try:
            found = await self.hub.renewals.find(asked)
            renewal = self.hub.renewals.renew(found, said)
        except Exception as error:
            # Told, counted and logged as on the longer road.
            scope.update({_ERROR: error, "route": self.route})
            await self.failing(scope, receive, send)
            return
        with contextlib.suppress(TimeoutError):  # a reader who reads nothing is let go
            await self._say(scope, send, renewal.model_dump_json().encode())
        self.counted.inc()
        self.timed.observe(time.perf_counter() - started)

    def _asked(self, scope: Scope) -> Ask | None:
        """The lease and who speaks of it, if all before the body is as our clients send it."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["query_string"]:
            return None
        found = _ADDRESS.fullmatch(scope["path"])
        token = _token(scope["headers"]) if found else ""
        if found is None or not token or not self.hub.limits.vouched(token):
            return None
        return Ask(token, guards.caller(scope), UUID(found[1]))

    async def _say(self, scope: Scope, send: Send, body: bytes) -> None:
        headers = [
            _JSON,
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", self.identities().encode()),
            *guards.told(scope, self.hub),
        ]
        for message in (
            {"type": "http.response.start", "status": 200, "headers": headers},
            {"type": "http.response.body", "body": body},
        ):
            await in_time(send(message), SLOW_SECONDS)


def _is_ours(route: BaseRoute) -> TypeGuard[Route]:
    return getattr(route, "endpoint", None) is work.renew


def _token(said: Sequence[tuple[bytes, bytes]]) -> str:
    """The token among plain headers, none of them there twice; nothing if they are not plain."""
    headers = dict(said)
    length = headers.get(b"content-length", b"")
    plain = (
        len(headers) == len(said)
        and headers.get(b"content-type") == b"application/json"
        and b"host" in headers
        and b"content-encoding" not in headers
        and length.isdigit()
        and int(length) <= MOST_BYTES
        and sum(map(len, chain.from_iterable(said))) <= guards.MOST_HEADER_BYTES
    )
    return guards.bearer(headers.get(b"authorization", b"").decode("latin-1")) if plain else ""


async def _body(receive: Receive) -> Message | None:
    """The whole body, or as much of it as came in time."""
    with contextlib.suppress(TimeoutError):
        return await in_time(receive(), BODY_SECONDS)
    return None


def _said(message: Message) -> Progress | None:
    if message["type"] != "http.request" or message.get("more_body", False):
        return None
    body = message.get("body", b"")
    try:
        said = Progress.model_validate_json(body)
    except ValidationError:
        return None
    # All fields are plain values: a colon more is a key that stands there twice.
    return said if body.count(b":") == len(said.model_fields_set) else None


async def _fail(scope: Scope, receive: Receive, send: Send) -> None:
    error = scope[_ERROR]
    if not isinstance(error, HubError):
        raise error
    await problems.answer(Request(scope), error)(scope, receive, send)
