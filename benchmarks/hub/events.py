"""One event to a thousand sockets, and ten thousand heartbeats; both over real connections."""

import asyncio
import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.hub.load import connected, cpu_seconds
from benchmarks.hub.world import Timed, a_data_folder, a_hub, leased, timed
from hub import tokens
from hub.core import Hub
from hub.heartbeats import Beat
from hub.tables import AgentRow, GoalRow, OrderRow
from tests.faults.hub_process import HubProcess
from tests.services.ports import free_port

EVENT = b"goal.changed"
NO_LIMITS = {f"AGENTHUB_RATE_{of}": "1e9" for of in ("TOKEN", "OWNER", "ANONYMOUS")}
AGENTS = 100
"""Who renews all those leases, each by its own token."""
PAGE_KB = os.sysconf("SC_PAGE_SIZE") / 1024


def written_behind(agents: int) -> Timed:
    """Write one renewal of each agent in one transaction."""
    with a_hub() as hub:
        orders = leased(hub, _root(hub), agents)
        beat = Beat(hub.clock(), hub.clock(), 1, "train", 0.5, 10, 2.0)

        def one() -> None:
            for order in orders:
                hub.heartbeats.beat(order.id, beat)
            hub.heartbeats.flush()

        return timed(one, 3)


def _root(hub: Hub) -> str:
    with hub.database.read() as session:
        return str(session.get_one(GoalRow, "toy").root)


def heartbeats(agents: int, seconds: float, period: float = 30.0) -> dict[str, float]:
    """A hub process's share of one core while so many agents renew once a period, over HTTP.

    Each agent's token was heard within the last minute, as it is of whoever claimed or renewed
    anything. The floor is what the same asks cost a bare application on uvicorn: a busy machine
    makes both dearer. Each ask is one packet; clients that send head and body apart cost more.
    """
    with a_data_folder() as (hub, folder):
        asks = _renewals(hub, leased(hub, _root(hub), agents))
        hub.database.dispose()
        served = HubProcess(folder, settings=NO_LIMITS)
        served.start()
        try:
            assert served.process is not None
            pid, port = served.process.pid, served.port
            _renewed(pid, port, asks[:AGENTS], AGENTS, 1.0)
            ours, per_second = _renewed(pid, port, asks, agents / period, seconds)
        finally:
            served.stop()
    with _announcer("bare") as (bare, port):
        asyncio.run(connected(port))
        floor, _ = _renewed(bare.pid, port, asks, agents / period, seconds)
    return {
        "asked_per_second": round(agents / period, 1),
        "answered_per_second": round(per_second, 1),
        "cpu_ms_each": round(ours, 3),
        "floor_cpu_ms_each": round(floor, 3),
        "share_of_a_core": round(ours / 1000 * agents / period, 3),
    }


def _renewed(
    pid: int, port: int, asks: list[bytes], rate: float, seconds: float
) -> tuple[float, float]:
    """Milliseconds of a process's time for each ask that it answered, and how many a second."""
    before, started = cpu_seconds(pid), time.perf_counter()
    sent = asyncio.run(_renew(port, asks, rate, seconds))
    return (cpu_seconds(pid) - before) / sent * 1000, sent / (time.perf_counter() - started)


def _renewals(hub: Hub, orders: list[OrderRow]) -> list[bytes]:
    """Each lease's request, by one of the agents."""
    names = [f"agent-{number}" for number in range(AGENTS)]
    with hub.database.work() as work:
        volta = work.session.get_one(AgentRow, "volta")
        rows = [AgentRow(**volta.model_dump() | {"name": name}) for name in names]
        work.session.add_all(rows)
        work.session.flush()
        token = {name: tokens.issue(work, "agent", name) for name in names}
        for order, name in zip(orders, cycle(names), strict=False):
            order.agent, order.holders = name, {"1": name}
            work.session.add(order)
    return [_renewal(order, token[str(order.agent)]) for order in orders]


