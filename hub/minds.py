"""What the hub thinks of a goal right now, kept while nothing has changed."""

import threading
import time
from dataclasses import dataclass, field, replace

from sqlmodel import Session

from hub import belief, states, titles, trees, verification
from hub.belief import Belief
from hub.states import State
from hub.tables import GoalRow
from hub.verification import Verdict

PATIENCE = 10.0
"""A thought is used for up to this many times as long as it took to think it."""


@dataclass(frozen=True)
class Thoughts:
    """A goal's state with what is believed of it; positions are those of the state's snapshot."""

    state: State
    belief: Belief
    verdicts: list[Verdict]
    champion: int | None = None


@dataclass
class _Kept:
    thoughts: Thoughts
    seq: int
    until: float


@dataclass
class Mind:
    """Keeps one thought a goal; on large goals it may be some seconds old, its leases never are."""

    _kept: dict[str, _Kept] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, session: Session, goal: GoalRow) -> Thoughts:
        """The goal's state, belief and verdicts, with its open leases as they stand now."""
        seq = trees.newest(session, goal.slug)
        with self._lock:
            kept = self._kept.get(goal.slug)
        if kept is not None and (kept.seq == seq or time.monotonic() < kept.until):
            return _with_leases(session, goal, kept.thoughts)
        started = time.monotonic()
        thoughts = think(session, goal)
        took = time.monotonic() - started
        with self._lock:
            until = time.monotonic() + PATIENCE * took if took > 0.1 else 0.0
            self._kept[goal.slug] = _Kept(thoughts, seq, until)
        return thoughts


_referee = titles.Referee()
"""Only saves work: what a decision was about is the same in every process and at any time."""


def think(session: Session, goal: GoalRow) -> Thoughts:
    """Read the goal's rows, fit its belief and judge its claims."""
    state = states.read(session, goal)
    believed = belief.fit(state.snapshot)
    verdicts = verification.judge(state.snapshot, believed)
    champion = _referee.champion(state.snapshot, believed, verdicts)
    return Thoughts(state, believed, verdicts, champion)


def _with_leases(session: Session, goal: GoalRow, thoughts: Thoughts) -> Thoughts:
    pending = states.pending(session, goal, thoughts.state.place)
    snapshot = replace(thoughts.state.snapshot, pending=pending)
    return replace(thoughts, state=replace(thoughts.state, snapshot=snapshot))
