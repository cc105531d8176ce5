"""A goal's rows as columns: kept as bytes for all who ask, and brought up to date by changes."""

import gzip
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from hub.hot import Hot
from hub.tables import EventRow, GoalRow

Columns = dict[str, list[Any]]
"""Lists of equal length, in order of those in `number`, the experiments' numbers."""


def indexed(values: Iterable[str]) -> tuple[list[int], list[str]]:
    """For each value its place among all that occur, which are in the order in which they do."""
    place: dict[str, int] = {}
    places = [place.setdefault(value, len(place)) for value in values]
    return places, list(place)


def newest(session: Session, goal: str) -> int:
    """The number of the newest event that may change a goal's rows: their version.

    What operators do to flags, owners or posts names no goal and may hide experiments of any.
    """
    return _newest(session, goal, _SAID, _ACTED)


def newest_act(session: Session, goal: str) -> int:
    """The number of the newest of the operators' actions that may concern a goal."""
    return _newest(session, goal, _ACTED_HERE, _ACTED)


def _newest(session: Session, goal: str, *queries: Hot) -> int:
    """The newest event that any of these finds; each looks in its own index."""
    session.flush()
    connection = session.connection()
    return max(query.value(connection, goal=goal) or 0 for query in queries)


_events = sa.inspect(EventRow).local_table.c
_seq, _here = sa.func.max(_events.seq), _events.goal == sa.bindparam("goal")
_acted = _events.type == "operator.acted"
_SAID = Hot(sa.select(_seq).where(_here))
_ACTED_HERE = Hot(sa.select(_seq).where(_acted, _here))
_ACTED = Hot(sa.select(_seq).where(_acted, _events.goal.is_(None)))


@dataclass(frozen=True)
class Told:
    """Columns as of an event, their JSON, and that JSON packed by gzip."""

    seq: int
    columns: Columns
    body: bytes
    packed: bytes


@dataclass
class _Place:
    """Where the columns of one goal are kept."""

    told: Told | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass
class Kept:
    """Columns of each goal, kept and brought up to date by what changed: many readers ask for one.

    `read` gives those of all shown experiments, or of what changed after an event; `encoded` makes
    JSON of them, as of an event.
    """

    read: Callable[[Session, GoalRow, int], Columns]
    encoded: Callable[[GoalRow, int, Columns], bytes]
    _places: dict[str, _Place] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, session: Session, goal: GoalRow) -> Told:
        """The columns as they are now, made once for all who ask at the same time."""
        with self._lock:
            place = self._places.setdefault(goal.slug, _Place())
        with place.lock:
            seq, told = newest(session, goal.slug), place.told
            if told is None or told.seq < seq:
                columns = self._columns(session, goal, told)
                body = self.encoded(goal, seq, columns)
                place.told = told = Told(seq, columns, body, gzip.compress(body, 1, mtime=0))
        return told

    def _columns(self, session: Session, goal: GoalRow, told: Told | None) -> Columns:
        """The kept ones with what has changed since; read anew where rows may have left."""
        if told is None or newest_act(session, goal.slug) > told.seq:
            return self.read(session, goal, 0)
        return _merged(told.columns, self.read(session, goal, told.seq))


def _merged(columns: Columns, news: Columns) -> Columns:
    """The columns with what is new of an experiment in place of what they said of it.

    Whoever reads the old columns goes on reading the old ones.
    """
    merged = {name: list(values) for name, values in columns.items()}
    said, numbers = merged["number"], news["number"]
    for number, places in groupby(range(len(numbers)), numbers.__getitem__):
        new = list(places)
        start, end = bisect_left(said, number), bisect_right(said, number)
        for name, values in news.items():
            merged[name][start:end] = values[new[0] : new[-1] + 1]
    return merged
