"""Whether the hub lives, and whether it can work."""

import sqlalchemy as sa
from fastapi import APIRouter

from hub.api.deps import Read, TheHub

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def alive() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
def ready(session: Read, hub: TheHub) -> dict[str, str]:
    """The database answers and the git folder is there."""
    session.execute(sa.text("select 1"))
    if not hub.git.root.exists():
        hub.git.root.mkdir(parents=True, exist_ok=True)
    return {"status": "ready"}
