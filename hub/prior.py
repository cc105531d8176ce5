"""Tried before? The earlier result is the answer, so that nobody pays for it twice."""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlmodel import Session, SQLModel, col, select
from sqlmodel.sql.expression import SelectOfScalar

from hub import likeness, novelty
from hub.db import Work
from hub.errors import HubError
from hub.hot import Hot, HotQuery
from hub.likeness import Change
from hub.tables import ExperimentRow, GoalRow
from protocol.experiments import Earlier, Operator, Status
from protocol.goals import GoalSpec

SIBLINGS = 200
FAMILIES = 32
"""Parents whose children's words are kept in memory."""
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


def find(work: Work, goal: str, mine: Keys) -> Earlier | None:
    """The first experiment of the goal with the same meaning, or the same change of its parent.

    What was abandoned before it was measured does not count.
    """
    keys = {"canonical": mine.canonical, "effect": mine.effect}
    sha = _SAME.value(work.connection, goal=goal, **keys)
    if sha is None:
        return None
    row = _row(work, sha)
    return told(row, "code" if row.canonical == mine.canonical else "effect")


def _row(work: Work, sha: str) -> ExperimentRow:
    return work.session.exec(select(ExperimentRow).where(col(ExperimentRow.sha) == sha)).one()


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


@dataclass(frozen=True)
class Sibling:
    """A child of a parent, by its number, and what it changed and said."""

    sha: str
    number: int
    change: Change


class _Row(NamedTuple):
    sha: str
    number: int
    title: str
    hypothesis: str
    patch: dict[str, Any]


class Families:
    """The newest children of popular parents, as one hub's database has them."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], list[Sibling]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, connection: sa.Connection, goal: str, parent: str) -> list[Sibling]:
        """A parent's newest children as they are committed, the newest first.

        What they changed and said never changes, so only what is new is read. Some are abandoned,
        for now: a late result may still come.
        """
        with self._lock:
            known = self._known.pop((goal, parent), [])
        found = (_since(connection, goal, parent, known) + known)[:SIBLINGS]
        with self._lock:
            self._known[goal, parent] = found
            while len(self._known) > FAMILIES:
                self._known.popitem(last=False)
        return found


def _since(
    connection: sa.Connection, goal: str, parent: str, known: Sequence[Sibling]
) -> list[Sibling]:
    after = known[0].number if known else -1
    rows = _SIBLINGS.all(connection, goal=goal, parent=parent, after=after)
    return [
        Sibling(row.sha, row.number, _changed(row.title, row.hypothesis, row.patch)) for row in rows
    ]


def alike(
    work: Work, goal: str, parent: str, mine: Change, known: Sequence[Sibling]
) -> Earlier | None:
    """An earlier child of the same parent whose diff and hypothesis read the same.

    `known` are its siblings as they were a moment ago; those that came since are looked at as well.
    """
    every = (*_since(work.connection, goal, parent, known), *known)
    same = [each for each in every if each.change.numbers == mine.numbers]
    while found := likeness.nearest(mine, [each.change for each in same]):
        if found[1] < likeness.ALIKE:
            return None
        row = _row(work, same.pop(found[0]).sha)
        if row.status != Status.ABANDONED.value:
            return told(row, "likeness")
    return None


def elsewhere(work: Work, goal: str, mine: Keys, refused: int) -> Earlier | None:
    """The newest experiment that made the same change to another parent, if it did not gain."""
    sha = _ELSEWHERE.value(work.connection, goal=goal, change=mine.change)
    if sha is None:
        return None
    row = _row(work, sha)
    sign = 1.0 if work.session.get_one(GoalRow, goal).direction == "max" else -1.0
    gain = None if row.delta is None else sign * row.delta
    objects = novelty.objects(gain, row.delta_sd or 0.0, refused)
    return told(row, "elsewhere") if objects else None


_made = SQLModel.metadata.tables["experiments"].c
_GOAL = sa.bindparam("goal", type_=sa.String)
_kept = _made.status != Status.ABANDONED.value
_alike = sa.or_(
    _made.canonical == sa.bindparam("canonical"), _made.effect == sa.bindparam("effect")
)
# By its bare name the goal would have SQLite read all of it: few rows share a hash.
_here = _made.goal.concat("") == _GOAL
_SAME = Hot(sa.select(_made.sha).where(_alike, _here, _kept).order_by(_made.number).limit(1))
_altered = sa.select(_made.sha).where(_made.change == sa.bindparam("change"), _here, _kept)
_ELSEWHERE = Hot(_altered.order_by(_made.number.desc()).limit(1))
_children = sa.select(*(_made[name] for name in _Row._fields)).where(
    _made.goal == _GOAL,
    _made.parent == sa.bindparam("parent"),
    _made.number > sa.bindparam("after"),
)
_SIBLINGS = HotQuery(_children.order_by(_made.number.desc()).limit(SIBLINGS), _Row)


def change(patch: Mapping[str, Any], title: str, hypothesis: str) -> Change:
    """What a proposal adds to its parent's files, and says of it."""
    return _changed(title, hypothesis, patch)


def added_by(row: ExperimentRow) -> Change:
    """What an experiment added, and what its author said of it."""
    return _changed(row.title, row.hypothesis, row.patch)


def _changed(title: str, hypothesis: str, patch: Mapping[str, Any]) -> Change:
    added = "".join(text for path in sorted(patch) for _, _, text in patch[path])
    return Change(added, f"{title} {hypothesis}")


TAKEN_OUT = "taken out by an operator"
LEVELS = {
    "code": "The same code",
    "effect": "The same change of the same parent",
    "likeness": "Much the same change of the same parent",
    "elsewhere": "The same change of another parent",
}


def told(row: ExperimentRow, level: str) -> Earlier:
    """An earlier experiment with what came of it, as a sentence.

    What an operator took out keeps its words: mutators read them, and they may mislead those.
    """
    what, title = LEVELS[level], TAKEN_OUT if row.hidden else row.title
    return Earlier(
        sha=row.sha,
        number=row.number,
        title=title,
        level=level,
        score=row.score,
        delta=row.delta,
        status=Status(row.status),
        sentence=f"{what} is #{row.number} ({title}): {outcome(row)}",
    )


def outcome(row: ExperimentRow) -> str:
    """What came of an experiment, as the end of a sentence."""
    if row.status == Status.RUNNING.value and row.operator == Operator.BASELINE.value:
        return "it waits for its first run."  # it counts as running before anybody trains it
    if row.status == Status.RUNNING.value:
        return "it is being trained now."
    if row.failure is not None:
        return f"it failed ({row.failure})."
    return row.verdict or f"it is {row.status}."
