"""`hub check`: the database, git, blobs and counters held against each other, and mended."""

import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from hub import counters, rebuild, refs, rehash, storemark
from hub.blobs import BlobMissing
from hub.core import Hub
from hub.db import Database
from hub.gitobjects import GitObject
from hub.gitstore import GitStore, Unreadable
from hub.rebuild import Rebuilt
from hub.tables import GoalRow, RunRow

OBJECTS_PER_PACK = 4000
LATE_SECONDS = 1.5
"""A hub that runs meanwhile writes git a moment after its rows (ADR 0027)."""
MOST_LATE = 1000


@dataclass(frozen=True)
class Finding:
    """Something that does not agree: a stable code, where, and a sentence."""

    code: str
    where: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.where}: {self.sentence} [{self.code}]"


@dataclass
class Report:
    """What a check looked at, what it found, and what it mended."""

    experiments: int = 0
    blobs: int = 0
    findings: list[Finding] = field(default_factory=list)
    mended: list[str] = field(default_factory=list)


def check(hub: Hub) -> Report:
    """Look at everything and change nothing."""
    report = Report()
    with hub.database.read() as session:
        for goal in session.exec(select(GoalRow).order_by(col(GoalRow.slug))).all():
            _check_goal(session, hub.git, goal, report)
        _check_blobs(session, hub, report)
        report.findings += [
            Finding("counter", str(each.key), str(each)) for each in counters.wrong(session)
        ]
    return report


def repair(hub: Hub) -> Report:
    """Mend what the database knows better: counters, repositories with the same shas, and hashes
    of code that an older hub took otherwise.

    A damaged repository is kept beside the new one as `<goal>.git.damaged-N`. Lost blobs and rows
    that contradict themselves cannot be mended here; they stay among the findings.
    """
    hub.git_writer.catch_up()  # what a killed hub still owed is no damage
    report = check(hub)
    report.mended += _moved_in(hub)
    for slug in sorted({each.where.split(" ")[0] for each in report.findings if _in_git(each)}):
        kept = recreate(hub, slug)
        report.mended.append(f"{slug}: repository made again from the database{kept}")
    for slug in sorted({each.where for each in report.findings if each.code == "git_settings"}):
        hub.git.configure(slug)
        report.mended.append(f"{slug}: settings of its repository set again")
    with hub.database.work() as work:
        report.mended += [str(each) for each in counters.mend(work)]
    report.mended += _rehashed(hub.database)
    after = check(hub)
    return Report(after.experiments, after.blobs, after.findings, report.mended)


def _moved_in(hub: Hub) -> Iterator[str]:
    """Who repairs a hub whose store is gone gives up what it held, and goes on with this one."""
    try:
        storemark.check(hub.database, hub.blobs)
    except storemark.OtherStore:
        storemark.move(hub.database, hub.blobs)
        yield "logs and curves: this store is the hub's from now on"


def _rehashed(database: Database) -> Iterator[str]:
    with database.read() as session:
        slugs = session.exec(select(GoalRow.slug).order_by(col(GoalRow.slug))).all()
    for slug in slugs:
        # Found while others write: all of a goal's code is read for it.
        with database.read() as session:
            right = rehash.wrong(session, slug)
        if right:
            with database.work() as work:
                rehash.mend(work, slug, right)
            yield f"{slug}: {len(right)} experiments are found again by what their code says"


def recreate(hub: Hub, slug: str) -> str:
    """Make a goal's repository again beside the old one, then let it take the old one's place."""
    side = GitStore(hub.git.root / ".repair")
    shutil.rmtree(side.path(slug), ignore_errors=True)
    side.create(slug)
    with hub.database.read() as session:
        for batch in _batches(rebuild.goal(session, slug)):
            side.add_pack(slug, batch)
    kept = _set_aside(hub.git.path(slug))
    side.path(slug).rename(hub.git.path(slug))
    hub.git.forget()
    # A row that contradicts itself makes no commit that its ref could point at; the check names it.
    with hub.database.read() as session, suppress(Unreadable):
        refs.project(session, hub.git, session.get_one(GoalRow, slug))
    return kept


def _set_aside(path: Path) -> str:
    if not path.exists():
        return ""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    path.rename(aside)
    return f"; the old one is kept as {aside.name}"


def _batches(commits: Iterator[Rebuilt | Any]) -> Iterator[list[GitObject]]:
    batch: list[GitObject] = []
    for made in commits:
        if isinstance(made, Rebuilt):
            batch += made.objects
        if len(batch) >= OBJECTS_PER_PACK:
            yield batch
            batch = []
    if batch:
        yield batch


def _in_git(finding: Finding) -> bool:
    return finding.code in ("git_missing", "ref_wrong")


def _check_goal(session: Session, git: GitStore, goal: GoalRow, report: Report) -> None:
    git.settle()
    git.forget()  # what this process has in memory proves nothing about the disk
    late: list[Rebuilt] = []
    for made in rebuild.goal(session, goal.slug):
        report.experiments += 1
        found = _of_commit(git, goal.slug, made)
        if any(each.code == "git_missing" for each in found) and len(late) < MOST_LATE:
            late.append(made)
        else:
            report.findings += found
    if late:
        time.sleep(LATE_SECONDS)
        git.forget()
        report.findings += [each for made in late for each in _of_commit(git, goal.slug, made)]
    if git.path(goal.slug).exists() and (unset := git.unset(goal.slug)):
        sentence = f"Its repository lacks {', '.join(unset)}; `--repair` sets them."
        report.findings.append(Finding("git_settings", goal.slug, sentence))
    report.findings += [
        Finding("ref_wrong", f"{goal.slug} {name}", "This ref points at no experiment.")
        for name in refs.strays(session, git, goal)
    ]


def _of_commit(git: GitStore, slug: str, made: Rebuilt | Any) -> list[Finding]:
    where = f"{slug} #{made.number}"
    if not isinstance(made, Rebuilt):
        return [Finding("parent_missing", where, f"Its parent {made.parent} is not before it.")]
    if made.sha != made.expected:
        sentence = f"Its row makes commit {made.sha[:12]}, but is filed as {made.expected[:12]}."
        return [Finding("row_disagrees", where, sentence)]
    if not made.tree_agrees:
        return [Finding("tree_disagrees", where, "Its row names another tree than its commit.")]
    lost = git.damaged(slug, made.objects)
    sentence = f"{len(lost)} of its git objects are missing or damaged; `--repair` makes them."
    return [Finding("git_missing", where, sentence)] if lost else []


def _check_blobs(session: Session, hub: Hub, report: Report) -> None:
    run = RunRow
    columns = (col(run.id), col(run.log_blob), col(run.curve_blob))
    rows = session.execute(sa.select(*columns), execution_options={"yield_per": 1000})
    for identity, *digests in rows:
        for digest in filter(None, digests):
            report.blobs += 1
            try:
                hub.blobs.get(digest)
            except BlobMissing:
                sentence = f"Its blob {digest[:12]} is missing or damaged; a backup has it."
                report.findings.append(Finding("blob_missing", f"run {identity}", sentence))
