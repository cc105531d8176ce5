"""Refits the belief of large goals in the background, a moment after what it hangs on changed."""

import logging
import time
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlmodel import Session, col, select

from hub import columns, scores
from hub.background import Background
from hub.db import Database
from hub.errors import HubError
from hub.minds import Mind
from hub.tables import EventRow, GoalRow

log = logging.getLogger(__name__)
ROWS = 2000
"""So many rows are written at once while all others wait: a third of a second."""
BREATH = 0.05
"""Seconds in which whoever waits comes before the next of them."""
REST = 4.0
"""A turn is followed by a rest of so many times as long as it took."""


@dataclass
class Believer(Background):
    """Watches the event log for runs of large goals, and for what operators do to them.

    Each is refitted at most once a turn, and never while others wait for the writer (ADR 0006).

    It reads the log instead of being told, so that with several hub processes any of them may
    take the run; a second refit of the same runs changes nothing and announces nothing.
    """

    database: Database
    mind: Mind = field(default_factory=Mind)
    interval: float = 1.0
    _fitted: dict[str, int] = field(default_factory=dict)

    def turn(self) -> list[str]:
        """Refit what has new runs; returns the goals that were refitted."""
        due = self._due()
        for goal, seq in due.items():
            self._fit(goal)
            self._fitted[goal] = seq
        return list(due)

    def _fit(self, slug: str) -> None:
        with self.database.read() as session:
            as_of = session.execute(sa.select(sa.func.max(col(EventRow.seq)))).scalar_one()
            goal = session.get_one(GoalRow, slug)
            fitted = scores.believe(session, goal, self.mind.renew(session, goal))
        if not self._wrote_ahead(slug, fitted, as_of):
            return
        with self.database.work() as work:
            scores.write(work, work.session.get_one(GoalRow, slug), fitted, as_of=as_of)

    def _wrote_ahead(self, slug: str, fitted: scores.Fitted, as_of: int) -> bool:
        """Write most of what is due where that is much, as after a restoration, in parts.

        What a stop or a kill leaves is written after the next fit, which finds it due again.
        Returns whether nothing was left because of a stop.
        """
        with self.database.read() as session:
            due = scores.due(session, session.get_one(GoalRow, slug), fitted, as_of)
        for start in range(0, len(due) - ROWS, ROWS):
            with self.database.work() as work:
                goal = work.session.get_one(GoalRow, slug)
                scores.write_some(work, goal, fitted, as_of, due[start : start + ROWS])
            if self._stop.wait(BREATH):
                return False
        return True

    def pause(self, took: float) -> float:
        """Seconds until the next turn: on huge goals most of the processor is left to requests."""
        return max(self.interval, REST * took)

    def once(self) -> float:
        """A turn, and a rest by how long it took."""
        started = time.monotonic()
        try:
            self.turn()
        except HubError as error:
            log.warning("believer.waits", extra={"reason": error.code})
        return self.pause(time.monotonic() - started)

    def _due(self) -> dict[str, int]:
        large = select(GoalRow.slug).where(col(GoalRow.next_number) > scores.AT_ONCE)
        with self.database.read() as session:
            newest = {goal: _newest(session, goal) for goal in session.exec(large)}
        return {goal: seq for goal, seq in newest.items() if seq > self._fitted.get(goal, 0)}


def _newest(session: Session, goal: str) -> int:
    """The newest event that the belief of a goal may hang on."""
    run = sa.select(sa.func.max(col(EventRow.seq))).where(
        col(EventRow.goal) == goal, col(EventRow.type) == "run.reported"
    )
    return max(session.execute(run).scalar() or 0, columns.newest_act(session, goal))
