"""Submits over HTTP as fast as a hub process takes them, and as fast as the floor does.

Thirty-two agents on kept connections, each sending its next submit when the last was answered: what
is measured is requests a second, and the server's processor time for each.
"""

import asyncio
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import orjson

from benchmarks.hub.world import a_data_folder, leased, outputs, variant
from hub import scores, tokens
from hub.core import Hub
from hub.tables import GoalRow
from tests.builders import Order, a_proposal, a_report
from tests.faults.hub_process import HubProcess
from tests.hub.forest import grow
from tests.services.ports import free_port

CONNECTIONS = 32
NO_LIMITS = {
    f"AGENTHUB_{of}": "1e9"
    for of in ("RATE_TOKEN", "RATE_OWNER", "RATE_ANONYMOUS", "PROPOSALS_PER_HOUR")
}
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Rate:
    """Requests a second, and processor milliseconds of the server for each."""

    per_second: float
    cpu_ms: float


def submits(before: int, count: int) -> dict[str, Rate]:
    """The floor, and the proposals and reports of a hub that has `before` experiments already."""
    with a_data_folder() as (hub, folder):
        if before:
            grow(hub, before)
            logging.getLogger("hub").setLevel(logging.ERROR)  # that each of them lacked its commit
            hub.git_writer.catch_up()  # or the server would write them all first
            with hub.database.work() as work:  # and fit them for the first time
                scores.refit(work, work.session.get_one(GoalRow, "toy"))
        orders, token = _orders(hub, count)
        hub.database.dispose()
        bodies = [_proposal(order, number) for number, order in enumerate(orders)]
        proposed = [request(f"/v1/experiments/{uuid4()}", token, body) for body in bodies]
        bottom = floor(proposed)
        with _serving(HubProcess(folder, settings=NO_LIMITS)) as served:
            assert served.process is not None
            rate, answers = _measured(served.process.pid, served.port, proposed)
            for order, answer in zip(orders, answers, strict=True):
                order.experiment = orjson.loads(answer)["sha"]
            told = [_report(order, number) for number, order in enumerate(orders)]
            reports = [request(f"/v1/runs/{uuid4()}", token, each) for each in told]
            reported, _ = _measured(served.process.pid, served.port, reports)
    return {"floor": bottom, "propose": rate, "report": reported}


def _orders(hub: Hub, count: int) -> tuple[list[Order], str]:
    with hub.database.read() as session:
        root = str(session.get_one(GoalRow, "toy").root)
    held = leased(hub, root, count)
    with hub.database.work() as work:
        token = tokens.issue(work, "agent", "volta")
    return [Order(row.id, 1, "toy", "n", 1, parent=root) for row in held], token


def _proposal(order: Order, number: int) -> bytes:
    files = {"train.py": variant(number)}
    return a_proposal(order, files=files, title=f"Try {number}").model_dump_json().encode()


def _report(order: Order, number: int) -> bytes:
    """Thirty numbers, a curve of 100 points, a log."""
    numbers = {f"m{n}": float(n) for n in range(30)}
    said = a_report(order, metric=0.9, metrics=numbers, **outputs(number))
    return said.model_dump_json().encode()


def request(path: str, token: str, body: bytes) -> bytes:
    """A PUT as it goes over the wire."""
    head = (
        f"PUT {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def floor(requests: Sequence[bytes]) -> Rate:
    """What the floor makes of such requests."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.hub.floor", str(port)]
    with subprocess.Popen(command) as server:
        try:
            return _measured(server.pid, port, requests)[0]
        finally:
            server.terminate()


@contextmanager
def _serving(hub: HubProcess) -> Iterator[HubProcess]:
    hub.start()
    try:
        yield hub
    finally:
        hub.stop()


def _measured(pid: int, port: int, requests: Sequence[bytes]) -> tuple[Rate, list[bytes]]:
    """After a few to warm up; those count neither in time nor in number."""
    few = len(requests) // 10
    first = asyncio.run(_send(port, requests[:few]))
    used, started = cpu_seconds(pid), time.perf_counter()
    rest = asyncio.run(_send(port, requests[few:]))
    wall, done = time.perf_counter() - started, len(rest)
    cpu = (cpu_seconds(pid) - used) / done * 1000
    return Rate(round(done / wall, 1), round(cpu, 3)), [*first, *rest]


async def _send(port: int, requests: Sequence[bytes]) -> list[bytes]:
    """Each request's answer, all of them 200."""
    turns, answers = iter(enumerate(requests)), [b""] * len(requests)

    async def one() -> None:
        reader, writer = await connected(port)
        for place, request in turns:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            answers[place] = await reader.readexactly(length)
            assert head.startswith(b"HTTP/1.1 200"), answers[place]
        writer.close()

    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    return answers


async def connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection, as soon as the server takes any."""
    for _ in range(400):
        try:
            return await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
    raise TimeoutError("the server does not come up")


def cpu_seconds(pid: int) -> float:
    """What a process has used of the processor."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
