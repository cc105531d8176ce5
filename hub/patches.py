"""Patches as people paste them, laid over a goal's files; nothing is run and nothing is written."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_FILE = re.compile(r"^\+\+\+ (?:b/)?(\S+)")
_HUNK = re.compile(r"^@@ -(\d+)(?:,\d+)? \+\d+(?:,\d+)? @@")


@dataclass
class Part:
    """A run of lines to find, from about which line on, and what stands there afterwards."""

    start: int
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)

    def take(self, line: str) -> None:
        """One line of the patch's body."""
        sign, text = line[:1] or " ", line[1:]
        if sign in " -":
            self.before.append(text)
        if sign in " +":
            self.after.append(text)


Patch = dict[str, list[Part]]


def parse(text: str) -> Patch:
    """Read a patch by file; empty when the text is none."""
    patch: Patch = {}
    path, part = "", None
    for line in text.splitlines():
        if (named := _FILE.match(line)) is not None:
            path, part = named[1], None
        elif path and (found := _HUNK.match(line)) is not None:
            part = Part(int(found[1]))
            patch.setdefault(path, []).append(part)
        elif part is not None and not line.startswith(("diff ", "index ", "--- ", "\\")):
            part.take(line)
    return patch


def lay(patch: Patch, files: Mapping[str, str]) -> dict[str, str] | None:
    """The files with the patch laid over them, or nothing where it does not fit."""
    changed = dict(files)
    for path, parts in patch.items():
        text = _laid(files.get(path, "").splitlines(), parts)
        if text is None:
            return None
        changed[path] = "".join(f"{line}\n" for line in text)
    return changed


def _laid(lines: list[str], parts: Sequence[Part]) -> list[str] | None:
    shift = 0
    for part in parts:
        at = _place(lines, part, part.start - 1 + shift)
        if at is None:
            return None
        lines = [*lines[:at], *part.after, *lines[at + len(part.before) :]]
        shift += len(part.after) - len(part.before)
    return lines


def _place(lines: Sequence[str], part: Part, near: int) -> int | None:
    """Where the part's lines stand, the place nearest to where the patch says."""
    size = len(part.before)
    fits = [at for at in range(len(lines) - size + 1) if lines[at : at + size] == part.before]
    return min(fits, key=lambda at: abs(at - near), default=None)


def added(patch: Patch) -> str:
    """The lines that a patch adds."""
    return "".join(
        f"{line}\n"
        for parts in patch.values()
        for part in parts
        for line in part.after
        if line not in part.before
    )
