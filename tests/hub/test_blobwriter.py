"""Logs and curves are committed with their run, and move to the folder or bucket by themselves."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlmodel import select

from hub import backup, check
from hub.blobs import FolderBlobs
from hub.core import Hub, open_hub
from hub.settings import Settings
from hub.tables import WaitingBlobRow
from tests.builders import Clock
from tests.hub.volunteer import Volunteer


@pytest.fixture
def slow(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """The hub, whose writer takes its time."""
    monkeypatch.setattr(hub.blob_writer, "interval", 3600.0)
    return hub


@pytest.fixture
def volta(slow: Hub, http: TestClient) -> Volunteer:
    """An agent of that hub's."""
    return Volunteer.joined(http, "volta", "ada")


def files(hub: Hub) -> list[Path]:
    return [path for path in (hub.settings.data / "blobs").rglob("*") if path.is_file()]


def waiting(hub: Hub) -> int:
    with hub.database.read() as session:
        return len(session.exec(select(WaitingBlobRow)).all())


def read(volta: Volunteer, experiment: str | None) -> tuple[str, int]:
    """The log and how many points the curve has."""
    run = volta.http.get(f"/v1/experiments/{experiment}/runs").json()[0]["id"]
    log = volta.http.get(f"/v1/runs/{run}/log")
    return log.text, volta.http.get(f"/v1/runs/{run}/curve").json()["total"]


def test_a_log_reads_the_same_before_and_after_it_has_moved(slow: Hub, volta: Volunteer) -> None:
    made = volta.explore(0.2, 0.8).experiment
    assert (len(files(slow)), waiting(slow) > 0) == (0, True)

    before = read(volta, made)
    moved = slow.blob_writer.turn()

    assert moved and (len(files(slow)) > 0, waiting(slow)) == (True, 0)
    assert before == read(volta, made) == ("step 1\nstep 2", 2)
    assert check.check(slow).findings == []


def test_the_same_log_twice_waits_once(slow: Hub, volta: Volunteer) -> None:
    volta.explore(0.2, 0.8)
    before = waiting(slow)

    volta.explore(0.3, 0.7)

    assert waiting(slow) == before


def test_a_disk_that_refuses_loses_nothing_and_is_tried_more_and_more_rarely(
    slow: Hub, volta: Volunteer
) -> None:
    made = volta.explore(0.2, 0.8).experiment
    folder = slow.settings.data / "blobs"
    folder.write_text("in the way")

    pauses = [slow.blob_writer.once() for _ in range(7)]
    folder.unlink()
    taken = slow.blob_writer.once()

    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    assert (taken, waiting(slow)) == (slow.blob_writer.interval, 0)
    assert read(volta, made) == ("step 1\nstep 2", 2)


def test_a_hub_that_stops_begins_no_further_blob_and_the_next_one_does(
    slow: Hub, volta: Volunteer
) -> None:
    volta.explore(0.2, 0.8)
    before = waiting(slow)

    slow.blob_writer.stop()

    assert not slow.blob_writer.turn()
    assert (len(files(slow)), waiting(slow)) == (0, before)


def test_a_backup_holds_what_has_not_moved(
    slow: Hub, volta: Volunteer, tmp_path: Path, clock: Clock
) -> None:
    volta.explore(0.2, 0.8)

    manifest = backup.backup(slow, tmp_path / "hub.tar")
    other = open_hub(Settings(data=tmp_path / "other"), clock)
    report = backup.restore(tmp_path / "hub.tar", other)

    assert (report.findings, report.blobs, manifest["blobs"] > 0) == ([], 4, True)
    assert isinstance(other.blob_writer.store, FolderBlobs) and other.blob_writer.turn()
    other.database.dispose()
