"""What a goal's page shows beside the tree: its leaderboard with places, and how it came to be."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from hub import columns, goals, revisions, standings
from hub.api.columns import Reader
from hub.api.deps import Read, TheHub
from hub.api.problems import refusals
from hub.errors import NotFound
from protocol.experiments import Diff
from protocol.operators import GoalVersion
from protocol.standings import Categories, Noise, Ranking, Reason

router = APIRouter(prefix="/v1/goals/{slug}", tags=["board"], responses=refusals(NotFound))
Limit = Annotated[int, Query(ge=1, le=200)]
Before = Annotated[int | None, Query(ge=0, le=2**31 - 1)]
Of = Annotated[int, Path(ge=1, le=2**31 - 1)]
Version = Annotated[int, Query(ge=1, le=2**31 - 1)]


def _filters(
    verified: bool = False, device: Annotated[str, Query(max_length=200)] = ""
) -> standings.Filters:
    return standings.Filters(verified, device)


@router.get("/ranking")
def ranking(
    slug: str,
    session: Read,
    hub: TheHub,
    filters: Annotated[standings.Filters, Depends(_filters)],
    cursor: Before = None,
    limit: Limit = 50,
) -> Ranking:
    """The leaderboard with places and what they were a day ago; go on with `next_cursor`."""
    goal = goals.find(session, slug)
    return standings.ranking(session, goal, hub.clock(), filters, cursor, limit)


@router.get("/reasons")
def reasons(slug: str, session: Read, hub: TheHub) -> list[Reason]:
    """Why experiments ended without a result, the most frequent reason first."""
    return hub.answers.get(session, goals.find(session, slug), standings.reasons)


@router.get("/categories", response_model=Categories)
def categories(slug: str, session: Read, hub: TheHub, reader: Reader) -> Response:
    """Which kind of change each experiment is, as columns; the ETag is the newest event."""
    goal = goals.find(session, slug)
    seq = columns.newest(session, slug)
    return reader.answer(slug, seq, lambda: hub.categories.get(session, goal))


@router.get("/noise")
def noise(slug: str, session: Read, hub: TheHub) -> Noise:
    """How much luck is in one run, and from which repeats the hub knows."""
    return hub.answers.get(session, goals.find(session, slug), standings.noise)


@router.get("/versions")
def versions(
    slug: str, session: Read, cursor: Before = None, limit: Limit = 50
) -> list[GoalVersion]:
    """A goal's versions, the newest first; `cursor` is the last version that you have."""
    return revisions.versions(session, goals.find(session, slug), cursor, limit)


@router.get("/versions/{version}/diff")
def diff(slug: str, version: Of, session: Read, vs: Version = 1) -> Diff:
    """What changed from version `vs` to a version: the rules, and the text of every file."""
    return revisions.diff(session, goals.find(session, slug), version, vs)
