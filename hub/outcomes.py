"""Outcomes: what became of experiments, derived again from their runs that count."""

from typing import Any

import sqlalchemy as sa
from sqlmodel import SQLModel

from hub.db import Work
from protocol.experiments import Status

# By the database itself: who bans an owner keeps all others waiting while each experiment of a goal
# and each run pass.
_made = SQLModel.metadata.tables["experiments"]
_run = SQLModel.metadata.tables["runs"].c
_order = SQLModel.metadata.tables["orders"].c


def derive(work: Work, slug: str, which: sa.ColumnElement[bool] | None = None) -> None:
    """Status, result and counters of a goal's experiments, of all of them or of some."""
    work.session.flush()
    # Never both: without statistics SQLite takes one goal for ten rows, and reads all of it.
    these = _made.c.goal == slug if which is None else which
    for change in (_results(these), _nothing(slug, these), _children(slug, these)):
        work.connection.execute(change)
    work.session.expire_all()


def _results(these: sa.ColumnElement[bool]) -> sa.Update:
    """The first result decides, and a first failure yields to a later success."""
    failed = _run.failure.is_not(None)
    one = _run.experiment
    place = sa.func.row_number().over(partition_by=one, order_by=(failed, _run.created_at, _run.id))
    first = sa.func.min(_run.created_at, type_=_run.created_at.type).over(partition_by=one)
    ran = (
        sa.select(
            _run.experiment,
            _run.failure,
            _run.metric,
            first.label("finished_at"),
            sa.func.count().over(partition_by=one).label("n_runs"),
            place.label("place"),
        )
        .where(_run.experiment.in_(sa.select(_made.c.sha).where(these)), _run.counted)
        .subquery()
    )
    succeeded = (ran.c.failure.is_(None), Status.FINISHED.value)
    told = {
        "status": sa.case(succeeded, else_=Status.FAILED.value),
        **{name: ran.c[name] for name in ("n_runs", "failure", "metric", "finished_at")},
    }
    mine = _made.c.sha == ran.c.experiment, ran.c.place == 1
    return sa.update(_made).where(*mine, _other(told)).values(told)


def _nothing(slug: str, these: sa.ColumnElement[bool]) -> sa.Update:
    """What no run counts for any more is as before the first of them."""
    at_work = sa.select(_order.id).where(_order.goal == slug, _order.state == "leased")
    # A baseline has no lease: it waits for whoever runs it first.
    waits = sa.or_(_made.c.lease.is_(None), _made.c.lease.in_(at_work))
    status = sa.case((waits, Status.RUNNING.value), else_=Status.ABANDONED.value)
    runs = sa.exists().where(_run.experiment == _made.c.sha, _run.counted)
    none = dict.fromkeys(("failure", "metric", "finished_at"))
    change = sa.update(_made).where(these, _made.c.n_runs > 0, ~runs)
    return change.values(n_runs=0, status=status, **none)


def _children(slug: str, these: sa.ColumnElement[bool]) -> sa.Update:
    child = _made.alias()
    mine = child.c.goal == slug, child.c.parent == _made.c.sha, ~child.c.hidden
    count = sa.select(sa.func.count()).where(*mine).scalar_subquery()
    told = {"n_children": count}
    return sa.update(_made).where(these, _other(told)).values(told)


def _other(told: dict[str, Any]) -> sa.ColumnElement[bool]:
    """Condition: a row says something else."""
    return sa.or_(*(_made.c[name].is_distinct_from(value) for name, value in told.items()))
