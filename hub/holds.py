"""What holds an owner back as things stand, by the operators' log with its undone actions."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, SQLModel, col, select

from hub.desk import ChangedSince, Desk
from hub.ops_tables import ActionRow
from hub.tables import HELD_BACK, OwnerRow

HOLDING_BACK = ("owner.quarantine", "owner.ban")
Actions = tuple[ActionRow, ...]
Place = tuple[str, str, str]
"""Table, column and key."""


def standing(session: Session, owner: str) -> Sequence[ActionRow]:
    """The actions that hold an owner back now, the newest first.

    A restoration ends all of them. Undoing an action ends it, and undoing what ended some has them
    stand again.
    """
    log = select(ActionRow).where(col(ActionRow.concerns) == owner)
    now: Actions = ()
    ended: dict[int, Actions] = {}
    for row in session.exec(log.order_by(col(ActionRow.seq))):
        before, now = now, _after(row, now, ended)
        ended[row.seq] = tuple(each for each in before if each not in now)
    return now[::-1]


def _holds(row: ActionRow) -> bool:
    """An upheld flag holds its owner back unless it was on a single experiment or post."""
    upheld = row.action == "flag.uphold"
    return row.action in HOLDING_BACK or (
        upheld and any(each["table"] == "owners" for each in row.changes)
    )


def _after(row: ActionRow, now: Actions, ended: dict[int, Actions]) -> Actions:
    if _holds(row):
        return (*now, row)
    if row.action == "owner.restore":
        return ()
    undone = [each for each in now if each.seq == row.undoes]
    if undone and undone[0].action != "flag.uphold":
        return ()  # it restores the owner
    rest = tuple(each for each in now if each not in undone)
    again = ended.get(row.undoes or 0, ())
    # What came since they had ended is held back by this one.
    return (*rest, *again, row) if again else rest


def taken(session: Session, but: str, undoing: int | None = None) -> set[Place]:
    """What something else keeps out than the holds on an owner, or than an action that is undone.

    Holds on others do, such as on runs of a banned owner's experiments, until the last of them
    ends; and so does an operator who set a device aside or hid a post.
    """
    held = select(OwnerRow.name).where(
        col(OwnerRow.state).in_(HELD_BACK), col(OwnerRow.name) != but
    )
    by_holds = {
        (change["table"], change["column"], key)
        for owner in session.exec(held).all()
        for action in standing(session, owner)
        for change in action.changes
        for key in change["keys"]
    }
    return by_holds | _decided(session, undoing)


def _decided(session: Session, undoing: int | None) -> set[Place]:
    """What operators took out by itself: a device's runs, a post; their last word counts."""
    ended = select(ActionRow.undoes, ActionRow.seq).where(col(ActionRow.undoes).is_not(None))
    undone = {undoes: seq for undoes, seq in session.exec(ended) if undoes is not None}
    log = select(ActionRow).where(
        col(ActionRow.action).in_(DECIDING), col(ActionRow.seq).is_distinct_from(undoing)
    )
    found: set[Place] = set()
    for action in session.exec(log.order_by(col(ActionRow.seq))):
        if _holds(action) or not _stands(action.seq, undone):
            continue
        for change in action.changes:
            place = change["table"], change["column"]
            keys = {(*place, key) for key in change["keys"]}
            found = found | keys if _takes_out(change) else found - keys
    return found


def _stands(seq: int, undone: Mapping[int, int]) -> bool:
    """Whether an action was not undone, or that was."""
    return seq not in undone or not _stands(undone[seq], undone)


DECIDING = ("agent.quarantine", "post.hide", "flag.uphold")
_OUT = {("runs", "counted", False), ("posts", "hidden", True)}


def take(
    desk: Desk,
    row_type: type[SQLModel],
    which: sa.ColumnElement[bool],
    mark: tuple[str, bool],
    others: set[Place],
) -> int:
    """Set a mark of rows; what is taken already by something else is taken by this too.

    Whichever of them ends last then puts it back. Returns how many had another mark.
    """
    column, value = mark
    mapper = sa.inspect(row_type)
    table, key = mapper.local_table, mapper.primary_key[0]
    taken = {at for *place, at in others if place == [table.name, column]}
    if taken:
        so_already = sa.select(key).where(which, table.c[column] == value)
        keys = desk.work.session.execute(so_already).scalars()
        desk.note(table.name, column, (not value, value), [k for k in keys if str(k) in taken])
    return desk.change_where(row_type, which, **{column: value})


def must_be_last(session: Session, action: ActionRow) -> None:
    """Refuse to undo what a hold that was laid since keeps so as well.

    Raises:
        ChangedSince: that hold is to end first.
    """
    later = [each for each in standing(session, action.concerns or "") if each.seq > action.seq]
    kept = _KEPT | (_BANNED if any(each.action == "owner.ban" for each in later) else set())
    if later and any((each["table"], each["column"]) in kept for each in action.changes):
        raise ChangedSince


_KEPT = {("agents", "state"), ("runs", "counted")}
_BANNED = {("experiments", "hidden"), ("experiments", "forbidden"), ("posts", "hidden")}


def coming_back(session: Session, action: ActionRow) -> list[dict[str, Any]]:
    """An action's changes as undoing it puts them back: what something else keeps out stays out."""
    if not any(_takes_out(each) for each in action.changes):
        return list(action.changes)
    others = taken(session, but=action.concerns or "", undoing=action.seq)
    return [lasting(each, others) if _takes_out(each) else each for each in action.changes]


def heard_again(action: ActionRow, change: dict[str, Any]) -> bool:
    """Whether it counted devices again that the hub may have set aside by itself since."""
    again = (change["table"], change["column"], change["new"])
    return _holds(action) and again in {("agents", "state", "active"), ("runs", "counted", True)}


def _takes_out(change: dict[str, Any]) -> bool:
    return (change["table"], change["column"], change["new"]) in _OUT


def lasting(change: dict[str, Any], others: set[Place]) -> dict[str, Any]:
    """A change without the rows that something else still keeps."""
    place = change["table"], change["column"]
    return change | {"keys": [key for key in change["keys"] if (*place, key) not in others]}
