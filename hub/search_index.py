"""The full-text index of posts and experiments: FTS5 on SQLite, tsvector on PostgreSQL.

It is a projection, made when a hub opens and made again when it does not cover every row. On
PostgreSQL the database keeps it. On SQLite it follows the rows (ADR 0029): a row of its own for
each new text would cost a submit a tenth of its time, and many at once cost little.
"""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from hub import hot
from hub.background import Background
from hub.db import Database
from hub.errors import HubError
from hub.hot import Hot
from hub.search_query import composed

log = logging.getLogger(__name__)
_TEXTS = {"experiments": ("title", "hypothesis"), "posts": ("topic", "body")}
_OLDER = ("", "_words", "_column")
"""Ends of the names of indexes that hubs had before on PostgreSQL: of other words, and of none."""
_OLDER_TRIGGERS = ("new", "changed")
"""On SQLite, ends of the names of triggers that indexes of other words had."""
_KEYS = {"experiments": "sha", "posts": "seq"}
MOST = 1000
"""Texts of a table that are indexed in one transaction."""
PATIENCE = 0.5
"""Seconds that a search waits for another one that indexes."""

APART = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~¡¿«»·×÷–—‘’“”…•←→−±≈≤≥"  # noqa: RUF001
"""What stands between words and is no part of any: FTS5 knows, PostgreSQL is told."""

# Table and column names below are constants of this module.
# ruff: noqa: S608


def install(database: Database) -> None:
    """Make the index where it is missing or lacks rows; safe on every start."""
    with database.work() as work:
        for table, texts in _TEXTS.items():
            if database.is_sqlite:
                _drop_older(work.connection, table)
                statements = _sqlite(table, texts)
            else:
                statements = [] if _is_there(work.connection, table) else _postgres(table)
            for statement in statements:
                hot.say(work.connection, statement)
    if database.is_sqlite:
        _follow(database)
        with database.work() as work:
            for table in _TEXTS:
                _refill(work.connection, table)


@dataclass
class TextWriter(Background):
    """Lets the index follow every other second, so that no search has much to wait for."""

    database: Database
    interval: float = 2.0
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def once(self) -> float:
        """Index what was written since."""
        self.follow()
        return self.interval

    def follow(self) -> None:
        """The same for a search; a hub that cannot now still finds what was indexed.

        Of many searches one waits for the database, and the others a moment for that one: a
        database that is locked does not take all threads.
        """
        if self.database.is_sqlite and self._turn.acquire(timeout=PATIENCE):
            try:
                _follow(self.database)
            except HubError as error:
                log.warning("search.behind", extra={"reason": error.code})
            finally:
                self._turn.release()


def vector(table: str) -> str:
    """The words of a table's rows on PostgreSQL: a column, or each row that is looked at is split.

    A search for what nobody wrote split the text of every post that anybody had judged.
    """
    return f"{table}.search_words"


def _postgres(table: str) -> list[str]:
    # PostgreSQL's parser keeps 0.04 and train.py whole, takes +0.5 for another word than 0.5 and
    # leaves out <bos> and whatever else looks like a tag: split as FTS5 does.
    text = " || ' ' || ".join(_TEXTS[table])
    signs, spaces = APART.replace("'", "''"), " " * len(APART)
    words = f"to_tsvector('simple', translate(normalize({text}), '{signs}', '{spaces}'))"
    return [
        *(f"DROP INDEX IF EXISTS ix_search_{table}{kind}" for kind in _OLDER),
        f"ALTER TABLE {table} DROP IF EXISTS search_words",
        f"ALTER TABLE {table} ADD search_words tsvector GENERATED ALWAYS AS ({words}) STORED",
        f"CREATE INDEX {_index(table)} ON {table} USING gin (search_words)",
    ]


def _index(table: str) -> str:
    return f"ix_search_{table}_composed"


def _is_there(connection: sa.Connection, table: str) -> bool:
    """Asked first: to try would wait for who reads the table, and have others wait behind it."""
    named = sa.text("SELECT 1 FROM pg_indexes WHERE indexname = :name")
    return connection.scalar(named, {"name": _index(table)}) is not None


def _sqlite(table: str, texts: Sequence[str]) -> list[str]:
    index = f"fts5(key UNINDEXED, {', '.join(texts)}, tokenize='unicode61')"
    head = f"CREATE TRIGGER IF NOT EXISTS search_{table}"
    gone = f"DELETE FROM search_{table} WHERE rowid = old.rowid;"
    new = ", ".join(f"{name} = new.{name}" for name in texts)
    # As they are, not composed: this runs for whoever changes a row, the sqlite3 command as well.
    changed = f"UPDATE search_{table} SET {new} WHERE rowid = old.rowid;"
    return [
        f"CREATE VIRTUAL TABLE IF NOT EXISTS search_{table} USING {index}",
        f"{head}_gone AFTER DELETE ON {table} BEGIN {gone} END",
        f"{head}_edited AFTER UPDATE OF {', '.join(texts)} ON {table} BEGIN {changed} END",
    ]


def _drop_older(connection: sa.Connection, table: str) -> None:
    """An index of a hub that wrote it with each row, or as it was written, has other words."""
    names = [f"search_{table}_{trigger}" for trigger in _OLDER_TRIGGERS]
    there = sa.text("SELECT 1 FROM sqlite_master WHERE name IN :names")
    there = there.bindparams(sa.bindparam("names", names, expanding=True))
    if connection.scalar(there):
        for trigger in ("gone", "edited", *_OLDER_TRIGGERS):
            hot.say(connection, f"DROP TRIGGER IF EXISTS search_{table}_{trigger}")
        hot.say(connection, f"DROP TABLE search_{table}")


def _follow(database: Database) -> None:
    while True:
        with database.reading() as connection:
            behind = [table for table in _TEXTS if _BEHIND[table].value(connection)]
        if not behind:
            return
        with database.work() as work:
            for table in behind:
                rows = f"WHERE rowid > {_indexed(table)} ORDER BY rowid LIMIT {MOST}"
                _copy(work.connection, table, rows)


def _copy(connection: sa.Connection, table: str, rows: str = "") -> None:
    driver: Any = connection.connection.driver_connection
    driver.create_function("composed", 1, composed, deterministic=True)
    key, texts = _KEYS[table], _TEXTS[table]
    into = f"INSERT INTO search_{table}(rowid, key, {', '.join(texts)})"
    said = ", ".join(f"composed({text})" for text in texts)
    hot.say(connection, f"{into} SELECT rowid, {key}, {said} FROM {table} {rows}")


def _indexed(table: str) -> str:
    """The newest row that is in the index: FTS5 finds it from the end, as it does not a maximum."""
    newest = f"SELECT rowid FROM search_{table} ORDER BY rowid DESC LIMIT 1"
    return f"coalesce(({newest}), 0)"


_behind = sa.column("behind", sa.Integer)
_BEHIND = {
    table: Hot(
        sa.text(f"SELECT max(rowid) > {_indexed(table)} AS behind FROM {table}").columns(_behind)
    )
    for table in _TEXTS
}


def _refill(connection: sa.Connection, table: str) -> None:
    """Rows that came by another way (a table rebuilt by a migration) are indexed now."""
    # Not those that came while this hub was opening: they are indexed in their turn.
    reached = f"SELECT count(*) FROM {table} WHERE rowid <= {_indexed(table)}"
    counts = f"SELECT ({reached}), (SELECT count(*) FROM search_{table})"
    rows, indexed = connection.execute(sa.text(counts)).one()
    if rows != indexed:
        hot.say(connection, f"DELETE FROM search_{table}")
        _copy(connection, table)
