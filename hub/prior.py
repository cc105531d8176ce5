"""Tried before? The earlier result is the answer, so that nobody pays for it twice."""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, SQLModel, col, select
from sqlmodel.sql.expression import SelectOfScalar

from hub import likeness, novelty
from hub.errors import HubError
from hub.hot import Hot
from hub.likeness import Change
from hub.tables import ExperimentRow, GoalRow
from protocol.experiments import Earlier, Status
from protocol.goals import GoalSpec

SIBLINGS = 200
REMEMBERED = 4096
"""Experiments whose words are kept in memory."""
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
    keys = {"canonical": mine.canonical, "effect": mine.effect}
    sha = _SAME.value(session.connection(), goal=goal, **keys)
    if sha is None:
        return None
    row = session.exec(select(ExperimentRow).where(col(ExperimentRow.sha) == sha)).one()
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


def alike(session: Session, goal: str, parent: str, mine: Change) -> Earlier | None:
    """An earlier child of the same parent whose diff and hypothesis read the same."""
    shas = _SIBLINGS.values(session.connection(), goal=goal, parent=parent)
    found = likeness.nearest(mine, _changes(session, shas))
    if found is None or found[1] < likeness.ALIKE:
        return None
    nearest = col(ExperimentRow.sha) == shas[found[0]]
    return told(session.exec(select(ExperimentRow).where(nearest)).one(), "likeness")


_remembered: OrderedDict[str, Change] = OrderedDict()
_lock = threading.Lock()


def _changes(session: Session, shas: Sequence[str]) -> list[Change]:
    """What experiments changed and said, which never changes: the newest asked for are kept."""
    with _lock:
        known = {sha: kept for sha in shas if (kept := _remembered.get(sha))}
    missing = [sha for sha in shas if sha not in known] if len(known) < len(shas) else []
    if missing:
        rows = session.connection().execute(_WORDS, {"shas": missing})
        known |= {sha: _changed(*said) for sha, *said in rows}
        with _lock:
            _remembered.update((sha, known[sha]) for sha in missing)
            while len(_remembered) > REMEMBERED:
                _remembered.popitem(last=False)
    return [known[sha] for sha in shas]


def elsewhere(session: Session, goal: str, mine: Keys, refused: int) -> Earlier | None:
    """The newest experiment that made the same change to another parent, if it did not gain."""
    sha = _ELSEWHERE.value(session.connection(), goal=goal, change=mine.change)
    if sha is None:
        return None
    row = session.exec(select(ExperimentRow).where(col(ExperimentRow.sha) == sha)).one()
    sign = 1.0 if session.get_one(GoalRow, goal).direction == "max" else -1.0
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
_children = sa.select(_made.sha).where(
    _made.goal == _GOAL, _made.parent == sa.bindparam("parent"), _kept
)
_SIBLINGS = Hot(_children.order_by(_made.number.desc()).limit(SIBLINGS))
_WORDS = sa.select(_made.sha, _made.title, _made.hypothesis, _made.patch).where(
    _made.sha.in_(sa.bindparam("shas", expanding=True))
)


def change(patch: Mapping[str, Any], title: str, hypothesis: str) -> Change:
    """What a proposal adds to its parent's files, and says of it."""
    return _changed(title, hypothesis, patch)


def added_by(row: ExperimentRow) -> Change:
    """What an experiment added, and what its author said of it."""
    return _changed(row.title, row.hypothesis, row.patch)


def _changed(title: str, hypothesis: str, patch: Mapping[str, Any]) -> Change:
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
