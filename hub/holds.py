"""What holds an owner back as things stand, by the operators' log with its undone actions."""

from collections.abc import Sequence

from sqlmodel import Session, col, select

from hub.ops_tables import ActionRow

HOLDING_BACK = ("owner.quarantine", "owner.ban")
Actions = tuple[ActionRow, ...]


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
    if undone and undone[0].action in HOLDING_BACK:
        return ()  # it restores the owner
    rest = tuple(each for each in now if each not in undone)
    return (*rest, *ended.get(row.undoes or 0, ()))
