"""A goal's tree as columns: small on the wire, cached as bytes, sent as deltas."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any

import orjson
import sqlalchemy as sa
from sqlmodel import Session

from hub.columns import Columns, Kept, indexed, newest, newest_act
from hub.db import parts
from hub.tables import ExperimentRow, GoalRow
from protocol.experiments import Standing, Status

STATUSES = [status.value for status in Status]
STANDINGS = [standing.value for standing in Standing]
_STATUS = {value: index for index, value in enumerate(STATUSES)}
_STANDING = {value: index for index, value in enumerate(STANDINGS)}

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


def kept() -> Kept:
    """Whole trees for all who ask, as `tree` makes them."""
    return Kept(_read, _encoded)


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
    places, names = indexed(columns["agent"])
    return orjson.dumps({**about, **columns, "agent": places, "agents": names})


def _merge_parents(session: Session, shas: list[str]) -> dict[str, int]:
    numbers = sa.select(_made.sha, _made.number)
    found = (session.execute(numbers.where(_made.sha.in_(part))) for part in parts(shas))
    return dict(chain.from_iterable(found))


def _columns(rows: Sequence[Any], merges: dict[str, int], epoch: datetime) -> Columns:
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
        "agent": [name or "hub" for name in agent],
        "seconds": [int((at - start).total_seconds()) for at in created],
    }


def _millionths(value: float) -> float:
    """Whole ones, but for a score that they would say little of, or that has too many of them."""
    return round(value * 1e6) if 1e-3 <= abs(value) < 1e9 else float(f"{value * 1e6:.6g}")
