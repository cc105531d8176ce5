"""Who is champion: whoever holds the title keeps it until somebody else's run surely says better.

Belief moves a little with every reading. A champion read off the latest belief therefore changed
whenever a margin drifted across the threshold, often to what was believed worse: every false
promotion of the simulated swarms (ADR 0060) came about so, and none of them by bad luck in a run.

So the title is decided when somebody else's run of a contender comes in, by what was believed then,
and stays between. Nothing is remembered for that: the last decisions are retraced from the readings
that there were, so the champion is a function of what is counted now, and a purge leaves no trace.
"""

import hashlib
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from hub import belief, verification
from hub.belief import Belief
from hub.snapshot import Reading, Snapshot
from hub.verification import Verdict

CROWN = 2.25
"""By how many standard deviations of belief a verified experiment must beat the champion."""
CONFIRMED = 2
"""So many others must have run what takes over from a champion, where there are so many."""
RETRACED = 8
"""At least so many of the last decisions are retraced, and fewer than twice as many."""
READINGS = 16_000
"""Readings that the retraced decisions of large goals may hold together: then fewer of them are."""
REMEMBERED = 256
"""Decisions that a referee need not work out again: they are a few numbers each."""


@dataclass(frozen=True)
class _Contender:
    """A verified experiment as it stood at a decision; `others` ran it besides its author."""

    node: int
    loss: float
    sd: float
    others: int

    def beats(self, other: "_Contender") -> bool:
        """Whether it is surely better, as far as was believed then."""
        return other.loss - self.loss > CROWN * math.hypot(self.sd, other.sd)


@dataclass
class Referee:
    """Retraces titles; remembers what single decisions were about, which never changes.

    `fit` is what is believed of the readings up to a decision.
    """

    fit: Callable[[Snapshot], Belief] = belief.fit
    _known: OrderedDict[bytes, tuple[_Contender, ...]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def champion(
        self, snapshot: Snapshot, believed: Belief, verdicts: Sequence[Verdict]
    ) -> int | None:
        """The verified experiment that holds the title, or None where nobody's claim holds.

        What is believed now decides only where nobody held it at the last decision, as when the
        reading that verified the first contender was its author's own, and where the holder's own
        claim has fallen meanwhile.
        """
        crowned: int | None = None
        able = _Able(snapshot)
        for place, seal in _sealed(snapshot, retraced(snapshot)):
            crowned = _next(self._at(snapshot, place, seal), crowned, able)
        if crowned is None or verdicts[crowned].state != "verified":
            crowned = _next(_contenders(snapshot, believed, verdicts), crowned, able)
        return crowned

    def _at(self, snapshot: Snapshot, place: int, seal: bytes) -> tuple[_Contender, ...]:
        with self._lock:
            if seal in self._known:
                self._known.move_to_end(seal)
                return self._known[seal]
        then = _until(snapshot, place)
        believed = self.fit(then)
        found = _contenders(then, believed, verification.judge(then, believed))
        with self._lock:
            self._known[seal] = found
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return found


def retraced(snapshot: Snapshot) -> list[int]:
    """The last decisions, from one that stays the same while the next ones come."""
    found, stride = decisions(snapshot), RETRACED
    while stride > 1 and stride * len(snapshot.readings) > READINGS:
        stride //= 2
    return found[max(0, len(found) // stride - 1) * stride :]


def decisions(snapshot: Snapshot) -> list[int]:
    """Readings with which the title is decided: of what as many others ran as may take over.

    Until there is one, any run of what is somebody else's.
    """
    able, found, contested = _Able(snapshot), list[int](), False
    by: dict[int, set[str]] = {}
    for place, one in enumerate(snapshot.readings):
        voice = snapshot.voice(one)
        if voice == snapshot.author(one.node):
            continue
        others = by.setdefault(one.node, set())
        others.add(voice)
        enough = able.takes_over(one.node, len(others))
        contested = contested or enough
        if enough or not contested:
            found.append(place)
    return found


def confirmed_by(snapshot: Snapshot) -> dict[int, set[str]]:
    """Who ran what is not theirs, by experiment, in the order in which each was first run so."""
    found: dict[int, set[str]] = {}
    for one in snapshot.readings:
        voice = snapshot.voice(one)
        if voice != snapshot.author(one.node):
            found.setdefault(one.node, set()).add(voice)
    return found


class _Able:
    """Which experiments may hold the title, as things stand now."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot, self.nodes = snapshot, snapshot.nodes
        self.voices = {snapshot.voice(one) for one in snapshot.readings}

    def takes_over(self, node: int, others: int) -> bool:
        """Whether enough others ran it, or all that there are."""
        author = self.snapshot.author(node)
        return others >= min(CONFIRMED, len(self.voices) - (author in self.voices))


def _next(contenders: Sequence[_Contender], crowned: int | None, able: _Able) -> int | None:
    """Who holds the title after a decision: the best of those that surely beat the holder.

    Where the holder's claim fell, all are gone through in the order in which others first ran them,
    so that an equal does not take over because it is luckier now, or its number lower.
    """
    known = {one.node: one for one in contenders if not able.nodes[one.node].forbidden}
    if crowned in known:
        better = _better(known.values(), known[crowned], able)
        return min(better, key=_loss).node if better else crowned
    holder: _Contender | None = None
    for one in known.values():
        if holder is None or _better([one], holder, able):
            holder = one
    return None if holder is None else holder.node


def _better(
    contenders: Collection[_Contender], holder: _Contender, able: _Able
) -> list[_Contender]:
    return [
        one for one in contenders if one.beats(holder) and able.takes_over(one.node, one.others)
    ]


def _loss(one: _Contender) -> float:
    return one.loss


def _contenders(
    snapshot: Snapshot, believed: Belief, verdicts: Sequence[Verdict]
) -> tuple[_Contender, ...]:
    """What is verified, in the order in which others first ran it."""
    return tuple(
        _Contender(node, float(believed.loss[node]), float(believed.loss_sd[node]), len(others))
        for node, others in confirmed_by(snapshot).items()
        if node < len(verdicts) and verdicts[node].state == "verified" and believed.n[node]
    )


def _until(snapshot: Snapshot, place: int) -> Snapshot:
    """The goal as it stood with a reading, without what was made later or not measured yet."""
    readings = snapshot.readings[: place + 1]
    last = max(one.node for one in readings)
    nodes = snapshot.nodes[: last + 1]
    return replace(snapshot, nodes=nodes, readings=readings, pending=(), failures=(), goal="")


def _sealed(snapshot: Snapshot, places: Sequence[int]) -> list[tuple[int, bytes]]:
    """Each decision with a digest of all that it depends on."""
    seal = hashlib.blake2b(repr(snapshot.rules).encode(), digest_size=16)
    wanted, found, made = set(places), [], 0
    for place, one in enumerate(snapshot.readings[: places[-1] + 1] if places else ()):
        for node in snapshot.nodes[made : one.node + 1]:
            said = (node.parent, node.second, node.operator == "ablate", node.sides, node.owner)
            seal.update(repr(said).encode())
        made = max(made, one.node + 1)
        seal.update(_told(one))
        if place in wanted:
            found.append((place, seal.digest()))
    return found


def _told(one: Reading) -> bytes:
    said = (one.node, float(one.value), one.owner, one.device, one.period, one.group, one.kind)
    return repr(said).encode()
