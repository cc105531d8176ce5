"""One file that holds a hub, made while it works, and a hub made from that file.

A backup is a tar of a SQLite database and the blobs, whichever database the hub runs on. Git is
left out: `hub restore` makes the repositories again from the rows, with the same shas.
"""

import io
import json
import lzma
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlmodel import col, select

from hub import check, copying, storemark, whole_files
from hub.blobs import BlobMissing
from hub.core import Hub
from hub.db import Database, copy_into, translated
from hub.errors import Damaged, HubError
from hub.schema import open_database, revision
from hub.settings import VERSION, sqlite_url
from hub.tables import GoalRow, RunRow

DATABASE, MANIFEST = "hub.sqlite3", "manifest.json"
FORMAT = 1
FOR_ITS_OWNER = 0o600
"""It holds the signing key and people's addresses, as the data folder does."""


class BadBackup(HubError):
    """That file is not a whole AgentHub backup; choose another."""

    code, status = "bad_backup", 422


class FileTaken(HubError):
    """Something else than a backup is there already; choose another file."""

    code, status = "file_taken", 409


class NoFolder(HubError):
    """There is no such folder; make it first, or choose another."""

    code, status = "no_folder", 404


class OddName(HubError):
    """SQLite takes only names in UTF-8; choose another folder."""

    code, status = "odd_name", 422


class AlreadyThere(HubError):
    """A hub is there already; restore into an empty data folder."""

    code, status = "already_there", 409


def backup(hub: Hub, file: Path) -> dict[str, Any]:
    """Write a backup of a running hub; returns its manifest.

    The database is copied from one snapshot while writers go on; a blob that its rows name is in
    it or in the store, and nothing is ever taken out of the store.

    Raises:
        FileTaken: the file is there and is no backup.
        NoFolder: the folder for it is not there.
        OddName: its path is not UTF-8.
        OtherStore: the blobs are elsewhere, and none of them would be in it.
    """
    _refuse_others(file)
    storemark.check(hub.database, hub.blobs)
    if not file.parent.is_dir():
        raise NoFolder(f"There is no folder {file.parent}; make it first, or choose another.")
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=".backup-") as folder:
        copied = Path(folder) / DATABASE
        _copy_database(hub.database, copied)
        whole = Path(folder) / "whole.tar"
        manifest = _manifest(hub)
        with tarfile.open(whole, "w") as tar:
            tar.add(copied, DATABASE)
            manifest["blobs"] = _add_blobs(hub, tar, copied)
            # Last, so that a file that holds it is whole.
            _add(tar, MANIFEST, json.dumps(manifest, indent=1).encode(), hub.clock())
        whole.chmod(FOR_ITS_OWNER)
        whole_files.take_place(whole, file)
    return manifest


def restore(file: Path, hub: Hub) -> check.Report:
    """Fill an empty hub from a backup and check that everything agrees.

    Raises:
        BadBackup: the file is cut short or something else.
        AlreadyThere: the hub holds rows.
        NewerSchema: a newer hub wrote the backup.
    """
    with tempfile.TemporaryDirectory(dir=hub.settings.data, prefix=".restore-") as folder:
        _unpack(file, Path(folder))
        with _opened(hub, Path(folder) / DATABASE) as source, translated():
            _refuse_rows(hub)
            # Before the rows: a hub that names a blob has it, whenever this ends.
            for path in sorted((Path(folder) / "blobs").glob("*")):
                hub.blobs.put(path.read_bytes())
            copying.copy(source, hub.database)
    storemark.move(hub.database, hub.blobs)
    with hub.database.read() as session:
        goals = session.exec(select(GoalRow.slug)).all()
    for slug in goals:
        check.recreate(hub, slug)
    return check.check(hub)


def _manifest(hub: Hub) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "revision": revision(hub.database),
        "at": hub.clock().isoformat(),
    }


def _copy_database(database: Database, file: Path) -> None:
    if database.is_sqlite:
        _vacuum_into(database, file)
        return
    between = Database(sqlite_url(file.with_suffix(".between")), database.clock, pool=1)
    try:
        copying.copy(database, between)
        _vacuum_into(between, file)
    finally:
        between.dispose()


def _vacuum_into(database: Database, file: Path) -> None:
    """A read transaction that runs beside the writer, and leaves a file without holes."""
    with database.reader.connect() as connection:
        copy_into(connection, file)


def _add(tar: tarfile.TarFile, name: str, content: bytes, at: datetime) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime = len(content), int(at.timestamp())
    tar.addfile(entry, io.BytesIO(content))


def _add_blobs(hub: Hub, tar: tarfile.TarFile, copied: Path) -> int:
    """Add each blob that the copied rows name, as it was before it was packed."""
    snapshot = Database(sqlite_url(copied), hub.clock, pool=1)
    seen: set[str] = set()
    try:
        with snapshot.read() as session:
            query = sa.select(col(RunRow.log_blob), col(RunRow.curve_blob))
            for digests in session.execute(query, execution_options={"yield_per": 1000}):
                for digest in set(filter(None, digests)) - seen:
                    seen.add(digest)
                    _add_blob(hub, tar, digest)
    finally:
        snapshot.dispose()
    return len(seen)


def _add_blob(hub: Hub, tar: tarfile.TarFile, digest: str) -> None:
    try:
        content = hub.blobs.get(digest)
    except BlobMissing:
        return  # lost before: `hub check` names it, and a backup without it beats none
    _add(tar, f"blobs/{digest}", content, hub.clock())


def _refuse_others(file: Path) -> None:
    """A backup may take the last one's place, and nothing else's."""
    try:
        str(file.absolute()).encode()
    except UnicodeEncodeError as error:
        raise OddName from error
    if not file.exists():
        return
    if not file.is_file() or (file.stat().st_size and not tarfile.is_tarfile(file)):
        raise FileTaken(f"{file} is there already and is no backup; choose another file.")


_CUT = (tarfile.TarError, EOFError, lzma.LZMAError, zlib.error)
"""What reading says of a file that was damaged, also one that somebody compressed."""


def look(file: Path) -> None:
    """Refuse what is no whole backup by its table of contents; raises BadBackup."""
    try:
        with tarfile.open(file) as tar:
            said = tar.extractfile(MANIFEST)
            manifest = json.load(said) if said else {}
            whole = DATABASE in tar.getnames() and manifest["format"] == FORMAT
    except (*_CUT, ValueError, LookupError, TypeError) as error:
        raise BadBackup from error
    if not whole:
        raise BadBackup


def _unpack(file: Path, folder: Path) -> None:
    look(file)
    try:
        with tarfile.open(file) as tar:
            tar.extractall(folder, filter="data")
    except _CUT as error:
        raise BadBackup from error


@contextmanager
def _opened(hub: Hub, file: Path) -> Iterator[Database]:
    try:
        source = open_database(sqlite_url(file), hub.clock, pool=1)
    except Damaged as error:
        raise BadBackup from error
    try:
        yield source
    finally:
        source.dispose()


def _refuse_rows(hub: Hub) -> None:
    with hub.database.read() as session:
        if copying.holds_rows(session.connection()):
            raise AlreadyThere
