"""Search and replace edits: strict, unique, and with errors that say what to do instead."""

import difflib
import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

CLOSE_ENOUGH = 0.6
MAX_SHOWN = 20
COMPARED, MAX_COMPARED = 20, 2000
"""So many blocks, and characters of each, are compared in full: a file may have 100,000 lines."""


@dataclass(frozen=True)
class Edit:
    """Replace the one place in a file where `search` stands."""

    path: str
    search: str
    replace: str


class BadEdit(Exception):
    """An edit cannot be applied; the message is written for whoever proposed it."""


def apply(files: Mapping[str, str], edits: Sequence[Edit]) -> dict[str, str]:
    """The files after all edits in order; raises BadEdit at the first that does not fit."""
    found = dict(files)
    for number, edit in enumerate(edits, start=1):
        found[edit.path] = _one(found, edit, number)
    if all(found[path] == text for path, text in files.items()):
        raise BadEdit("The edits leave every file as it was. Propose a change that does something.")
    return found


def _one(files: Mapping[str, str], edit: Edit, number: int) -> str:
    text = files.get(edit.path)
    if text is None:
        names = ", ".join(sorted(files))
        raise BadEdit(f"Edit {number}: {edit.path!r} is not an editable file; these are: {names}.")
    if not edit.search:
        raise BadEdit(f"Edit {number}: `search` is empty. Quote the lines to replace.")
    count = text.count(edit.search)
    if count > 1:
        raise BadEdit(_ambiguous(text, edit, number, count))
    if count == 0:
        raise BadEdit(_missing(text, edit, number))
    return text.replace(edit.search, edit.replace, 1)


def _ambiguous(text: str, edit: Edit, number: int, count: int) -> str:
    places: list[str] = []
    start = 0
    while (start := text.find(edit.search, start)) >= 0 and len(places) < 5:
        places.append(str(text.count("\n", 0, start) + 1))
        start += 1
    return (
        f"Edit {number}: `search` occurs {count} times in {edit.path} (lines {', '.join(places)}). "
        "Add neighbouring lines until it occurs once."
    )


def _missing(text: str, edit: Edit, number: int) -> str:
    line, block = nearest(text, edit.search)
    said = f"Edit {number}: `search` does not occur in {edit.path}."
    if not block:
        return f"{said} Nothing there resembles it; quote the file exactly."
    shown = "\n".join(block[:MAX_SHOWN])
    return f"{said} The nearest text begins at line {line}; quote it exactly:\n{shown}"


def nearest(text: str, search: str) -> tuple[int, list[str]]:
    """The block that resembles the first lines of `search` most, and its first line (1 first)."""
    lines, wanted = text.splitlines(), search.strip("\n").splitlines()[:MAX_SHOWN]
    if not wanted or not lines:
        return 0, []
    size, best = len(wanted), (0.0, 0)
    key = _plain(wanted)
    for start in _promising(lines, wanted):
        matcher = difflib.SequenceMatcher(None, key, _plain(lines[start : start + size]))
        if matcher.real_quick_ratio() > best[0] and matcher.quick_ratio() > best[0]:
            best = max(best, (matcher.ratio(), start))
    if best[0] < CLOSE_ENOUGH:
        return 0, []
    return best[1] + 1, lines[best[1] : best[1] + size]


def _promising(lines: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Where blocks begin whose lines share the most triples of characters with `wanted`."""
    known = set[str]().union(*map(_triples, wanted))
    shared = [2 * len(each & known) - len(each) for each in map(_triples, lines)]
    size, sums = len(wanted), [0, *accumulate(shared)]
    starts = range(max(1, len(lines) - size + 1))
    return heapq.nlargest(COMPARED, starts, lambda at: sums[min(at + size, len(lines))] - sums[at])


def _triples(line: str) -> set[str]:
    plain = f" {line.strip()} "
    return {plain[at : at + 3] for at in range(len(plain) - 2)}


def _plain(lines: Sequence[str]) -> str:
    return "\n".join(line.strip() for line in lines)[:MAX_COMPARED]
