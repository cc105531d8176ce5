"""Proposals and reports without the road of all other requests: they are what a hub is for.

FastAPI's routing, dependencies and second parse cost several times what the submit itself does
(ADR 0026). Whatever is not plain, such as a body that does not fit, goes on to the endpoint of its
address, which stays what the API says of itself.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub import guards
from hub.api import experiments, quick, runs
from hub.api.deps import Caller, Who
from hub.core import Hub
from hub.db import Rule
from hub.errors import HubError
from hub.gathering import Gathering
from hub.metrics import Metrics
from hub.middleware import SLOW_SECONDS, Identities, begun
from protocol.experiments import Proposal
from protocol.runs import RunReport

_ADDRESS = re.compile(r"/v1/(experiments|runs)/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
Prepare = Callable[[UUID, Any, Who, Hub], Rule[BaseModel]]
Ask = Callable[[], Rule[BaseModel]]


@dataclass(frozen=True)
class Submit:
    """How one kind of submit is read, prepared and answered."""

    model: type[BaseModel]
    who: Callable[[Caller], Who]
    prepare: Prepare
    road: quick.Road


class Submitting:
    """Does what the two endpoints do, and commits together what waits at the same moment."""

    def __init__(self, app: ASGIApp, hub: Hub, metrics: Metrics, identities: Identities) -> None:
        self.app = app
        self.hub = hub
        self._submitted = Gathering[Ask, BaseModel](self._all, pause=0.0)
        proposed = quick.route_of(experiments.router, experiments.propose)
        reported = quick.route_of(runs.router, runs.report)
        roads = [quick.Road(hub, metrics, identities, each, "PUT") for each in (proposed, reported)]
        self._submits = {
            "experiments": Submit(
                Proposal, lambda caller: caller.proposer, experiments.proposing, roads[0]
            ),
            "runs": Submit(RunReport, lambda caller: caller.agent, runs.reporting, roads[1]),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a submit; pass anything else on."""
        found, token = self._found(scope)
        if found is None:
            await self.app(scope, receive, send)
            return
        begun(scope)
        submit, body = self._submits[found[1]], _Body()
        try:
            said = submit.model.model_validate_json(await body.read(receive))
        except (ValueError, TimeoutError, HubError):
            await self.app(scope, body.again(receive), send)
            return
        who = submit.who(Caller(self.hub, token, guards.caller(scope)))
        try:
            taken = await self._submitted.ask(
                partial(submit.prepare, UUID(found[2]), said, who, self.hub)
            )
        except Exception as error:
            await submit.road.refuse(scope, receive, send, error)
            return
        await submit.road.say(scope, send, taken.model_dump_json().encode())

    def _found(self, scope: Scope) -> tuple[re.Match[str] | None, str]:
        """The address and the token, if all before the body is as our clients send it."""
        if scope["type"] != "http" or scope["method"] != "PUT" or scope["query_string"]:
            return None, ""
        found = _ADDRESS.fullmatch(scope["path"])
        token = quick.token(scope["headers"], self.hub.settings.body_limit) if found else ""
        return (found, token) if token and self.hub.limits.vouched(token) else (None, "")

    def _all(self, asked: Sequence[Ask]) -> list[BaseModel | Exception]:
        """Prepare each, then write what can be written in one transaction."""
        ready = [_prepared(each) for each in asked]
        rules = [each for each in ready if not isinstance(each, Exception)]
        written = iter(self.hub.database.apply_all(rules) if rules else [])
        return [each if isinstance(each, Exception) else next(written) for each in ready]


def _prepared(ask: Ask) -> Rule[BaseModel] | Exception:
    try:
        return ask()
    except Exception as error:
        return error


class _Body:
    """A body as it comes, so that it can be handed on from where it was left."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def read(self, receive: Receive) -> bytes:
        """The whole body, if it comes in time and reads as it should.

        Raises:
            TimeoutError: it did not come.
            BadJson: nobody should mean it; the longer road says so.
        """
        async with asyncio.timeout(SLOW_SECONDS):
            while not self.messages or self.messages[-1].get("more_body", False):
                self.messages.append(await receive())
        body = b"".join(each.get("body", b"") for each in self.messages)
        guards.check_json(body)
        return body

    def again(self, receive: Receive) -> Receive:
        """What came already, and then what comes."""
        for message in reversed(self.messages):
            receive = guards.again(message, receive)
        return receive
