"""What two texts, or two rows of anything, have in common at their beginning and at their end."""

import functools
import re
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, TypeVar

Some = TypeVar("Some", bound=Sequence[Any])


def ends(one: Some, two: Some) -> tuple[int, int]:
    """How much both begin with, and how much of the rest both end with."""
    head = _alike(one, two, 0)
    return head, _alike(one, two, head, backwards=True)


@functools.lru_cache(maxsize=8)
def lines(one: str, two: str) -> tuple[int, int]:
    """The same of two texts, in characters, but of whole lines only."""
    head = _alike(one, two, 0)
    if head < max(len(one), len(two)):
        head = one.rfind("\n", 0, head) + 1
    tail = _alike(one, two, head, backwards=True)
    if any(len(text) - tail > 0 and text[-tail - 1] != "\n" for text in (one, two) if tail):
        begun = one.find("\n", len(one) - tail)
        tail = len(one) - begun - 1 if begun >= 0 else 0
    return head, tail


def line_at(text: str, place: int) -> int:
    """How many lines end before a place: of a text that is asked about again and again."""
    return bisect_left(_ends(text), place)


@functools.lru_cache(maxsize=64)
def _ends(text: str) -> list[int]:
    return [found.start() for found in re.finditer("\n", text)]


def _alike(one: Some, two: Some, head: int, backwards: bool = False) -> int:
    """By halves: slices are compared by the machine, items one by one by Python."""
    low, high = 0, min(len(one), len(two)) - head
    while low < high:
        middle = (low + high + 1) // 2
        if backwards:
            same = (
                one[len(one) - middle : len(one) - low] == two[len(two) - middle : len(two) - low]
            )
        else:
            same = one[low:middle] == two[low:middle]
        low, high = (middle, high) if same else (low, middle - 1)
    return low
