"""Experiments: the tree is read by sha, lineage, children and leaves; leases are checked."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import chain
from operator import attrgetter
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlmodel import Session, col, select

from hub.db import Work, parts
from hub.errors import Ambiguous, BodyChanged, HubError, NotFound
from hub.hot import HotQuery
from hub.tables import ExperimentRow, GoalRow
from protocol.events import Conflict, ExperimentAbandoned
from protocol.experiments import Experiment, Spread, Standing, Status

ENOUGH = 4
"""Digits that a short sha needs at least."""
_NUMBER = re.compile(r"#[0-9]{1,9}")
STEPS = 24
USUAL = 0.95
"""This part of the children is within the steps of their spread; the worst are beyond."""


class StaleLease(HubError):
    """This lease has gone to another agent or has ended; ask for new work."""

    code, status = "stale_lease", 409


class Reported(NamedTuple):
    """What an experiment was before a run of it was reported, and how large its goal is."""

    sha: str
    goal: str
    number: int
    title: str
    lease: UUID | None
    status: str
    failure: str | None
    metric: float | None
    finished_at: datetime | None
    score: float | None
    next_number: int
    noise_sd: float | None


def digest(body: bytes) -> str:
    """A body's hash, to tell a retry from another body under the same id."""
    return hashlib.sha256(body).hexdigest()


def abandon(work: Work, lease: UUID, reason: str) -> None:
    """Give up what was being made under a lease; a late result is still welcome."""
    query = select(ExperimentRow).where(
        col(ExperimentRow.lease) == lease, col(ExperimentRow.status) == Status.RUNNING.value
    )
    for row in work.session.exec(query).all():
        row.status = Status.ABANDONED.value
        row.verdict = f"Abandoned: {reason}"[:300]
        row.changed_seq = work.announce(
            ExperimentAbandoned(goal=row.goal, sha=row.sha, number=row.number, reason=reason)
        )
    work.session.flush()


class Named(Protocol):
    """Whoever sent something."""

    @property
    def name(self) -> str:
        """What others call it."""


def conflict(work: Work, goal: str | None, what: str, identity: UUID, by: Named) -> HubError:
    """Write down that an id came again with another body; the caller raises what this returns."""
    work.announce(Conflict(goal=goal, what=what, id=identity, agent=by.name))
    work.keep_on_refusal = True
    return BodyChanged()


def look_up(session: Session, name: str, goal: str | None = None) -> ExperimentRow:
    """`find` for people: what is not there is answered with what is nearly so called."""
    try:
        return find(session, name, goal)
    except NotFound as missing:
        raise NotFound(missing.detail, choices=_nearly(session, name)) from missing


def _nearly(session: Session, name: str) -> list[str]:
    begun = name[:ENOUGH]
    if not re.fullmatch(r"[0-9a-f]{4}", begun):
        return []
    query = select(ExperimentRow).where(col(ExperimentRow.sha).between(begun, begun + "g"))
    return _choices(session.exec(query.where(~col(ExperimentRow.hidden)).limit(5)).all())


def _choices(rows: Sequence[ExperimentRow]) -> list[str]:
    return [f"{row.sha[:12]} {row.goal} #{row.number}" for row in rows]


def find(session: Session, name: str, goal: str | None = None) -> ExperimentRow:
    """An experiment by full or short sha, or by `goal` and number written as `#12`.

    Raises:
        NotFound: nothing begins with these digits.
        Ambiguous: several do; `data` lists them.
    """
    query = select(ExperimentRow)
    if goal is not None:
        query = query.where(col(ExperimentRow.goal) == goal)
    if _NUMBER.fullmatch(name):
        query = query.where(col(ExperimentRow.number) == int(name[1:]))
    elif len(name) == 40:
        query = query.where(col(ExperimentRow.sha) == name)
    else:
        query = query.where(col(ExperimentRow.sha).between(name, name + "g"))
    rows = session.exec(query.limit(5)).all()
    if not rows:
        raise NotFound(f"There is no experiment {name}; short shas need at least 4 digits.")
    if len(rows) > 1:
        raise Ambiguous(choices=_choices(rows))
    return rows[0]