def _renewal(order: OrderRow, token: str) -> bytes:
    said = {"epoch": 1, "phase": "train", "fraction": 0.5, "step": 10, "loss": 2.0}
    body = json.dumps(said).encode()
    head = (
        f"POST /v1/leases/{order.id}/renew HTTP/1.1\r\nHost: bench\r\n"
        f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _renew(port: int, asks: list[bytes], rate: float, seconds: float) -> int:
    """Send at a steady rate over kept connections; returns how many were answered 200."""
    connections, turn = 200, iter(cycle(asks))
    total = int(rate * seconds)
    started = time.perf_counter()

    async def one(place: int) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        done = 0
        for number in range(place, total, connections):
            await asyncio.sleep(max(0.0, started + number / rate - time.perf_counter()))
            writer.write(next(turn))
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            done += head.startswith(b"HTTP/1.1 200")
        writer.close()
        return done

    return sum(await asyncio.gather(*(one(place) for place in range(connections))))


@dataclass(frozen=True)
class Told:
    """Milliseconds until the last socket has an event, and what the server pays for it.

    `cpu_ms` is the server's processor time an event, its commit included; `kb_each` is how much its
    memory grew for each socket but the first.
    """

    ms: float
    cpu_ms: float
    kb_each: float


def fan_out(readers: int, times: int = 15) -> dict[str, Any]:
    """One event to so many sockets, from its commit until the last has it; ours and raw frames.

    The reader is one process for all sockets, the same for both servers: the wall time of either is
    partly its. On a machine whose cores are taken, compare the servers' processor time.
    """
    ours, raw = _told("hub", readers, times), _told("raw", readers, times)
    return {
        "hub_ms": ours.ms,
        "floor_ms": raw.ms,
        "ratio": round(ours.ms / raw.ms, 2),
        "hub_cpu_ms": ours.cpu_ms,
        "floor_cpu_ms": raw.cpu_ms,
        "kb_per_socket": ours.kb_each,
        "floor_kb_per_socket": raw.kb_each,
    }


def _told(kind: str, readers: int, times: int) -> Told:
    with _announcer(kind) as (server, port):
        return asyncio.run(_listen(server, port, readers, times))


@contextmanager
def _announcer(kind: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.hub.announcer", kind, str(port)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as server:
        try:
            yield server, port
        finally:
            server.terminate()


async def _listen(server: subprocess.Popen[str], port: int, readers: int, times: int) -> Told:
    assert server.stdin is not None
    assert server.stdout is not None
    pairs = [await _connected(port)]
    small = await _resident(server.pid)
    pairs += [await _connected(port) for _ in range(readers - 1)]
    large = await _resident(server.pid)
    lasts, before = [], cpu_seconds(server.pid)
    for _ in range(times):
        heard = [asyncio.create_task(_hear(reader)) for reader, _ in pairs]
        await asyncio.sleep(0.3)
        print(file=server.stdin, flush=True)
        committed = float(await asyncio.to_thread(server.stdout.readline))
        lasts.append((max(await asyncio.gather(*heard)) - committed) * 1000)
    used = cpu_seconds(server.pid) - before
    for _, writer in pairs:
        writer.close()
    return Told(
        round(median(lasts), 2),
        round(used / times * 1000, 1),
        round((large - small) / (readers - 1), 1),
    )


async def _resident(pid: int) -> float:
    """KB of memory, once what was begun is done."""
    await asyncio.sleep(1.0)
    said = await asyncio.to_thread(Path(f"/proc/{pid}/statm").read_text)
    return int(said.split()[1]) * PAGE_KB


async def _connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    key = base64.b64encode(os.urandom(16)).decode()
    ask = (
        "GET /v1/live HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    )
    reader, writer = await connected(port)
    writer.write(ask.encode())
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def _hear(reader: asyncio.StreamReader) -> float:
    await reader.readuntil(EVENT)
    return time.perf_counter()
