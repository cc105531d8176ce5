"""How rows are looked for on a hub that holds very many: by an index, and not through all else."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

from hub import (
    board,
    columns,
    experiments,
    goals,
    leases,
    outcomes,
    overview,
    roster,
    scheduling,
    search,
    work,
)
from hub.board import Wanted
from hub.core import Hub, open_hub
from hub.db import Database
from hub.settings import Settings
from hub.tables import ExperimentRow, GoalRow
from protocol.roster import Order, Span
from tests.builders import FILES, NOON, Clock, a_spec
from tests.hub import forest


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
