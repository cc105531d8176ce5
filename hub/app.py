"""The one place where a hub's web application is put together."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache, partial

import anyio.to_thread
from fastapi import APIRouter, FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from hub import counters
from hub.api import (
    agents,
    board,
    experiments,
    git,
    goals,
    health,
    live,
    operators,
    overview,
    owners,
    pages,
    problems,
    runs,
    search,
    sessions,
    sheets,
    standings,
    static,
    work,
)
from hub.api.renewing import Renewing
from hub.api.submitting import Submitting
from hub.core import Hub
from hub.guards import Guards, Telling
from hub.metrics import Measured, Metrics
from hub.middleware import BodyLimit, Heads, Identities, InTime, RequestIds
from hub.settings import VERSION

# Routes are tried in this order: what is asked most comes first, pages match whatever is left.
ROUTERS = (
    *(work, agents, owners, sessions, overview, goals, experiments, runs, board, live, git, health),
    *(search, sheets, standings, operators, static, pages),
)


class _App(FastAPI):
    """FastAPI with quick roads around everything, its own layers included (ADR 0023, 0026)."""

    roads: Sequence[Callable[[ASGIApp], ASGIApp]] = ()

    def build_middleware_stack(self) -> ASGIApp:
        """The layers, the last road outermost."""
        app = super().build_middleware_stack()
        for road in self.roads:
            app = road(app)
        return app


def create_app(hub: Hub) -> FastAPI:
    """Build the application around an opened hub."""

    @asynccontextmanager
    async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = hub.settings.threads
        await run_in_threadpool(_self_check, hub)
        await hub.live.start()
        behind = (
            *(hub.heartbeats, hub.blob_writer, hub.git_writer, hub.text_writer),
            *(hub.maintenance, hub.believer),
        )
        for each in behind:
            each.start()
        yield
        await hub.live.stop()
        for each in reversed(behind):
            each.stop()
        hub.blobs.close()
        hub.database.dispose()

    app = _App(
        title="AgentHub",
        version=VERSION,
        description="A hub for community autoresearch: experiments, runs, leases and a board.",
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        # Numbers are at /metrics; to look for a tracer costs each request more than its route.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.hub = hub
    app.state.metrics = metrics = Metrics(hub)
    app.router.routes.extend(_routes())
    problems.install(app, pages.lost)
    # The last added is met first.
    identities = Identities()
    app.add_middleware(Heads)
    app.add_middleware(Guards, hub=hub)
    app.add_middleware(Telling, hub=hub)
    app.add_middleware(BodyLimit, limit=hub.settings.body_limit)
    app.add_middleware(Measured, metrics=metrics)
    app.add_middleware(RequestIds, identities=identities)
    roads = (Submitting, Renewing)
    app.roads = [
        *(partial(road, hub=hub, metrics=metrics, identities=identities) for road in roads),
        InTime,
    ]
    return app


@cache
def _routes() -> Sequence[BaseRoute]:
    """What every app answers: working out what routes take and give costs more than all else."""
    router = APIRouter()
    for module in ROUTERS:
        router.include_router(module.router)
    router.include_router(operators.flags)
    router.include_router(sessions.walk)
    return router.routes


def _self_check(hub: Hub) -> None:
    """Counters are recomputed on every start, each correction logged; nobody was heard before."""
    hub.database.apply(counters.mend)
    # A transaction of its own: mending takes long on a large hub, and would use up their time.
    hub.database.apply(hub.heartbeats.hear_out)
