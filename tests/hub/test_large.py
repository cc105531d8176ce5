"""What a hub bears that holds very many rows: shown with few, because the rule is what counts."""

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from sqlmodel import Session, col, select

from hub import (
    db,
    merge_arm,
    minds,
    replication,
    work,
)
from hub.core import Hub
from hub.tables import ExperimentRow, GoalRow, OrderRow
from tests.builders import Clock
from tests.hub import forest
from tests.hub.operating import Curator
from tests.hub.volunteer import Volunteer


@pytest.fixture
def asked(hub: Hub) -> Iterator[list[tuple[str, int]]]:
    """Each statement but those that insert, and how many values it named."""
    seen: list[tuple[str, int]] = []

    def _look(_c: Any, _cursor: Any, statement: str, values: Any, _ctx: Any, many: bool) -> None:
        if not many and not statement.startswith("INSERT"):
            seen.append((statement, len(values)))

    engines = {hub.database.writer, hub.database.reader}
    for engine in engines:
        sa.event.listen(engine, "before_cursor_execute", _look)
    yield seen
    for engine in engines:
        sa.event.remove(engine, "before_cursor_execute", _look)


def test_no_statement_names_more_rows_than_a_database_takes(
    hub: Hub,
    http: TestClient,
    asked: list[tuple[str, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(db, "PART", 30)
    count = 40
    forest.grow(hub, count)
    with hub.database.work() as work:
        theirs = sa.update(ExperimentRow).where(col(ExperimentRow.owner) == "gaia")
        work.session.execute(theirs.values(second_parent=ExperimentRow.parent))
    grace = Curator.of(hub, http)

    tree = http.get("/v1/goals/toy/tree").json()
    banned = grace.acts("owner.ban", owner="gaia")["seq"]

    changed = sa.select(sa.func.count()).where(col(ExperimentRow.changed_seq) == banned)
    with hub.database.read() as session:
        assert session.execute(changed).scalar() == count
    assert tree["second_parent"].count(0) == 1
    assert max(count for _, count in asked) <= 30 + 2


@pytest.mark.parametrize("action", ["owner.ban", "owner.restore"])
def test_an_owner_of_many_experiments_is_banned_and_restored_by_a_few_statements(
    hub: Hub,
    http: TestClient,
    asked: list[tuple[str, int]],
    monkeypatch: pytest.MonkeyPatch,
    action: str,
) -> None:
    monkeypatch.setattr(db, "PART", 1)
    hub.believer.stop()
    forest.grow(hub, 120)
    grace = Curator.of(hub, http)
    if action == "owner.restore":
        grace.acts("owner.ban", owner="gaia")
    asked.clear()

    grace.acts(action, owner="gaia")

    others_wait_for = ("UPDATE", "SELECT experiments.id, ", "SELECT runs", "SELECT posts")
    said = [said for said, _ in asked if said.startswith(others_wait_for)]
    assert len(said) < 60
    assert not [each for each in said if "experiments.patch" in each], "nothing reads whole rows"


def test_a_large_subtree_is_frozen_by_a_few_statements(
    hub: Hub, http: TestClient, asked: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "PART", 1)
    hub.believer.stop()
    first = forest.grow(hub, 120)[0]
    grace = Curator.of(hub, http)
    asked.clear()

    frozen = grace.acts("experiment.freeze", experiment=first)

    said = [said for said, _ in asked if said.startswith(("UPDATE", "SELECT experiments.id, "))]
    assert len(said) < 6
    assert "frozen, with 39 descendants" in frozen["sentence"]
    with hub.database.read() as session:
        assert session.execute(sa.select(sa.func.sum(sa.cast(FROZEN, sa.Integer)))).scalar() == 40


FROZEN = col(ExperimentRow.frozen)


def test_what_is_put_back_is_read_once_for_each_of_its_changes(
    hub: Hub, http: TestClient, asked: list[tuple[str, int]]
) -> None:
    forest.grow(hub, 3)
    grace = Curator.of(hub, http)
    grace.acts("owner.ban", owner="gaia")
    asked.clear()

    grace.acts("owner.restore", owner="gaia")

    read = [said for said, _ in asked if said.startswith("SELECT experiments.id, ")]
    by_id = [said for said in read if "WHERE experiments.id IN" in said]
    assert len(by_id) == 2  # neither hidden nor forbidden any more


def test_a_claim_ends_few_of_the_leases_of_very_many_who_vanished(
    hub: Hub, http: TestClient, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "ENDED_AT_ONCE", 2)
    oldest = [Volunteer.joined(http, f"agent-{n}", f"owner-{n}").claim().lease for n in range(5)]
    clock.forward(hub.settings.lease_seconds + 60)
    volta, left = Volunteer.joined(http, "volta", "ada"), list[int]()

    for _ in range(3):
        volta.release(volta.claim())
        with hub.database.read() as session:
            held = session.exec(select(OrderRow.id).where(col(OrderRow.state) == "leased")).all()
        left.append(len(set(oldest) & set(held)))

    assert left == [3, 1, 0]


def test_nobody_waits_for_an_operator_s_plan_to_be_thought_out(
    hub: Hub, http: TestClient, thinking: list[bool]
) -> None:
    forest.grow(hub, minds.FEW)
    grace = Curator.of(hub, http)

    planned = grace.send("GET", "plan").json()
    grace.previews("owner.limit", owner="gaia", per_minute=5)

    assert (planned[0]["kind"], thinking) == ("anchor", [False])


def test_what_was_thought_in_the_background_serves_claims(
    hub: Hub, volta: Volunteer, thinking: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.believer.stop()  # it has its turn below, and no other
    forest.grow(hub, minds.FEW)
    volta.explore(learning_rate=0.3, metric=0.7)
    hub.mind._kept.clear()
    hub.believer.turn()
    before = len(thinking)
    # Nor is anything that hangs on no lease worked out again while others wait for a claim.
    monkeypatch.setattr(merge_arm, "_leader", None)
    monkeypatch.setattr(replication, "_wishes", None)

    assert volta.exploring().parent is not None
    assert len(thinking) == before


@pytest.fixture
def thinking(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each thought about a goal, whether others waited for it; and all of them are long."""
    seen: list[bool] = []
    think = minds.think

    def _slowly(session: Session, goal: GoalRow) -> minds.Thoughts:
        seen.append(isinstance(session, db.Writing))
        return think(session, goal)

    monkeypatch.setattr(minds, "think", _slowly)
    monkeypatch.setattr(minds, "LONG", 0.0)
    monkeypatch.setattr(minds, "PATIENCE", 1e9)
    return seen


@pytest.fixture
def whole() -> Iterator[set[str]]:
    """Which experiments are read with all they hold, patches too."""
    read = set[str]()

    def _note(row: ExperimentRow, _: Any) -> None:
        read.add(row.__dict__["sha"])

    sa.event.listen(ExperimentRow, "load", _note)
    yield read
    sa.event.remove(ExperimentRow, "load", _note)


def test_whoever_derives_a_goal_anew_reads_none_of_its_patches(
    hub: Hub, http: TestClient, whole: set[str]
) -> None:
    shas = forest.grow(hub, 20)
    grace = Curator.of(hub, http)
    whole.clear()

    grace.acts("experiment.hide", experiment=shas[-1])

    assert whole == {shas[-1]}


def test_the_first_page_reads_no_patches(
    http: TestClient, volta: Volunteer, whole: set[str]
) -> None:
    volta.explore(0.2, metric=0.8)
    whole.clear()

    card = http.get("/v1/overview").json()["goals"][0]

    assert [step["number"] for step in card["stairs"]] == [0, 1]
    assert not whole
