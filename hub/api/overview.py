"""The board's first page, and what a goal's page needs beside the tree."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from hub import columns, contributions, goals, overview
from hub.api.columns import Reader
from hub.api.deps import Read, TheHub
from hub.api.problems import refusals
from hub.errors import NotFound
from protocol.overview import (
    Activity,
    Contribution,
    Effort,
    GoalCard,
    GoalLines,
    Improvement,
    Overview,
    Title,
)

router = APIRouter(prefix="/v1", tags=["board"])


@router.get("/overview")
def glance(session: Read, hub: TheHub) -> Overview:
    """The hub at a glance."""
    return overview.overview(session, hub.settings, hub.clock())


@router.get("/overview/goals")
def lines(
    session: Read,
    hub: TheHub,
    cursor: Annotated[str, Query(max_length=40)] = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 200,
) -> GoalLines:
    """Goals by name, a line each; pass `next_cursor` back to go on."""
    return overview.lines(session, hub.clock(), cursor, limit)


@router.get("/goals/{slug}/card", responses=refusals(NotFound))
def card(slug: str, session: Read, hub: TheHub) -> GoalCard:
    """One goal at a glance."""
    return overview.card(session, goals.find(session, slug), hub.clock())


@router.get("/goals/{slug}/stairs", responses=refusals(NotFound))
def stairs(slug: str, session: Read) -> list[Improvement]:
    """The experiments that were the best when they came, oldest first."""
    return overview.stairs(session, goals.find(session, slug))


@router.get("/goals/{slug}/titles", responses=refusals(NotFound))
def titles(
    slug: str,
    session: Read,
    numbers: Annotated[str, Query(pattern=r"^\d{1,9}(,\d{1,9}){0,199}$")],
) -> list[Title]:
    """Labels of at most 200 nodes: `numbers=1,2,3`."""
    wanted = [int(number) for number in numbers.split(",")]
    return overview.titles(session, goals.find(session, slug), wanted)


@router.get("/goals/{slug}/effort", response_model=Effort, responses=refusals(NotFound))
def effort(slug: str, session: Read, hub: TheHub, reader: Reader) -> Response:
    """Seconds of training by experiment and class of device; the ETag is the newest event."""
    goal = goals.find(session, slug)
    seq = columns.newest(session, slug)
    return reader.answer(slug, seq, lambda: hub.efforts.get(session, goal))


@router.get("/goals/{slug}/agents", responses=refusals(NotFound))
def by_agent(slug: str, session: Read, hub: TheHub) -> list[Contribution]:
    """What each agent gave to a goal: the largest verified gain first."""
    return hub.answers.get(session, goals.find(session, slug), contributions.by_agent)


@router.get("/goals/{slug}/activity", responses=refusals(NotFound))
def activity(
    slug: str,
    session: Read,
    cursor: Annotated[int | None, Query(ge=0)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    types: Annotated[str, Query(pattern=r"^([a-z.]{1,40}(,[a-z.]{1,40}){0,19})?$")] = "",
) -> Activity:
    """A goal's events, newest first, of some `types` or of all; go on with `next_cursor`."""
    wanted = types.split(",") if types else []
    rows = overview.activity(session, goals.find(session, slug), cursor, limit, wanted)
    following = str(rows[-1].seq) if len(rows) == limit else None
    return Activity(events=rows, next_cursor=following)
