"""Statements that run with each submit: compiled once, and run by the driver itself.

SQLAlchemy's execution costs ten times what SQLite needs for such a statement (ADR 0025). They are
SQLAlchemy's all the same, for both databases, and each value passes through its column's type.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

Process = Callable[[Any], Any]
Rows = Iterator[Iterator[Any]]


Row = TypeVar("Row")


@dataclass
class _Compiled:
    """A statement's text for one database, and what its values and results pass through."""

    text: str
    named: bool
    constants: Mapping[str, Any]
    binds: Sequence[tuple[str, Process | None]]
    selected: Sequence[Any]
    dialect: sa.Dialect
    _results: Sequence[Process | None] | None = None

    def values(self, said: Mapping[str, Any]) -> Any:
        """The parameters as the driver takes them."""
        known = {**self.constants, **said}
        values = [
            known[name] if process is None else process(known[name]) for name, process in self.binds
        ]
        if not self.named:
            return values
        return dict(zip((name for name, _ in self.binds), values, strict=True))

    def rows(self, cursor: Any) -> Rows:
        """Each row's values as Python has them."""
        if self._results is None:
            # What is to be done depends on the type that the database answers with.
            kinds = [
                (each.type, said[1])
                for each, said in zip(self.selected, cursor.description, strict=True)
            ]
            self._results = [
                kind.dialect_impl(self.dialect).result_processor(self.dialect, answered)
                for kind, answered in kinds
            ]
        for found in cursor:
            values = zip(self._results, found, strict=True)
            yield (value if process is None else process(value) for process, value in values)


class Hot:
    """A statement whose parameters are named as its bound parameters or its `columns` are."""

    def __init__(self, statement: Any, columns: Iterable[str] = ()) -> None:
        self._statement = statement
        self._columns = list(columns) or None
        self._compiled: dict[str, _Compiled] = {}

    def run(self, connection: sa.Connection, **said: Any) -> None:
        """Run it, whatever it changes."""
        begun(connection)
        compiled = self._for(connection.dialect)
        with _driver(connection, compiled.text) as driver:
            driver.execute(compiled.text, compiled.values(said))

    def run_each(self, connection: sa.Connection, said: Iterable[Mapping[str, Any]]) -> None:
        """Run it for each of these, in one go."""
        begun(connection)
        compiled = self._for(connection.dialect)
        with _driver(connection, compiled.text) as driver:
            driver.cursor().executemany(compiled.text, [compiled.values(each) for each in said])

    def value(self, connection: sa.Connection, **said: Any) -> Any:
        """The first column of the first row, or None."""
        return next((next(row) for row in self._ask(connection, said)), None)

    def _ask(self, connection: sa.Connection, said: Mapping[str, Any]) -> Rows:
        begun(connection)
        compiled = self._for(connection.dialect)
        with _driver(connection, compiled.text) as driver:
            yield from compiled.rows(driver.execute(compiled.text, compiled.values(said)))

    def _for(self, dialect: sa.Dialect) -> _Compiled:
        if dialect.name not in self._compiled:
            self._compiled[dialect.name] = _compile(self._statement, self._columns, dialect)
        return self._compiled[dialect.name]


class HotQuery(Hot, Generic[Row]):
    """A select whose rows come as a named tuple."""

    def __init__(self, statement: Any, row: type[Row]) -> None:
        super().__init__(statement)
        self._row: Any = row

    def first(self, connection: sa.Connection, **said: Any) -> Row | None:
        """The first row, or None."""
        return next((self._row._make(row) for row in self._ask(connection, said)), None)

    def all(self, connection: sa.Connection, **said: Any) -> list[Row]:
        """Every row."""
        return [self._row._make(row) for row in self._ask(connection, said)]


def say(connection: sa.Connection, text: str) -> None:
    """Run a plain statement without parameters, such as BEGIN."""
    with _driver(connection, text) as driver:
        driver.execute(text)


def begun(connection: sa.Connection) -> None:
    """See that the transaction is still there: past SQLAlchemy, each statement would be its own.

    Raises:
        PendingRollbackError: something broke it, such as a row that the session could not write.
    """
    if not connection.in_transaction():
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


@contextmanager
def _driver(connection: sa.Connection, text: str) -> Iterator[Any]:
    """The driver's connection; what it raises comes as SQLAlchemy would raise it."""
    dialect: Any = connection.dialect
    try:
        yield connection.connection.driver_connection
    except dialect.dbapi.Error as error:
        gone = dialect.is_disconnect(error, connection.connection, None)
        if gone:
            connection.invalidate(error)
        kind: Any = sa.exc.DBAPIError
        raise kind.instance(
            text, None, error, dialect.dbapi.Error, connection_invalidated=gone, dialect=dialect
        ) from error