def view(row: ExperimentRow) -> Experiment:
    """An experiment as readers see it."""
    return Experiment.model_validate(row.model_dump(exclude={"patch", "message"}))


def views(rows: Sequence[ExperimentRow]) -> list[Experiment]:
    """Many of them."""
    return [view(row) for row in rows]


@dataclass
class Step:
    """One step of a lineage: the columns of `protocol.experiments.Ancestor`, and no more.

    A thousand whole rows cost ten times as much to make as to find. No slots: orjson reads those
    one by one, which takes it twice as long.
    """

    sha: str
    number: int
    title: str
    operator: str
    agent: str | None
    status: str
    failure: str | None
    standing: str
    kept: bool
    metric: float | None
    score: float | None
    delta: float | None
    delta_sd: float | None
    n_runs: int


def _lineage_query(known: Any) -> HotQuery[Step]:
    """By `known` a row of the line is found again."""
    made = sa.inspect(ExperimentRow).local_table.c
    first = sa.select(known.label("known"), made.parent, sa.literal(0).label("up"))
    start = first.where(made.sha == sa.bindparam("leaf")).cte("line", recursive=True)
    above = sa.select(known, made.parent, start.c.up + 1)
    above = above.join(start, made.sha == start.c.parent)
    line = start.union_all(above.where(start.c.up < sa.bindparam("most", type_=sa.Integer)))
    steps = sa.select(*[made[each.name] for each in fields(Step)])
    return HotQuery(steps.join(line, known == line.c.known), Step)


_LINEAGES = {
    "sqlite": _lineage_query(sa.literal_column("experiments.rowid", sa.Integer)),
    "postgresql": _lineage_query(sa.inspect(ExperimentRow).local_table.c.id),
}


def lineage(session: Session, sha: str, limit: int = 10_000) -> list[Step]:
    """From an experiment up to the root by first parents, itself first, in one query.

    Nothing if there is no such experiment.
    """
    session.flush()
    connection = session.connection()
    steps = _LINEAGES[connection.dialect.name].all(connection, leaf=sha, most=limit)
    # A parent was there first; nearly sorted as they come, they cost the database more to sort.
    return sorted(steps, key=attrgetter("number"), reverse=True)


def lineage_json(steps: Sequence[Step]) -> bytes:
    """A lineage as its wire model's JSON."""
    return orjson.dumps({"experiments": steps, "next_cursor": None, "seq": 0})


def children(
    session: Session, row: ExperimentRow, after: int | None, limit: int
) -> list[ExperimentRow]:
    """Experiments whose first or second parent this is, by number after a cursor; no hidden ones.

    Mutators read them, and what was hidden may have been written to mislead those.
    """
    query = select(ExperimentRow).where(_below(row))
    if after is not None:
        query = query.where(col(ExperimentRow.number) > after)
    return list(session.exec(query.order_by(col(ExperimentRow.number)).limit(limit)).all())


def best_children(
    session: Session, row: ExperimentRow, after: int | None, limit: int
) -> list[ExperimentRow]:
    """The same with the best first, and what has no score last."""
    made, up = ExperimentRow, _smaller_is_better(session, row)
    query = select(made).where(_below(row))
    if after is not None:
        query = query.where(_worse_than(_numbered(session, row.goal, after), up))
    score = col(made.score).asc() if up else col(made.score).desc()
    order = (col(made.score).is_(None), score, col(made.number))
    return list(session.exec(query.order_by(*order).limit(limit)).all())


def _worse_than(last: ExperimentRow, up: bool) -> Any:
    score, number = col(ExperimentRow.score), col(ExperimentRow.number)
    if last.score is None:
        return sa.and_(score.is_(None), number > last.number)
    worse = score > last.score if up else score < last.score
    same = sa.and_(score == last.score, number > last.number)
    return sa.or_(score.is_(None), worse, same)


def _numbered(session: Session, goal: str, number: int) -> ExperimentRow:
    return find(session, f"#{number}", goal)


