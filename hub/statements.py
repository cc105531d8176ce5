"""A source taken apart into its top-level statements.

A proposal changes a few statements of its parent. Whatever is found out about a statement from its
own text is found out once and remembered, so that judging a proposal costs what it changes.
"""

import ast
import functools
import re
import warnings
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hub import overlap

UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
"""What the parser says of a source that it will not read."""
MAX_SOURCE = 512 * 1024
"""Longer sources are not handed to the parser."""
MAX_DEPTH = 200
"""Nor are brackets nested deeper than this, which could exhaust its stack."""
REMEMBERED = 8192
"""Statements that each question remembers."""
SHORT = 8192
"""Longer statements are looked at anew each time, so that strangers cannot fill the memory."""

MOST_JOINED = 50
"""Pieces of a source that may need what follows them, before it is parsed whole."""

_MARGIN = re.compile(r"^(?![\s#)\]}]|(?:else|elif|except|finally)\b|\Z)", re.MULTILINE)
_NO_BRACKET = bytes(set(range(256)) - set(b"()[]{}"))
_UNARY = re.compile(r"[-+~](?:\s*[-+~]){19,}")


@dataclass(frozen=True, slots=True)
class Statement:
    """The text of one top-level statement, decorators included, and the line where it begins."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Shared:
    """What a source has in common with one that it is like: its first and its last statements."""

    like: str
    head: int
    tail: int


@dataclass(slots=True)
class _Kept:
    """What was found in a source: its statements, none if it could not be split."""

    statements: tuple[Statement, ...] | None = None
    shared: Shared | None = None


def split(source: str, like: str | None = None) -> tuple[Statement, ...]:
    """The top-level statements in their order.

    Of a source that is `like` another one, only what lies between their common beginning and their
    common end is looked at, once the other was split.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: Python would not take it, or it is
            too large or nested too deeply to try.
    """
    kept = _kept(source)
    if kept.statements is None:
        between = None if like is None else _between(like, source)
        kept.statements, kept.shared = (_whole(source), None) if between is None else between
    return kept.statements


def shared(source: str, like: str | None = None) -> Shared | None:
    """What a source was found to share with another one, or with this one, when it was split."""
    found = _kept(source).shared
    return found if like is None or found is None or found.like == like else None


def differing(
    old: Sequence[Statement], new: Sequence[Statement], known: Shared | None
) -> tuple[Sequence[Statement], Sequence[Statement]]:
    """The statements of both between what they begin with and what they end with."""
    if known is None:
        head, tail = overlap.ends([each.text for each in old], [each.text for each in new])
    else:
        head, tail = known.head, known.tail
    return old[head : len(old) - tail], new[head : len(new) - tail]


@functools.lru_cache(maxsize=64)
def _kept(_source: str) -> _Kept:
    """The place for what is found in a source."""
    return _Kept()


def _whole(source: str) -> tuple[Statement, ...]:
    source = source.removeprefix("\ufeff")
    if len(source) > MAX_SOURCE or _nesting(source) > MAX_DEPTH:
        raise ValueError("too large or nested too deeply")
    try:
        return _quietly(source)
    except SyntaxError:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _parsed(source)  # what is no Python is refused with the lines of the whole


def _between(like: str, source: str) -> tuple[tuple[Statement, ...], Shared] | None:
    """The statements of a source by those of another, or None where that proves nothing.

    Where a statement begins a line in both, behind the same lines, whatever is before it is whole
    in both; where one begins a line in both, before the same lines, so is whatever follows it.
    """
    before = _kept(like).statements
    if before is None or len(source) > MAX_SOURCE or "\r" in source or "\ufeff" in source:
        return None
    head, tail = overlap.lines(like, source)
    starts, first = _starts(like), overlap.line_at(like, head)
    above = bisect_left(starts, (first + 1,))
    line, place = starts[above - 1] if above else (1, 0)
    last = overlap.line_at(like, len(like) - tail)
    behind = bisect_left(starts, (last + 1,)) if tail else len(starts)
    below = before[starts[behind][1] :] if behind < len(starts) else ()
    moved = source.count("\n", head, len(source) - tail) - (last - first)
    begin = _back(source, head, first - line + 1)
    end = _forth(source, len(source) - tail, below[0].line - last - 1) if below else len(source)
    middle = source[begin:end]
    if _nesting(middle) > MAX_DEPTH:
        return None
    try:
        found = _quietly(middle)
    except UNREADABLE:
        return None
    every = (
        *before[:place],
        *[Statement(line + each.line - 1, each.text) for each in found],
        *([Statement(each.line + moved, each.text) for each in below] if moved else below),
    )
    replaced = before[place : len(before) - len(below)]
    same, alike = overlap.ends([each.text for each in replaced], [each.text for each in found])
    return every, Shared(like, place + same, len(below) + alike)


def _back(text: str, at: int, lines: int) -> int:
    """The place where so many lines above the line that begins here begin."""
    for _ in range(lines):
        at = text.rfind("\n", 0, at - 1) + 1
    return at


def _forth(text: str, at: int, lines: int) -> int:
    """The place where so many lines below the line that begins here begin."""
    for _ in range(lines):
        at = text.find("\n", at) + 1
    return at


@functools.lru_cache(maxsize=64)
def _starts(source: str) -> list[tuple[int, ...]]:
    """Lines at whose very beginning a statement begins, and its place."""
    ended, found = 0, list[tuple[int, ...]]()
    for place, each in enumerate(split(source)):
        if each.line > ended:
            found.append((each.line, place))
        ended = max(ended, each.line + each.text.count("\n"))
    return found


def _quietly(source: str) -> tuple[Statement, ...]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return tuple(_by_pieces(source))


def _by_pieces(source: str) -> Iterator[Statement]:
    """Statements of a source cut where lines begin at the margin, each piece parsed once.

    Pieces that parse alone parse the same in a row: each leaves no bracket, string, indentation or
    continued line open, and none begins with `else` or the like. What does not parse alone, such
    as a decorator, goes with what follows it.
    """
    if "\r" in source:
        raise SyntaxError("the parser counts other lines than we do")
    line, piece, joined = 1, "", 0
    for text in _MARGIN.split(source):
        piece += text
        try:
            found = _parsed(piece) if len(piece) > SHORT else _parsed_once(piece)
        except SyntaxError:
            joined += 1
            if joined > MOST_JOINED:
                raise
            continue
        yield from (Statement(line + each.line - 1, each.text) for each in found)
        line += piece.count("\n")
        piece = ""
    if piece:
        raise SyntaxError("the last piece is not whole")


def _parsed(source: str) -> tuple[Statement, ...]:
    lines = source.encode().splitlines(keepends=True)  # the parser counts columns in bytes
    return tuple(_cut(lines, node) for node in ast.parse(source).body)


_parsed_once = functools.lru_cache(maxsize=REMEMBERED)(_parsed)


def _cut(lines: list[bytes], node: ast.stmt) -> Statement:
    first, start = node.lineno, node.col_offset
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    if decorators:
        first, start = min(each.lineno for each in decorators), 0
    last = node.end_lineno or first
    parts = lines[first - 1 : last]
    parts[-1] = parts[-1][: node.end_col_offset]
    parts[0] = parts[0][start:]
    return Statement(first, b"".join(parts).decode())


def _nesting(source: str) -> int:
    """At least how deeply brackets nest and signs chain: each costs the parser a frame."""
    deepest = depth = 0
    for char in source.encode("utf-8", "surrogatepass").translate(None, _NO_BRACKET):
        depth = depth + 1 if char in b"([{" else max(depth - 1, 0)
        deepest = max(deepest, depth)
    chains = (len("".join(found[0].split())) for found in _UNARY.finditer(source))
    return deepest + max(chains, default=0)
