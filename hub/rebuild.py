"""Commits from rows: git is a projection, so every commit can be made again bit for bit."""

import logging
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from hub import gitobjects
from hub.db import Database
from hub.gitobjects import File, Files, GitObject
from hub.gitstore import GitStore, apply, author_of, commit_object
from hub.tables import ExperimentRow

log = logging.getLogger(__name__)
_made = ExperimentRow
COLUMNS = (
    col(_made.goal),
    col(_made.number),
    col(_made.sha),
    col(_made.tree),
    col(_made.parent),
    col(_made.second_parent),
    col(_made.patch),
    col(_made.message),
    col(_made.agent),
    col(_made.owner),
    col(_made.created_at),
)


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A commit made from its row: the name it gets, and the objects it adds to its parent's.

    `parent` are the files of its first parent, none for a root.
    """

    number: int
    expected: str
    sha: str
    tree_agrees: bool
    objects: list[GitObject]
    files: Files
    parent: Files


def rebuild(row: Any, parent: Files) -> Rebuilt:
    """Make a commit from its row and its first parent's files (nothing for a root)."""
    grown = gitobjects.grow(parent, _changed(row.patch, parent))
    parents = [sha for sha in (row.parent, row.second_parent) if sha]
    author = author_of(row.agent, row.owner)
    commit = commit_object(grown.tree, parents, author, row.message, row.created_at)
    objects, agrees = [*grown.objects, commit], grown.tree == row.tree
    return Rebuilt(row.number, row.sha, commit.sha, agrees, objects, grown.files, parent)


def _changed(patch: Mapping[str, Any], parent: Files) -> dict[str, str]:
    if "files" in patch and isinstance(patch["files"], dict):
        return dict(patch["files"])
    return {path: _edited(parent.get(path), edits) for path, edits in patch.items()}


def _edited(before: File | None, edits: list[list[Any]]) -> str:
    return apply(before.text if before else "", [(start, n, text) for start, n, text in edits])


def goal(session: Session, slug: str) -> Iterator[Rebuilt | Any]:
    """Every commit of a goal by number; a row whose parent is not there comes as the row itself.

    A parent's files stay in memory only until its last child is made.
    """
    where = col(_made.goal) == slug
    waiting = Counter(session.execute(sa.select(col(_made.parent)).where(where)).scalars())
    kept: dict[str | None, Files] = {None: {}}
    query = sa.select(*COLUMNS).where(where).order_by(col(_made.number))
    for row in session.execute(query, execution_options={"yield_per": 500}):
        if row.parent not in kept:
            yield row
            continue
        made = rebuild(row, kept[row.parent])
        if waiting[row.sha]:
            kept[row.sha] = made.files
        waiting[row.parent] -= 1
        if row.parent is not None and not waiting[row.parent]:
            del kept[row.parent]
        yield made


@dataclass
class Recall:
    """Gives a hub process the commits that it misses: written elsewhere, or lost with a folder."""

    database: Database
    git: GitStore
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __call__(self, goal: str, sha: str) -> bool:
        """Make a commit and whatever of its ancestry is missing; False if no row knows it."""
        with self._lock, self.database.read() as session:
            self.git.settle()
            return self._make(session, goal, sha)

    def _make(self, session: Session, goal: str, sha: str) -> bool:
        """A line of first parents at a time, after those that were merged into it.

        A line that waited once is made next: rows that a fault made merge each other end too.
        """
        made, waiting, waited = False, [sha], set[str]()
        while waiting:
            at_hand = waiting[-1]
            missing = self._missing(session, goal, at_hand)
            merged = {row.second_parent for row in missing if row.second_parent}
            before = [each for each in merged if not self.git.holds(goal, each)]
            if before and at_hand not in waited:
                waited.add(at_hand)
                waiting += before
                continue
            waiting.pop()
            if made := bool(missing):
                self._line(goal, missing)
        return made

    def _line(self, goal: str, missing: list[Any]) -> None:
        self.git.create(goal)
        first = missing[-1].parent
        files = self.git.tree_of(goal, first) if first else {}
        for row in reversed(missing):
            made = rebuild(row, files)
            self.git.add(goal, made.objects)
            files = made.files
        # Of several hubs each misses what the others wrote; of one, somebody lost it.
        level = logging.WARNING if self.database.is_sqlite else logging.INFO
        said = {"goal": goal, "sha": missing[0].sha, "commits": len(missing)}
        log.log(level, "git.recalled", extra=said)

    def _missing(self, session: Session, goal: str, sha: str) -> list[Any]:
        """The commit and its missing first parents, itself first."""
        rows: list[Any] = []
        wanted: str | None = sha
        while wanted and not (rows and self.git.holds(goal, wanted)):
            query = sa.select(*COLUMNS).where(col(_made.sha) == wanted, col(_made.goal) == goal)
            row = session.execute(query).first()
            if row is None or (rows and row.number >= rows[-1].number):
                return []
            rows.append(row)
            wanted = row.parent
        return rows
