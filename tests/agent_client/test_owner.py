"""The owner's limits, the breaker, waits and versions: pure decisions on clocks that tests move."""

import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_client import versions
from agent_client.backoff import CAP_SECONDS, Backoff, full_jitter
from agent_client.breaker import LIMIT, Breaker
from agent_client.errors import BadSettings, CopiedFolder, TooOld
from agent_client.gpu import Nvml, Reading
from agent_client.hours import allowed, opens_in, parse_hours
from agent_client.hub_api import check_address
from agent_client.limits import PAUSE, RESERVE_MB, Gate
from agent_client.machine import check_gpus, clock_trouble, on_battery
from agent_client.settings import OwnerLimits, Settings, load, save
from agent_client.state import Held, State
from agent_client.telemetry import Duty
from protocol.runs import Failure
from tests.builders import an_id

SATURDAY_NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@dataclass
class Watch:
    """A monotonic clock that stands still until it is told to move."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Meter:
    """A GPU whose readings the test decides."""

    reading: Reading | None

    def read(self) -> Reading | None:
        return self.reading


def a_gate(folder: Path, reading: Reading | None = None, **limits: Any) -> Gate:
    state = State(folder)
    owner = OwnerLimits(disk_free_mb=0, **limits)
    return Gate(folder, owner, state, Meter(reading), clock=lambda: SATURDAY_NOON)


def test_nothing_stands_in_the_way_of_work(tmp_path: Path) -> None:
    assert a_gate(tmp_path).reason() == ""


def test_outside_the_allowed_hours_the_client_says_when_it_goes_on(tmp_path: Path) -> None:
    gate = a_gate(tmp_path, hours={"mon-fri": "09:00-17:00"})

    assert gate.reason() == "Outside the hours you allow; goes on Mon 09:00."


@pytest.mark.parametrize(
    ("hours", "inside"),
    [
        ({"sat": "11:00-13:00"}, True),
        ({"fri": "20:00-12:30"}, True),
        ({"fri": "20:00-12:00"}, False),
        ({"sat-sun": "00:00-24:00"}, True),
        ({"sun-mon": "00:00-24:00"}, False),
        ({"fri-mon": "11:00-12:01"}, True),
        ({"sat": "08:00-09:00,12:00-12:01"}, True),
    ],
)
def test_hours_by_weekday_and_past_midnight(hours: dict[str, str], inside: bool) -> None:
    assert allowed(parse_hours(hours), SATURDAY_NOON) is inside


@given(st.integers(0, 7 * 24 * 60 - 1))
def test_when_it_opens_it_is_open(minute: int) -> None:
    spans, now = parse_hours({"wed": "03:00-04:30"}), SATURDAY_NOON + timedelta(minutes=minute)

    assert allowed(spans, now + opens_in(spans, now))


@pytest.mark.parametrize("said", [{"noon": "1:00-2:00"}, {"mon": "0:00-24:30"}, {"mon": "9-17"}])
def test_hours_that_cannot_be_read_are_refused(said: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="is not a"):
        parse_hours(said)


def test_a_gpu_that_others_use_is_left_alone(tmp_path: Path) -> None:
    gate = a_gate(tmp_path, Reading(others=(4711,)))

    assert gate.reason() == "Somebody else uses the GPU (pid 4711)."
    assert a_gate(tmp_path, gate.gauge.read(), pause_when_gpu_is_used=False).reason() == ""


def test_a_hot_gpu_must_cool_by_five_degrees(tmp_path: Path) -> None:
    gate = a_gate(tmp_path, temperature=80.0)
    seen = []
    for degrees in (79, 81, 78, 76, 75, 79):
        gate.gauge = Meter(Reading(temperature=degrees))
        seen.append(bool(gate.reason()))

    assert seen == [False, True, True, True, False, False]


def test_power_runs_and_money_have_limits(tmp_path: Path) -> None:
    gate = a_gate(tmp_path, Reading(power=301.0), power_watts=300.0, runs_per_day=2)
    assert "301 W" in gate.reason()
    gate.gauge = Meter(None)

    gate.state.spend(SATURDAY_NOON.date(), dollars=5.0, runs=2)

    assert gate.reason() == "2 of 2 runs a day are done; goes on tomorrow."
    assert gate.money() == "$5.00 of $5.00 a day is spent."
    gate.clock = lambda: SATURDAY_NOON + timedelta(days=1)
    assert (gate.reason(), gate.money()) == ("", "")


def test_money_has_a_limit_in_total_as_well(tmp_path: Path) -> None:
    gate = a_gate(tmp_path, dollars_total=7.0)
    gate.state.spend(SATURDAY_NOON.date(), dollars=4.0)
    assert gate.money() == ""
    gate.clock = lambda: SATURDAY_NOON + timedelta(days=1)

    gate.state.spend(gate.clock().date(), dollars=3.0)

    assert gate.money() == "$7.00 of $7.00 in total is spent."


def test_tokens_have_limits_where_money_is_none(tmp_path: Path) -> None:
    gate = a_gate(tmp_path, tokens_per_day=1000, tokens_total=1500)
    assert gate.money() == ""

    gate.state.spend(SATURDAY_NOON.date(), tokens=1000)
    today = gate.money()
    gate.clock = lambda: SATURDAY_NOON + timedelta(days=1)
    tomorrow = gate.money()
    gate.state.spend(gate.clock().date(), tokens=500)

    assert (today, tomorrow) == ("1,000 of 1,000 tokens a day are used.", "")
    assert gate.money() == "1,500 of 1,500 tokens in total are used."


def test_a_request_that_would_go_over_a_limit_waits_and_says_so(tmp_path: Path) -> None:
    gate = a_gate(tmp_path, dollars_per_day=5.0, tokens_total=1000)

    gate.state.spend(SATURDAY_NOON.date(), dollars=4.9, tokens=900)

    assert gate.money(0.09, 99) == ""
    dear, many = gate.money(0.25, 1), gate.money(0.01, 200)
    assert dear == "$4.90 of $5.00 a day is spent, and this proposal may cost $0.25."
    assert many == "900 of 1,000 tokens in total are used, and this proposal may take 200."


class NoSuchGpu(Exception):
    """What the driver says of a GPU that it cannot find."""


def gone(_: int) -> None:
    raise NoSuchGpu


def test_a_gpu_that_went_away_is_a_reason(tmp_path: Path) -> None:
    """Its driver was replaced, or it fell off the bus: five runs crashed before anybody looked."""
    library = SimpleNamespace(NVMLError=NoSuchGpu, nvmlDeviceGetHandleByIndex=gone)
    gate = a_gate(tmp_path)
    gate.gauge = Nvml(library, 1)

    assert "GPU 1 cannot be seen any more" in gate.reason()
    assert "agent_client doctor" in gate.reason()


def supply(folder: Path, **said: str) -> None:
    """A source of power as Linux shows it."""
    folder.mkdir(parents=True)
    for name, word in said.items():
        (folder / name).write_text(f"{word}\n")


def test_a_machine_on_its_battery_waits_unless_its_owner_allows_it(tmp_path: Path) -> None:
    none, emptied = on_battery(tmp_path / "none"), tmp_path / "laptop"
    supply(emptied / "BAT0", type="Battery", status="Discharging")
    alone = on_battery(emptied)
    supply(emptied / "AC", type="Mains", online="1")
    plugged = on_battery(emptied)
    gate, allowed = a_gate(tmp_path), a_gate(tmp_path, on_battery=True)
    gate.battery = allowed.battery = lambda: True

    assert (none, alone, plugged) == (False, True, False)
    assert gate.reason() == "This machine runs on its battery; goes on when it is plugged in."
    assert allowed.reason() == ""


def test_a_full_disk_and_a_pause_are_reasons(tmp_path: Path) -> None:
    gate = a_gate(tmp_path)
    gate.needed_disk_mb = 10**9
    assert f"MB of disk are free, {10**9 + RESERVE_MB} MB are needed." in gate.reason()

    (tmp_path / PAUSE).touch()

    assert "resume" in gate.reason()


def test_five_failures_in_a_row_pause_for_growing_times_and_a_success_clears() -> None:
    clock = Watch()
    breaker = Breaker(clock)
    waits = []
    for _ in range(LIMIT + 8):
        breaker.ended(Failure.CRASH, "no driver")
        waits.append(breaker.wait()[0])

    assert waits == [0] * 4 + [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    assert "13 jobs failed in a row (crash: no driver)" in breaker.wait()[1]
    breaker.ended(None, "")
    assert breaker.wait() == (0.0, "")
    breaker.ended(Failure.CRASH, "no driver")
    assert breaker.wait() == (0.0, "")


MACHINES = {Failure.CRASH, Failure.OOM, Failure.HANG, Failure.KILLED, Failure.NO_METRIC}
"""What a machine without a driver, or with too little memory, brings about again and again."""


@pytest.mark.parametrize("failure", Failure)
def test_a_proposals_own_crash_does_not_trip_the_breaker_and_a_machines_does(
    failure: Failure,
) -> None:
    breaker = Breaker(Watch())
    for _ in range(LIMIT):
        breaker.ended(failure, "")

    assert (breaker.wait()[0] > 0) is (failure in MACHINES)


@given(st.integers(0, 1000), st.floats(0, 1, exclude_max=True), st.floats(0, 600))
def test_a_wait_is_never_below_its_floor_nor_above_its_cap(
    attempt: int, draw: float, floor: float
) -> None:
    wait = full_jitter(attempt, floor, lambda: draw)

    assert floor <= wait <= max(floor, CAP_SECONDS)


def test_a_success_starts_the_waits_from_the_beginning() -> None:
    backoff = Backoff(draw=lambda: 1.0)
    waits = [backoff.next() for _ in range(7)]
    backoff.reset()

    assert waits == [2, 4, 8, 16, 32, 60, 60]
    assert backoff.next() == 2


def test_the_version_gate_names_what_to_do() -> None:
    assert versions.check("0.1.0", "0.1.0", "0.1.0") == ""
    out = versions.check("0.9.1", "0.9.0", "0.10.0")
    assert "0.10.0 is out" in out and "`git pull && pip install" in out
    with pytest.raises(TooOld, match=r"`git pull && pip install .* in AgentHub's checkout"):
        versions.check("0.9.1", "0.10.0", "0.10.0")


@pytest.mark.parametrize(
    "url",
    [
        *("http://hub.example.org", "ftp://hub", "hub.example.org", "", "http://[::1"),
        *("http://127.0.0.1:port", "http://127.0.0.1:99999", "https://hub\n", "https://xn--a"),
    ],
)
def test_an_address_that_would_leak_the_token_is_refused(url: str) -> None:
    with pytest.raises(BadSettings):
        check_address(url)


@pytest.mark.parametrize("gpus", ["99", "0,99"])
def test_a_gpu_that_is_not_there_is_refused_with_what_can_be_seen(gpus: str) -> None:
    with pytest.raises(BadSettings, match="--gpus cpu to work on the processor"):
        check_gpus(gpus)


def test_http_is_fine_on_this_machine_and_where_the_owner_insists() -> None:
    assert check_address("http://127.0.0.1:8000/") == "http://127.0.0.1:8000"
    assert check_address("http://hub.lan", insecure=True) == "http://hub.lan"


def test_settings_come_back_as_they_were_written(tmp_path: Path) -> None:
    limits = OwnerLimits(hours={"mon-fri": "18:00-08:00"}, temperature=80.5, runs_per_day=3)
    said = {
        "hub": "https://hub",
        "agent": "a",
        "owner": "o",
        "token": 'quo"te\\ä',
        "goals": ["toy"],
    }
    settings = Settings.model_validate(said | {"limits": limits})

    save(tmp_path, settings)

    assert load(tmp_path) == settings


def test_the_duty_cycle_counts_from_the_first_run_to_the_last() -> None:
    clock = Watch()
    duty = Duty(clock)
    for gap in (5.0, 15.0, 0.0):
        duty.start()
        clock.now += 60
        duty.end(60.0)
        clock.now += gap

    assert duty.cycle == pytest.approx(180 / 200)
    assert duty.overhead == 15.0


def test_the_state_survives_a_torn_file_by_its_previous_copy(tmp_path: Path) -> None:
    state = State(tmp_path)
    held = Held(lease=an_id(), epoch=1)
    state.hold(held)
    state.count(runs=1)
    (tmp_path / "state.json").write_text('{"totals": {"runs": 1')

    again = State.open(tmp_path)

    assert again.memory.held == [held]


def test_a_clock_that_jumps_back_keeps_the_days_apart(tmp_path: Path) -> None:
    state = State(tmp_path)
    today = date(2026, 11, 21)
    state.spend(today, runs=3)

    assert state.used(today).runs == 3
    assert state.used(today + timedelta(days=1)).runs == 0


def test_a_copy_beside_its_original_is_refused_by_name_and_a_moved_folder_is_not(
    tmp_path: Path,
) -> None:
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    first.mkdir()
    State(first).change(lambda _: {"folder": str(first)})
    shutil.copytree(first, second)

    with pytest.raises(CopiedFolder, match=f"second is a copy of {first}, which is still there"):
        State.open(second).insist_on_being_the_only_one()

    first.rename(third)
    State.open(third).insist_on_being_the_only_one()
    State.open(second).insist_on_being_the_only_one()


def test_a_hub_that_was_set_back_is_named_and_worked_for() -> None:
    said = versions.check("0.3.0", "0.1.0", "0.2.0")

    assert said.startswith("The hub is older (0.2.0) than this client (0.3.0). Work goes on")


@pytest.mark.parametrize(
    ("hours", "words"),
    [(0.01, ""), (-0.01, ""), (2, "120 minutes ahead of"), (-2, "120 minutes behind")],
)
def test_a_clock_over_a_minute_off_is_said(hours: float, words: str) -> None:
    said = clock_trouble(SATURDAY_NOON + timedelta(hours=hours), SATURDAY_NOON)

    assert words in said
    assert bool(said) == bool(words)


def test_a_hub_that_does_not_tell_the_time_is_no_trouble() -> None:
    assert clock_trouble(SATURDAY_NOON, None) == ""
