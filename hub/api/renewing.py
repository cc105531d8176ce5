"""Renewals without the road of all other requests: they come hundreds of times a second."""

import re
from uuid import UUID

from fastapi import Request
from pydantic import ValidationError
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from hub import guards
from hub.api import problems, work
from hub.core import Hub
from hub.errors import HubError
from hub.renewals import Ask
from protocol.work import Progress

_ADDRESS = re.compile(r"/v1/leases/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/renew")
_JSON = (b"content-type", b"application/json")


class Renewing:
    """Does what the endpoint of this address does, without routing and dependencies.

    Whatever is not plain, such as a body that does not fit, goes on to that endpoint, which
    stays what the API says of itself; see ADR 0023.
    """

    def __init__(self, app: ASGIApp, hub: Hub) -> None:
        self.app = app
        self.hub = hub
        self.route = next(each for each in work.router.routes if _is_ours(each))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a renewal; pass anything else on."""
        lease = _lease(scope)
        if lease is None:
            await self.app(scope, receive, send)
            return
        body = await guards.whole(receive)
        try:
            said = Progress.model_validate_json(body)
        except ValidationError:
            await self.app(scope, guards.again(body, receive), send)
            return
        scope["route"] = self.route  # the metrics count it under this name
        try:
            await _say(send, await self._renewed(scope, lease, said))
        except HubError as error:
            await problems.answer(Request(scope), error)(scope, receive, send)

    async def _renewed(self, scope: Scope, lease: UUID, said: Progress) -> bytes:
        asked = Ask(guards.said_token(scope), guards.caller(scope), lease)
        found = await self.hub.renewals.find(asked)
        return self.hub.renewals.renew(found, said).model_dump_json().encode()


def _is_ours(route: BaseRoute) -> bool:
    return getattr(route, "endpoint", None) is work.renew


def _lease(scope: Scope) -> UUID | None:
    if scope["type"] != "http" or scope["method"] != "POST" or _JSON not in scope["headers"]:
        return None
    found = _ADDRESS.fullmatch(scope["path"])
    return UUID(found[1]) if found else None


async def _say(send: Send, body: bytes) -> None:
    headers = [_JSON, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
