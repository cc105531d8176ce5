"""Which line of a TOML text a mistake is on; tomllib keeps values but forgets where they stood."""

import re
from collections.abc import Sequence

_TABLE = re.compile(r"^\s*\[(\[)?\s*([A-Za-z0-9_.\-\"' ]+?)\s*\]\]?")
_KEY = re.compile(r"^\s*([A-Za-z0-9_\-\"'.]+)\s*=")


def line_of(text: str, loc: Sequence[int | str]) -> int:
    """Return the 1-based line of the deepest part of `loc` that is written in `text`.

    `loc` is pydantic's: table names, list positions, keys. A key that is missing is reported at
    its table's heading; a table that is missing, at line 1.
    """
    places = _places(text)
    path = tuple(str(part) for part in loc)
    while path and path not in places:
        path = path[:-1]
    return places.get(path, 1)


def _places(text: str) -> dict[tuple[str, ...], int]:
    places: dict[tuple[str, ...], int] = {}
    counts: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if heading := _TABLE.match(line):
            table = _split(heading[2])
            if heading[1]:
                counts[table] = counts.get(table, -1) + 1
                table = (*table, str(counts[table]))
            places.setdefault(table, number)
        elif key := _KEY.match(line):
            places.setdefault((*table, *_split(key[1])), number)
    return places


def _split(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))
