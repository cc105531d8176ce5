"""What a goal was before: its versions, and what changed from one to the next."""

import json
from collections.abc import Mapping

from sqlmodel import Session, col, select

from hub import gitreads, goals
from hub.tables import GoalRow, GoalVersionRow
from protocol.experiments import Diff
from protocol.operators import GoalVersion

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
    old = _texts(goals.version(session, goal.slug, base))
    new = _texts(goals.version(session, goal.slug, version))
    changed = [path for path in sorted(old.keys() | new.keys()) if old.get(path) != new.get(path)]
    files = [gitreads.compare(path, old.get(path, ""), new.get(path, "")) for path in changed]
    return Diff(base=f"version {base}", sha=f"version {version}", files=files)


def _texts(row: GoalVersionRow) -> Mapping[str, str]:
    rules = json.dumps(row.spec, indent=1, sort_keys=True, ensure_ascii=False)
    return {**row.files, RULES: rules + "\n"}
