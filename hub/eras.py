"""Under which rules of measuring a goal's runs were made: numbers of two budgets are not one."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col

from hub import goals
from hub.tables import GoalRow, GoalVersionRow
from protocol.goals import GoalSpec


@dataclass(frozen=True)
class Eras:
    """When which rules began; the first have no name, and rules that come back have their own."""

    since: Sequence[datetime]
    names: Sequence[str]

    @property
    def changed(self) -> bool:
        """Whether the goal was ever measured otherwise."""
        return len(set(self.names)) > 1

    @property
    def now(self) -> str:
        """The rules as they stand."""
        return self.names[-1] if self.names else ""

    def at(self, when: datetime) -> str:
        """The rules that work was handed out under."""
        return self.names[max(0, bisect_right(self.since, when) - 1)]


def of(session: Session, goal: GoalRow) -> Eras:
    """The eras of a goal; an edit of anything that moves no number begins none."""
    kept = GoalVersionRow
    query = sa.select(col(kept.version), col(kept.spec), col(kept.created_at))
    found = session.execute(query.where(col(kept.goal) == goal.slug).order_by(col(kept.version)))
    names: dict[str, str] = {}
    since, told = [], []
    for version, spec, at in found:
        name = f"rules of version {version}" if names else ""
        told.append(names.setdefault(_measuring(goals.understood(spec)), name))
        since.append(at)
    return Eras(since, told)


def _measuring(spec: GoalSpec) -> str:
    data = [(file.path, file.sha256) for file in spec.data.files]
    rest = (spec.data.generated, spec.data.fallback, spec.data.val_hidden)
    rules = (spec.budget, spec.commands, spec.scoring, spec.seeds, spec.metric.source)
    # With more threads more is trained in as many seconds.
    return repr((*rules, data, *rest, spec.limits.threads))
