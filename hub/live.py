"""Live events: one reader of the log per process, fanned out to every socket, encoded once."""

import asyncio
import contextlib
import json
import logging
import threading
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlmodel import col, select

from hub.db import Database
from hub.tables import EventRow

log = logging.getLogger(__name__)

CHANNEL = "agenthub_events"
BATCH = 500
INBOX = 2000


class TooSlow(Exception):
    """This socket does not keep up; it is closed with 1013 and resumes by its cursor."""


class Live:
    """Tails the event log and hands each line to every subscriber.

    Only the log is read, never the writers' memory: so several hub processes on one database see
    the same events in the same order, and nobody can miss the slower of two writers.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.last = 0
        self._inboxes: set[asyncio.Queue[tuple[int, str] | None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stop = threading.Event()
        self._idle = threading.Condition()
        self._reads = 0
        self._listener: threading.Thread | None = None

    async def start(self) -> None:
        """Begin to tail from the end of the log."""
        self._loop = asyncio.get_running_loop()
        self.last = await asyncio.to_thread(self.head)
        self.database.publish = lambda announced: self.wake() if announced else None
        self._task = asyncio.create_task(self._tail())
        if not self.database.is_sqlite:
            self._listener = threading.Thread(target=self._listen, daemon=True, name="listen")
            self._listener.start()

    async def stop(self) -> None:
        """End the tail and tell every socket to close; safe to call again."""
        if self._stop.is_set():
            return
        self._stop.set()
        self.database.publish = lambda announced: None
        self._wake.set()
        if self._task is not None:
            await self._task
        for inbox in list(self._inboxes):
            _offer(inbox, None)
        if self._listener is not None:
            await asyncio.to_thread(self._end_listening, self._listener)
        await asyncio.to_thread(self._drain)

    @property
    def sockets(self) -> int:
        """How many listen now."""
        return len(self._inboxes)

    @property
    def stopping(self) -> bool:
        """Whether goodbye was said."""
        return self._stop.is_set()

    async def emptied(self, seconds: float) -> None:
        """Wait until every socket has had its goodbye, but no longer than this."""
        for _ in range(int(seconds / 0.02)):
            if not self._inboxes:
                return
            await asyncio.sleep(0.02)

    def wake(self) -> None:
        """Say from any thread that the log has grown."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake.set)

    def whisper(self, message: dict[str, Any]) -> None:
        """Tell every socket something that is not kept: progress of a running lease."""
        if self._loop is not None and self._inboxes and not self._loop.is_closed():
            text = json.dumps(message, separators=(",", ":"))
            self._loop.call_soon_threadsafe(self._fan_out, [(0, text)])

    def head(self) -> int:
        """The number of the newest event."""
        with self.database.read() as session:
            return session.execute(sa.select(sa.func.max(EventRow.seq))).scalar() or 0

    async def events(self, after: int) -> AsyncIterator[str]:
        """Every event after a cursor as JSON text, old ones from the log, then new ones live.

        Raises:
            TooSlow: more than 2,000 events wait for this subscriber.
        """
        inbox: asyncio.Queue[tuple[int, str] | None] = asyncio.Queue(INBOX + 1)
        self._inboxes.add(inbox)  # first subscribe, then read the log: nothing falls between
        try:
            seen = after
            while batch := await asyncio.to_thread(self.read_after, seen):
                for seq, text in batch:
                    yield text
                    seen = seq
            while (item := await inbox.get()) is not None:
                seq, text = item
                if seq == 0 or seq > seen:
                    seen = max(seen, seq)
                    yield text
            if inbox not in self._inboxes:
                raise TooSlow
        finally:
            self._inboxes.discard(inbox)

    def read_after(self, seq: int, goal: str | None = None) -> list[tuple[int, str]]:
        """Up to 500 events after a cursor, encoded."""
        query = select(EventRow.seq, EventRow.at, EventRow.body).where(col(EventRow.seq) > seq)
        if goal is not None:
            query = query.where(col(EventRow.goal) == goal)
        with self._reading(), self.database.read() as session:
            rows = session.exec(query.order_by(col(EventRow.seq)).limit(BATCH)).all()
        return [(seq, _encode(seq, at, body)) for seq, at, body in rows]

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Count the reads under way: a cancelled socket leaves its thread reading behind it."""
        with self._idle:
            self._reads += 1
        try:
            yield
        finally:
            with self._idle:
                self._reads -= 1
                self._idle.notify_all()

    def _drain(self) -> None:
        with self._idle:
            self._idle.wait_for(lambda: self._reads == 0, timeout=5)

    async def _tail(self) -> None:
        while not self._stop.is_set():
            # The timeout is the safety net for a notification lost with its connection.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), timeout=5.0)
            self._wake.clear()
            with _logging_trouble():
                while batch := await asyncio.to_thread(self.read_after, self.last):
                    self.last = batch[-1][0]
                    self._fan_out(batch)

    def _fan_out(self, batch: Iterable[tuple[int, str]]) -> None:
        for item in batch:
            for inbox in list(self._inboxes):
                if not _offer(inbox, item):
                    self._inboxes.discard(inbox)
                    inbox.get_nowait()
                    _offer(inbox, None)

    def _listen(self) -> None:
        # A connection of its own: whoever listens for ever must not sit in the workers' pool.
        address = self.database.writer.url.set(drivername="postgresql")
        while not self._stop.is_set():
            with _logging_trouble(), psycopg.connect(_text(address), autocommit=True) as raw:
                raw.execute(f"LISTEN {CHANNEL}")
                self.wake()
                while not self._stop.is_set():
                    for _ in raw.notifies(timeout=5.0, stop_after=1):
                        self.wake()
            self._stop.wait(0.5)

    def _end_listening(self, listener: threading.Thread) -> None:
        with _logging_trouble(), self.database.writer.begin() as connection:
            connection.execute(sa.text(f"NOTIFY {CHANNEL}"))
        listener.join(timeout=6)


def _text(address: sa.URL) -> str:
    return address.render_as_string(hide_password=False)


def _offer(inbox: asyncio.Queue[tuple[int, str] | None], item: tuple[int, str] | None) -> bool:
    try:
        inbox.put_nowait(item)
    except asyncio.QueueFull:
        return False
    return True


def _encode(seq: int, at: datetime, body: Mapping[str, Any]) -> str:
    return json.dumps({"seq": seq, "at": at.isoformat(), "event": body}, separators=(",", ":"))


@contextlib.contextmanager
def _logging_trouble() -> Iterator[None]:
    """A database that is away for a moment must not end the tail."""
    try:
        yield
    except Exception:
        log.warning("live.trouble", exc_info=True)
