"""A hub in a file, made under load; a hub from a file; a hub moved to another database."""

import os
import resource
import shutil
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from fastapi.testclient import TestClient
from sqlmodel import SQLModel, col, select
from typer.testing import CliRunner

from hub import backup, check, copying, goals, search, search_index
from hub.app import create_app
from hub.cli.root import app
from hub.clock import utc_now
from hub.core import Hub, open_hub
from hub.db import Database
from hub.errors import StorageFull
from hub.schema import NewerSchema, alembic_config, migrate, open_database, revision
from hub.search_index import TextWriter
from hub.search_query import Query
from hub.settings import Settings
from hub.tables import ChannelRow, ExperimentRow, PostRow
from tests.builders import FILES, Clock, a_report, a_spec, an_id
from tests.hub.volunteer import Volunteer


def another(tmp_path: Path, name: str = "other") -> Hub:
    return open_hub(Settings(data=tmp_path / name), Clock())


def shas(hub: Hub) -> set[str]:
    with hub.database.read() as session:
        return set(session.exec(select(ExperimentRow.sha)).all())


def rows(database: Database) -> dict[str, int]:
    with database.read() as session:
        return {
            table.name: session.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in SQLModel.metadata.sorted_tables
        }


def test_a_backup_under_load_restores_all_that_was_acknowledged(
    hub: Hub, http: TestClient, volta: Volunteer, tesla: Volunteer, tmp_path: Path
) -> None:
    before = {str(volta.explore(0.2 + n / 100, 0.8).experiment) for n in range(3)}
    acknowledged: list[str] = []
    enough = threading.Event()

    def keep_working() -> None:
        while not enough.is_set():
            n = len(acknowledged)
            acknowledged.append(str(tesla.explore(0.5 + n / 1000, 0.8).experiment))

    worker = threading.Thread(target=keep_working)
    worker.start()
    try:
        during = 0
        for n in range(3):
            during = len(acknowledged)
            backup.backup(hub, tmp_path / f"{n}.tar")
    finally:
        enough.set()
        worker.join()

    restored = another(tmp_path)
    report = backup.restore(tmp_path / "2.tar", restored)
    assert report.findings == []
    assert before | set(acknowledged[:during]) <= shas(restored) <= shas(hub)
    restored.database.dispose()


def test_a_restored_hub_goes_on_where_it_stopped(
    hub: Hub, volta: Volunteer, tmp_path: Path
) -> None:
    volta.explore(0.2, 0.8)
    order, identity = volta.claim(), an_id()
    volta.propose(order, learning_rate=0.3)
    report = a_report(order, metric=0.7)
    first = volta.send("PUT", f"/v1/runs/{identity}", report).json()
    backup.backup(hub, tmp_path / "hub.tar")

    restored = another(tmp_path)
    backup.restore(tmp_path / "hub.tar", restored)

    with TestClient(create_app(restored)) as http:
        again = Volunteer(http, "volta", volta.token)
        second = again.send("PUT", f"/v1/runs/{identity}", report).json()
        assert (second["duplicate"], second["run"]) == (True, first["run"])
        assert again.explore(0.4, 0.6).experiment
        assert len(http.get(f"/v1/runs/{identity}/log").text.splitlines()) == 2


def test_a_backup_goes_nowhere_where_a_hub_lives(hub: Hub, tmp_path: Path) -> None:
    backup.backup(hub, tmp_path / "hub.tar")

    with pytest.raises(backup.AlreadyThere):
        backup.restore(tmp_path / "hub.tar", hub)


@pytest.mark.parametrize("size", [0, 100, 20_000])
def test_half_a_backup_is_refused(hub: Hub, tmp_path: Path, size: int) -> None:
    backup.backup(hub, tmp_path / "hub.tar")
    torn = tmp_path / "torn.tar"
    torn.write_bytes((tmp_path / "hub.tar").read_bytes()[:size])
    empty = another(tmp_path)

    with pytest.raises(backup.BadBackup):
        backup.restore(torn, empty)
    assert rows(empty.database)["experiments"] == 0
    empty.database.dispose()


