"""When a tree's memory is looked at: before it can have passed its limit, and not more often."""

import os
from pathlib import Path

import pytest

from agent_client.jail.memory import RESERVE, Watch
from agent_client.jail.tree import Process, below

MIB = 1 << 20
PACE = (2 << 30) * max(2, os.cpu_count() or 1)


class Machine:
    """A machine whose memory the test decides; sizes in MiB."""

    def __init__(self, folder: Path) -> None:
        self.file = str(folder / "meminfo")
        self.has()

    def has(self, anonymous: int = 1000, shared: int = 100, available: int = 8000) -> None:
        """Say what is taken and what is left."""
        said = {"MemAvailable": available, "AnonPages": anonymous, "Shmem": shared}
        lines = [f"{name}: {size * 1024:8} kB\n" for name, size in said.items()]
        Path(self.file).write_text("".join(lines))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def myself() -> list[Process]:
    """This very process, which has memory of its own."""
    return [one for one in below(os.getppid()) if one.pid == os.getpid()]


def test_a_tree_far_from_its_limit_is_left_alone_for_as_long_as_filling_the_rest_takes(
    machine: Machine,
) -> None:
    watch = Watch(512 * MIB, machine.file)

    assert watch.look([]) == 0
    assert watch.safe_seconds() == pytest.approx(512 * MIB / PACE)


def test_memory_that_anybody_took_shortens_the_time_and_a_look_tells_whose_it_was(
    machine: Machine,
) -> None:
    watch = Watch(512 * MIB, machine.file)
    watch.look([])

    machine.has(anonymous=1000 + 256)
    half = watch.safe_seconds()
    machine.has(anonymous=1000 + 512)
    none = watch.safe_seconds()
    watch.look([])

    assert half == pytest.approx(256 * MIB / PACE)
    assert none == 0
    assert watch.safe_seconds() == pytest.approx(512 * MIB / PACE)


def test_shared_memory_is_the_trees_own_whoever_holds_it(machine: Machine) -> None:
    watch = Watch(512 * MIB, machine.file)

    machine.has(shared=100 + 300)

    assert watch.safe_seconds() == pytest.approx(212 * MIB / PACE)
    assert watch.look([]) == 300 * MIB
    assert watch.peak == 300 * MIB


def test_a_machine_that_does_not_tell_what_is_taken_is_looked_at_all_the_same(
    tmp_path: Path,
) -> None:
    (tmp_path / "meminfo").write_text("MemAvailable: 8000000 kB\n")
    watch = Watch(512 * MIB, str(tmp_path / "meminfo"))

    assert watch.look([]) == 0
    assert 0 < watch.safe_seconds() < 1


def test_private_memory_is_added_up(machine: Machine) -> None:
    watch = Watch(1 << 40, machine.file)

    once, twice = watch.look(myself()), watch.look(myself() * 2)

    assert MIB < once < twice


def test_a_machine_with_nothing_left_ends_the_tree(machine: Machine) -> None:
    watch = Watch(512 * MIB, machine.file)

    machine.has(available=RESERVE // MIB - 1)

    assert watch.look([]) > 512 * MIB
