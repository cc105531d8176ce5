"""Live events: one reader of the log per process, fanned out to every socket, encoded once.

A socket that keeps up is told by a call that writes a frame made once for all of them; only one
that is behind has lines waiting in an inbox and a task that sends them (ADR 0024).
"""

import asyncio
import contextlib
import json
import logging
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
import sqlalchemy as sa
from websockets.frames import Frame, Opcode

from hub.db import Database, translated
from hub.errors import HubError
from hub.tables import EventRow

log = logging.getLogger(__name__)

CHANNEL = "agenthub_events"
FRAMES = "agenthub.frames"
"""The extension by which our server gives a socket's `Push` to the application."""
MOMENT = 0.2
"""Seconds for which what is whispered is kept, to be told together."""
BATCH = 500
INBOX = 2000

Line = tuple[int, str]
"""An event's number and its JSON; what is not in the log has the number 0."""
Push = Callable[[bytes], bool]
"""Writes frames to a socket at once, or says that it must be waited for and writes nothing."""


class TooSlow(Exception):
    """This socket does not keep up; it is closed with 1013 and resumes by its cursor."""


class News(NamedTuple):
    """Lines for every socket, and the same as bytes for the wire."""

    lines: Sequence[Line]
    frames: bytes


class Listener:
    """Who is told every line after a cursor: at once while nothing waits, else by its inbox."""

    def __init__(self, after: int, push: Push | None) -> None:
        self.seen = after
        self.dropped = False
        self._push = push
        self._inbox: deque[Line | None] = deque()
        self._idle: asyncio.Future[None] | None = None

    def tell(self, news: News) -> bool:
        """Pass lines on; False if too many wait already."""
        if self._idle is not None and self._push is not None and self._pushed(news, self._push):
            return True
        if len(self._inbox) + len(news.lines) > INBOX:
            return False
        self._inbox.extend(news.lines)
        self._rouse()
        return True

    def end(self, dropped: bool = False) -> None:
        """Let it end once its inbox is empty, or with nothing more to say if it was too slow."""
        if dropped:
            self.dropped = True
            self._inbox.clear()
        self._inbox.append(None)
        self._rouse()

    async def waiting(self) -> AsyncIterator[str]:
        """What could not be pushed, in order, until the end.

        Only while this waits for more may lines be pushed: before, older ones are on their way.
        """
        while True:
            while not self._inbox:
                self._idle = asyncio.get_running_loop().create_future()
                await self._idle
            line = self._inbox.popleft()
            if line is None:
                return
            if self._is_new(line):
                self.seen = max(self.seen, line[0])
                yield line[1]

    def _pushed(self, news: News, push: Push) -> bool:
        if not self._is_new(news.lines[0]) or not push(news.frames):
            return False
        self.seen = max(self.seen, news.lines[-1][0])
        return True

    def _is_new(self, line: Line) -> bool:
        return line[0] == 0 or line[0] > self.seen

    def _rouse(self) -> None:
        # From here to its next turn it is not idle, though its inbox may be looked at only then.
        idle, self._idle = self._idle, None
        if idle is not None and not idle.done():
            idle.set_result(None)