def test_half_a_backup_leaves_no_empty_hub_where_one_was_to_be_restored(
    hub: Hub, tmp_path: Path
) -> None:
    backup.backup(hub, tmp_path / "hub.tar")
    torn = tmp_path / "torn.tar"
    torn.write_bytes((tmp_path / "hub.tar").read_bytes()[:20_000])

    done = CliRunner().invoke(app, ["restore", str(torn), "--data", str(tmp_path / "new")])

    assert isinstance(done.exception, backup.BadBackup)
    assert not (tmp_path / "new").exists()


def test_another_tar_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "other.tar", "w") as tar:
        tar.add(__file__, "manifest.json")
    empty = another(tmp_path)

    with pytest.raises(backup.BadBackup):
        backup.restore(tmp_path / "other.tar", empty)
    empty.database.dispose()


@pytest.mark.postgres
def test_a_hub_moves_from_sqlite_to_postgres_and_works_there(
    tmp_path: Path, sqlite_url: str, postgres_url: str, clock: Clock
) -> None:
    old = open_hub(Settings(data=tmp_path / "hub", database_url=sqlite_url), clock)
    with old.database.work() as work:
        goals.open_goal(work, old.git, a_spec(), FILES)
    with TestClient(create_app(old)) as http:
        volta = Volunteer.joined(http, "volta", "ada")
        volta.explore(0.2, 0.8)
    counts = rows(old.database)
    new_database = Database(postgres_url, clock, pool=2)
    copying.copy(old.database, new_database)
    assert rows(new_database) == counts
    new_database.dispose()
    old.database.dispose()

    new = open_hub(Settings(data=tmp_path / "hub", database_url=postgres_url), clock)
    assert check.check(new).findings == []
    with TestClient(create_app(new)) as http:
        again = Volunteer(http, "volta", volta.token)
        assert again.explore(0.3, 0.7).experiment
    with new.database.read() as session:
        numbers = session.exec(select(PostRow.seq).order_by(col(PostRow.seq))).all()
    assert len(numbers) == len(set(numbers)) > counts["posts"]


def test_the_newest_of_a_copy_are_found_first(
    hub: Hub, clock: Clock, volta: Volunteer, tmp_path: Path
) -> None:
    for n in range(8):
        clock.forward(60)
        volta.explore(0.2 + n / 100, 0.8)
    there = Database(f"sqlite:///{tmp_path / 'copy.sqlite3'}", clock, pool=2)

    copying.copy(hub.database, there)

    search_index.install(there)
    TextWriter(there).follow()
    with there.read() as session:
        chosen = search.newest(session, Query(["rate"]), 3)
        found = session.exec(select(ExperimentRow.number).where(chosen)).all()
    assert sorted(found) == [6, 7, 8]
    there.dispose()


@pytest.mark.postgres
def test_what_postgres_cannot_hold_is_named_and_nothing_is_kept(
    sqlite_url: str, pg_url: str
) -> None:
    source, target = (Database(url, utc_now, pool=1) for url in (sqlite_url, pg_url))
    with source.work() as work:
        work.session.add(ChannelRow(name="odd", description="\0", created_at=work.now))

    with pytest.raises(copying.RowRefused, match=r"channels: .*NUL"):
        copying.copy(source, target)

    assert rows(target)["channels"] == 0
    for each in (source, target):
        each.dispose()


def test_a_copy_that_lacks_a_row_is_not_kept(hub: Hub, volta: Volunteer, tmp_path: Path) -> None:
    target = Database(f"sqlite:///{tmp_path / 'target.sqlite3'}", utc_now, pool=1)
    migrate(target)
    loses = "CREATE TRIGGER t AFTER INSERT ON agents BEGIN DELETE FROM agents; END"
    with target.writer.begin() as connection:
        connection.exec_driver_sql(loses)

    with pytest.raises(copying.CopyIncomplete, match="agents: 1 rows, but 0"):
        copying.copy(hub.database, target)

    assert set(rows(target).values()) == {0}
    target.dispose()


def test_a_database_with_rows_takes_no_copy(hub: Hub, tmp_path: Path) -> None:
    source = another(tmp_path)

    with pytest.raises(copying.NotEmpty):
        copying.copy(source.database, hub.database)
    source.database.dispose()


