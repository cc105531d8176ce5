"""Proposals that the hub can write itself: clean merges, and changes taken back."""

import re
from collections.abc import Mapping, Sequence

from merge3 import Merge3
from sqlmodel import Session

from hub import experiments, prior
from hub.gitstore import GitStore, lines
from hub.tables import ExperimentRow, OrderRow
from protocol.work import Kind, Prepared

Files = Mapping[str, str]

_MERGED = re.compile(r"^Merge #[\d#, ]+ into #\d+: ")


def prepare(session: Session, git: GitStore, order: OrderRow) -> Prepared | None:
    """The files that a merge or ablation asks for, or None where a mutator has to write them.

    What a merge cannot bring over without a conflict is left out of its order; where nothing fits,
    the order keeps its first donor, for a mutator to bring over.
    """
    if order.second_parent is None:
        return None
    if order.kind == Kind.ABLATE.value:
        return _taken_back(session, git, order)
    return _brought(session, git, order) if order.kind == Kind.MERGE.value else None


def _taken_back(session: Session, git: GitStore, order: OrderRow) -> Prepared | None:
    other = experiments.find(session, str(order.second_parent))
    if other.parent is None:
        return None
    files = carry(git.files(order.goal, str(order.parent)), *reversed(_step(git, other)))
    if files is None:
        return None
    said = prior.TAKEN_OUT if other.hidden else other.title
    title = f"Without #{other.number}: {said}"[:200]
    return Prepared(files=files, title=title, hypothesis=order.why)


def _brought(session: Session, git: GitStore, order: OrderRow) -> Prepared | None:
    parent = experiments.find(session, str(order.parent))
    start = dict(git.files(order.goal, parent.sha))
    files, fitting = dict(start), []
    for sha in order.brought or [str(order.second_parent)]:
        donor = experiments.find(session, sha)
        new = None if donor.parent is None else carry(files, *_step(git, donor))
        if new is not None:
            files |= new
            fitting.append(donor)
    if not fitting:
        order.brought = order.brought[:1]
        return None
    order.second_parent, order.brought = fitting[0].sha, [donor.sha for donor in fitting]
    changed = {path: text for path, text in files.items() if start[path] != text}
    return _told(order, parent, fitting, changed) if changed else None


def _step(git: GitStore, row: ExperimentRow) -> tuple[Files, Files]:
    """The files of an experiment's parent, and its own."""
    return git.files(row.goal, str(row.parent)), git.files(row.goal, row.sha)


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
    before, one, two = lines(base), lines(ours), lines(theirs)
    parts: list[str] = []
    for kind, *span in Merge3(before, one, two).merge_regions():
        if kind == "conflict":
            start, end, first, first_end, second, second_end = span
            region = before[start:end], one[first:first_end], two[second:second_end]
            chosen = _line_by_line(*region)
            if chosen is None:
                return None
            parts += chosen
        else:
            parts += {"unchanged": before, "b": two}.get(kind, one)[slice(*span)]
    return "".join(parts)


def _line_by_line(
    base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]
) -> list[str] | None:
    """As many lines on each side: each is taken from the only side that changed it."""
    if not len(base) == len(ours) == len(theirs):
        return None
    chosen = []
    for before, one, two in zip(base, ours, theirs, strict=True):
        if before not in (one, two) and one != two:
            return None
        chosen.append(two if one == before else one)
    return chosen


def _told(
    order: OrderRow,
    parent: ExperimentRow,
    donors: Sequence[ExperimentRow],
    files: dict[str, str],
) -> Prepared:
    names = ", ".join(f"#{donor.number}" for donor in donors)
    # Of a merge that is merged again only what it brought is said again.
    titles = "; ".join(_MERGED.sub("", donor.title) for donor in donors)
    said = [f"#{donor.number} said: {donor.hypothesis}" for donor in donors]
    return Prepared(
        files=files,
        title=f"Merge {names} into #{parent.number}: {titles}"[:200],
        hypothesis="\n\n".join([order.why, *said])[:4000],
    )
