"""Tried before? The earlier result is the answer, so that nobody pays for it twice."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from hub import likeness, novelty
from hub.errors import HubError
from hub.gitstore import lines
from hub.likeness import Change
from hub.tables import ExperimentRow, GoalRow
from protocol.experiments import Earlier, Status
from protocol.goals import GoalSpec

SIBLINGS = 200
MOST = 50
"""Experiments that share a hash: on other parents the same may have been tried a thousand times."""


class TriedBefore(HubError):
    """This change was tried before; the earlier result is in `data`, so learn from it."""

    code, status = "tried_before", 409


@dataclass(frozen=True)
class Keys:
    """What a proposal comes down to: `canonical` is its code's meaning, `effect` its change's.

    `change` is what it alters, whatever parent it alters.
    """

    canonical: str
    effect: str = ""
    change: str = ""


def keys(spec: GoalSpec, parent: Mapping[str, str] | None, files: Mapping[str, str]) -> Keys:
    """Reduce a proposal (all of its files) to its keys; a baseline has no parent."""
    child = _editable(spec, files)
    whole = novelty.canonical_tree(child)
    if parent is None:
        return Keys(whole)
    before = _editable(spec, parent)
    return Keys(whole, novelty.effect_keys(before, child), novelty.change_keys(before, child))


def _editable(spec: GoalSpec, files: Mapping[str, str]) -> dict[str, str]:
    return {path: files[path] for path in spec.files.editable if path in files}


def find(session: Session, goal: str, mine: Keys) -> Earlier | None:
    """The first experiment of the goal with the same meaning, or the same change of its parent.

    What was abandoned before it was measured does not count.
    """
    made = ExperimentRow
    same = sa.or_(col(made.canonical) == mine.canonical, col(made.effect) == mine.effect)
    row = session.exec(_measured(goal, same).order_by(col(made.number)).limit(1)).first()
    if row is None:
        return None
    return told(row, "code" if row.canonical == mine.canonical else "effect")


def same(session: Session, goal: str, mine: Keys) -> list[tuple[ExperimentRow, str]]:
    """Experiments of the goal with the same meaning or the same change, and in which sense.

    Of each sense the newest `MOST`.
    """
    made = ExperimentRow
    alike = (
        (col(made.canonical) == mine.canonical, "code"),
        (col(made.effect) == mine.effect, "effect"),
        (col(made.change) == mine.change, "elsewhere"),
    )
    found: dict[str, tuple[ExperimentRow, str]] = {}
    for condition, level in alike:
        newest = _measured(goal, condition).order_by(col(made.number).desc())
        for row in session.exec(newest.limit(MOST)).all():
            found.setdefault(row.sha, (row, level))
    return list(found.values())


def _measured(goal: str, same: sa.ColumnElement[bool]) -> SelectOfScalar[ExperimentRow]:
    made = ExperimentRow
    # By its bare name the goal would have SQLite read all of it: few rows share a hash.
    here = col(made.goal).concat("") == goal
    return select(made).where(same, here, col(made.status) != Status.ABANDONED.value)


def alike(session: Session, parent: ExperimentRow, mine: Change) -> Earlier | None:
    """An earlier child of the same parent whose diff and hypothesis read the same."""
    made = ExperimentRow
    # Two hundred whole rows would cost more than the comparison.
    columns = (col(made.sha), col(made.title), col(made.hypothesis), col(made.patch))
    query = sa.select(*columns).where(
        col(made.goal) == parent.goal,
        col(made.parent) == parent.sha,
        col(made.status) != Status.ABANDONED.value,
    )
    rows = session.execute(query.order_by(col(made.number).desc()).limit(SIBLINGS)).all()
    found = likeness.nearest(mine, [_added(*said) for _, *said in rows])
    if found is None or found[1] < likeness.ALIKE:
        return None
    nearest = select(made).where(col(made.sha) == rows[found[0]].sha)
    return told(session.exec(nearest).one(), "likeness")


def elsewhere(session: Session, goal: GoalRow, mine: Keys, refused: int) -> Earlier | None:
    """The newest experiment that made the same change to another parent, if it did not gain."""
    same = col(ExperimentRow.change) == mine.change
    newest = _measured(goal.slug, same).order_by(col(ExperimentRow.number).desc())
    row = session.exec(newest.limit(1)).first()
    if row is None:
        return None
    sign = 1.0 if goal.direction == "max" else -1.0
    gain = None if row.delta is None else sign * row.delta
    objects = novelty.objects(gain, row.delta_sd or 0.0, refused)
    return told(row, "elsewhere") if objects else None


def change(before: Mapping[str, str], changed: Mapping[str, str], said: str) -> Change:
    """What a proposal adds to its parent's files, line by line, and says of it."""
    added: list[str] = []
    for path in sorted(changed):
        old = Counter(lines(before.get(path, "")))
        for line in lines(changed[path]):
            if old[line]:
                old[line] -= 1
            else:
                added.append(line)
    return Change("".join(added), said)


def added_by(row: ExperimentRow) -> Change:
    """What an experiment added, and what its author said of it."""
    return _added(row.title, row.hypothesis, row.patch)


def _added(title: str, hypothesis: str, patch: Mapping[str, Any]) -> Change:
    added = "".join(text for path in sorted(patch) for _, _, text in patch[path])
    return Change(added, f"{title} {hypothesis}")


LEVELS = {
    "code": "The same code",
    "effect": "The same change of the same parent",
    "likeness": "Much the same change of the same parent",
    "elsewhere": "The same change of another parent",
}


def told(row: ExperimentRow, level: str) -> Earlier:
    """An earlier experiment with what came of it, as a sentence."""
    what = LEVELS[level]
    return Earlier(
        sha=row.sha,
        number=row.number,
        title=row.title,
        level=level,
        score=row.score,
        delta=row.delta,
        status=Status(row.status),
        sentence=f"{what} is #{row.number} ({row.title}): {outcome(row)}",
    )


def outcome(row: ExperimentRow) -> str:
    """What came of an experiment, as the end of a sentence."""
    if row.status == Status.RUNNING.value:
        return "it is being trained now."
    if row.failure is not None:
        return f"it failed ({row.failure})."
    return row.verdict or f"it is {row.status}."
