"""The database, git, blobs and counters agree, or `hub check` says where they do not."""

import logging
import shutil
import subprocess
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from sqlmodel import Session, col
from typer.testing import CliRunner

from hub import check, counters, db, goals, rebuild, trees
from hub.answers import Answers
from hub.cli.root import app
from hub.core import Hub
from hub.tables import ExperimentRow, GoalRow, OwnerRow
from tests.builders import TRAIN
from tests.hub.forest import grow
from tests.hub.volunteer import Volunteer

ODD = {
    "no newline at the end": TRAIN + "x = 1  # no newline",
    "blank lines at both ends": "\n\n" + TRAIN + "x = 1\n\n\n",
    "lines moved and doubled": "\n".join(reversed(TRAIN.splitlines())) + "\n" + TRAIN,
    "all new": "x = 1\n",
    "line separators": TRAIN + "x = 1  # \u2028 \u0085 \n# π\n",
}


def codes(report: check.Report) -> set[str]:
    return {finding.code for finding in report.findings}


def lose(repository: Path) -> Path:
    """At once: the hub's own writer would mend it while file after file goes."""
    return repository.rename(repository.with_suffix(".lost"))


def git(hub: Hub, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(hub.git.path("toy")), *words], check=True, capture_output=True, text=True
    )
    return done.stdout


def test_a_hub_that_worked_agrees_with_itself(hub: Hub, volta: Volunteer) -> None:
    for rate in (0.2, 0.3, 0.4):
        volta.explore(learning_rate=rate, metric=rate)

    report = check.check(hub)

    assert (report.findings, report.experiments) == ([], 4)
    assert report.blobs == 8


@pytest.mark.parametrize("name", sorted(ODD))
def test_odd_files_are_made_again_bit_for_bit(hub: Hub, volta: Volunteer, name: str) -> None:
    order = volta.exploring()
    assert volta.propose(order, files={"train.py": ODD[name]}).status_code == 200
    hub.git.settle()
    hub.git.forget()
    lose(hub.git.path("toy"))

    assert hub.git.files("toy", str(order.experiment))["train.py"] == ODD[name]
    assert check.repair(hub).findings == []


def test_ten_thousand_experiments_come_back_with_the_same_shas(hub: Hub) -> None:
    # What is made again does not depend on which database the rows come from.
    many = 10_000 if hub.database.is_sqlite else 1_000
    shas = grow(hub, many)
    lose(hub.git.path("toy"))

    report = check.repair(hub)

    assert (report.findings, report.experiments) == ([], many + 1)
    assert set(shas) <= set(git(hub, "rev-list", "--all").split())
    git(hub, "fsck", "--strict", "--no-dangling")


def test_a_corrupt_repository_is_found_set_aside_and_made_again(hub: Hub, volta: Volunteer) -> None:
    order = volta.explore(learning_rate=0.2, metric=0.8)
    sha = str(order.experiment)
    hub.git.settle()
    victim = hub.git.path("toy") / "objects" / sha[:2] / sha[2:]
    victim.chmod(0o644)
    victim.write_bytes(b"nonsense")

    assert codes(check.check(hub)) == {"git_missing"}
    report = check.repair(hub)

    assert report.findings == []
    assert hub.git.path("toy").with_name("toy.git.damaged-1").exists()
    assert "damaged-1" in report.mended[0]


@pytest.mark.parametrize("kept", ["nothing", "HEAD", "objects", "config", "all but refs"])
def test_a_lost_repository_heals_while_it_is_read(
    hub: Hub, http: TestClient, volta: Volunteer, kept: str
) -> None:
    order = volta.explore(learning_rate=0.2, metric=0.8)
    hub.git.settle()
    repository = hub.git.path("toy")
    for part in lose(repository).iterdir():
        if part.name == kept or (kept == "all but refs" and part.name != "refs"):
            repository.mkdir(exist_ok=True)
            part.rename(repository / part.name)

    assert http.get(f"/v1/experiments/{order.experiment}/diff").status_code == 200
    later = volta.explore(learning_rate=0.3, metric=0.7).experiment
    assert http.get(f"/v1/experiments/{later}/diff").status_code == 200
    assert check.repair(hub).findings == []


