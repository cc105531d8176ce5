"""Whether the hub lives, whether it can work, and its numbers."""

import shutil

import sqlalchemy as sa
from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlmodel import Session

from hub.api.deps import Read, TheHub
from hub.api.problems import refusals
from hub.errors import Busy, StorageFull
from hub.metrics import Metrics

router = APIRouter(tags=["health"])
LEAST_FREE = 64 * 1024 * 1024
"""Bytes of disk below which a hub says that it cannot work."""
STUCK_SECONDS = 20.0
"""A write that takes longer waits for what hangs; readers may see nothing of it."""


@router.get("/healthz")
async def alive() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz", responses=refusals(Busy, StorageFull))
def ready(session: Read, hub: TheHub) -> dict[str, str]:
    """The database answers and takes writes, the data folder is there and its disk has room."""
    if not _takes_writes(session):
        raise Busy("The database is read-only, as a standby is; name its primary.")
    if hub.database.longest_write > STUCK_SECONDS:
        raise Busy("A write does not come to its end; the disk or the database hangs.")
    if hub.heartbeats.deaf:
        raise Busy("Nobody who holds a lease could be heard for a while.")
    hub.git.root.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(hub.settings.data).free < LEAST_FREE:
        raise StorageFull
    if hub.live.stopping:
        raise Busy("The hub is stopping; connect again in a moment.")
    return {"status": "ready"}


def _takes_writes(session: Session) -> bool:
    if session.get_bind().dialect.name == "sqlite":
        return bool(session.execute(sa.text("select 1")).scalar())
    return session.execute(sa.text("show transaction_read_only")).scalar() == "off"


@router.get("/metrics", include_in_schema=False)
def metrics(request: Request) -> Response:
    """The hub's numbers for Prometheus."""
    measured: Metrics = request.app.state.metrics
    return Response(measured.text(), media_type="text/plain; version=0.0.4")
