"""An operator's desk: every change made at it is remembered, so that it can be told and undone."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import SQLModel

from hub.among import among
from hub.column_types import UtcDateTime
from hub.db import Work
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

    def change_where(
        self, row_type: type[SQLModel], *which: sa.ColumnElement[bool], **values: Any
    ) -> int:
        """The same for all rows that conditions find, which are never read; returns how many."""
        session, mapper = self.work.session, sa.inspect(row_type)
        table, key = mapper.local_table, mapper.primary_key[0]
        session.flush()
        columns = [table.c[name] for name in values]
        wrong = sa.or_(*(table.c[name].is_distinct_from(new) for name, new in values.items()))
        found = session.connection().execute(sa.select(key, *columns).where(*which, wrong)).all()
        for place, (name, new) in enumerate(values.items(), 1):
            self._remember(table.name, name, new, ((row[0], row[place]) for row in found))
        if found:
            session.connection().execute(sa.update(table).where(*which, wrong).values(values))
            session.expire_all()
        return len(found)

    def _remember(self, table: str, column: str, new: Any, was: Iterable[tuple[Any, Any]]) -> None:
        """That a column was given a value, by the values that it had in rows."""
        keys: dict[Any, list[Any]] = {}
        for key, old in was:
            keys.setdefault(old, []).append(key)
        for old in keys:
            if old != new:
                self.changes.append(Changed(table, column, old, new, tuple(keys[old])))

    def note(self, table: str, column: str, change: tuple[Any, Any], keys: Iterable[Any]) -> None:
        """Remember what a recount changed by itself: the values before and after, and the rows."""
        self.changes.append(Changed(table, column, *change, tuple(keys)))

    def packed(self) -> list[dict[str, Any]]:
        """What came of it as JSON, rows with the same change together."""
        groups: dict[tuple[str, str, Any, Any], list[Any]] = {}
        for (table, column), rows in self._net().items():
            for key, (old, new) in rows.items():
                if old != new:
                    groups.setdefault((table, column, old, new), []).append(key)
        return [
            Changed(table, column, old, new, tuple(keys)).packed()
            for (table, column, old, new), keys in groups.items()
        ]

    def counts(self) -> dict[str, int]:
        """How many rows of each kind changed."""
        seen: dict[str, set[Any]] = {}
        for (table, _), rows in self._net().items():
            changed = (key for key, (old, new) in rows.items() if old != new)
            seen.setdefault(table, set()).update(changed)
        return {table: len(keys) for table, keys in sorted(seen.items()) if keys}

    def _net(self) -> dict[tuple[str, str], dict[Any, tuple[Any, Any]]]:
        """By table and column, then by row: what was there first and last, maybe the same."""
        found: dict[tuple[str, str], dict[Any, tuple[Any, Any]]] = {}
        for one in self.changes:
            rows = found.setdefault((one.table, one.column), {})
            again = {key: (rows[key][0], one.new) for key in rows.keys() & set(one.keys)}
            rows.update(dict.fromkeys(one.keys, (one.old, one.new)))
            rows.update(again)
        return found


def put_back(desk: Desk, changes: Iterable[dict[str, Any]], strict: bool) -> None:
    """Give rows the values that they had before; a row that has changed since is left, or refused.

    Raises:
        ChangedSince: in strict mode, when a value is not the one that the action gave.
    """
    for change in changes:
        row_type, column = TABLES[change["table"]], change["column"]
        these, kept = _these(row_type, change["keys"]), sa.inspect(row_type).local_table.c[column]
        since = kept.is_distinct_from(_typed(row_type, column, change["new"]))
        session = desk.work.session
        if strict and session.execute(sa.select(kept).where(these, since).limit(1)).first():
            raise ChangedSince
        old = _typed(row_type, column, change["old"])
        desk.change_where(row_type, these, ~since, **{column: old})
        if row_type in (ExperimentRow, RunRow):
            goals = sa.select(sa.inspect(row_type).local_table.c.goal).where(these).distinct()
            desk.recounts |= set(session.execute(goals).scalars())


class ChangedSince(HubError):
    """It was changed again since; undo the later action first."""

    code, status = "changed_since", 409


def _these(row_type: type[SQLModel], keys: list[str]) -> sa.ColumnElement[bool]:
    return among(sa.inspect(row_type).primary_key[0], keys)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _typed(row_type: type[SQLModel], column: str, value: Any) -> Any:
    """A value from JSON as the column's own type."""
    if value is None:
        return None
    kind = sa.inspect(row_type).columns[column].type
    if isinstance(kind, UtcDateTime):
        return datetime.fromisoformat(value)
    return value if isinstance(value, kind.python_type) else kind.python_type(value)
