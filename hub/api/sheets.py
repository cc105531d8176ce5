"""The board's tables as files: the same address ends in `.csv` or in `.json`."""

from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response

from hub import goals, sheets
from hub.api.deps import Read, TheHub
from hub.api.problems import refusals
from hub.errors import NotFound
from hub.sheets import Sheet

router = APIRouter(prefix="/v1", tags=["sheets"])
KINDS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {}, "application/json": {}}}
}
After = Annotated[int, Query(ge=-1, le=2**31 - 1)]
Skip = Annotated[int, Query(ge=0, le=2**31 - 1)]


class Kind(StrEnum):
    """What a table is written as."""

    CSV = "csv"
    JSON = "json"


@router.get("/goals/{slug}/leaderboard.{kind}", responses=KINDS | refusals(NotFound))
def leaderboard(slug: str, kind: Kind, session: Read, verified: bool = False) -> Response:
    """The best 10,000 experiments of a goal by score."""
    goal = goals.find(session, slug)
    return _file(sheets.leaderboard(session, goal, verified), kind, f"{slug}-leaderboard")


@router.get("/goals/{slug}/experiments.{kind}", responses=KINDS | refusals(NotFound))
def experiments(slug: str, kind: Kind, session: Read, after: After = -1) -> Response:
    """A goal's experiments by number, 10,000 at a time: go on `after` the last number."""
    goal = goals.find(session, slug)
    return _file(sheets.experiments(session, goal, after), kind, f"{slug}-experiments")


@router.get("/goals/{slug}/runs.{kind}", responses=KINDS | refusals(NotFound))
def runs(
    slug: str, kind: Kind, session: Read, after: UUID | None = None, skip: Skip = 0
) -> Response:
    """A goal's runs as they came in, 10,000 at a time: go on `after` the last run's id.

    `skip` leaves out so many first, of those that are shown at this moment.
    """
    goal = goals.find(session, slug)
    return _file(sheets.runs(session, goal, after, skip), kind, f"{slug}-runs")


@router.get("/agents.{kind}", responses=KINDS)
def volunteers(kind: Kind, session: Read, hub: TheHub, after: str = "") -> Response:
    """Agents by name, 10,000 at a time: go on `after` the last name."""
    return _file(sheets.volunteers(session, hub.clock(), after), kind, "agents")


def _file(sheet: Sheet, kind: Kind, name: str) -> Response:
    if kind is Kind.JSON:
        return Response(sheet.json(), media_type="application/json")
    shown = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return Response(sheet.csv(), media_type="text/csv", headers=shown)