def test_a_sqlite_file_is_kept_as_it_was_before_a_migration(
    sqlite_url: str, tmp_path: Path
) -> None:
    database = Database(sqlite_url, utc_now, pool=1)
    with database.writer.connect() as connection:
        command.downgrade(alembic_config(connection), "0001")
        connection.commit()

    kept = Path(f"{database.writer.url.database}.before-0001")

    with _files_of_at_most(64 * 1024), pytest.raises(StorageFull):
        open_database(sqlite_url, utc_now, pool=1)
    left = list(kept.parent.glob("*.before-*"))
    kept.write_bytes(b"half a copy, or one of the last time that this was migrated")
    before, head = migrate(database)

    copy = Database(f"sqlite:///{kept}", utc_now, pool=1)
    assert (left, before) == ([], "0001")
    assert (revision(copy), revision(database)) == ("0001", head)
    copy.dispose()
    database.dispose()


def test_of_the_copies_before_migrations_the_newest_stay_and_so_does_what_others_made(
    sqlite_url: str,
) -> None:
    database = Database(sqlite_url, utc_now, pool=1)
    with database.writer.connect() as connection:
        command.downgrade(alembic_config(connection), "0001")
        connection.commit()
    file = Path(str(database.writer.url.database))
    for age, end in enumerate(("move", "0001.tar", "0075", "0010", "0070", "0060")):
        copy = file.with_name(f"{file.name}.before-{end}")
        copy.touch()
        os.utime(copy, (0, 1_000_000 - age))

    migrate(database)

    left = {path.name.partition(".before-")[2] for path in file.parent.glob("*.before-*")}
    assert left == {"move", "0001.tar", "0001", "0075", "0010"}
    database.dispose()


@contextmanager
def _files_of_at_most(size: int) -> Iterator[None]:
    """What a disk without room looks like to whoever writes more than so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_backup_of_a_newer_hub_is_refused(hub: Hub, tmp_path: Path) -> None:
    backup.backup(hub, tmp_path / "hub.tar")
    with tarfile.open(tmp_path / "hub.tar") as tar:
        tar.extractall(tmp_path / "open", filter="data")
    database = Database(f"sqlite:///{tmp_path / 'open' / 'hub.sqlite3'}", utc_now, pool=1)
    with database.writer.begin() as connection:
        connection.execute(sa.text("update alembic_version set version_num = '9999'"))
        connection.commit()
    database.dispose()
    shutil.rmtree(tmp_path / "open" / "blobs", ignore_errors=True)
    with tarfile.open(tmp_path / "newer.tar", "w") as tar:
        for name in ("manifest.json", "hub.sqlite3"):
            tar.add(tmp_path / "open" / name, name)
    empty = another(tmp_path)

    with pytest.raises(NewerSchema):
        backup.restore(tmp_path / "newer.tar", empty)
    empty.database.dispose()


def test_the_commands_of_the_manual_back_up_restore_and_move_a_hub(
    hub: Hub, volta: Volunteer, tmp_path: Path, empty_database_url: str, database_url: str
) -> None:
    volta.explore(0.2, 0.8)
    (tmp_path / "kept").mkdir()
    file, new = str(tmp_path / "kept" / "hub.tar"), str(tmp_path / "new")
    here = ["--data", str(tmp_path / "hub"), "--database-url", database_url]

    said = [
        CliRunner().invoke(app, line)
        for line in (
            ["backup", file, *here],
            ["restore", file, "--data", new],
            ["copy-to", empty_database_url, *here],
            ["check", "--data", new],
        )
    ]

    assert [(each.exit_code, each.stderr) for each in said] == [(0, "")] * 4
    assert "Restored 2 experiments and 4 blobs" in said[1].output


def test_a_folder_whose_name_is_not_utf_8_is_refused(hub: Hub, tmp_path: Path) -> None:
    folder = tmp_path / "odd\udcff"
    folder.mkdir()

    with pytest.raises(backup.OddName):
        backup.backup(hub, folder / "hub.tar")

    assert list(folder.iterdir()) == []
