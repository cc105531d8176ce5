"""Renewals without the road of all other requests: they come hundreds of times a second."""

import contextlib
import re
from uuid import UUID

from pydantic import ValidationError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub import guards
from hub.api import quick, work
from hub.core import Hub
from hub.metrics import Metrics
from hub.middleware import Identities, begun, in_time
from hub.renewals import Ask
from protocol.work import Progress

BODY_SECONDS = 1.0
"""Who has not sent the body by then waits on the longer road, which knows how to refuse."""
MOST_BYTES = 1000
_ADDRESS = re.compile(r"/v1/leases/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/renew")


class Renewing:
    """Does what the endpoint of this address does, before everything that surrounds it.

    Whatever is not plain goes on to that endpoint, which stays what the API says of itself.
    """

    def __init__(self, app: ASGIApp, hub: Hub, metrics: Metrics, identities: Identities) -> None:
        self.app = app
        self.hub = hub
        route = quick.route_of(work.router, work.renew)
        self.road = quick.Road(hub, metrics, identities, route, "POST")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a renewal; pass anything else on."""
        asked = self._asked(scope)
        message = await _body(receive) if asked else None
        said = _said(message) if message else None
        if asked is None or said is None:
            await self.app(scope, guards.again(message, receive) if message else receive, send)
            return
        begun(scope)
        try:
            found = await self.hub.renewals.find(asked)
            renewal = self.hub.renewals.renew(found, said)
        except Exception as error:
            await self.road.refuse(scope, receive, send, error)
            return
        await self.road.say(scope, send, renewal.model_dump_json().encode())

    def _asked(self, scope: Scope) -> Ask | None:
        """The lease and who speaks of it, if all before the body is as our clients send it."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["query_string"]:
            return None
        found = _ADDRESS.fullmatch(scope["path"])
        token = quick.token(scope["headers"], MOST_BYTES) if found else ""
        if found is None or not token or not self.hub.limits.vouched(token):
            return None
        return Ask(token, guards.caller(scope), UUID(found[1]))


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
