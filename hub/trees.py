"""A goal's tree as columns: small on the wire, cached as bytes, sent as deltas."""

from collections.abc import Sequence
from datetime import datetime
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

_made = ExperimentRow.__table__.c  # type: ignore[attr-defined]
_COLUMNS = (
    _made.number,
    _made.parent_number,
    _made.second_parent,
    _made.score,
    _made.status,
    _made.standing,
    _made.kept,
    _made.agent,
    _made.created_at,
)


def newest(session: Session, goal: str) -> int:
    """The number of the goal's newest event: the tree's version."""
    query = sa.select(sa.func.max(col(EventRow.seq))).where(col(EventRow.goal) == goal)
    return session.execute(query).scalar() or 0


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
    start = epoch.timestamp()
    return {
        "number": [row.number for row in rows],
        "parent": [0 if row[1] is None else row.number - row[1] for row in rows],
        "second_parent": [row.number - merges[row[2]] if row[2] else 0 for row in rows],
        "score": [None if row.score is None else round(row.score * 1e6) for row in rows],
        "status": [_STATUS[row.status] for row in rows],
        "standing": [_STANDING[row.standing] for row in rows],
        "kept": [int(row.kept) for row in rows],
        "agent": [agents.setdefault(row.agent, len(agents)) for row in rows],
        "seconds": [int(row.created_at.timestamp() - start) for row in rows],
        "agents": [agent or "hub" for agent in agents],
    }
