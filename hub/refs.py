"""Refs as a projection: champion, best leaves and every experiment, written when somebody reads."""

import threading
from pathlib import Path

import sqlalchemy as sa
from sqlmodel import Session, col

from hub import columns, whole_files
from hub.gitstore import GitStore
from hub.tables import ExperimentRow, GoalRow

LEAVES = 200
_lock = threading.Lock()
_written: dict[tuple[Path, str], int] = {}

# A loose ref would shadow packed-refs for ever, so this hub writes none and keeps the file sorted.
_HEAD = "ref: refs/heads/champion"
_HEADER = "# pack-refs with: peeled fully-peeled sorted \n"


def project(session: Session, git: GitStore, goal: GoalRow) -> int:
    """Bring the goal's refs up to date with the database; returns how many there are.

    `refs/heads/champion` is the best experiment, `refs/heads/leaf/N` the best leaves, and
    `refs/experiments/N` every experiment, so that plain git reaches each of them. What is hidden is
    neither a champion nor a leaf.
    """
    version = columns.newest(session, goal.slug)
    key = (git.path(goal.slug), goal.slug)
    with _lock:
        if _written.get(key) == version and (key[0] / "packed-refs").exists():
            return 0
        session.refresh(goal)  # PostgreSQL may have read it before what that version tells of
        refs = _refs(session, goal)
        # Another hub process may have taken them. A commit is made with its ancestry, so the newest
        # of each line is asked for first.
        git.have(goal.slug, reversed(refs.values()))
        _write(git.path(goal.slug) / "packed-refs", refs)
        _written[key] = version
    return len(refs)


def strays(session: Session, git: GitStore, goal: GoalRow) -> list[str]:
    """Names of refs that point at no experiment of this goal, or that this hub never writes."""
    folder = git.path(goal.slug)
    query = sa.select(col(ExperimentRow.sha)).where(col(ExperimentRow.goal) == goal.slug)
    known = set(session.execute(query).scalars())
    said = [line.partition(" ") for line in _lines(folder / "packed-refs")]
    packed = [name or "packed-refs" for sha, _, name in said if sha not in known]
    found = (each for each in (folder / "refs").rglob("*") if each.is_file())
    loose = [each.relative_to(folder).as_posix() for each in found]
    head = [] if _lines(folder / "HEAD") in ([], [_HEAD]) else ["HEAD"]
    return [*head, *packed, *sorted(loose)]


def _lines(file: Path) -> list[str]:
    """What a file of git's says, whatever became of it; one that is not there says nothing."""
    try:
        text = file.read_text(errors="replace")
    except FileNotFoundError:
        return []
    except OSError:
        return ["unreadable"]
    return [line for line in text.splitlines() if line[:1] not in ("#", "^", "")]


def _refs(session: Session, goal: GoalRow) -> dict[str, str]:
    made = ExperimentRow
    rows = session.execute(
        sa.select(col(made.number), col(made.sha)).where(col(made.goal) == goal.slug)
    )
    refs = {f"refs/experiments/{number}": sha for number, sha in rows}
    score = col(made.score)
    order = score.asc() if goal.direction == "min" else score.desc()
    leaves = session.execute(
        sa.select(col(made.number), col(made.sha))
        .where(col(made.goal) == goal.slug, col(made.n_children) == 0, ~col(made.hidden))
        .order_by(score.is_(None), order, col(made.number).desc())
        .limit(LEAVES)
    )
    refs |= {f"refs/heads/leaf/{number}": sha for number, sha in leaves}
    refs["refs/heads/champion"] = goal.champion or _best(session, goal) or str(goal.root)
    return refs


def _best(session: Session, goal: GoalRow) -> str | None:
    score = col(ExperimentRow.score)
    order = score.asc() if goal.direction == "min" else score.desc()
    query = sa.select(col(ExperimentRow.sha)).where(
        col(ExperimentRow.goal) == goal.slug, score.is_not(None), ~col(ExperimentRow.hidden)
    )
    return session.execute(query.order_by(order).limit(1)).scalar()


def _write(path: Path, refs: dict[str, str]) -> None:
    text = _HEADER + "".join(f"{sha} {name}\n" for name, sha in sorted(refs.items()))
    whole_files.put(path, text.encode())
