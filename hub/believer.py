"""Refits the belief of large goals in the background, a moment after their runs arrive."""

import logging
import time
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlmodel import col, select

from hub import scores, trees
from hub.background import Background
from hub.db import Database
from hub.errors import HubError
from hub.tables import EventRow, GoalRow

log = logging.getLogger(__name__)
REST = 4.0
"""A turn is followed by a rest of so many times as long as it took."""
TRIES = 2
"""Fits of a goal that an operator's action may spoil."""


@dataclass
class Believer(Background):
    """Watches the event log for runs of large goals and refits each at most once a turn.

    It reads the log instead of being told, so that with several hub processes any of them may
    take the run; a second refit of the same runs changes nothing and announces nothing.
    """

    database: Database
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
        """Fit a goal while others write, or at last while nobody does.

        What operators did meanwhile may have taken runs out that the fit has heard.
        """
        for _ in range(TRIES):
            with self.database.read() as session:
                as_of = session.execute(sa.select(sa.func.max(col(EventRow.seq)))).scalar_one()
                fitted = scores.believe(session, session.get_one(GoalRow, slug))
            with self.database.work() as work:
                if not trees.operators_acted(work.session, slug, as_of):
                    scores.write(work, work.session.get_one(GoalRow, slug), fitted, as_of=as_of)
                    return
        with self.database.work() as work:
            scores.refit(work, work.session.get_one(GoalRow, slug))

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
            goals = session.exec(large).all()
            newest = {
                goal: session.execute(
                    sa.select(sa.func.max(col(EventRow.seq))).where(
                        col(EventRow.goal) == goal, col(EventRow.type) == "run.reported"
                    )
                ).scalar()
                for goal in goals
            }
        return {
            goal: seq
            for goal, seq in newest.items()
            if seq is not None and seq > self._fitted.get(goal, 0)
        }
