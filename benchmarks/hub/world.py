"""A hub with many experiments in a temporary folder, and time as a median of repeats."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from hub import goal_files, goals
from hub.clock import utc_now
from hub.core import Hub, open_hub
from hub.settings import Settings
from hub.tables import AgentRow, OrderRow, OwnerRow
from protocol.runs import CurvePoint
from tests.builders import FILES, a_spec

_GOALS = Path(goal_files.__file__).parent / "goals_library"
TRAIN = "\n\n".join((_GOALS / name / "train.py").read_text() for name in ("nanogpt", "tiny_gpt"))
"""32 KB of real training code: what is measured must read it."""


def outputs(number: int) -> dict[str, Any]:
    """A run's own log of 60 lines and curve of 100 points: no two runs have the same."""
    losses = [3.0 / (n + 1) + (31 * number + 17 * n) % 997 / 1e4 for n in range(100)]
    lines = [
        f"step {n:05d} ({n}.0%) | loss: {losses[n]:.4f} | tok/s: 13,{(7 * n + number) % 1000:03d}\n"
        for n in range(60)
    ]
    curve = [CurvePoint(step=n, loss=loss, seconds=float(n)) for n, loss in enumerate(losses)]
    return {"log": "".join(lines), "curve": curve}


TURNS = 10


def variant(number: int) -> str:
    """The training code with one number changed."""
    before = "DEPTH = 8 "
    assert before in TRAIN
    return TRAIN.replace(before, f"DEPTH = {number + 100} ", 1)


@dataclass(frozen=True)
class Timed:
    """Median wall and mean processor milliseconds of a call."""

    wall_ms: float
    cpu_ms: float


def timed(call: Callable[[], object], repeats: int) -> Timed:
    """Call it so often, after once to warm up."""
    call()
    walls, cpu = [], time.process_time()
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        walls.append((time.perf_counter() - started) * 1000)
    return Timed(round(median(walls), 3), round((time.process_time() - cpu) / repeats * 1000, 3))


def in_turns(calls: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, Timed]:
    """Ten of each in turn: a machine that is slower for a while is slower for all of them.

    The first of ten only warms up, because what ran before had the processor's caches.
    """
    walls = {name: list[float]() for name in calls}
    cpu = dict.fromkeys(calls, 0.0)
    for _ in range(rounds(repeats)):
        for name, call in calls.items():
            for turn in range(TURNS):
                started, used = time.perf_counter(), time.process_time()
                call()
                if turn:
                    walls[name].append((time.perf_counter() - started) * 1000)
                    cpu[name] += (time.process_time() - used) * 1000
    return {
        name: Timed(round(median(each), 3), round(cpu[name] / len(each), 3))
        for name, each in walls.items()
    }


def rounds(repeats: int) -> int:
    """How many turns of ten count so often."""
    return -(-repeats // (TURNS - 1))


@contextmanager
def a_hub(train: str = TRAIN) -> Iterator[Hub]:
    """A hub with the goal `toy`, whose training file is 32 KB or this, and the agent `volta`."""
    with a_data_folder(train) as (hub, _):
        yield hub
        hub.database.dispose()


@contextmanager
def a_data_folder(train: str = TRAIN) -> Iterator[tuple[Hub, Path]]:
    """The same, with the folder it lies in."""
    with TemporaryDirectory(prefix="agenthub-bench-") as name:
        folder = Path(name) / "hub"
        hub = open_hub(Settings(data=folder))
        with hub.database.work() as work:
            goals.open_goal(work, hub.git, a_spec(), FILES | {"train.py": train})
            work.session.add(OwnerRow(name="ada", created_at=work.now))
            work.session.flush()
            work.session.add(volta())
        yield hub, folder


def volta() -> AgentRow:
    """The agent that does everything."""
    device = {"name": "cpu", "kind": "cpu", "device_class": "cpu"}
    return AgentRow(
        name="volta", owner="ada", device=device, device_class="cpu", created_at=utc_now()
    )


def leased(hub: Hub, parent: str, count: int) -> list[OrderRow]:
    """Orders that volta holds, written at once: claiming is measured elsewhere."""
    now = hub.clock()
    orders = [
        OrderRow(
            id=uuid4(),
            goal="toy",
            kind="explore",
            state="leased",
            operator="tweak",
            parent=parent,
            seed=1,
            nonce="n",
            epoch=1,
            holders={"1": "volta"},
            tried_owners=[],
            reasons=[],
            agent="volta",
            owner="ada",
            created_at=now,
            claimed_at=now,
            renewed_at=now,
            deadline=now + timedelta(days=1),
        )
        for _ in range(count)
    ]
    with hub.database.work() as work:
        work.session.add_all(orders)
    return orders
