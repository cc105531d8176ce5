"""Git is written a moment after the rows that it follows: many commits at once, nobody waits."""

import logging
from dataclasses import dataclass

import pygit2
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from hub.background import Background
from hub.db import Database
from hub.errors import HubError
from hub.gitstore import MOST_WAITING, GitStore
from hub.tables import ExperimentRow, GoalRow

log = logging.getLogger(__name__)
NEWEST = MOST_WAITING
"""Commits of a goal that are looked for at the start: a hub that was killed owes no more."""


@dataclass
class GitWriter(Background):
    """Writes what the store was promised, twice a second."""

    database: Database
    git: GitStore
    interval: float = 0.5
    _caught_up: bool = False

    def once(self) -> float:
        """Write behind; at first what a hub that was killed still owed."""
        if self._caught_up:
            self.git.settle()
            return self.interval
        try:
            self.catch_up()
            self._caught_up = True
        except HubError as error:
            log.warning("git.behind", extra={"reason": error.code})
        return self.interval

    def stop(self) -> None:
        """Write what is left and end."""
        super().stop()
        self.take_turn()

    def catch_up(self) -> None:
        """Have the newest commits made from their rows where a repository lacks them."""
        self.git.settle()
        for goal, shas in self._newest().items():
            try:
                self.git.have(goal, shas)
            except (HubError, OSError, pygit2.GitError) as error:
                log.warning("git.behind", extra={"goal": goal, "reason": str(error)})

    def _newest(self) -> dict[str, list[str]]:
        """A repository that is not there at all is made by whoever reads it."""
        with self.database.read() as session:
            goals = session.exec(select(GoalRow.slug)).all()
            return {
                goal: list(session.exec(_newest(goal)).all())
                for goal in goals
                if self.git.path(goal).exists()
            }


def _newest(goal: str) -> SelectOfScalar[str]:
    query = select(ExperimentRow.sha).where(col(ExperimentRow.goal) == goal)
    return query.order_by(col(ExperimentRow.number).desc()).limit(NEWEST)
