"""What a goal was before: its versions, and what changed from one to the next."""

import difflib
import json
from collections.abc import Mapping

from sqlmodel import Session, col, select

from hub import gitreads, goals
from hub.tables import GoalRow, GoalVersionRow
from protocol.experiments import Diff
from protocol.operators import GoalDiff, GoalVersion

RULES = "goal.json"


def versions(
    session: Session, goal: GoalRow, before: int | None = None, limit: int | None = None
) -> list[GoalVersion]:
    """A goal's versions, the newest first, before a cursor; all of them without a limit."""
    kept = GoalVersionRow
    # Without the files, which are large.
    columns = (kept.version, kept.by, kept.reason, kept.created_at)
    query = select(*columns).where(col(kept.goal) == goal.slug)
    if before is not None:
        query = query.where(col(kept.version) < before)
    rows = session.exec(query.order_by(col(kept.version).desc()).limit(limit)).all()
    return [
        GoalVersion(version=version, by=by, reason=reason, created_at=at)
        for version, by, reason, at in rows
    ]


def diff(session: Session, goal: GoalRow, version: int, base: int) -> Diff:
    """What changed between two versions: the rules as JSON, and the text of every file."""
    changed = _changed(session, goal, version, base)
    files = [gitreads.compare(path, old, new) for path, (old, new) in changed.items()]
    return Diff(base=f"version {base}", sha=f"version {version}", files=files)


def unified(session: Session, goal: GoalRow, version: int, base: int) -> GoalDiff:
    """The same as lines, for a terminal."""
    changed = _changed(session, goal, version, base)
    told = {path: _lines(path, old, new) for path, (old, new) in changed.items()}
    files = {path: lines for path, lines in told.items() if lines}
    return GoalDiff(goal=goal.slug, base=base, version=version, files=files)


def _changed(
    session: Session, goal: GoalRow, version: int, base: int
) -> dict[str, tuple[str, str]]:
    old = _texts(goals.version(session, goal.slug, base))
    new = _texts(goals.version(session, goal.slug, version))
    pairs = {path: (old.get(path, ""), new.get(path, "")) for path in sorted({*old, *new})}
    return {path: texts for path, texts in pairs.items() if texts[0] != texts[1]}


def _lines(path: str, old: str, new: str) -> list[str]:
    both = (old.splitlines(), new.splitlines())
    return list(difflib.unified_diff(*both, path, path, lineterm=""))


def _texts(row: GoalVersionRow) -> Mapping[str, str]:
    rules = json.dumps(row.spec, indent=1, sort_keys=True, ensure_ascii=False)
    return {**row.files, RULES: rules + "\n"}
