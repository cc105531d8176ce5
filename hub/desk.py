"""An operator's desk: every change made at it is remembered, so that it can be told and undone."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import SQLModel

from hub.db import Work, parts
from hub.errors import HubError
from hub.gitstore import GitStore
from hub.ops_tables import FlagRow, InviteRow, OperatorRow, ValueRow
from hub.sessions import Actor
from hub.settings import Settings
from hub.tables import (
    AgentRow,
    ExperimentRow,
    GoalRow,
    NoticeRow,
    OrderRow,
    OwnerRow,
    PostRow,
    ReactionRow,
    RunRow,
    TokenRow,
)

TABLES: dict[str, type[SQLModel]] = {
    str(row.__tablename__): row
    for row in (
        AgentRow,
        ExperimentRow,
        FlagRow,
        GoalRow,
        InviteRow,
        NoticeRow,
        OperatorRow,
        OrderRow,
        OwnerRow,
        PostRow,
        ReactionRow,
        RunRow,
        TokenRow,
        ValueRow,
    )
}


class OwnThing(HubError):
    """Nobody decides on what is their own; ask another operator."""

    code, status = "own_thing", 403


class NoChange(HubError):
    """That is so already; nothing changed."""

    code, status = "no_change", 409


@dataclass(frozen=True)
class Changed:
    """One column that was given another value in rows that had the same one before."""

    table: str
    column: str
    old: Any
    new: Any
    keys: tuple[Any, ...]

    def packed(self) -> dict[str, Any]:
        """As JSON for the log."""
        return {
            "table": self.table,
            "column": self.column,
            "old": _plain(self.old),
            "new": _plain(self.new),
            "keys": [str(key) for key in self.keys],
        }


@dataclass(frozen=True)
class Effect:
    """What a rule did, for the log: to what, in a sentence, and whom it concerns."""

    object: str
    sentence: str
    goal: str | None = None
    concerns: str | None = None
    secret: str | None = None
    undoable: bool = True


@dataclass
class Desk:
    """Where one action happens: its transaction, its operator, and what has changed so far."""

    work: Work
    settings: Settings
    git: GitStore
    by: Actor
    changes: list[Changed] = field(default_factory=list)
    recounts: set[str] = field(default_factory=set)

    def not_own(self, owner: str | None) -> None:
        """Refuse to decide on what belongs to the operator as a volunteer."""
        if owner is not None and owner == self.by.owner:
            raise OwnThing

    def change(self, row: SQLModel, **values: Any) -> None:
        """Give a row new values and remember the old ones."""
        key = sa.inspect(row).identity
        for column, new in values.items():
            old = getattr(row, column)
            if old != new:
                setattr(row, column, new)
                self.changes.append(
                    Changed(str(row.__tablename__), column, old, new, (key[0] if key else None,))
                )

    def change_all(self, rows: Iterable[SQLModel], **values: Any) -> None:
        """Give many rows the same new values."""
        for row in rows:
            self.change(row, **values)

    def note(self, table: str, column: str, change: tuple[Any, Any], keys: Iterable[Any]) -> None:
        """Remember what a recount changed by itself: the values before and after, and the rows."""
        self.changes.append(Changed(table, column, *change, tuple(keys)))

    def packed(self) -> list[dict[str, Any]]:
        """What came of it as JSON, rows with the same change together."""
        groups: dict[tuple[str, str, Any, Any], list[Any]] = {}
        for (table, column, key), (old, new) in self._net().items():
            groups.setdefault((table, column, old, new), []).append(key)
        return [
            Changed(table, column, old, new, tuple(keys)).packed()
            for (table, column, old, new), keys in groups.items()
        ]

    def counts(self) -> dict[str, int]:
        """How many rows of each kind changed."""
        seen = {(table, key) for table, _, key in self._net()}
        return dict(sorted(Counter(table for table, _ in seen).items()))

    def _net(self) -> dict[tuple[str, str, Any], tuple[Any, Any]]:
        """By table, column and row: what was there first and last; there and back is no change."""
        found: dict[tuple[str, str, Any], tuple[Any, Any]] = {}
        for one in self.changes:
            for key in one.keys:
                place = (one.table, one.column, key)
                found[place] = (found.get(place, (one.old, None))[0], one.new)
        return {place: (old, new) for place, (old, new) in found.items() if old != new}


def put_back(desk: Desk, changes: Iterable[dict[str, Any]], strict: bool) -> None:
    """Give rows the values that they had before; a row that has changed since is left, or refused.

    Raises:
        ChangedSince: in strict mode, when a value is not the one that the action gave.
    """
    for change in changes:
        row_type = TABLES[change["table"]]
        column = change["column"]
        for row in _rows(desk, row_type, change["keys"]):
            if _plain(getattr(row, column)) == change["new"]:
                desk.change(row, **{column: _typed(row_type, column, change["old"])})
            elif strict:
                raise ChangedSince
            if isinstance(row, ExperimentRow | RunRow):
                desk.recounts.add(row.goal)


class ChangedSince(HubError):
    """It was changed again since; undo the later action first."""

    code, status = "changed_since", 409


def _rows(desk: Desk, row_type: type[SQLModel], keys: list[str]) -> Iterable[SQLModel]:
    table = sa.inspect(row_type)
    key = table.primary_key[0]
    typed = [_typed(row_type, key.name, value) for value in keys]
    for part in parts(typed):
        yield from desk.work.session.scalars(sa.select(row_type).where(key.in_(part)))


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _typed(row_type: type[SQLModel], column: str, value: Any) -> Any:
    """A value from JSON as the column's own type."""
    if value is None:
        return None
    python_type = sa.inspect(row_type).columns[column].type.python_type
    if python_type is datetime:
        return datetime.fromisoformat(value)
    return value if isinstance(value, python_type) else python_type(value)
