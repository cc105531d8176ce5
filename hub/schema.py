"""The database's schema: brought up to date when a hub opens, and never past what it knows."""

from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from hub import whole_files
from hub.db import Clock, Database, copy_into, translated
from hub.errors import Busy, HubError

PATIENCE = 1_800_000
"""Milliseconds that a hub waits while another one migrates their database."""
COPIES = 3
"""Copies of a SQLite file from before its last migrations that are kept."""


class NewerSchema(HubError):
    """This database was written by a newer hub; upgrade the hub or restore an older backup."""

    code, status = "newer_schema", 500


class OlderServes(HubError):
    """A hub of an older version serves this folder; stop it, and start it again as this version."""

    code, status = "older_serves", 409


class NoDatabase(HubError):
    """There is no database there; look at `--database-url` and whether its server runs."""

    code, status = "no_database", 503


def alembic_config(connection: sa.Connection | None = None) -> Config:
    """The migration history, from the wheel or from a checkout."""
    shipped = Path(__file__).parent / "_alembic"
    folder = shipped if shipped.is_dir() else Path(__file__).parent.parent / "alembic"
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.attributes["connection"] = connection
    return config


def open_database(url: str, clock: Clock, pool: int = 40, *, served: bool = False) -> Database:
    """A database with its schema brought up to date, unless it is `served` by another process.

    Raises:
        OlderServes: it is, by an older hub, which would have its tables changed under it.
        NoDatabase: the address leads nowhere; the address itself is not told, for its password.
        NewerSchema: the database belongs to a newer hub.
    """
    try:
        database = Database(url, clock, pool)
        with translated():
            migrate(database, served=served)
    except (sa.exc.ArgumentError, ImportError) as error:
        raise NoDatabase(f"{NoDatabase.sentence()} Addresses begin with postgresql://.") from error
    except Busy as error:
        cause = str(getattr(error.__cause__, "orig", error)).partition("\n")[0]
        raise NoDatabase(f"The database cannot be opened: {cause}.") from error
    return database


def migrate(database: Database, *, served: bool = False) -> tuple[str | None, str]:
    """Bring the schema to this hub's version; returns the revisions before and after.

    Raises:
        OlderServes: the schema is older, and somebody serves it.
        NewerSchema: the database knows a revision that this hub does not.
    """
    head = _head()
    with database.writer.connect() as connection:
        before = MigrationContext.configure(connection).get_current_revision()
        connection.rollback()
        if before == head:
            return before, head
        let_rebuild(connection)
        with connection.begin():
            # Several hubs may open it at once, and the first may have a large one to migrate.
            database.take_turn(connection, PATIENCE)
            before = MigrationContext.configure(connection).get_current_revision()
            if before != head:
                _refuse_unknown(before)
                if served and before is not None:
                    raise OlderServes
                _keep_as_it_was(database, before)
                command.upgrade(alembic_config(connection), "head")
    database.writer.dispose()
    database.reader.dispose()
    _drop_older_copies(database)
    return before, head


@cache
def _head() -> str:
    # Alembic runs every migration's file to learn which is the last.
    return str(ScriptDirectory.from_config(alembic_config()).get_current_head())


def let_rebuild(connection: sa.Connection) -> None:
    """Let SQLite drop a table that others refer to, as the connection's migration may."""
    if connection.dialect.name == "sqlite":
        # Past SQLAlchemy, which begins a transaction first, and SQLite hears it only outside one.
        raw: Any = connection.connection.driver_connection
        raw.execute("PRAGMA foreign_keys=OFF")


def revision(database: Database) -> str | None:
    """The schema's version."""
    with database.reader.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def _keep_as_it_was(database: Database, before: str | None) -> None:
    """Copy a SQLite file whose writer waits; PostgreSQL has nothing of the kind."""
    file = database.writer.url.database
    if before is None or not database.is_sqlite or file is None:
        return
    kept = _copy_before(file, before)
    part = kept.with_name(f"{kept.name}.part")
    _drop(part)  # of a hub that was killed at it
    try:
        with database.reader.connect() as connection:
            copy_into(connection, part)
        # Only now, and in an older one's place: that is from before somebody went back to it.
        whole_files.take_place(part, kept)
    finally:
        _drop(part)


def _copy_before(file: str, revision: str) -> Path:
    return Path(f"{file}.before-{revision}")


def _drop_older_copies(database: Database) -> None:
    """Keep the newest few; a file whose name ends in no revision is not of our making."""
    file = database.writer.url.database
    if not database.is_sqlite or file is None:
        return
    copies = [path for each in _revisions() if (path := _copy_before(file, each)).is_file()]
    for path in sorted(copies, key=lambda each: each.stat().st_mtime)[:-COPIES]:
        path.unlink(missing_ok=True)


def _drop(part: Path) -> None:
    for path in (part, part.with_name(f"{part.name}-journal")):
        path.unlink(missing_ok=True)


def _refuse_unknown(revision: str | None) -> None:
    if revision is not None and revision not in _revisions():
        raise NewerSchema


def _revisions() -> set[str]:
    scripts = ScriptDirectory.from_config(alembic_config())
    return {each.revision for each in scripts.walk_revisions()}
