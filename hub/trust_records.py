"""Whose word has been borne out, kept as rows: one per goal, owner and device class.

A fit knows its own goal only, so that each goal writes its own rows and nobody else's; an owner's
trust is what all of their rows are worth together, whichever goal was fitted last.
"""

from collections.abc import Iterable, Mapping

from sqlmodel import Session, col, select

from hub import trust
from hub.db import Work
from hub.tables import OwnerRow, TrustRow
from hub.trust import Record

Key = tuple[str, str]
"""Owner and device class."""


def write(work: Work, goal: str, earned: Mapping[Key, Record]) -> None:
    """Make a goal's records these and no others, and sum up again for the owners concerned."""
    query = select(TrustRow).where(col(TrustRow.goal) == goal)
    rows = {(row.owner, row.device_class): row for row in work.session.exec(query)}
    known = {key: Record(row.valid, row.broken) for key, row in rows.items()}
    changed = {key for key in known.keys() | earned.keys() if known.get(key) != earned.get(key)}
    for key in sorted(changed):
        _put(work.session, goal, key, rows.get(key), earned.get(key))
    work.session.flush()
    _sum_up(work.session, {owner for owner, _ in changed})


def _put(
    session: Session, goal: str, key: Key, row: TrustRow | None, record: Record | None
) -> None:
    if record is None:
        session.delete(row)
    elif row is None:
        session.add(TrustRow(goal=goal, owner=key[0], device_class=key[1], **vars(record)))
    else:
        row.valid, row.broken = record.valid, record.broken


def _sum_up(session: Session, names: Iterable[str]) -> None:
    for name in sorted(names):
        rows = session.exec(select(TrustRow).where(col(TrustRow.owner) == name)).all()
        owner = session.get(OwnerRow, name)
        if owner is not None:
            owner.trust = trust.total(Record(row.valid, row.broken) for row in rows)
