"""What the quick roads share: a request that is plain in every respect, and its answer.

Only such a request is answered before everything that surrounds the endpoints, so that no check is
left out: whatever else comes, such as a second header of one name or a token that was not vouched
for within the last minute, goes the longer road to its endpoint; see ADR 0023 and 0026.
"""

import contextlib
import time
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, TypeGuard

from fastapi import APIRouter, Request
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from hub import guards
from hub.api import problems
from hub.core import Hub
from hub.errors import HubError
from hub.metrics import Measured, Metrics
from hub.middleware import MOST_DIGITS, SLOW_SECONDS, Identities, RequestIds, begun, in_time

_JSON = (b"content-type", b"application/json")
_ERROR = "agenthub.error"


class Road:
    """How the requests of one route are answered, counted and refused."""

    def __init__(
        self, hub: Hub, metrics: Metrics, identities: Identities, route: Route, method: str
    ) -> None:
        self.hub = hub
        self.identities = identities
        self.route = route
        failing = RequestIds(Measured(guards.Telling(_fail, hub), metrics), identities)
        self._failing = ServerErrorMiddleware(failing, handler=problems.bug)
        self._counted = metrics.requests.labels(method, route.path, "200")
        self._timed = metrics.seconds.labels(route.path)

    async def say(self, scope: Scope, send: Send, body: bytes) -> None:
        """Answer 200, and count it."""
        headers = [
            _JSON,
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", self.identities().encode()),
            *guards.told(scope, self.hub),
        ]
        with contextlib.suppress(TimeoutError):  # a reader who reads nothing is let go
            for message in (
                {"type": "http.response.start", "status": 200, "headers": headers},
                {"type": "http.response.body", "body": body},
            ):
                await in_time(send(message), SLOW_SECONDS)
        self._counted.inc()
        self._timed.observe(time.perf_counter() - begun(scope))

    async def refuse(self, scope: Scope, receive: Receive, send: Send, error: Exception) -> None:
        """Say, count and log what was raised as the longer road does."""
        scope.update({_ERROR: error, "route": self.route})
        await self._failing(scope, receive, send)


def route_of(router: APIRouter, endpoint: Callable[..., Any]) -> Route:
    """The route that leads to an endpoint."""

    def _leads(route: BaseRoute) -> TypeGuard[Route]:
        return getattr(route, "endpoint", None) is endpoint

    return next(each for each in router.routes if _leads(each))


def token(said: Sequence[tuple[bytes, bytes]], most: int) -> str:
    """The token among plain headers, none of them there twice; nothing if they are not plain.

    `most` is how many bytes of body they may announce.
    """
    headers = dict(said)
    length = headers.get(b"content-length", b"")
    plain = (
        len(headers) == len(said)
        and headers.get(b"content-type") == b"application/json"
        and b"host" in headers
        and b"content-encoding" not in headers
        and length.isdigit()
        and len(length) <= MOST_DIGITS
        and int(length) <= most
        and sum(map(len, chain.from_iterable(said))) <= guards.MOST_HEADER_BYTES
    )
    return guards.bearer(headers.get(b"authorization", b"").decode("latin-1")) if plain else ""


async def _fail(scope: Scope, receive: Receive, send: Send) -> None:
    error = scope[_ERROR]
    if isinstance(error, HubError):
        answer = problems.answer(Request(scope), error)
    elif isinstance(error, OSError):
        answer = await problems.disk(Request(scope), error)
    else:
        raise error
    await answer(scope, receive, send)
