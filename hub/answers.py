"""What was made of a goal's rows: kept until an event says that they changed, for all who ask."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlmodel import Session

from hub.columns import newest
from hub.tables import GoalRow

T = TypeVar("T")
Make = Callable[[Session, GoalRow], T]


@dataclass
class _Answer:
    """The last one, with the event and the goal's own row that it was made of."""

    seq: int = -1
    goal: dict[str, Any] = field(default_factory=dict)
    said: Any = None
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass
class Answers:
    """Each is made once for all who ask at the same time, and again after the goal's next event."""

    _kept: dict[tuple[str, Make[Any]], _Answer] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, session: Session, goal: GoalRow, make: Make[T]) -> T:
        """What `make` says of the goal now; a reader who began earlier may hear what came since."""
        with self._lock:
            kept = self._kept.setdefault((goal.slug, make), _Answer())
        with kept.lock:
            seq, row = newest(session, goal.slug), goal.model_dump()
            # The row as well: a fit that moves no score may change what the goal's noise is.
            if kept.seq < seq or (kept.seq == seq and kept.goal != row):
                kept.said = make(session, goal)
                kept.seq, kept.goal = seq, row
            said: T = kept.said
        return said
