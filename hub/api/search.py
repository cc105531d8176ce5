"""One search box for everything."""

from typing import Annotated

from fastapi import APIRouter, Query

from hub import search
from hub.api.deps import Read, TheHub
from hub.api.problems import refusals
from hub.errors import Invalid
from hub.search_query import BadFilter
from protocol.search import Found

router = APIRouter(prefix="/v1", tags=["search"])


@router.get("/search", responses=refusals(BadFilter, Invalid))
def find(
    hub: TheHub,
    session: Read,
    q: Annotated[str, Query(max_length=400)] = "",
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Found:
    """Words and filters: `warmup goal:tiny_gpt status:kept delta:<-0.0005 since:7d`."""
    return search.search(session, q, hub.clock(), cursor, limit)
