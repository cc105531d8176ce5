"""Refs as plain git sees them: a champion, the best leaves, and every experiment."""

import subprocess
from typing import Any

import pytest
from sqlmodel import col, select

from hub import goals, refs
from hub.core import Hub
from hub.db import Work
from hub.tables import ExperimentRow
from protocol.events import GoalChanged
from tests.builders import FILES, a_spec
from tests.hub import forest

SCORES = {0: None, 1: 0.1, 2: 0.5, 3: 0.4, 4: None, 5: 0.6}
"""By an experiment's number: 4 and 5 grew from 1, the others from the root."""


def named(hub: Hub, slug: str = "toy") -> dict[str, int]:
    """The refs as git lists them and finds each, with its experiment's number."""
    with hub.database.read() as session:
        refs.project(session, hub.git, goals.find(session, slug))
        made = select(ExperimentRow.sha, ExperimentRow.number)
        number = dict(session.exec(made.where(col(ExperimentRow.goal) == slug)).all())
    names = git(hub, slug, "for-each-ref", "--format=%(refname)").split()
    shas = git(hub, slug, "rev-parse", *names).split()
    found = zip(names, shas, strict=True)
    return {name.removeprefix("refs/"): number[sha] for name, sha in found}


def git(hub: Hub, slug: str, *words: str) -> str:
    command = ["git", "-C", str(hub.git.path(slug)), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def changed(hub: Hub, slug: str = "toy", **what: Any) -> None:
    with hub.database.work() as work:
        goal = goals.find(work.session, slug)
        for key, value in what.items():
            setattr(goal, key, value)
        announced(work, slug)


def announced(work: Work, slug: str = "toy") -> None:
    work.announce(GoalChanged(goal=slug, state="open", version=1, reason=""))


def set_rows(hub: Hub, **columns: dict[int, Any]) -> None:
    """Set columns of experiments by their numbers, as an event tells."""
    with hub.database.work() as work:
        for row in work.session.exec(select(ExperimentRow)):
            for name, values in columns.items():
                if row.number in values:
                    setattr(row, name, values[row.number])
        announced(work)


@pytest.fixture
def grown(hub: Hub) -> Hub:
    """The hub with five experiments of which git holds nothing yet."""
    forest.grow(hub, 5)
    set_rows(hub, score=SCORES)
    return hub


def test_git_lists_every_experiment_the_leaves_and_the_best(grown: Hub) -> None:
    found = named(grown)

    every = {f"experiments/{number}": number for number in range(6)}
    leaves = {f"heads/leaf/{number}": number for number in (2, 3, 4, 5)}
    assert found == {**every, **leaves, "heads/champion": 1}


@pytest.mark.parametrize(
    ("direction", "best", "order"), [("min", 1, [3, 2, 5, 4]), ("max", 5, [5, 2, 3, 4])]
)
def test_the_best_leaves_are_kept_and_what_has_no_score_comes_last(
    grown: Hub, monkeypatch: pytest.MonkeyPatch, direction: str, best: int, order: list[int]
) -> None:
    for leaves in (1, 2, 3, 4):
        monkeypatch.setattr(refs, "LEAVES", leaves)
        changed(grown, direction=direction)
        found = named(grown)

        assert sorted(found[name] for name in found if "leaf" in name) == sorted(order[:leaves])
        assert found["heads/champion"] == best


def test_of_equal_leaves_the_newest_are_kept(grown: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refs, "LEAVES", 2)
    set_rows(grown, score=dict.fromkeys((2, 3, 4, 5), 0.5))

    assert {"heads/leaf/4", "heads/leaf/5"} < named(grown).keys()


def test_what_is_hidden_is_fetched_by_its_number_and_is_neither_champion_nor_leaf(
    grown: Hub,
) -> None:
    set_rows(grown, hidden=dict.fromkeys((1, 3), True))

    found = named(grown)

    assert found["heads/champion"] == 2
    assert (found["experiments/3"], "heads/leaf/3" in found) == (3, False)


def test_a_crowned_experiment_is_the_champion_whatever_reads_better(grown: Hub) -> None:
    with grown.database.read() as session:
        made = select(ExperimentRow.sha).where(col(ExperimentRow.number) == 5)
        sha = session.exec(made).one()
    changed(grown, champion=sha)

    assert named(grown)["heads/champion"] == 5


def test_a_goal_of_which_nothing_was_measured_has_its_starting_point_for_champion(
    hub: Hub,
) -> None:
    with hub.database.work() as work:
        goals.open_goal(work, hub.git, a_spec("another"), FILES)

    assert named(hub, "another")["heads/champion"] == 0


def test_refs_are_written_once_until_an_event_and_again_where_they_were_lost(grown: Hub) -> None:
    def written() -> int:
        with grown.database.read() as session:
            return refs.project(session, grown.git, goals.find(session, "toy"))

    packed = grown.git.path("toy") / "packed-refs"
    seen = [written(), written()]
    packed.unlink()
    seen += [written(), written()]
    changed(grown)
    seen += [written(), written()]

    assert seen == [11, 0, 11, 0, 11, 0]


def test_what_another_hub_took_is_made_before_a_ref_names_it(grown: Hub) -> None:
    named(grown)

    git(grown, "toy", "fsck", "--full", "--strict")  # ends with an error where one is missing


def test_a_comment_a_peeled_tag_and_an_empty_line_are_no_strays(grown: Hub) -> None:
    packed = grown.git.path("toy") / "packed-refs"
    named(grown)
    with packed.open("a") as file:
        file.write(f"^{'0' * 40}\n\n# a word\n{'0' * 40} refs/heads/odd\n")

    with grown.database.read() as session:
        found = refs.strays(session, grown.git, goals.find(session, "toy"))

    assert found == ["refs/heads/odd"]
