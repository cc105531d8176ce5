"""Git is written behind the rows: what was promised reads at once, and nothing is owed for long."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pygit2
import pytest
from fastapi.testclient import TestClient

from hub import check, goals
from hub.core import Hub, open_hub
from hub.gitwriter import GitWriter
from tests.builders import FILES, TRAIN, Clock, a_spec
from tests.hub.volunteer import Volunteer


@pytest.fixture
def slow(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """The hub, whose writer takes its time."""
    monkeypatch.setattr(hub.git_writer, "interval", 3600.0)
    return hub


@pytest.fixture
def volta(slow: Hub, http: TestClient) -> Volunteer:
    """An agent of that hub's."""
    return Volunteer.joined(http, "volta", "ada")


@pytest.fixture
def other(slow: Hub, clock: Clock) -> Iterator[Hub]:
    """Another process on the same data."""
    second = open_hub(slow.settings, clock)
    yield second
    second.database.dispose()


def on_disk(hub: Hub, sha: str | None) -> bool:
    return str(sha) in pygit2.Repository(str(hub.git.path("toy")))


def explored(volta: Volunteer, rate: float = 0.2) -> str:
    return str(volta.explore(learning_rate=rate, metric=rate).experiment)


def test_what_is_not_written_yet_can_be_read_and_built_upon(hub: Hub, volta: Volunteer) -> None:
    first = explored(volta, 0.2)
    assert not on_disk(hub, first)

    child = volta.exploring()
    assert child.parent == first
    proposed = volta.propose(child, files={"train.py": TRAIN.replace("0.1", "0.7")})
    diff = volta.http.get(f"/v1/experiments/{child.experiment}/diff").json()

    assert proposed.status_code == 200
    assert [line["text"] for hunk in diff["files"][0]["hunks"] for line in hunk["lines"]].count(
        "LEARNING_RATE = 0.7"
    )
    assert on_disk(hub, first) and on_disk(hub, child.experiment)


def test_a_writer_that_has_caught_up_writes_what_is_promised_since(
    slow: Hub, volta: Volunteer
) -> None:
    writer = GitWriter(slow.database, slow.git)
    writer.once()
    made = explored(volta)

    writer.once()

    assert on_disk(slow, made)


def test_a_hub_that_stops_owes_nothing(slow: Hub, http: TestClient, volta: Volunteer) -> None:
    made = explored(volta)

    slow.git_writer.stop()

    assert on_disk(slow, made)


def test_what_a_killed_hub_owed_is_written_by_the_next(other: Hub, volta: Volunteer) -> None:
    made = [explored(volta, rate) for rate in (0.2, 0.3)]

    other.git_writer.catch_up()

    assert [on_disk(other, each) for each in made] == [True, True]
    assert check.check(other).findings == []


def test_a_goal_whose_repository_takes_nothing_keeps_no_other_behind(
    other: Hub, volta: Volunteer
) -> None:
    made = explored(volta)
    with other.database.work() as work:
        goals.open_goal(work, other.git, a_spec("another"), FILES)
    for folder in (other.git.path("another") / "objects").glob("??"):
        shutil.rmtree(folder)
        folder.write_bytes(b"in the way")

    other.git_writer.catch_up()

    assert on_disk(other, made)


def test_a_repair_does_not_take_it_for_damage(other: Hub, volta: Volunteer) -> None:
    explored(volta)

    report = check.repair(other)

    assert (report.findings, report.mended) == ([], [])


def test_a_check_waits_for_a_hub_that_runs(
    slow: Hub, other: Hub, volta: Volunteer, monkeypatch: pytest.MonkeyPatch
) -> None:
    explored(volta)
    running = GitWriter(slow.database, slow.git, interval=0.5)
    running.start()

    report = check.check(other)
    running.stop()

    assert (report.findings, report.experiments) == ([], 2)


def test_a_disk_in_trouble_is_tried_again(hub: Hub, volta: Volunteer, tmp_path: Path) -> None:
    made = explored(volta)
    repository = hub.git.path("toy")
    repository.rename(tmp_path / "away")

    hub.git.settle()
    (tmp_path / "away").rename(repository)
    hub.git.settle()

    assert on_disk(hub, made)


def test_one_more_than_may_wait_is_written_by_who_brings_it(
    hub: Hub, volta: Volunteer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.gitstore.MOST_WAITING", 4)

    first, second = explored(volta, 0.2), explored(volta, 0.3)

    assert on_disk(hub, first) and on_disk(hub, second)