def _below(row: ExperimentRow) -> Any:
    # By their numbers, each kind by an index of its own: SQLite meets an `or` by reading the goal.
    made, here = ExperimentRow, col(ExperimentRow.goal) == row.goal
    numbers = sa.select(col(made.number)).where(here)
    either = (col(parent) == row.sha for parent in (made.parent, made.second_parent))
    of_either = sa.union_all(*(numbers.where(each) for each in either))
    return sa.and_(here, col(made.number).in_(of_either), ~col(made.hidden))


def _smaller_is_better(session: Session, row: ExperimentRow) -> bool:
    return session.get_one(GoalRow, row.goal).direction == "min"


def spread(session: Session, row: ExperimentRow) -> Spread:
    """How an experiment's children scored; a few disasters do not flatten the rest."""
    query = select(ExperimentRow.score).where(_below(row))
    every = session.exec(query).all()
    sign = 1 if _smaller_is_better(session, row) else -1
    scores = sorted(sign * score for score in every if score is not None)
    if not scores:
        return Spread(total=len(every), without=len(every))
    low, high = scores[0], scores[int(USUAL * (len(scores) - 1))]
    within = [score for score in scores if score <= high]
    counts = [0] * STEPS
    for score in within:
        counts[min(STEPS - 1, int((score - low) / ((high - low) or 1.0) * STEPS))] += 1
    ends = sorted((sign * low, sign * high))
    return Spread(
        total=len(every),
        without=len(every) - len(scores),
        low=ends[0],
        high=ends[1],
        counts=counts if sign > 0 else counts[::-1],
        beyond=len(scores) - len(within),
    )


def best(
    session: Session, goal: GoalRow, limit: int, verified_only: bool = False
) -> list[ExperimentRow]:
    """The best experiments by score in the goal's direction; hidden ones are left out."""
    score = col(ExperimentRow.score)
    query = select(ExperimentRow).where(
        col(ExperimentRow.goal) == goal.slug, score.is_not(None), ~col(ExperimentRow.hidden)
    )
    if verified_only:
        query = query.where(col(ExperimentRow.standing) == Standing.VERIFIED.value)
    order = score.asc() if goal.direction == "min" else score.desc()
    return list(session.exec(query.order_by(order, col(ExperimentRow.number)).limit(limit)).all())


def subtree(session: Session, row: ExperimentRow, limit: int) -> list[ExperimentRow]:
    """The experiment and what descends from it by first parents, nearest first; none is hidden.

    What descends from a hidden one is told all the same.
    """
    # Level by level: who wants 200 of 100,000 need not wait until all of them are found and sorted.
    shown, level = [row.sha], [row.sha]
    while level and len(shown) < limit:
        children = _under(session, row.goal, level)
        shown += [sha for _, sha, hidden in children if not hidden]
        level = [sha for _, sha, _ in children]
    made, wanted = ExperimentRow, shown[:limit]
    found = (session.exec(select(made).where(col(made.sha).in_(part))) for part in parts(wanted))
    rows = {each.sha: each for each in chain.from_iterable(found)}
    return [rows[sha] for sha in wanted]


def _under(session: Session, goal: str, level: Sequence[str]) -> list[tuple[int, str, bool]]:
    """Number, sha and whether it is hidden of each first child of these, by number."""
    made = ExperimentRow
    children = select(made.number, made.sha, made.hidden).where(col(made.goal) == goal)
    found = (session.exec(children.where(col(made.parent).in_(part))) for part in parts(level))
    return sorted(chain.from_iterable(found))


def leaves(session: Session, goal: GoalRow, before: int | None, limit: int) -> list[ExperimentRow]:
    """Experiments without children, newest first before a cursor; hidden ones are left out."""
    made = ExperimentRow
    query = select(made).where(
        col(made.goal) == goal.slug, col(made.n_children) == 0, ~col(made.hidden)
    )
    if before is not None:
        query = query.where(col(made.number) < before)
    return list(session.exec(query.order_by(col(made.number).desc()).limit(limit)).all())
