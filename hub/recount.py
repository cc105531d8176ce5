"""Recount: what a goal's rows say of results, derived again from the runs that count.

After a purge or a restore the rows are what a hub would hold that saw just these runs: nothing is
subtracted, everything is computed anew.
"""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Session, col, select

from hub import scores
from hub.db import Work
from hub.scores import SetAside
from hub.tables import HELD_BACK, ExperimentRow, GoalRow, OrderRow, OwnerRow, RunRow
from protocol.experiments import Status


def goal(work: Work, slug: str) -> list[SetAside]:
    """Derive status, counters, credit, scores and champion of a goal from its counted runs.

    Returns the devices that the hub sets aside by itself, because they read oddly now.
    """
    work.session.flush()
    by_experiment: dict[str, list[RunRow]] = {}
    for run in _counted(work.session, slug):
        by_experiment.setdefault(run.experiment, []).append(run)
    children, at_work = _children(work.session, slug), _at_work(work.session, slug)
    for row in work.session.exec(select(ExperimentRow).where(col(ExperimentRow.goal) == slug)):
        row.n_children = children.get(row.sha, 0)
        runs = by_experiment.get(row.sha, [])
        if runs or row.n_runs:
            _derive(row, runs, at_work)
    _credit(work, slug)
    work.session.flush()
    return scores.refit(work, work.session.get_one(GoalRow, slug))


def _counted(session: Session, slug: str) -> Sequence[RunRow]:
    query = select(RunRow).where(col(RunRow.goal) == slug, col(RunRow.counted))
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


def _credit(work: Work, slug: str) -> None:
    """Honest work is credited whether or not it still counts; held back owners earn nothing."""
    owners = select(RunRow.owner).where(col(RunRow.goal) == slug).distinct()
    names = list(work.session.exec(owners).all())
    query = (
        sa.select(col(RunRow.owner), sa.func.sum(col(RunRow.credit)))
        .where(col(RunRow.owner).in_(names))
        .group_by(col(RunRow.owner))
    )
    earned = {str(name): credit for name, credit in work.session.execute(query)}
    for owner in work.session.exec(select(OwnerRow).where(col(OwnerRow.name).in_(names))):
        owner.credit = 0.0 if owner.state in HELD_BACK else earned.get(owner.name, 0.0)
