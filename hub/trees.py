"""A goal's tree as columns: small on the wire, cached as bytes, sent as deltas."""

import gzip
import threading
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from typing import Any

import orjson
import sqlalchemy as sa
from sqlmodel import Session, col

from hub.db import parts
from hub.tables import EventRow, ExperimentRow, GoalRow
from protocol.experiments import Standing, Status

STATUSES = [status.value for status in Status]
STANDINGS = [standing.value for standing in Standing]
_STATUS = {value: index for index, value in enumerate(STATUSES)}
_STANDING = {value: index for index, value in enumerate(STANDINGS)}

Columns = dict[str, list[Any]]
PER_ROW = (
    *("number", "parent", "second_parent", "score", "status", "standing", "kept", "agent"),
    "seconds",
)
_made = sa.inspect(ExperimentRow).local_table.c
_COLUMNS = (
    _made.number,
    _made.parent_number,
    _made.second_parent,
    _made.score,
    _made.status,
    _made.standing,
    _made.kept,
    _made.agent,
    sa.type_coerce(_made.created_at, sa.DateTime(timezone=True)).label("created_at"),
)


def newest(session: Session, goal: str) -> int:
    """The number of the newest event that may change the goal's tree: its version.

    What operators do to flags, owners or posts names no goal and may hide experiments of any.
    """
    return _newest(session, col(EventRow.goal) == goal, _acted(col(EventRow.goal).is_(None)))


def newest_act(session: Session, goal: str) -> int:
    """The number of the newest of the operators' actions that may concern a goal."""
    here, anywhere = col(EventRow.goal) == goal, col(EventRow.goal).is_(None)
    return _newest(session, _acted(here), _acted(anywhere))


def _acted(where: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    return sa.and_(col(EventRow.type) == "operator.acted", where)


def _newest(session: Session, *kinds: sa.ColumnElement[bool]) -> int:
    """The newest event of any of these kinds; each is looked up by itself, in its own index."""
    newest_of = [sa.select(sa.func.max(col(EventRow.seq))).where(kind) for kind in kinds]
    return max(session.execute(query).scalar() or 0 for query in newest_of)


@dataclass(frozen=True)
class Told:
    """A tree as of an event: its columns, their JSON, and that JSON packed by gzip."""

    seq: int
    columns: Columns
    body: bytes
    packed: bytes


@dataclass
class Trees:
    """Whole trees, each kept and brought up to date by what changed: many readers ask for one."""

    _told: dict[str, Told] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, session: Session, goal: GoalRow) -> Told:
        """The tree as `tree` makes it, made once for all who ask at the same time."""
        with self._lock:
            seq, told = newest(session, goal.slug), self._told.get(goal.slug)
            if told is None or told.seq != seq:
                columns = _up_to_date(session, goal, told) if told else _read(session, goal)
                body = _encoded(goal, seq, columns)
                told = Told(seq, columns, body, gzip.compress(body, 1, mtime=0))
                self._told[goal.slug] = told
        return told


def tree(session: Session, goal: GoalRow) -> bytes:
    """The whole tree as JSON columns (`Tree`)."""
    return _encoded(goal, newest(session, goal.slug), _read(session, goal))


def news(session: Session, goal: GoalRow, after: int) -> bytes | None:
    """The rows that changed after an event, as columns like the tree's.

    None where rows may have left, or changed with no event of their own: the whole tree tells that.
    """
    seq = newest(session, goal.slug)
    if newest_act(session, goal.slug) > after:
        return None
    return _encoded(goal, seq, _read(session, goal, after), complete=False)


def _up_to_date(session: Session, goal: GoalRow, told: Told) -> Columns:
    """The columns with what has changed since; read anew where rows may have left."""
    if newest_act(session, goal.slug) > told.seq:
        return _read(session, goal)
    return _merged(told.columns, _read(session, goal, told.seq)) or _read(session, goal)


def _merged(columns: Columns, news: Columns) -> Columns | None:
    """Columns with changed rows in their places and new ones at the end; None if one fits neither.

    Whoever reads the old columns goes on reading the old ones.
    """
    agents = {name: index for index, name in enumerate(columns["agents"])}
    renamed = [agents.setdefault(name, len(agents)) for name in news["agents"]]
    changed = {**news, "agent": [renamed[index] for index in news["agent"]]}
    merged = {name: list(values) for name, values in columns.items()}
    for place, number in enumerate(news["number"]):
        at = bisect_left(merged["number"], number)
        if at < len(merged["number"]) and merged["number"][at] != number:
            return None
        for name in PER_ROW:
            merged[name][at : at + 1] = [changed[name][place]]
    return {**merged, "agents": list(agents)}


def _read(session: Session, goal: GoalRow, after: int = 0) -> Columns:
    query = sa.select(*_COLUMNS).where(_made.goal == goal.slug, ~_made.hidden)
    if after:
        query = query.where(_made.changed_seq > after)
    rows = session.execute(query.order_by(_made.number)).all()
    merges = _merge_parents(session, [row.second_parent for row in rows if row.second_parent])
    return _columns(rows, merges, goal.created_at)


def _encoded(goal: GoalRow, seq: int, columns: Columns, complete: bool = True) -> bytes:
    about = {
        "goal": goal.slug,
        "seq": seq,
        "direction": goal.direction,
        "epoch": goal.created_at.isoformat(),
        "complete": complete,
        "statuses": STATUSES,
        "standings": STANDINGS,
    }
    return orjson.dumps({**about, **columns})


def _merge_parents(session: Session, shas: list[str]) -> dict[str, int]:
    numbers = sa.select(_made.sha, _made.number)
    found = (session.execute(numbers.where(_made.sha.in_(part))) for part in parts(shas))
    return dict(chain.from_iterable(found))


def _columns(rows: Sequence[Any], merges: dict[str, int], epoch: datetime) -> Columns:
    agents: dict[str | None, int] = {}
    # SQLite's times come back naive here, in UTC: making 100,000 aware took a third of the time.
    aware = bool(rows) and rows[0].created_at.tzinfo is not None
    start = epoch if aware else epoch.astimezone(UTC).replace(tzinfo=None)
    # One pass a column over plain tuples: at 100,000 rows, names of attributes are what costs.
    columns = list(zip(*rows, strict=True)) or [()] * len(_COLUMNS)
    number, parent, second, score, status, standing, kept, agent, created = columns
    pairs = zip(number, parent, strict=True)
    merged = zip(number, second, strict=True)
    return {
        "number": list(number),
        "parent": [0 if above is None else own - above for own, above in pairs],
        "second_parent": [own - merges[sha] if sha else 0 for own, sha in merged],
        "score": [None if value is None else _millionths(value) for value in score],
        "status": [_STATUS[value] for value in status],
        "standing": [_STANDING[value] for value in standing],
        "kept": [int(value) for value in kept],
        "agent": [agents.setdefault(name, len(agents)) for name in agent],
        "seconds": [int((at - start).total_seconds()) for at in created],
        "agents": [name or "hub" for name in agents],
    }


def _millionths(value: float) -> float:
    """Whole ones, but for a score that they would say little of, or that has too many of them."""
    return round(value * 1e6) if 1e-3 <= abs(value) < 1e9 else float(f"{value * 1e6:.6g}")