def test_a_changed_row_is_found(hub: Hub, volta: Volunteer) -> None:
    volta.explore(learning_rate=0.2, metric=0.8)
    with hub.database.work() as work:
        change = sa.update(ExperimentRow).where(col(ExperimentRow.number) == 1)
        work.session.execute(change.values(message="Something else\n"))

    assert codes(check.check(hub)) == {"row_disagrees"}
    assert codes(check.repair(hub)) == {"row_disagrees"}


def test_a_row_of_another_tree_and_one_without_its_parent_are_found(
    hub: Hub, volta: Volunteer
) -> None:
    for rate in (0.2, 0.3):
        volta.explore(rate, metric=rate)
    with hub.database.work() as work:
        change = sa.update(ExperimentRow)
        wrong = {1: {"tree": "0" * 40}, 2: {"parent": "f" * 40}}
        for number, values in wrong.items():
            only = change.where(col(ExperimentRow.number) == number)
            work.session.execute(only.values(**values))

    found = {each.code: each.where for each in check.check(hub).findings}

    assert (found["tree_disagrees"], found["parent_missing"]) == ("toy #1", "toy #2")


def test_a_row_that_disagrees_keeps_nothing_else_from_being_mended(
    hub: Hub, volta: Volunteer
) -> None:
    made = [str(volta.explore(rate, metric=rate).experiment) for rate in (0.2, 0.3)]
    with hub.database.work() as work:
        change = sa.update(ExperimentRow).where(col(ExperimentRow.sha) == made[0])
        work.session.execute(change.values(message="Something else\n"))
        work.session.execute(sa.update(OwnerRow).values(credit=99.0))
    hub.git.settle()
    victim = hub.git.path("toy") / "objects" / made[1][:2] / made[1][2:]
    victim.chmod(0o644)
    victim.write_bytes(b"nonsense")

    report = check.repair(hub)

    assert codes(report) == {"row_disagrees"}
    assert len(report.mended) == 2
    assert hub.git.files("toy", made[1])


def test_a_lost_blob_is_found(hub: Hub, volta: Volunteer) -> None:
    volta.explore(learning_rate=0.2, metric=0.8)
    assert hub.blob_writer.turn()
    shutil.rmtree(hub.settings.data / "blobs")

    assert codes(check.check(hub)) == {"blob_missing"}


def test_wrong_counters_are_found_and_set_right_on_start(
    hub: Hub, volta: Volunteer, caplog: pytest.LogCaptureFixture
) -> None:
    volta.explore(learning_rate=0.2, metric=0.8)
    with hub.database.work() as work:
        spoiled = {"n_children": 7, "n_runs": 9, "depth": 4}
        work.session.execute(sa.update(ExperimentRow).values(**spoiled))
        work.session.execute(sa.update(OwnerRow).values(credit=99.0))
        work.session.execute(sa.update(GoalRow).values(next_number=1))
    assert codes(check.check(hub)) == {"counter"}

    with caplog.at_level(logging.WARNING), hub.database.work() as work:
        counters.mend(work)

    assert check.check(hub).findings == []
    corrected = [record for record in caplog.records if record.msg == "counter.corrected"]
    assert len(corrected) == 7


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("HEAD", b"\x00\xffnothing"),
        ("packed-refs", b"not a list of refs\n\xff\n"),
        ("packed-refs", None),
        ("refs/heads/champion", b"f" * 40 + b"\n"),
    ],
)
def test_damaged_refs_are_found_and_made_again(
    hub: Hub, volta: Volunteer, http: TestClient, name: str, content: bytes | None
) -> None:
    volta.explore(learning_rate=0.2, metric=0.8)
    http.get("/git/toy.git/info/refs", params={"service": "git-upload-pack"})
    file = hub.git.path("toy") / name
    file.unlink(missing_ok=True)
    file.mkdir() if content is None else file.write_bytes(content)

    found, mended = check.check(hub), check.repair(hub)

    assert codes(found) == {"ref_wrong"}
    assert (mended.findings, check.check(hub).findings) == ([], [])
    assert git(hub, "symbolic-ref", "HEAD") == "refs/heads/champion\n"


