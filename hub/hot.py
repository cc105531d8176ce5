"""Statements that run with each submit: compiled once, and run by the driver itself.

SQLAlchemy's execution costs ten times what SQLite needs for such a statement (ADR 0025). They are
SQLAlchemy's all the same, for both databases, and each value passes through its column's type.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

Process = Callable[[Any], Any]
Row = TypeVar("Row")


@dataclass
class _Compiled:
    """A statement's text for one database, and what its values and results pass through."""

    text: str
    named: bool
    constants: Mapping[str, Any]
    binds: Sequence[tuple[str, Process | None]]
    selected: Sequence[Any]
    dialect: Any
    _results: Sequence[tuple[int, Process]] | None = None

    @property
    def errors(self) -> type[Exception]:
        """What the driver raises."""
        raised: type[Exception] = self.dialect.dbapi.Error
        return raised

    def values(self, said: Mapping[str, Any]) -> Any:
        """The parameters as the driver takes them."""
        known = {**self.constants, **said}
        values = [
            known[name] if process is None else process(known[name]) for name, process in self.binds
        ]
        if not self.named:
            return values
        return dict(zip((name for name, _ in self.binds), values, strict=True))

    def read(self, cursor: Any, found: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
        """Each row's values as Python has them."""
        if self._results is None:
            # What is to be done depends on the type that the database answers with.
            kinds = [
                each.type.dialect_impl(self.dialect).result_processor(self.dialect, said[1])
                for each, said in zip(self.selected, cursor.description, strict=True)
            ]
            self._results = [(place, kind) for place, kind in enumerate(kinds) if kind is not None]
        if not self._results:
            return found
        rows = [list(row) for row in found]
        for place, process in self._results:
            for row in rows:
                row[place] = process(row[place])
        return rows


class Hot:
    """A statement whose parameters are named as its bound parameters or its `columns` are."""

    def __init__(self, statement: Any, columns: Iterable[str] = ()) -> None:
        self._statement = statement
        self._columns = list(columns) or None
        self._compiled: dict[str, _Compiled] = {}

    def run(self, connection: sa.Connection, **said: Any) -> None:
        """Run it, whatever it changes."""
        compiled = self._for(connection)
        try:
            _driver(connection).execute(compiled.text, compiled.values(said))
        except compiled.errors as error:
            raise _told(connection, compiled.text, error) from error

    def run_each(self, connection: sa.Connection, said: Iterable[Mapping[str, Any]]) -> None:
        """Run it for each of these, in one go."""
        compiled = self._for(connection)
        every = [compiled.values(each) for each in said]
        try:
            _driver(connection).cursor().executemany(compiled.text, every)
        except compiled.errors as error:
            raise _told(connection, compiled.text, error) from error

    def value(self, connection: sa.Connection, **said: Any) -> Any:
        """The first column of the first row, or None."""
        return next((row[0] for row in self._ask(connection, said, most=1)), None)

    def _ask(
        self, connection: sa.Connection, said: Mapping[str, Any], most: int | None = None
    ) -> Sequence[Sequence[Any]]:
        compiled = self._for(connection)
        try:
            cursor = _driver(connection).execute(compiled.text, compiled.values(said))
            found = cursor.fetchall() if most is None else cursor.fetchmany(most)
        except compiled.errors as error:
            raise _told(connection, compiled.text, error) from error
        return compiled.read(cursor, found) if found else []

    def _for(self, connection: sa.Connection) -> _Compiled:
        begun(connection)
        dialect = connection.dialect
        if dialect.name not in self._compiled:
            self._compiled[dialect.name] = _compile(self._statement, self._columns, dialect)
        return self._compiled[dialect.name]


class HotQuery(Hot, Generic[Row]):
    """A select whose rows come as named tuples or as instances of a dataclass."""

    def __init__(self, statement: Any, row: type[Row]) -> None:
        super().__init__(statement)
        self._row: Any = row

    def first(self, connection: sa.Connection, **said: Any) -> Row | None:
        """The first row, or None."""
        return next((self._row(*row) for row in self._ask(connection, said, most=1)), None)

    def all(self, connection: sa.Connection, **said: Any) -> list[Row]:
        """Every row."""
        return [self._row(*row) for row in self._ask(connection, said)]


def say(connection: sa.Connection, text: str, *values: str) -> None:
    """Run a plain statement, such as BEGIN, with values as the driver itself marks them."""
    dialect: Any = connection.dialect
    try:
        _driver(connection).execute(text, *([values] if values else []))
    except dialect.dbapi.Error as error:
        raise _told(connection, text, error) from error


def begun(connection: sa.Connection) -> None:
    """See that the transaction is still there: past SQLAlchemy, each statement would be its own.

    SQLite ends one by itself where it has no room, no memory or cannot read, and SQLAlchemy does
    not hear of it.

    Raises:
        PendingRollbackError: something broke it, such as a row that the session could not write.
    """
    # Only SQLite's driver says it this way; PostgreSQL refuses whatever follows a failure.
    there = connection.in_transaction() and getattr(_driver(connection), "in_transaction", True)
    if not there:
        raise sa.exc.PendingRollbackError("This transaction was rolled back.")


def _compile(statement: Any, columns: list[str] | None, dialect: sa.Dialect) -> _Compiled:
    done: Any = statement.compile(dialect=dialect, column_keys=columns)
    types = {name: bind.type for bind, name in done.bind_names.items()}
    names = done.positiontup or list(types)
    selected = statement.selected_columns if statement.is_select else ()
    return _Compiled(
        text=str(done),
        named=not done.positional,
        constants={name: value for name, value in done.params.items() if value is not None},
        binds=[(name, types[name].dialect_impl(dialect).bind_processor(dialect)) for name in names],
        selected=selected,
        dialect=dialect,
    )


def _driver(connection: sa.Connection) -> Any:
    return connection.connection.driver_connection


def _told(connection: sa.Connection, text: str, error: Any) -> Exception:
    """What the driver raised, as SQLAlchemy would raise it."""
    dialect: Any = connection.dialect
    gone = dialect.is_disconnect(error, connection.connection, None)
    if gone:
        connection.invalidate(error)
    kind: Any = sa.exc.DBAPIError
    told: Exception = kind.instance(
        text, None, error, dialect.dbapi.Error, connection_invalidated=gone, dialect=dialect
    )
    return told
