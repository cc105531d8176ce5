"""Preflight: what a proposed file may hold, checked before it costs anything else."""

import functools
import re
from collections.abc import Iterable, Iterator, Mapping

from hub import overlap, statements
from hub.errors import HubError
from protocol.goals import GoalSpec


class ProtectedFile(HubError):
    """Only the goal's editable files may change; leave the others as they are."""

    code, status = "protected_file", 422


class FileTooLarge(HubError):
    """A proposed file is larger than the goal allows; make it smaller."""

    code, status = "file_too_large", 413


class UnsafeText(HubError):
    """A proposed file holds control or invisible direction characters; remove them."""

    code, status = "unsafe_text", 422


class SyntaxBroken(HubError):
    """A proposed Python file does not parse; mend it before it costs anybody's GPU."""

    code, status = "syntax_error", 422


class NothingChanged(HubError):
    """The proposal equals its parent; change something."""

    code, status = "nothing_changed", 422


_UNSAFE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
)
"""U+0085 passes, as U+2028 does: another end of a line, which steers no terminal."""
_SAFE = bytes({*b"\t\n", *range(0x20, 0x7F)})

MOST_LINES = 5000
"""Reading code costs by its statements: a file within its bytes could keep the hub busy."""


def check(spec: GoalSpec, parent: Mapping[str, str], files: Mapping[str, str]) -> dict[str, str]:
    """The files that really differ from the parent's, once each has passed every check."""
    for path, text in files.items():
        _check_file(spec, path, text, parent.get(path))
    changed = {path: text for path, text in files.items() if parent.get(path) != text}
    if not changed:
        raise NothingChanged
    return changed


def unfit(path: str, text: str) -> Iterator[str]:
    """What keeps every proposal from changing such a file: whoever opens a goal hears it first."""
    if _whole_count(text) > MOST_LINES:
        yield _too_long(path)
    if bad := _refused(text):
        yield _unsafe_sentence(path, bad)


def _check_file(spec: GoalSpec, path: str, text: str, before: str | None) -> None:
    if path not in spec.files.editable:
        allowed = ", ".join(spec.files.editable)
        raise ProtectedFile(f"{path!r} may not change; this goal's editable files: {allowed}.")
    if len(text.encode()) > spec.limits.file_bytes:
        raise FileTooLarge(f"{path!r} is over {spec.limits.file_bytes} bytes; make it smaller.")
    if _lines(text, before or "") > MOST_LINES:
        raise FileTooLarge(_too_long(repr(path)))
    if bad := _unsafe(text, before or ""):
        raise UnsafeText(_unsafe_sentence(repr(path), bad))
    if path.endswith(".py"):
        _check_syntax(path, text, before)


def _too_long(path: str) -> str:
    return f"{path} is over {MOST_LINES} lines; make it smaller."


def _unsafe_sentence(path: str, bad: Iterable[str]) -> str:
    names = ", ".join(f"U+{ord(char):04X}" for char in sorted(bad))
    return f"{path} holds {names}; remove these characters (lines end in LF)."


def _lines(text: str, before: str) -> int:
    """Lines, and statements that share one; only what differs from `before` is counted anew."""
    head, tail = overlap.lines(before, text)
    gone, come = (_count(each, head, len(each) - tail) for each in (before, text))
    return _whole_count(before) - gone + come


@functools.lru_cache(maxsize=64)
def _whole_count(text: str) -> int:
    return _count(text, 0, len(text))


def _count(text: str, start: int, end: int) -> int:
    return text.count("\n", start, end) + text.count(";", start, end)


def _unsafe(text: str, before: str) -> set[str]:
    """What is refused; what a text shares with one that was safe need not be looked at."""
    head, tail = overlap.lines(before, text) if _is_safe(before) else (0, 0)
    return _refused(text[head : len(text) - tail])


@functools.lru_cache(maxsize=64)
def _is_safe(text: str) -> bool:
    return not _refused(text)


def _refused(text: str) -> set[str]:
    if text.isascii() and not text.encode().translate(None, _SAFE):
        return set()  # nearly every text, at a tenth of the cost
    return set(_UNSAFE.findall(text))


def _check_syntax(path: str, text: str, before: str | None) -> None:
    try:
        statements.split(text, like=before)
    except statements.UNREADABLE as error:
        where = f" line {error.lineno}" if isinstance(error, SyntaxError) else ""
        what = error.msg if isinstance(error, SyntaxError) else "nested too deeply"
        raise SyntaxBroken(f"{path}{where}: {what}. Mend it and propose again.") from error
