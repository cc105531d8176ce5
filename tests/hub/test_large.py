"""What a hub bears that holds very many rows: shown with few, because the rule is what counts."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from sqlmodel import Session, col, select

from hub import (
    board,
    columns,
    db,
    experiments,
    goals,
    leases,
    merge_arm,
    minds,
    outcomes,
    overview,
    replication,
    roster,
    scheduling,
    search,
    work,
)
from hub.board import Wanted
from hub.core import Hub, open_hub
from hub.db import Database
from hub.settings import Settings
from hub.tables import ExperimentRow, GoalRow, OrderRow
from protocol.roster import Order, Span
from tests.builders import FILES, NOON, Clock, a_spec
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


@pytest.fixture
def embedded(tmp_path: Path, sqlite_url: str, clock: Clock) -> Iterator[Hub]:
    """A hub on SQLite, which says how it will look for rows."""
    hub = open_hub(Settings(data=tmp_path / "hub", database_url=sqlite_url), clock)
    with hub.database.work() as work:
        goals.open_goal(work, hub.git, a_spec(), FILES)
    yield hub
    hub.database.dispose()


Read = Callable[[Session, GoalRow, ExperimentRow], object]
READS: dict[str, tuple[Read, set[str]]] = {
    "a tree's version": (
        lambda session, goal, _: columns.newest(session, goal.slug),
        {"ix_events_goal_seq (goal=?)", "ix_events_type_goal_seq (type=? AND goal=?)"},
    ),
    "orders that wait": (
        lambda session, *_: session.exec(
            work._FREE, params={"goals": ["toy"], "overdue": NOON, "most": 9}
        ).all(),
        {
            "ix_orders_goal_state (goal=? AND state=?)",
            "ix_orders_state_deadline (state=? AND deadline<?)",
            "sqlite_autoindex_orders_1 (id=?)",
        },
    ),
    "how many leases a goal has": (
        lambda session, *_: scheduling._open(session),
        {"ix_orders_goal_state (goal=? AND state=?)"},
    ),
    "orders that an agent holds": (
        lambda session, *_: session.exec(work._HELD, params={"agent": "volta"}).all(),
        {"ix_orders_agent_state (agent=? AND state=?)"},
    ),
    "an agent's last order": (
        lambda session, *_: scheduling._REFUSED.value(session.connection(), agent="volta"),
        {"ix_orders_agent_claimed_at (agent=?)"},
    ),
    "merges that came to nothing": (
        lambda session, goal, _: scheduling.barred(session, goal, {}),
        {"ix_orders_unmerged (goal=?)"},
    ),
    "what became of orders": (
        lambda session, *_: leases._TOLD.all(session.connection(), goal="toy", after=9),
        {"ix_events_type_goal_seq (type=? AND goal=? AND seq>?)"},
    ),
    "rare events": (
        lambda session, goal, _: overview.activity(session, goal, 9, 50, ["goal.changed"]),
        {"ix_events_type_goal_seq (type=? AND goal=? AND seq<?)"},
    ),
    "posts of a channel": (
        lambda session, *_: board.posts(session, Wanted(channel="results"), before=9),
        {"ix_posts_channel_seq (channel=? AND seq<?)"},
    ),
    "children": (
        lambda session, _, row: experiments.children(session, row, None, 50),
        {
            "sqlite_autoindex_experiments_2 (goal=? AND number=?)",
            "ix_experiments_goal_parent (goal=? AND parent=?)",
            "ix_experiments_goal_second_parent (goal=? AND second_parent=?)",
        },
    ),
}


@pytest.mark.parametrize("what", READS)
def test_what_is_wanted_is_found_without_reading_all_else(embedded: Hub, what: str) -> None:
    read, indexes = READS[what]
    with embedded.database.read() as session:
        goal = session.get_one(GoalRow, "toy")
        root = session.exec(select(ExperimentRow)).one()
        plan = _plan(session, lambda: read(session, goal, root))

    assert indexes <= {step.rpartition(" INDEX ")[2] for step in plan}
    assert not [step for step in plan if "ORDER BY" in step]


@pytest.mark.postgres
def test_postgresql_counts_a_goal_s_leases_without_going_through_every_goal_s(pg_url: str) -> None:
    database = Database(pg_url, Clock(), pool=1)
    with database.read() as session:
        dialect = session.connection().dialect
        asked = scheduling._OPEN.compile(dialect=dialect)
        whole = scheduling._OPEN.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
        session.execute(sa.text("SET enable_seqscan = off"))
        plan = session.execute(sa.text(f"EXPLAIN {whole}")).scalars().all()
    database.dispose()

    assert "orders.state = 'leased'" in str(asked)  # a parameter could be anything
    assert [step for step in plan if "using ix_orders_leased on orders" in step]


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


def test_the_first_page_goes_through_no_goal_s_experiments_or_runs(embedded: Hub) -> None:
    with embedded.database.read() as session:
        now = embedded.clock()
        plan = _plan(session, lambda: overview.overview(session, embedded.settings, now))

    of_all = ("SCAN experiments", "SCAN runs")
    assert not [step for step in plan if step.startswith(of_all) or "goal_parent (goal=?)" in step]
    assert "SEARCH experiments USING INDEX ix_experiments_kept (goal=?)" in plan


def test_what_agents_ran_in_a_day_is_found_without_all_that_they_ever_ran(embedded: Hub) -> None:
    today = roster.Wanted(Order.RUNS, Span.DAY)
    with embedded.database.read() as session:
        plan = _plan(session, lambda: roster.page(session, today, embedded.clock()))

    assert "SEARCH runs USING INDEX ix_runs_goal_created_at (goal=? AND created_at>?)" in plan
    assert not [step for step in plan if step.startswith("SCAN runs")]


def test_a_search_finds_rows_by_where_they_are_in_the_index(embedded: Hub) -> None:
    with embedded.database.read() as session:
        now = embedded.clock()
        plan = _plan(session, lambda: search.search(session, "faster since:7d", now))

    assert "SEARCH experiments USING INTEGER PRIMARY KEY (rowid=?)" in plan
    assert "SEARCH posts USING INTEGER PRIMARY KEY (rowid=?)" in plan
    assert not [step for step in plan if "sha=?" in step]


def _plan(session: Session, read: Callable[[], object]) -> list[str]:
    """The steps of what SQLite is asked for meanwhile."""
    asked: list[str] = []
    raw: Any = session.connection().connection.driver_connection
    raw.set_trace_callback(asked.append)
    read()
    raw.set_trace_callback(None)
    asked = [each for each in asked if not each.startswith("--")]  # what full text does within
    explained = [raw.execute(f"EXPLAIN QUERY PLAN {each}") for each in asked]
    return [str(step[3]) for steps in explained for step in steps]


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


def test_what_became_of_a_few_is_derived_without_reading_their_goal(embedded: Hub) -> None:
    few = col(ExperimentRow.sha).in_(forest.grow(embedded, 3))
    with embedded.database.rehearsal() as work:
        plan = _plan(work.session, lambda: outcomes.derive(work, "toy", few))

    assert any("experiments" in step for step in plan)
    assert not [step for step in plan if "experiments" in step and step.endswith("(goal=?)")]


def test_a_few_of_a_subtree_cost_what_a_few_cost(embedded: Hub) -> None:
    forest.grow(embedded, 60)
    with embedded.database.read() as session:
        root = experiments.find(session, "#0", "toy")
        few = _steps(session, lambda: experiments.subtree(session, root, 4))
        every = _steps(session, lambda: experiments.subtree(session, root, 99))

    assert 4 * few < every


def _steps(session: Session, read: Callable[[], object]) -> int:
    """How many instructions of its own SQLite runs meanwhile."""
    steps = 0

    def _count() -> None:
        nonlocal steps
        steps += 1

    read()
    raw: Any = session.connection().connection.driver_connection
    raw.set_progress_handler(_count, 1)
    read()
    raw.set_progress_handler(None, 1)
    return steps
