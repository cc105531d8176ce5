"""Odd devices stand out; trust is earned run by run and lost at once."""

import random

import pytest

from hub import belief, trust
from hub.snapshot import Node, Reading, Rules, Snapshot
from hub.trust import Record

NOISE = 0.001


def a_snapshot(
    odd: float = 0.0, spread: float = NOISE, seed: int = 1, devices: int = 6
) -> Snapshot:
    """Devices of as many owners read eight experiments; device-0 reads as it is told."""
    dice = random.Random(seed)
    nodes = [Node("sha0", 0)] + [Node(f"sha{n}", n, parent=n - 1) for n in range(1, 8)]
    readings = []
    for node in range(8):
        for device in range(devices):
            width, shift = (spread, odd) if device == 0 else (NOISE, 0.0)
            value = 0.9 - 0.003 * node + dice.gauss(shift, width)
            readings.append(Reading(node, value, f"owner-{device}", f"device-{device}", "p", "gpu"))
    return Snapshot(Rules(noise_sd=NOISE), tuple(nodes), tuple(readings))


def test_honest_devices_are_green() -> None:
    snapshot = a_snapshot()

    told = trust.suspicions(snapshot, belief.fit(snapshot))

    assert {one.colour for one in told} == {"green"}
    assert len(told) == 6


def test_a_device_that_scatters_is_red_and_first() -> None:
    snapshot = a_snapshot(spread=20 * NOISE)

    worst, *others = trust.suspicions(snapshot, belief.fit(snapshot))

    assert (worst.device, worst.colour) == ("device-0", "red")
    assert worst.z > trust.QUARANTINE
    assert max(one.z for one in others) < worst.z / 2


def test_a_device_that_reads_absurdly_is_told_so_in_a_number() -> None:
    snapshot = a_snapshot(spread=1e4 * NOISE, devices=400)

    worst, *_ = trust.suspicions(snapshot, belief.fit(snapshot))

    assert (worst.device, worst.colour) == ("device-0", "red")
    assert 38.0 < worst.z < 1e6, "beyond 37 its tail underflows"
    assert "inf" not in worst.sentence


def test_trust_counts_what_others_bore_out_and_falls_at_once() -> None:
    snapshot = a_snapshot()
    assert trust.earned(snapshot, belief.fit(snapshot))["owner-1", "gpu"] == Record(8)

    lie = Reading(7, 0.5, "owner-1", "device-1", "p", "gpu")
    lied = Snapshot(snapshot.rules, snapshot.nodes, (*snapshot.readings, lie))
    assert trust.earned(lied, belief.fit(lied))["owner-1", "gpu"] == Record(0, broken=True)


def test_a_reading_that_nobody_repeated_earns_nothing() -> None:
    nodes = (Node("a", 0), Node("b", 1, parent=0))
    readings = (Reading(0, 0.9, "ada", "d", "p"), Reading(1, 0.8, "ada", "d", "p"))
    snapshot = Snapshot(Rules(), nodes, readings)

    fitted = belief.fit(snapshot)
    assert trust.earned(snapshot, fitted) == {}
    assert trust.suspicions(snapshot, fitted) == []


def test_thresholds_grow_with_the_number_of_devices() -> None:
    assert trust.thresholds(50)[0] == pytest.approx(3.09, abs=0.01)
    assert trust.thresholds(50)[1] == pytest.approx(3.54, abs=0.01)


@pytest.mark.parametrize(
    ("records", "worth"),
    [
        ((), 0),
        ((Record(8),), 8),
        ((Record(8), Record(3)), 11),
        ((Record(100), Record(0, broken=True)), 0),
        ((Record(100), Record(12, broken=True)), 12),
        ((Record(5, broken=True), Record(2, broken=True)), 2),
        ((Record(1), Record(9, broken=True)), 9),
    ],
    ids=["nobody", "one", "two", "a lie elsewhere", "earned again", "two lies", "more than all"],
)
def test_records_add_up_and_a_broken_one_holds_all_back(
    records: tuple[Record, ...], worth: int
) -> None:
    assert trust.total(records) == worth
    assert trust.total(reversed(records)) == worth
