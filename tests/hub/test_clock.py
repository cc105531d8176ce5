"""F9 on the hub's side: somebody sets the machine's clock while leases run."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from hub import goals
from hub.clock import SLEW, SteadyClock
from hub.core import Hub, open_hub
from hub.settings import Settings
from tests.builders import FILES, NOON, a_spec
from tests.hub.test_leases import a_replicate
from tests.hub.volunteer import Volunteer


@dataclass
class Machine:
    """A machine's two clocks."""

    wall: datetime = NOON
    seconds: float = 0.0

    def passes(self, seconds: float) -> None:
        self.seconds += seconds
        self.wall += timedelta(seconds=seconds)

    def clock(self) -> SteadyClock:
        clock = SteadyClock(lambda: self.wall, lambda: self.seconds)
        clock()
        return clock


def test_a_clock_that_nobody_sets_is_followed_exactly() -> None:
    machine = Machine()
    clock = machine.clock()

    machine.passes(3600)

    assert clock() == machine.wall


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(-1e5, 1e5)), max_size=20))
def test_no_step_makes_time_run_backwards_or_an_interval_long_or_short(
    moves: list[tuple[float, float]],
) -> None:
    machine = Machine()
    clock = machine.clock()

    for seconds, step in moves:
        before = clock()
        machine.wall += timedelta(seconds=step)
        machine.passes(seconds)
        after = clock()

        assert abs((after - before).total_seconds() - seconds) <= SLEW * seconds + 1e-3
        assert after >= before


def test_a_step_is_made_up_for_in_time() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.wall -= timedelta(minutes=10)

    for _ in range(201):
        machine.passes(60)
        clock()

    assert clock() == machine.wall


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def hub(machine: Machine, database_url: str, tmp_path: Path) -> Iterator[Hub]:
    """A hub that lives by the machine's clocks."""
    rules = Settings(data=tmp_path / "hub", database_url=database_url, gather_seconds=0)
    hub = open_hub(rules, machine.clock())
    with hub.database.work() as work:
        goals.open_goal(work, hub.git, a_spec(), FILES)
    yield hub
    hub.database.dispose()


@pytest.mark.parametrize("minutes", [-10, 10])
def test_f9_a_step_of_the_hubs_clock_takes_no_lease_and_keeps_none(
    hub: Hub, http: TestClient, machine: Machine, minutes: int
) -> None:
    a_replicate(hub)
    volta, tesla, curie = (
        Volunteer.joined(http, name, owner)
        for name, owner in (("volta", "ada"), ("tesla", "nikola"), ("curie", "marie"))
    )
    held = volta.claim()
    machine.wall += timedelta(minutes=minutes)

    machine.passes(30)
    assert tesla.claim().lease != held.lease
    machine.passes(200)
    assert curie.claim().lease == held.lease
