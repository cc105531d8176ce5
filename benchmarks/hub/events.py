"""One event to a thousand readers, and ten thousand heartbeats."""

import asyncio
import time
from typing import Any
from uuid import uuid4

from benchmarks.hub.world import Timed, a_hub, leased, timed
from hub.heartbeats import Beat
from hub.live import Live
from hub.tables import GoalRow
from protocol.events import GoalChanged


def heartbeats(agents: int) -> Timed:
    """Write one renewal of each agent behind, in one transaction; every 30 seconds at most."""
    with a_hub() as hub:
        with hub.database.read() as session:
            root = str(session.get_one(GoalRow, "toy").root)
        orders = leased(hub, root, agents)
        beat = Beat(1, hub.clock(), hub.clock(), "train", 0.5, 10, 2.0)

        def one() -> None:
            for order in orders:
                hub.heartbeats.beat(order.id, beat)
            hub.heartbeats.flush()

        return timed(one, 3)


def fan_out(readers: int) -> dict[str, Any]:
    """Milliseconds from a commit to the last reader's inbox, beside queues fed by hand."""
    with a_hub() as hub:
        return asyncio.run(_fan_out(hub.live, hub, readers))


async def _fan_out(live: Live, hub: Any, readers: int) -> dict[str, Any]:
    await live.start()
    arrived = asyncio.Queue[float]()

    async def read() -> None:
        async for _ in live.events(live.last):
            arrived.put_nowait(time.perf_counter())

    tasks = [asyncio.create_task(read()) for _ in range(readers)]
    await asyncio.sleep(1.0)
    times = []
    for _ in range(5):
        started = time.perf_counter()
        await asyncio.to_thread(_announce, hub)
        times.append(max([await arrived.get() for _ in range(readers)]) - started)
    await live.stop()
    await asyncio.gather(*tasks)
    return {"hub_ms": round(min(times) * 1000, 2), "floor_ms": await _by_hand(readers)}


def _announce(hub: Any) -> None:
    with hub.database.work() as work:
        work.announce(GoalChanged(goal="toy", state="open", version=1, reason=str(uuid4())))


async def _by_hand(readers: int) -> float:
    queues: list[asyncio.Queue[str]] = [asyncio.Queue() for _ in range(readers)]
    arrived = asyncio.Queue[float]()

    async def read(queue: asyncio.Queue[str]) -> None:
        await queue.get()
        arrived.put_nowait(time.perf_counter())

    tasks = [asyncio.create_task(read(queue)) for queue in queues]
    await asyncio.sleep(0.1)
    started = time.perf_counter()
    for queue in queues:
        queue.put_nowait("{}")
    last = max([await arrived.get() for _ in range(readers)])
    await asyncio.gather(*tasks)
    return round((last - started) * 1000, 2)
