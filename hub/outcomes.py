"""Outcomes: what became of experiments, derived again from their runs that count."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Session, col, select

from hub.db import Work
from hub.tables import ExperimentRow, OrderRow, RunRow
from protocol.experiments import Status


def derive(work: Work, slug: str, which: sa.ColumnElement[bool] | None = None) -> None:
    """Status, result and counters of a goal's experiments, of all of them or of some."""
    work.session.flush()
    made = ExperimentRow
    these = (col(made.goal) == slug, *([] if which is None else [which]))
    by_experiment: dict[str, list[RunRow]] = {}
    for run in _counted(work.session, sa.select(col(made.sha)).where(*these)):
        by_experiment.setdefault(run.experiment, []).append(run)
    children, at_work = _children(work.session, slug), _at_work(work.session, slug)
    for row in work.session.exec(select(made).where(*these)):
        row.n_children = children.get(row.sha, 0)
        runs = by_experiment.get(row.sha, [])
        if runs or row.n_runs:
            _derive(row, runs, at_work)
    work.session.flush()


def _counted(session: Session, shas: sa.Select[str]) -> Sequence[RunRow]:
    query = select(RunRow).where(col(RunRow.experiment).in_(shas), col(RunRow.counted))
    return session.exec(query.order_by(col(RunRow.created_at), col(RunRow.id))).all()


def _children(session: Session, slug: str) -> dict[str, int]:
    made = ExperimentRow
    query = (
        sa.select(col(made.parent), sa.func.count())
        .where(col(made.goal) == slug, ~col(made.hidden), col(made.parent).is_not(None))
        .group_by(col(made.parent))
    )
    return {str(sha): count for sha, count in session.execute(query)}


def _at_work(session: Session, slug: str) -> set[UUID]:
    """The leases under which somebody makes something at this moment."""
    held = select(OrderRow.id).where(col(OrderRow.goal) == slug, col(OrderRow.state) == "leased")
    return set(session.exec(held).all())


def _derive(row: ExperimentRow, runs: list[RunRow], at_work: set[UUID]) -> None:
    """The first result decides, and a first failure yields to a later success."""
    row.n_runs = len(runs)
    if not runs:
        row.failure = row.metric = row.finished_at = None
        # A baseline has no lease: it waits for whoever runs it first.
        waits = row.lease is None or row.lease in at_work
        row.status = (Status.RUNNING if waits else Status.ABANDONED).value
        return
    told = next((run for run in runs if run.failure is None), runs[0])
    row.finished_at = runs[0].created_at
    row.failure, row.metric = told.failure, told.metric
    row.status = (Status.FAILED if told.failure else Status.FINISHED).value
