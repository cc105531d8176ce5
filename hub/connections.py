"""Connections in a transaction: PostgreSQL's from the pool, SQLite's kept from one to the next.

The pool's ways there and back take a fifteenth of a submit, and a file's connection needs no ping.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Empty, LifoQueue

import sqlalchemy as sa

from hub.errors import Busy

WAIT_SECONDS = 20
"""How long a thread waits for another to be done before it answers 503."""


@dataclass(frozen=True)
class Pooled:
    """The pool's, tried before each use."""

    engine: sa.Engine

    @contextmanager
    def begun(self) -> Iterator[sa.Connection]:
        """A connection in a transaction; what is not committed is taken back."""
        with self.engine.connect() as connection:
            connection.begin()
            yield connection

    def close(self) -> None:
        """The pool closes its own."""


class Kept:
    """So many at most, the one that was used last first: its pages are in memory."""

    def __init__(self, engine: sa.Engine, at_most: int) -> None:
        self._engine = engine
        self._closed = False
        self._idle: LifoQueue[sa.Connection | None] = LifoQueue()
        for _ in range(at_most):
            self._idle.put(None)

    @contextmanager
    def begun(self) -> Iterator[sa.Connection]:
        """A connection in a transaction; what is not committed is taken back."""
        try:
            connection = self._idle.get(timeout=WAIT_SECONDS)
        except Empty as error:
            raise Busy from error
        try:
            if connection is None:
                connection = self._engine.connect()
            connection.begin()
            yield connection
        finally:
            left = None
            try:
                left = self._for_the_next(connection)
            finally:
                self._idle.put(left)  # whatever happens: a place that is lost is lost for ever

    def close(self) -> None:
        """Close those that nobody uses, and every other when it comes back."""
        self._closed = True
        idle = []
        with suppress(Empty):
            while True:
                idle.append(self._idle.get_nowait())
        for each in idle:
            if each is not None:
                each.close()
            self._idle.put(None)

    def _for_the_next(self, connection: sa.Connection | None) -> sa.Connection | None:
        if connection is None:
            return None
        try:
            connection.rollback()
        except sa.exc.SQLAlchemyError:
            connection.invalidate()
        if self._closed or connection.closed or connection.invalidated:
            connection.close()
            return None
        return connection
