"""A server in a process of its own that tells one event to every socket whenever stdin says so.

`python -m benchmarks.hub.announcer hub|raw PORT`. The raw one is the floor: it writes the same
bytes to every connection in a loop, and its event is one durable SQLite row as well. Both print
the moment of their commit (seconds of the machine's monotonic clock). `bare` is the floor of
heartbeats: uvicorn, and an application that reads a body and answers as many bytes as a renewal.
"""

import asyncio
import base64
import hashlib
import json
import sqlite3
import sys
import threading
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import uvicorn

from benchmarks.hub.world import a_hub
from hub.core import Hub
from hub.server import Server, configuration
from protocol.events import GoalChanged
from protocol.work import Renewal

HANDSHAKE = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""The constant of RFC 6455."""
RENEWAL = Renewal(deadline=datetime(2026, 1, 1, tzinfo=UTC), lease_seconds=600.0)
ANSWER = RENEWAL.model_dump_json().encode()


def serve_hub(port: int) -> None:
    """Our application on uvicorn, as `hub serve` runs it."""
    with a_hub(train="rate = 1\n") as hub:
        server = Server(configuration(hub, port=port), hub)
        threading.Thread(target=_announce, args=(hub, server), daemon=True).start()
        server.run()


def _announce(hub: Hub, server: uvicorn.Server) -> None:
    for _ in sys.stdin:
        committed: list[float] = []
        with hub.database.work() as work:
            # Afterwards would be too late: by then the loop may have held the GIL for a while.
            work.after_commit.append(partial(_note, committed))
            work.announce(GoalChanged(goal="toy", state="open", version=1, reason=str(uuid4())))
        print(committed[0], flush=True)
    server.should_exit = True


def _note(moments: list[float]) -> None:
    moments.append(time.perf_counter())


async def serve_raw(port: int, folder: Path) -> None:
    """WebSocket frames written by hand."""
    writers: list[asyncio.StreamWriter] = []
    database = sqlite3.connect(folder / "raw.sqlite3", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE events (body TEXT)")

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = asked.partition("Sec-WebSocket-Key: ")[2].partition("\r\n")[0]
        said = hashlib.sha1((key + HANDSHAKE).encode(), usedforsecurity=False).digest()
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(said) + b"\r\n\r\n"
        )
        writers.append(writer)

    server = await asyncio.start_server(greet, "127.0.0.1", port, backlog=2048)
    while await asyncio.to_thread(sys.stdin.readline):
        event = {"type": "goal.changed", "goal": "toy", "state": "open", "reason": str(uuid4())}
        text = json.dumps({"seq": 1, "at": "2026-01-01T00:00:00+00:00", "event": event}).encode()
        database.execute("INSERT INTO events VALUES (?)", (text,))
        print(time.perf_counter(), flush=True)
        frame = bytes([0x81, 126, len(text) >> 8, len(text) & 255]) + text
        for writer in writers:
            writer.write(frame)
    server.close()
    database.close()


def serve_bare(port: int) -> None:
    """What uvicorn and the kernel cost, with nobody recognised and nothing remembered."""
    uvicorn.run(_bare, port=port, log_config=None, access_log=False, lifespan="off")


async def _bare(_scope: Any, receive: Any, send: Any) -> None:
    await receive()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(ANSWER))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": ANSWER})


def main() -> None:
    """Serve until stdin ends."""
    kind, port = sys.argv[1], int(sys.argv[2])
    if kind == "bare":
        serve_bare(port)
        return
    if kind == "hub":
        serve_hub(port)
        return
    with TemporaryDirectory(prefix="agenthub-bench-") as folder:
        asyncio.run(serve_raw(port, Path(folder)))


if __name__ == "__main__":
    main()