class Live:
    """Tails the event log and hands each line to every subscriber.

    Only the log is read, never the writers' memory: so several hub processes on one database see
    the same events in the same order, and nobody can miss the slower of two writers.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.last = 0
        self._listeners: set[Listener] = set()
        self._whispers: list[Line] = []
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
        for listener in self._listeners:
            listener.end()
        if self._listener is not None:
            await asyncio.to_thread(self._end_listening, self._listener)
        await asyncio.to_thread(self._drain)

    @property
    def sockets(self) -> int:
        """How many listen now."""
        return len(self._listeners)

    @property
    def stopping(self) -> bool:
        """Whether goodbye was said."""
        return self._stop.is_set()

    async def emptied(self, seconds: float) -> None:
        """Wait until every socket has had its goodbye, but no longer than this."""
        for _ in range(int(seconds / 0.02)):
            if not self._listeners:
                return
            await asyncio.sleep(0.02)

    def wake(self) -> None:
        """Say from any thread that the log has grown."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake.set)

    def whisper(self, message: dict[str, Any]) -> None:
        """Tell every socket something that is not kept: progress of a running lease.

        Hundreds may come a second: what comes within a moment is written to each socket at once.
        """
        if self._loop is not None and self._listeners and not self._loop.is_closed():
            text = json.dumps(message, separators=(",", ":"))
            self._loop.call_soon_threadsafe(self._murmur, (0, text))

    def _murmur(self, line: Line) -> None:
        if not self._whispers:
            asyncio.get_running_loop().call_later(MOMENT, self._tell_whispers)
        self._whispers.append(line)

    def _tell_whispers(self) -> None:
        whispers, self._whispers = self._whispers, []
        self._fan_out(whispers)

    def head(self) -> int:
        """The number of the newest event."""
        with self.database.read() as session:
            return session.execute(sa.select(sa.func.max(EventRow.seq))).scalar() or 0

    async def events(self, after: int, push: Push | None = None) -> AsyncIterator[str]:
        """Every event after a cursor as JSON text, old ones from the log, then new ones live.

        With `push` only what it refused, and what comes after that until all of it was taken.

        Raises:
            TooSlow: more than 2,000 events wait for this subscriber.
        """
        listener = Listener(after, push)
        self._listeners.add(listener)  # first subscribe, then read the log: nothing falls between
        try:
            async for batch in self._batches(after):
                for seq, text in batch:
                    yield text
                    listener.seen = seq
            async for text in listener.waiting():
                yield text
            if listener.dropped:
                raise TooSlow
        finally:
            self._listeners.discard(listener)

    def read_after(self, seq: int, goal: str | None = None) -> list[Line]:
        """Up to 500 events after a cursor, encoded."""
        query = _AFTER if goal is None else _AFTER.where(_events.goal == goal)
        with self._reading(), translated(), self.database.reader.connect() as connection:
            rows = connection.execute(query, {"after": seq}).all()
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
                async for batch in self._batches(self.last):
                    self.last = batch[-1][0]
                    self._fan_out(batch)

    async def _batches(self, after: int) -> AsyncIterator[Sequence[Line]]:
        """What the log holds after a cursor; a batch that is not full is the last."""
        full = True
        while full:
            batch = await asyncio.to_thread(self.read_after, after)
            full = len(batch) == BATCH
            if batch:
                after = batch[-1][0]
                yield batch

    def _fan_out(self, lines: Sequence[Line]) -> None:
        news = News(lines, b"".join(_frame(text) for _, text in lines))
        for listener in [each for each in self._listeners if not each.tell(news)]:
            self._listeners.discard(listener)
            listener.end(dropped=True)

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


_AWAY = (
    *(HubError, psycopg.OperationalError, sa.exc.OperationalError),
    psycopg.errors.ReadOnlySqlTransaction,  # to listen counts as a write, and standbys take none
)

# Built once, and run without a session: every event waits for this before a thousand sockets do.
_events = sa.inspect(EventRow).local_table.c
_AFTER = (
    sa.select(_events.seq, _events.at, _events.body)
    .where(_events.seq > sa.bindparam("after"))
    .order_by(_events.seq)
    .limit(BATCH)
)


def _text(address: sa.URL) -> str:
    return address.render_as_string(hide_password=False)


def _encode(seq: int, at: datetime, body: Mapping[str, Any]) -> str:
    return json.dumps({"seq": seq, "at": at.isoformat(), "event": body}, separators=(",", ":"))


def _frame(text: str) -> bytes:
    """A WebSocket message as a server sends it: whole, unmasked, the same for every socket."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


@contextlib.contextmanager
def _logging_trouble() -> Iterator[None]:
    """A database that is away for a moment must not end the tail."""
    try:
        yield
    except _AWAY as error:
        log.warning("live.away", extra={"reason": str(error).partition("\n")[0]})
    except Exception:
        log.warning("live.trouble", exc_info=True)
