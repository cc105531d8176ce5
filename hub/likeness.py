"""How alike two changes of one parent read, by their words alone: no model, no downloads.

Cosine of term counts weighted by how rare a term is among the siblings (Salton & Buckley 1988).
Two changes that set other numbers are never alike: values of one knob are different experiments,
which is what text embeddings get wrong (search.md 4).
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

ALIKE = 0.9
"""From this cosine on a change is taken for the earlier one."""
OTHER_NUMBERS = 0.9
"""A change that sets other numbers is so much less alike, to people."""
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d*)?(?:[eE][+-]?\d+)?")
_WORD = re.compile(r"[A-Za-z_]{2,}|[^\w\s]")
MOST_TERMS = 4000


@dataclass(frozen=True)
class Change:
    """What a change adds (code) and says (title and hypothesis)."""

    added: str
    said: str

    @cached_property
    def numbers(self) -> tuple[float, ...]:
        """The numbers in the added code, in their order and however they are written."""
        return tuple(float(found) for found in _NUMBER.findall(self.added))

    def terms(self) -> Counter[str]:
        """Words and signs of the code, and the words of the hypothesis apart from those."""
        code = _WORD.findall(_NUMBER.sub(" ", self.added))[:MOST_TERMS]
        words = (f"~{word.lower()}" for word in _WORD.findall(self.said)[:MOST_TERMS])
        return Counter(code) + Counter(words)


def nearest(change: Change, earlier: Sequence[Change]) -> tuple[int, float] | None:
    """The place of the earlier change most like this one, and how alike (0 to 1)."""
    numbers = change.numbers
    same = [place for place, other in enumerate(earlier) if other.numbers == numbers]
    if not same:
        return None
    terms = {place: earlier[place].terms() for place in same}
    best, place = max((score, -place) for place, score in _scored(change.terms(), terms))
    return -place, best


def ranked(change: Change, earlier: Sequence[Change]) -> list[tuple[int, float]]:
    """Every earlier change by its place and how alike it is (0 to 1), the nearest first.

    For people who look: another number makes a change less alike, but does not leave it out.
    """
    terms = {place: each.terms() for place, each in enumerate(earlier)}
    found = [
        (place, score if earlier[place].numbers == change.numbers else OTHER_NUMBERS * score)
        for place, score in _scored(change.terms(), terms)
    ]
    return sorted(found, key=lambda each: (-each[1], each[0]))


def _scored(mine: Counter[str], terms: dict[int, Counter[str]]) -> list[tuple[int, float]]:
    spread = Counter(term for each in terms.values() for term in each)
    weight = {term: 1 + math.log((1 + len(terms)) / (1 + spread[term])) for term in spread | mine}
    return [(place, _cosine(mine, each, weight)) for place, each in terms.items()]


def _cosine(one: Counter[str], two: Counter[str], weight: dict[str, float]) -> float:
    dot = sum(one[term] * two[term] * weight[term] ** 2 for term in one.keys() & two.keys())
    lengths = _length(one, weight) * _length(two, weight)
    return dot / lengths if lengths else float(one == two)


def _length(terms: Counter[str], weight: dict[str, float]) -> float:
    return math.sqrt(sum((count * weight[term]) ** 2 for term, count in terms.items()))