@pytest.mark.parametrize("left", [None, "[core]\n\tbare = true\n[receive]\n\tdenyAll = false\n"])
def test_settings_that_a_repository_lost_are_found_and_set_again(
    hub: Hub, volta: Volunteer, left: str | None
) -> None:
    volta.explore(learning_rate=0.2, metric=0.8)
    hub.git.settle()
    config = hub.git.path("toy") / "config"
    config.unlink()
    if left is not None:
        config.write_text(left)

    found, mended = check.check(hub), check.repair(hub)

    assert codes(found) == {"git_settings"}
    assert "receive.denyAll" in found.findings[0].sentence
    assert mended.findings == []
    assert git(hub, "config", "--bool", "receive.denyAll") == "true\n"
    assert git(hub, "config", "--bool", "core.bare") == "true\n"


def test_what_a_running_hub_keeps_for_readers_is_mended_as_well(hub: Hub, volta: Volunteer) -> None:
    volta.explore(learning_rate=0.2, metric=0.8)
    right = kept(hub)
    with hub.database.work() as work:
        theirs = sa.update(ExperimentRow).where(col(ExperimentRow.number) == 1)
        work.session.execute(theirs.values(parent_number=7, n_runs=7))
    running = replace(hub, trees=trees.kept(), answers=Answers())
    assert kept(running)[1] != right[1]

    check.repair(hub)

    assert kept(running)[1] == right[1]
    assert check.repair(hub).mended == [] and kept(running)[0] == right[0] + 1, "told once"


def kept(hub: Hub) -> tuple[int, object]:
    """What a hub keeps for readers of a goal, and the event that it is as of."""
    with hub.database.read() as session:
        goal = session.get_one(GoalRow, "toy")
        tree, runs = hub.trees.get(session, goal), hub.answers.get(session, goal, goals.view).runs
    return tree.seq, (tree.columns["parent"], runs)


def test_a_blob_that_cannot_be_read_back_is_found(hub: Hub, volta: Volunteer) -> None:
    volta.explore(learning_rate=0.2, metric=0.8)
    assert hub.blob_writer.turn()
    short, wrong = sorted((hub.settings.data / "blobs").glob("*/*"))[:2]
    short.write_bytes(short.read_bytes()[:-5])
    wrong.write_bytes(zlib.compress(b"something else"))

    found = check.check(hub).findings

    assert {each.code for each in found} == {"blob_missing"}
    assert len(found) >= 2


def test_the_command_says_what_disagrees_and_fails(hub: Hub, tmp_path: Path) -> None:
    grow(hub, 3)
    where = ["--data", str(hub.settings.data), "--database-url", hub.settings.url]

    found = CliRunner().invoke(app, ["check", *where])
    mended = CliRunner().invoke(app, ["check", "--repair", *where])

    assert (found.exit_code, mended.exit_code) == (1, 0)
    assert "4 experiments, 0 blobs: 3 findings." in found.output
    assert "all agree" in mended.output


def test_what_an_older_hub_hashed_otherwise_is_matched_again_after_a_repair(
    hub: Hub, volta: Volunteer, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting: list[bool] = []
    walk = rebuild.goal

    def _watched(session: Session, slug: str) -> Iterator[rebuild.Rebuilt | Any]:
        waiting.append(isinstance(session, db.Writing))
        return walk(session, slug)

    monkeypatch.setattr(rebuild, "goal", _watched)
    volta.explore(learning_rate=0.2, metric=0.8)
    with hub.database.work() as work:
        work.session.execute(sa.update(ExperimentRow).values(canonical="old", effect="", change=""))

    mended = check.repair(hub).mended
    order = volta.exploring()
    refused = volta.propose(order, files={"train.py": TRAIN.replace("0.1", "0.2") + "# again\n"})

    assert mended == ["toy: 2 experiments are found again by what their code says"]
    assert refused.json()["code"] == "tried_before"
    assert check.repair(hub).mended == []
    assert waiting and not any(waiting), "nobody waits while all code of a goal is read"
