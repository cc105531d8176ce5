"""Goals: their rules and files, their tree, and their best."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlmodel import col, select

from hub import columns, experiments, goals, trees
from hub.api.columns import Reader
from hub.api.deps import Read, TheHub
from hub.api.problems import refusals
from hub.errors import NotFound
from hub.tables import ExperimentRow, GoalRow
from protocol.experiments import Experiments, Tree
from protocol.goals import Goal, Goals

router = APIRouter(prefix="/v1/goals", tags=["goals"])


@router.get("")
def browse(session: Read, hub: TheHub) -> Goals:
    """Every goal, the open ones first."""
    rows = session.exec(select(GoalRow).order_by(col(GoalRow.state).desc(), col(GoalRow.slug)))
    return Goals(goals=[hub.answers.get(session, row, goals.view) for row in rows])


@router.get("/{slug}", responses=refusals(NotFound))
def show(slug: str, session: Read, hub: TheHub, files: bool = False) -> Goal:
    """One goal; `files=true` adds the text of its files."""
    view = goals.view_with_files if files else goals.view
    return hub.answers.get(session, goals.find(session, slug), view)


@router.get("/{slug}/tree", response_model=Tree, responses=refusals(NotFound))
def tree(
    slug: str,
    session: Read,
    hub: TheHub,
    reader: Reader,
    after: Annotated[int, Query(ge=0)] = 0,
) -> Response:
    """The tree as columns, or what changed after an event; the ETag is the newest event.

    After what operators did it is the whole tree (`complete`): experiments may have left it.
    """
    goal = goals.find(session, slug)
    return reader.answer(
        f"{slug}-{after}",
        columns.newest(session, slug),
        lambda: (
            (trees.news(session, goal, after) if after else None) or hub.trees.get(session, goal)
        ),
    )


@router.get("/{slug}/leaderboard", responses=refusals(NotFound))
def leaderboard(
    slug: str,
    session: Read,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    verified: bool = False,
) -> Experiments:
    """The best experiments by score, never by raw reading."""
    goal = goals.find(session, slug)
    rows = experiments.best(session, goal, limit, verified_only=verified)
    return Experiments(experiments=experiments.views(rows))


@router.get("/{slug}/experiments", responses=refusals(NotFound))
def newest(
    slug: str,
    session: Read,
    cursor: Annotated[int | None, Query(ge=0)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Experiments:
    """A goal's experiments, the newest first; pass `next_cursor` back to go on."""
    goal = goals.find(session, slug)
    made = ExperimentRow
    query = select(made).where(col(made.goal) == goal.slug, ~col(made.hidden))
    if cursor is not None:
        query = query.where(col(made.number) < cursor)
    rows = session.exec(query.order_by(col(made.number).desc()).limit(limit)).all()
    following = str(rows[-1].number) if len(rows) == limit else None
    return Experiments(experiments=experiments.views(rows), next_cursor=following)


@router.get("/{slug}/leaves", responses=refusals(NotFound))
def leaves(
    slug: str,
    session: Read,
    cursor: Annotated[int | None, Query(ge=0)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Experiments:
    """Experiments that nobody has branched from yet, newest first."""
    rows = experiments.leaves(session, goals.find(session, slug), cursor, limit)
    following = str(rows[-1].number) if len(rows) == limit else None
    return Experiments(experiments=experiments.views(rows), next_cursor=following)
