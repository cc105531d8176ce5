"""Proposals that the hub can write itself: clean merges, and changes taken back."""

from collections.abc import Mapping

from merge3 import Merge3
from sqlmodel import Session

from hub import experiments
from hub.gitstore import GitStore, lines
from hub.tables import ExperimentRow, OrderRow
from protocol.work import Kind, Prepared

Files = Mapping[str, str]


def prepare(session: Session, git: GitStore, order: OrderRow) -> Prepared | None:
    """The files that a merge or ablation asks for, or None where a mutator has to write them."""
    if order.kind not in (Kind.MERGE.value, Kind.ABLATE.value) or order.second_parent is None:
        return None
    parent = experiments.find(session, str(order.parent))
    other = experiments.find(session, order.second_parent)
    if other.parent is None:
        return None
    before, after = git.files(order.goal, other.parent), git.files(order.goal, other.sha)
    if order.kind == Kind.ABLATE.value:
        before, after = after, before
    files = carry(git.files(order.goal, parent.sha), before, after)
    return None if files is None else _told(order, parent, other, files)


def carry(onto: Files, before: Files, after: Files) -> dict[str, str] | None:
    """Apply what changed from `before` to `after` onto other files; None when it does not fit."""
    changed: dict[str, str] = {}
    for path in after:
        if before.get(path) == after[path] or path not in onto or path not in before:
            continue
        text = merged(before[path], onto[path], after[path])
        if text is None:
            return None
        changed[path] = text
    return {path: text for path, text in changed.items() if text != onto[path]} or None


def merged(base: str, ours: str, theirs: str) -> str | None:
    """Three-way merge by lines; None on a conflict.

    Finer than git, which calls changes to neighbouring lines a conflict: constants stand line by
    line in a train.py, and two of them changed side by side still are two ideas.
    """
    merge = Merge3(lines(base), lines(ours), lines(theirs))
    parts: list[str] = []
    for region in merge.merge_groups():
        if region[0] == "conflict":
            return None
        parts += region[1]
    return "".join(parts)


def _told(
    order: OrderRow, parent: ExperimentRow, other: ExperimentRow, files: dict[str, str]
) -> Prepared:
    if order.kind == Kind.ABLATE.value:
        title = f"Without #{other.number}: {other.title}"[:200]
        return Prepared(files=files, title=title, hypothesis=order.why)
    title = f"Merge #{other.number} into #{parent.number}: {other.title}"[:200]
    hypothesis = f"{order.why}\n\n#{other.number} said: {other.hypothesis}"[:4000]
    return Prepared(files=files, title=title, hypothesis=hypothesis)
