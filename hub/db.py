"""One database, two kinds: SQLite with one writer, or PostgreSQL; one unit of work for both."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlmodel import Session

from hub import engines, hot
from hub.connections import Kept, Pooled
from hub.engines import DAMAGED, FULL, READ_ONLY
from hub.errors import Busy, Damaged, HubError, Invalid, StorageFull
from hub.hot import Hot
from hub.tables import EventRow
from protocol.base import Time
from protocol.events import Envelope, Event

WRITER_LOCK = 0x4167656E74487562  # "AgentHub": writers of every hub process queue here
LOCK_TIMEOUT = 10_000
"""Milliseconds that a writer waits for its turn before it answers 503."""


class Writing(Session):
    """A transaction's session; a query by it sees what waits to be written, events included."""

    def __init__(self, work: "Work") -> None:
        super().__init__(work.connection, expire_on_commit=False)
        self._work = work

    @property
    def unsure(self) -> bool:
        """Whether it sees events that may yet be taken back; others have their numbers then."""
        return bool(self._work.announced)

    def flush(self, objects: Sequence[Any] | None = None) -> None:
        """Write what waits."""
        super().flush(objects)
        self._work.write_events()


@dataclass
class Work:
    """One transaction: a connection, the time it happens at, and the events it will announce."""

    connection: sa.Connection
    now: datetime
    announced: list[Envelope] = field(default_factory=list)
    after_commit: list[Callable[[], None]] = field(default_factory=list)
    keep_on_refusal: bool = False
    _events: list[dict[str, Any]] = field(default_factory=list)
    _seq: int | None = None
    _session: Writing | None = None

    @property
    def session(self) -> Writing:
        """For rows as objects; what runs for each submit uses `connection` and does without."""
        # Not a cached_property: until Python 3.12 its lock is one for all, and this waits its turn.
        if self._session is None:
            self._session = Writing(self)
        return self._session

    def flush(self) -> None:
        """Write what waits, all events in one statement."""
        if self._session is None:
            self.write_events()
        else:
            self._session.flush()

    def write_events(self) -> None:
        """Write the events that were announced since."""
        if self._events:
            _NEW_EVENTS.run_each(self.connection, self._events)
            self._events = []

    def close(self) -> None:
        """Let go of rows that were read."""
        if self._session is not None:
            self._session.close()

    @property
    def next_seq(self) -> int:
        """The number that the next event of this transaction will get."""
        if self._seq is None:
            if self.connection.dialect.name == "postgresql":
                self.connection.execute(sa.text("select pg_notify('agenthub_events', '')"))
            self._seq = (_NEWEST.value(self.connection) or 0) + 1
        return self._seq

    def announce(self, event: Event) -> int:
        """Write an event into this transaction and return its number."""
        seq = self.next_seq
        self._seq = seq + 1
        body = event.model_dump(mode="json")
        self._events.append(
            {"seq": seq, "at": self.now, "type": event.type, "goal": event.goal, "body": body}
        )
        # Built, not validated: all of it was.
        self.announced.append(Envelope.model_construct(seq=seq, at=self.now, event=event))
        return seq

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Undo what is done within if it fails, and nothing else; what a refusal keeps is kept."""
        before, seq = (len(self.announced), len(self.after_commit)), self._seq
        hot.begun(self.connection)
        self.flush()
        hot.say(self.connection, "SAVEPOINT apart")
        try:
            yield
            self.flush()
        except Exception as error:
            if isinstance(error, HubError) and self.keep_on_refusal:
                self.flush()
                raise
            hot.say(self.connection, "ROLLBACK TO SAVEPOINT apart")
            if self._session is not None:
                self._session.expunge_all()
            self._events, self._seq = [], seq
            del self.announced[before[0] :], self.after_commit[before[1] :]
            raise
        finally:
            self.keep_on_refusal = False
            hot.say(self.connection, "RELEASE SAVEPOINT apart")


_events = EventRow.metadata.tables["events"]
_NEWEST = Hot(sa.select(sa.func.max(_events.c.seq)))
_NEW_EVENTS = Hot(sa.insert(_events), columns=_events.c.keys())

T = TypeVar("T")
PART = 500
"""So many values a statement names: a database refuses 32,767, some builds of SQLite fewer."""


def parts(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """Values in parts that a statement may name, however many there are."""
    return (values[start : start + PART] for start in range(0, len(values), PART))


Rule = Callable[[Work], T]
"""What happens in a transaction."""


Clock = Callable[[], Time]
Publish = Callable[[list[Envelope]], None]


class Database:
    """Opens units of work; knows which of the two databases it talks to."""

    def __init__(self, url: str, clock: Clock, pool: int = 40) -> None:
        self.url = url
        self.clock = clock
        self.publish: Publish = lambda envelopes: None
        self._disposed = False
        self._written_since: dict[int, float] = {}
        self._failpoint = os.environ.get("AGENTHUB_FAILPOINT", "")
        if url.startswith("sqlite"):
            # Twice as many: what does not come again and again takes one from the pool itself.
            self.writer = engines.sqlite(url, pool=2, immediate=True)
            self.reader = engines.sqlite(url, pool=2 * pool, immediate=False)
            self._writers: Kept | Pooled = Kept(self.writer, at_most=1)
            self._readers: Kept | Pooled = Kept(self.reader, at_most=pool)
        else:
            self.writer = self.reader = engines.postgres(url, pool)
            self._writers = self._readers = Pooled(self.writer)
        for engine in {self.writer, self.reader}:
            sa.event.listen(engine, "checkin", self._close_latecomer)

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the embedded database."""
        return self.writer.dialect.name == "sqlite"

    @property
    def longest_write(self) -> float:
        """For how many seconds the oldest transaction that writes has been at it."""
        now = time.monotonic()
        return now - min(list(self._written_since.values()), default=now)

    @contextmanager
    def work(self) -> Iterator[Work]:
        """One transaction: commits once at the end, then tells the world."""
        with self._writing() as work:
            try:
                yield work
            except HubError:
                if work.keep_on_refusal:
                    self._commit(work)
                raise
            self._commit(work)

    @contextmanager
    def _writing(self) -> Iterator[Work]:
        """What is not committed is taken back."""
        with translated(), self._writers.begun() as connection:
            self.take_turn(connection)
            # Only now: who asked the time before its turn would write it behind later ones.
            work = Work(connection, self.clock())
            self._written_since[id(work)] = time.monotonic()
            try:
                yield work
            finally:
                del self._written_since[id(work)]
                work.close()

    def apply(self, rule: Rule[T]) -> T:
        """Apply a rule in a transaction of its own."""
        with self.work() as work:
            return rule(work)

    def apply_all(self, rules: Sequence[Rule[T]]) -> list[T | Exception]:
        """Apply rules in one transaction: what each returns or raises is its own matter.

        Where the transaction as a whole fails, that is what became of each of them.
        """
        try:
            if len(rules) == 1:
                return [self.apply(rules[0])]
            with self.work() as work:
                return [_attempt(work, rule) for rule in rules]
        except Exception as error:
            return [error] * len(rules)

    def take_turn(self, connection: sa.Connection, patience: int = 0) -> None:
        """Wait until no other writer is at work; on SQLite the transaction itself did, as it began.

        `patience` is for who waits longer than requests do, in milliseconds.

        Raises:
            Busy: it took too long.
        """
        # One writer at a time on both databases (ADR 0020): event numbers stay in commit order,
        # the same id sent twice at once meets itself, and no two rules can deadlock.
        if not self.is_sqlite:
            connection.exec_driver_sql(f"set local lock_timeout = {patience or LOCK_TIMEOUT}")
            connection.exec_driver_sql(f"select pg_advisory_xact_lock({WRITER_LOCK})")
            if patience:  # what comes next has readers queue behind it, should it wait for a table
                connection.exec_driver_sql(f"set local lock_timeout = {LOCK_TIMEOUT}")

    @contextmanager
    def rehearsal(self) -> Iterator[Work]:
        """A transaction that is always taken back, to see what one would do.

        It waits its turn too: two that number their events at once would have one of them fail.
        """
        with self._writing() as work:
            yield work

    def _commit(self, work: Work) -> None:
        hot.begun(work.connection)
        work.flush()
        hot.begun(work.connection)
        self._die_at("before_commit", work.announced)
        try:
            work.connection.commit()
        except BaseException:
            # SQLAlchemy gives it back to the pool as it is, maybe within its transaction.
            work.connection.invalidate()
            raise
        self._die_at("after_commit_before_reply", work.announced)
        for then in work.after_commit:
            then()
        self.publish(work.announced)

    def _die_at(self, point: str, announced: Sequence[Envelope]) -> None:
        """For the fault suite: AGENTHUB_FAILPOINT is `before_commit:run.reported`."""
        if self._failpoint:
            wanted, _, event = self._failpoint.partition(":")
            if wanted == point and event in {each.event.type for each in announced}:
                os.kill(os.getpid(), 9)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that only reads."""
        with translated(), Session(self.reader, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """The same past the session, for what runs with each submit."""
        with translated(), self._readers.begun() as connection:
            yield connection

    def dispose(self) -> None:
        """Close every connection; one still in use in a thread is closed when it comes back."""
        self._disposed = True
        self._writers.close()
        self._readers.close()
        self.writer.dispose()
        self.reader.dispose()

    def _close_latecomer(self, _raw: Any, record: Any) -> None:
        # Its pool is gone: nobody else would close it, and PostgreSQL would count it for ever.
        if self._disposed:
            record.invalidate()


def _attempt(work: Work, rule: Rule[T]) -> T | Exception:
    try:
        with translated(), work.apart():
            return rule(work)
    except Exception as error:
        return error


@contextmanager
def translated() -> Iterator[None]:
    """Turn what a database says when locked, full or gone into refusals that clients act on."""
    try:
        yield
    except OperationalError as error:
        text = str(error.orig).lower()
        full = "disk" in text or "no space" in text or "readonly" in text
        if full or _state(error) == FULL:
            raise StorageFull from error
        raise Busy("The database is locked or away; try again in a moment.") from error
    except (OverflowError, sa.exc.DataError) as error:
        raise Invalid("A number in this request is larger than the hub can hold.") from error
    except (sa.exc.TimeoutError, sa.exc.PendingRollbackError) as error:
        # The second: what broke the transaction was told to one of those who share it.
        raise Busy from error
    except DBAPIError as error:
        if (refusal := _refusal(error)) is None:
            raise
        raise refusal from error


def _refusal(error: DBAPIError) -> HubError | None:
    if _state(error) == READ_ONLY:
        return Busy("The database takes no writes now; try again in a moment.")
    if error.connection_invalidated:
        return Busy("The database connection was lost; try again in a moment.")
    text = str(error.orig)
    if "malformed" in text or "not a database" in text or _state(error) in DAMAGED:
        return Damaged()
    return None


def _state(error: DBAPIError) -> str | None:
    """PostgreSQL's own name for what went wrong."""
    return getattr(error.orig, "sqlstate", None)


def copy_into(connection: sa.Connection, file: Path) -> None:
    """Copy a SQLite database, as it is at this moment, into a new file, while others write.

    Raises:
        StorageFull: there is no room for it; what was written of it may be there.
    """
    with translated():
        hot.say(connection, "VACUUM INTO ?", str(file))
