"""Counters kept on rows for speed, compared with what they count, and set right."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from hub.db import Work
from hub.tables import EventRow, ExperimentRow, GoalRow, OwnerRow, RunRow
from protocol.events import Curated

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wrong:
    """A counter that does not say what it counts."""

    row: type[ExperimentRow | GoalRow | OwnerRow]
    key: Any
    column: str
    was: float | int | None
    should: float | int

    def __str__(self) -> str:
        return (
            f"{self.row.__tablename__} {self.key}: {self.column} is {self.was}, not {self.should}"
        )


def wrong(session: Session) -> Iterator[Wrong]:
    """Every counter that is off: children, runs, depth, parents' numbers, credit, next numbers."""
    made, run = ExperimentRow, RunRow
    yield from _counted(
        session, "n_children", _tally(made.parent, sa.func.count(), ~col(made.hidden))
    )
    yield from _counted(
        session, "n_runs", _tally(run.experiment, sa.func.count(), col(run.counted))
    )
    yield from _against_parent(session)
    yield from _credit(session)
    yield from _next_numbers(session)
    yield from _future(session)


def mend(work: Work) -> list[Wrong]:
    """Set every wrong counter right, and write a log line for each."""
    found = list(wrong(work.session))
    for each in found:
        log.warning("counter.corrected", extra={"correction": str(each)})
        key = sa.inspect(each.row).primary_key[0]
        change = sa.update(each.row).where(key == each.key).values({each.column: each.should})
        work.session.execute(change)
    if found:
        work.announce(mended())
    return found


def mended(goal: str | None = None) -> Curated:
    """What hubs hear that run meanwhile: they keep what was made of such rows (ADR 0033)."""
    reason = "Rows disagreed and were set right."
    return Curated(goal=goal, operator="console", action="hub.repair", object="hub", reason=reason)


def _counted(session: Session, column: str, tally: sa.Subquery) -> Iterator[Wrong]:
    made = ExperimentRow
    kept, real = getattr(made, column), sa.func.coalesce(tally.c.n, 0)
    query = sa.select(col(made.id), kept, real).outerjoin(tally, tally.c.of == col(made.sha))
    for key, was, should in session.execute(query.where(kept != real)):
        yield Wrong(made, key, column, was, should)


def _tally(by: Any, what: Any, only: Any) -> sa.Subquery:
    query = sa.select(col(by).label("of"), what.label("n")).where(col(by).is_not(None), only)
    return query.group_by(col(by)).subquery()


def _against_parent(session: Session) -> Iterator[Wrong]:
    table = sa.inspect(ExperimentRow).local_table
    child, parent = table.alias(), table.alias()
    joined = sa.join(child, parent, child.c.parent == parent.c.sha)
    for column, should in (("depth", parent.c.depth + 1), ("parent_number", parent.c.number)):
        kept = child.c[column]
        query = sa.select(child.c.id, kept, should).select_from(joined)
        for key, was, real in session.execute(query.where(kept.is_distinct_from(should))):
            yield Wrong(ExperimentRow, key, column, was, real)


def _credit(session: Session) -> Iterator[Wrong]:
    given = _tally(RunRow.owner, sa.func.sum(col(RunRow.credit)), sa.true())
    real = sa.func.coalesce(given.c.n, 0.0)
    due = sa.case((col(OwnerRow.state).in_(("quarantined", "banned")), 0.0), else_=real)
    query = sa.select(col(OwnerRow.name), col(OwnerRow.credit), due)
    query = query.outerjoin(given, given.c.of == col(OwnerRow.name))
    for key, was, should in session.execute(query):
        if abs(was - should) > 1e-6 * max(1.0, abs(should)):  # sums of floats differ by their order
            yield Wrong(OwnerRow, key, "credit", was, should)


def _next_numbers(session: Session) -> Iterator[Wrong]:
    goal, number = col(GoalRow.slug), sa.func.max(col(ExperimentRow.number))
    query = (
        sa.select(goal, col(GoalRow.next_number), number + 1)
        .join(ExperimentRow, col(ExperimentRow.goal) == goal)
        .group_by(goal, col(GoalRow.next_number))
    )
    for key, was, should in session.execute(query.having(col(GoalRow.next_number) != number + 1)):
        yield Wrong(GoalRow, key, "next_number", was, should)


def _future(session: Session) -> Iterator[Wrong]:
    """Changes numbered after the newest event would never reach a reader of deltas."""
    newest = session.execute(sa.select(sa.func.max(col(EventRow.seq)))).scalar() or 0
    made = ExperimentRow
    query = sa.select(col(made.id), col(made.changed_seq)).where(col(made.changed_seq) > newest)
    for key, was in session.execute(query):
        yield Wrong(made, key, "changed_seq", was, newest)
