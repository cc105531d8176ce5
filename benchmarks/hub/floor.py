"""The floor of a submit: a server that does nothing with a body but keep it.

`python -m benchmarks.hub.floor PORT`: raw ASGI on the web server that the hub uses, the body parsed
by orjson, one SQLite row of it, synchronous FULL, and all who wait share a commit. It checks
nothing, knows nobody and writes no git.
"""

import asyncio
import queue
import sqlite3
import sys
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import uvicorn

Waiting = queue.SimpleQueue[tuple[str, bytes, "asyncio.Future[None]"] | None]


def _write(folder: Path, waiting: Waiting) -> None:
    database = sqlite3.connect(folder / "floor.sqlite3", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE results (id TEXT PRIMARY KEY, body BLOB)")
    while (first := waiting.get()) is not None:
        taken = [first]
        while not waiting.empty() and (more := waiting.get()) is not None:
            taken.append(more)
        database.execute("BEGIN IMMEDIATE")
        database.executemany("INSERT INTO results VALUES (?, ?)", [each[:2] for each in taken])
        database.execute("COMMIT")
        loop = taken[0][2].get_loop()
        loop.call_soon_threadsafe(_answer, [each[2] for each in taken])


def _answer(waiting: list["asyncio.Future[None]"]) -> None:
    for each in waiting:
        each.set_result(None)


def _app(folder: Path) -> Any:
    waiting = Waiting()

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        body = b""
        while (message := await receive()).get("more_body"):
            body += message["body"]
        body += message["body"]
        orjson.loads(body)
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.put((scope["path"], body, kept))
        await kept
        headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{}"})

    threading.Thread(target=_write, args=(folder, waiting), daemon=True).start()
    return app


def main() -> None:
    """Serve until killed."""
    with TemporaryDirectory(prefix="agenthub-bench-") as folder:
        app, port = _app(Path(folder)), int(sys.argv[1])
        uvicorn.run(app, port=port, log_config=None, access_log=False, lifespan="off")


if __name__ == "__main__":
    main()
