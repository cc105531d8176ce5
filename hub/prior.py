"""Tried before? The earlier result is the answer, so that nobody pays for it twice."""

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlmodel import Session, col, select

from hub import novelty
from hub.errors import HubError
from hub.tables import ExperimentRow
from protocol.experiments import Earlier, Status
from protocol.goals import GoalSpec


class TriedBefore(HubError):
    """This change was tried before; the earlier result is in `data`, so learn from it."""

    code, status = "tried_before", 409


@dataclass(frozen=True)
class Keys:
    """What a proposal comes down to: `canonical` is its code's meaning, `effect` its change's."""

    canonical: str
    effect: str = ""


def keys(spec: GoalSpec, parent: Mapping[str, str] | None, files: Mapping[str, str]) -> Keys:
    """Reduce a proposal (all of its files) to its keys; a baseline has no parent."""
    child = _editable(spec, files)
    whole = novelty.canonical_tree(child)
    if parent is None:
        return Keys(whole)
    return Keys(whole, novelty.effect_keys(_editable(spec, parent), child))


def _editable(spec: GoalSpec, files: Mapping[str, str]) -> dict[str, str]:
    return {path: files[path] for path in spec.files.editable if path in files}


def find(session: Session, goal: str, mine: Keys) -> Earlier | None:
    """The first experiment of the goal with the same meaning, or the same change of its parent.

    What was abandoned before it was measured does not count.
    """
    made = ExperimentRow
    query = select(made).where(
        col(made.goal) == goal,
        col(made.status) != Status.ABANDONED.value,
        sa.or_(col(made.canonical) == mine.canonical, col(made.effect) == mine.effect),
    )
    row = session.exec(query.order_by(col(made.number)).limit(1)).first()
    return None if row is None else _told(row, same=row.canonical == mine.canonical)


def _told(row: ExperimentRow, same: bool) -> Earlier:
    what = "The same code" if same else "The same change of the same parent"
    return Earlier(
        sha=row.sha,
        number=row.number,
        title=row.title,
        level="code" if same else "effect",
        score=row.score,
        delta=row.delta,
        status=Status(row.status),
        sentence=f"{what} is #{row.number} ({row.title}): {_outcome(row)}",
    )


def _outcome(row: ExperimentRow) -> str:
    if row.status == Status.RUNNING.value:
        return "it is being trained now."
    if row.failure is not None:
        return f"it failed ({row.failure})."
    return row.verdict or f"it is {row.status}."
