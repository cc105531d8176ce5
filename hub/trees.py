"""A goal's tree as columns: small on the wire, cached as bytes, sent as deltas."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlmodel import Session, col

from hub.tables import EventRow, ExperimentRow, GoalRow
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


def newest(session: Session, goal: str) -> int:
    """The number of the newest event that may change the goal's tree: its version.

    What operators do to flags, owners or posts names no goal and may hide experiments of any.
    """
    mine = col(EventRow.goal) == goal
    anywhere = sa.and_(col(EventRow.goal).is_(None), col(EventRow.type) == "operator.acted")
    newest_of = [sa.select(sa.func.max(col(EventRow.seq))).where(of) for of in (mine, anywhere)]
    return max(session.execute(query).scalar() or 0 for query in newest_of)


@dataclass
class Trees:
    """Whole trees as bytes, each kept until its goal's next event: many readers ask for one."""

    _kept: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, session: Session, goal: GoalRow, after: int = 0) -> bytes:
        """The tree as `tree` makes it, made once for all who ask at the same time."""
        if after:
            return tree(session, goal, after)
        with self._lock:
            seq = newest(session, goal.slug)
            kept = self._kept.get(goal.slug)
            if kept is None or kept[0] != seq:
                kept = self._kept[goal.slug] = (seq, tree(session, goal))
        return kept[1]


def tree(session: Session, goal: GoalRow, after: int = 0) -> bytes:
    """The whole tree, or the rows that changed after an event, as JSON columns (`Tree`)."""
    seq = newest(session, goal.slug)
    query = sa.select(*_COLUMNS).where(_made.goal == goal.slug, ~_made.hidden)
    if after:
        query = query.where(_made.changed_seq > after)
    rows = session.execute(query.order_by(_made.number)).all()
    merges = _merge_parents(session, [row.second_parent for row in rows if row.second_parent])
    epoch = goal.created_at
    return orjson.dumps(
        {
            "goal": goal.slug,
            "seq": seq,
            "direction": goal.direction,
            "epoch": epoch.isoformat(),
            "complete": after == 0,
            "statuses": STATUSES,
            "standings": STANDINGS,
            **_columns(rows, merges, epoch),
        }
    )


def _merge_parents(session: Session, shas: list[str]) -> dict[str, int]:
    if not shas:
        return {}
    query = sa.select(_made.sha, _made.number).where(_made.sha.in_(shas))
    return dict(session.execute(query).all())


def _columns(rows: Sequence[Any], merges: dict[str, int], epoch: datetime) -> dict[str, list[Any]]:
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
        "score": [None if value is None else round(value * 1e6) for value in score],
        "status": [_STATUS[value] for value in status],
        "standing": [_STANDING[value] for value in standing],
        "kept": [int(value) for value in kept],
        "agent": [agents.setdefault(name, len(agents)) for name in agent],
        "seconds": [int((at - start).total_seconds()) for at in created],
        "agents": [name or "hub" for name in agents],
    }
