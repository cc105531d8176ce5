"""One hub keeps its logs and curves in one store, whichever of its processes does."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from hub import backup, check, storemark
from hub.blobs import FolderBlobs
from hub.cli.root import app
from hub.core import Hub, open_hub
from hub.settings import Settings
from hub.storemark import OtherStore
from tests.builders import Clock
from tests.hub.volunteer import Volunteer


@pytest.fixture
def elsewhere(tmp_path: Path) -> FolderBlobs:
    """The folder of a machine that shares the database and nothing else."""
    return FolderBlobs(tmp_path / "elsewhere" / "blobs")


def test_a_process_that_would_keep_logs_elsewhere_is_refused(
    hub: Hub, elsewhere: FolderBlobs
) -> None:
    storemark.settle(hub.database, hub.blobs)
    shared = FolderBlobs(hub.settings.data / "blobs")

    storemark.settle(hub.database, shared)
    with pytest.raises(OtherStore):
        storemark.settle(hub.database, elsewhere)


def test_of_two_that_mark_at_once_one_is_refused(hub: Hub, elsewhere: FolderBlobs) -> None:
    storemark.move(hub.database, hub.blobs, anew=False)
    storemark.move(hub.database, elsewhere, anew=False)

    storemark.check(hub.database, hub.blobs)
    with pytest.raises(OtherStore):
        storemark.check(hub.database, elsewhere)


def test_a_store_that_is_away_keeps_no_hub_from_serving(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("where a folder was")
    away = FolderBlobs(tmp_path / "a file" / "blobs")

    storemark.settle(hub.database, away)
    storemark.settle(hub.database, hub.blobs)
    storemark.settle(hub.database, away)


def test_serving_looks_first(hub: Hub, database_url: str, tmp_path: Path) -> None:
    storemark.settle(hub.database, hub.blobs)
    other = ["--data", str(tmp_path / "other"), "--database-url", database_url, "--port", "0"]

    refused = CliRunner().invoke(app, ["serve", *other])

    assert type(refused.exception) is OtherStore


def test_a_backup_without_its_logs_is_refused_until_a_repair_gives_them_up(
    hub: Hub, volta: Volunteer, tmp_path: Path, database_url: str, clock: Clock
) -> None:
    storemark.settle(hub.database, hub.blobs)
    volta.explore(0.2, 0.8)
    assert hub.blob_writer.turn()
    other = open_hub(Settings(data=tmp_path / "other", database_url=database_url), clock)

    with pytest.raises(OtherStore):
        backup.backup(other, tmp_path / "hub.tar")
    mended = check.repair(other).mended
    manifest = backup.backup(other, tmp_path / "hub.tar")

    assert "logs and curves: this store is the hub's from now on" in mended
    assert manifest["blobs"] > 0
    other.database.dispose()


def test_what_was_restored_is_served_from_where_it_lies_now(
    hub: Hub, volta: Volunteer, tmp_path: Path
) -> None:
    storemark.settle(hub.database, hub.blobs)
    volta.explore(0.2, 0.8)
    backup.backup(hub, tmp_path / "hub.tar")
    new = open_hub(Settings(data=tmp_path / "new"))

    backup.restore(tmp_path / "hub.tar", new)

    storemark.settle(new.database, new.blobs)
    new.database.dispose()
