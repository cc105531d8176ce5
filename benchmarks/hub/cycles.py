"""Whole cycles of many agents at once: a claim, a proposal and a report each, over HTTP.

The goal grows from its baseline while they work, and ten thousand leases of it are held beside
them. What is measured is the server's processor time for a cycle once the goal is no longer small,
everything in the background included, beside that of three requests to the floor. Ten thousand
agents that train for five minutes are 33 cycles a second.
"""

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any
from uuid import uuid4

from httpx2 import Client

from benchmarks.hub import load
from benchmarks.hub.load import NO_LIMITS, cpu_seconds
from benchmarks.hub.world import a_data_folder, leased
from hub.tables import GoalRow
from tests.faults.hub_process import HubProcess
from tests.hub.volunteer import Volunteer

AGENTS = 16
LEASES = 10_000
WANTED = LEASES / 300
"""Cycles a second of 10,000 agents that train for five minutes."""
UNLIMITED = NO_LIMITS | {"AGENTHUB_JOINS_PER_HOUR": "1e9"}
FLOORS = 5000


def cycles(before: int, seconds: float) -> dict[str, Any]:
    """What cycles take on a goal of more than `before` experiments, measured for so long."""
    floor = load.floor([load.request(f"/{n}", "", b'{"cycle": 1}') for n in range(FLOORS)]).cpu_ms
    with a_data_folder("rate = 1\nLEARNING_RATE = 0.1\n") as (hub, folder):
        with hub.database.read() as session:
            root = str(session.get_one(GoalRow, "toy").root)
        leased(hub, root, LEASES)
        hub.database.dispose()
        served = HubProcess(folder, settings=UNLIMITED)
        served.start()
        try:
            found = _measured(served, before, seconds)
        finally:
            served.stop()
    return found | {"floor_cpu_ms": floor, "times_three_floors": found["cpu_ms"] / (3 * floor)}


def _measured(served: HubProcess, before: int, seconds: float) -> dict[str, Any]:
    assert served.process is not None
    over, done, claims = threading.Event(), count(), list[float]()
    agents = [_Agent(served.url, number, done, claims) for number in range(AGENTS)]
    with ThreadPoolExecutor(AGENTS) as threads:
        lives = [threads.submit(agent.live, over) for agent in agents]
        try:
            _until(lambda: len(claims) > before or any(life.done() for life in lives))
            started, used, first = time.perf_counter(), cpu_seconds(served.process.pid), next(done)
            claims.clear()
            time.sleep(seconds)
            wall, made = time.perf_counter() - started, next(done) - first - 1
            cpu = cpu_seconds(served.process.pid) - used
            waits = sorted(claims)
        finally:
            over.set()
        for life in lives:
            life.result()
    return {
        "agents": AGENTS,
        "leases": LEASES,
        "per_second": round(made / wall, 1),
        "cpu_ms": round(cpu / made * 1000, 2),
        "share_of_a_core": round(cpu / made * WANTED, 3),
        "claim_p50_ms": round(waits[len(waits) // 2], 1),
        "claim_p99_ms": round(waits[len(waits) * 99 // 100], 1),
    }


def _until(holds: Callable[[], bool]) -> None:
    while not holds():
        time.sleep(0.1)


class _Agent:
    """Claims, proposes and reports without training anything; an owner of its own."""

    def __init__(self, url: str, number: int, done: "count[int]", claims: list[float]) -> None:
        http = Client(base_url=url, timeout=60.0)
        self._volunteer = Volunteer.joined(http, f"agent-{number}", f"owner-{number}")
        self._draw, self._done, self._claims = random.Random(number), done, claims

    def live(self, over: threading.Event) -> None:
        """Work until all is over."""
        while not over.is_set():
            self._cycle()
        self._volunteer.http.close()

    def _cycle(self) -> None:
        started = time.perf_counter()
        order = self._volunteer.claim()
        self._claims.append((time.perf_counter() - started) * 1000)
        if order.experiment is None and not self._propose(order):
            self._volunteer.release(order)
            return
        luck = random.Random(order.experiment).gauss(0.95, 0.004)
        read = luck + self._draw.gauss(0.0, 0.002)
        assert self._volunteer.report(order, metric=read).status_code == 200
        next(self._done)

    def _propose(self, order: Any) -> bool:
        text = f"rate = 1\nLEARNING_RATE = {self._draw.random()}\n"
        title, operator = f"Try {uuid4().hex[:8]}", order.extra["operator"]
        said = self._volunteer.propose(
            order, files={"train.py": text}, title=title, operator=operator
        )
        return said.status_code == 200
