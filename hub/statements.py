"""A source taken apart into its top-level statements.

A proposal changes a few statements of its parent. Whatever is found out about a statement from its
own text is found out once and remembered, so that judging a proposal costs what it changes.
"""

import ast
import functools
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

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


@functools.lru_cache(maxsize=64)
def split(source: str) -> tuple[Statement, ...]:
    """The top-level statements in their order.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: Python would not take it, or it is
            too large or nested too deeply to try.
    """
    source = source.removeprefix("\ufeff")
    if len(source) > MAX_SOURCE or _nesting(source) > MAX_DEPTH:
        raise ValueError("too large or nested too deeply")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return tuple(_by_pieces(source))
        except SyntaxError:
            return _parsed(source)  # what is no Python is refused with the lines of the whole


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
