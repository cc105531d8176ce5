"""Proposals and reports without the road of all other requests: they are what a hub is for.

FastAPI's routing, dependencies and second parse cost several times what the submit itself does
(ADR 0026). Whatever is not plain, such as a body that does not fit, goes on to the endpoint of its
address, which stays what the API says of itself.
"""

import asyncio
import contextvars
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ValidationError
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from hub import guards
from hub.api import experiments, problems, runs
from hub.api.deps import Caller
from hub.core import Hub
from hub.db import Rule
from hub.errors import HubError
from hub.gathering import Gathering
from protocol.experiments import Proposal
from protocol.runs import RunReport

THREADS = 8
"""Submits prepared at once; other requests have other threads, so neither can starve the other."""
_ADDRESS = re.compile(r"/v1/(experiments|runs)/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
_JSON = (b"content-type", b"application/json")
Prepare = Callable[[UUID, Any, Caller, Hub], Rule[BaseModel]]


@dataclass(frozen=True)
class Submit:
    """How one kind of submit is read and prepared, and the route that it is counted under."""

    model: type[BaseModel]
    prepare: Prepare
    route: BaseRoute


class Submitting:
    """Does what the two endpoints do, and commits together what waits at the same moment."""

    def __init__(self, app: ASGIApp, hub: Hub) -> None:
        self.app = app
        self.hub = hub
        self._threads = ThreadPoolExecutor(THREADS, "submit")
        self._written = Gathering[Rule[BaseModel], BaseModel](hub.database.apply_all, pause=0.0)
        self._submits = {
            "experiments": Submit(
                Proposal, experiments.proposing, _route(experiments.router, experiments.propose)
            ),
            "runs": Submit(RunReport, runs.reporting, _route(runs.router, runs.report)),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a submit; pass anything else on."""
        found = _found(scope)
        if found is None:
            await self.app(scope, receive, send)
            return
        submit, identity = self._submits[found[1]], UUID(found[2])
        body = await guards.whole(receive)
        try:
            said = submit.model.model_validate_json(body)
        except ValidationError:
            message = {"type": "http.request", "body": body, "more_body": False}
            await self.app(scope, guards.again(message, receive), send)
            return
        scope["route"] = submit.route  # the metrics count it under this name
        answer = await self._answer(scope, submit, identity, said)
        await answer(scope, receive, send)

    async def _answer(
        self, scope: Scope, submit: Submit, identity: UUID, said: BaseModel
    ) -> Response:
        caller = Caller(self.hub, guards.said_token(scope), guards.caller(scope))
        asked = (submit.prepare, identity, said, caller, self.hub)
        run, loop = contextvars.copy_context().run, asyncio.get_running_loop()
        try:
            rule = await loop.run_in_executor(self._threads, run, *asked)
            taken = await self._written.ask(rule)
        except HubError as error:
            return problems.answer(Request(scope), error)
        except OSError as error:
            return await problems.disk(Request(scope), error)
        return Response(taken.model_dump_json(), media_type="application/json")


def _route(router: APIRouter, endpoint: Callable[..., Any]) -> BaseRoute:
    return next(each for each in router.routes if getattr(each, "endpoint", None) is endpoint)


def _found(scope: Scope) -> re.Match[str] | None:
    if scope["type"] != "http" or scope["method"] != "PUT" or _JSON not in scope["headers"]:
        return None
    return _ADDRESS.fullmatch(scope["path"])
