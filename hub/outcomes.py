"""Outcomes: what became of experiments, derived again from their runs that count."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Session, SQLModel, col, select

from hub.db import Work
from hub.tables import ExperimentRow, OrderRow
from protocol.experiments import Status

# Of the tables: who bans an owner keeps all others waiting while each experiment of a goal and each
# run pass, and as entities with their patches they take four times as long.
_made = SQLModel.metadata.tables["experiments"].c
_run = SQLModel.metadata.tables["runs"].c
_TOLD = ("n_children", "n_runs", "status", "failure", "metric", "finished_at")
_KNOWN = sa.select(_made.sha, _made.lease, *(_made[name] for name in _TOLD))
_UPDATE = (
    sa.update(_made.sha.table)
    .where(_made.sha == sa.bindparam("at_sha"))
    .values({name: sa.bindparam(name) for name in _TOLD})
)


def derive(work: Work, slug: str, which: sa.ColumnElement[bool] | None = None) -> None:
    """Status, result and counters of a goal's experiments, of all of them or of some."""
    work.session.flush()
    # Never both: without statistics SQLite takes one goal for ten rows, and reads all of it.
    these = _made.goal == slug if which is None else which
    shas = sa.select(_made.sha).where(these)
    ran, children = _counted(work.connection, shas), _children(work.session, slug, shas)
    at_work = _at_work(work.session, slug)
    changed: list[dict[str, Any]] = []
    for row in work.connection.execute(_KNOWN.where(these)):
        was = {name: getattr(row, name) for name in _TOLD}
        told = {**was, **_outcome(row, ran.get(row.sha, []), at_work)}
        told["n_children"] = children.get(row.sha, 0)
        if told != was:
            changed.append({"at_sha": row.sha, **told})
    if changed:
        work.connection.execute(_UPDATE, changed)
    work.session.expire_all()


def _counted(connection: sa.Connection, shas: sa.Select[str]) -> dict[str, list[Any]]:
    """What the runs that count said, by experiment, the first of them first."""
    query = sa.select(_run.experiment, _run.failure, _run.metric, _run.created_at)
    query = query.where(_run.experiment.in_(shas), _run.counted)
    found: dict[str, list[Any]] = {}
    for run in connection.execute(query.order_by(_run.created_at, _run.id)):
        found.setdefault(run.experiment, []).append(run)
    return found


def _children(session: Session, slug: str, shas: sa.Select[str]) -> dict[str, int]:
    made = ExperimentRow
    query = (
        sa.select(col(made.parent), sa.func.count())
        .where(col(made.goal) == slug, ~col(made.hidden), col(made.parent).in_(shas))
        .group_by(col(made.parent))
    )
    return {str(sha): count for sha, count in session.execute(query)}


def _at_work(session: Session, slug: str) -> set[UUID]:
    """The leases under which somebody makes something at this moment."""
    held = select(OrderRow.id).where(col(OrderRow.goal) == slug, col(OrderRow.state) == "leased")
    return set(session.exec(held).all())


def _outcome(row: Any, runs: Sequence[Any], at_work: set[UUID]) -> dict[str, Any]:
    """The first result decides, and a first failure yields to a later success."""
    if not runs and not row.n_runs:
        return {}
    if not runs:
        # A baseline has no lease: it waits for whoever runs it first.
        waits = row.lease is None or row.lease in at_work
        status = Status.RUNNING if waits else Status.ABANDONED
        nothing = dict.fromkeys(("failure", "metric", "finished_at"))
        return {**nothing, "n_runs": 0, "status": status.value}
    told = next((run for run in runs if run.failure is None), runs[0])
    return {
        "n_runs": len(runs),
        "status": (Status.FAILED if told.failure else Status.FINISHED).value,
        "failure": told.failure,
        "metric": told.metric,
        "finished_at": runs[0].created_at,
    }
