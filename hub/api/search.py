"""One search box for everything."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query

from hub import search, tried
from hub import suggest as suggestions
from hub.api.deps import Address, Read, TheHub
from hub.api.problems import refusals
from hub.errors import Invalid, NotFound, TooMany
from hub.search_query import BadFilter
from protocol.search import Found, Idea, Suggestions, Tried


def _followed(hub: TheHub) -> None:
    hub.text_writer.follow()


router = APIRouter(prefix="/v1", tags=["search"], dependencies=[Depends(_followed)])


def _pondering(hub: TheHub, address: Address) -> None:
    hub.limits.pondering(address)


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


@router.get("/suggest")
def suggest(
    session: Read,
    q: Annotated[str, Query(max_length=100)] = "",
    kind: Annotated[list[Literal["experiment", "agent", "goal"]] | None, Query()] = None,
    limit: Annotated[int, Query(ge=2, le=20)] = 8,
) -> Suggestions:
    """What a few letters may mean: titles, goals, agents, a number or the beginning of a sha."""
    return suggestions.suggest(session, q, kind or suggestions.KINDS, limit)


@router.post("/tried", responses=refusals(NotFound, TooMany), dependencies=[Depends(_pondering)])
def was_tried(idea: Idea, session: Read, hub: TheHub) -> Tried:
    """Was an idea, or a patch, tried before? The nearest experiments, and what came of them.

    Nothing is written: it is no GET because a patch is longer than an address may be.
    """
    return tried.look(session, hub.git, idea)
