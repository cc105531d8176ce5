"""What the hub thinks of a goal right now, kept while nothing has changed."""

import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Any

from sqlmodel import Session

from hub import belief, columns, frontier, states, titles, verification
from hub.belief import Belief
from hub.db import Writing
from hub.leases import Leases
from hub.policies import View
from hub.snapshot import Pending
from hub.states import State
from hub.tables import GoalRow
from hub.verification import Verdict

LONG = 0.01
"""Seconds of thinking that are long."""
FEW = 100
"""Experiments below which a goal is thought of anew each time: a busy machine is no large goal."""
PATIENCE = 10.0
"""A long thought is used for up to this many times as long as it took to think it."""


@dataclass(frozen=True)
class Thoughts:
    """A goal's state with what is believed of it; positions are those of the state's snapshot."""

    state: State
    belief: Belief
    verdicts: list[Verdict]
    champion: int | None = None
    memo: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """What policies worked out of it for whoever asked first."""

    @property
    def view(self) -> View:
        """The same as policies look at it."""
        return View(self.state.snapshot, self.belief, champion=self.champion, memo=self.memo)

    def foresee(self) -> None:
        """Work out once what every claim will ask, while nobody waits for it."""
        if not self.memo:
            frontier.foresee(self.view, self.verdicts)


@dataclass(frozen=True)
class _Kept:
    """A thought as of an event; `repeats` were reported between it and the event `heard`.

    Its nodes are marked as they were after the operators' action `acted`.
    """

    thoughts: Thoughts
    seq: int
    at: float
    took: float
    heard: int
    acted: int
    repeats: tuple[Pending, ...] = ()

    @property
    def long(self) -> bool:
        """Whether nobody should wait for it."""
        return self.took > LONG and len(self.thoughts.state.snapshot.nodes) >= FEW


@dataclass
class Mind:
    """Keeps one thought a goal; on large goals it may be some seconds old, its leases never are."""

    leases: Leases = field(default_factory=Leases)
    rehearses: bool = False
    """Whether all that it learns is taken back, so that it may keep that as well."""
    _kept: dict[str, _Kept] = field(default_factory=dict)
    _turns: defaultdict[str, threading.Lock] = field(
        default_factory=lambda: defaultdict(threading.Lock)
    )

    def of(self, session: Session, goal: GoalRow) -> Thoughts:
        """The goal's state, belief and verdicts, with its open leases as they stand now."""
        kept = self._thought(session, goal)
        thoughts = kept.thoughts
        pending = self.leases.now(session, goal, thoughts.state.place) + kept.repeats
        snapshot = replace(thoughts.state.snapshot, pending=pending)
        return replace(thoughts, state=replace(thoughts.state, snapshot=snapshot))

    def ponder(self, session: Session, goal: GoalRow) -> None:
        """Think now what would take long, before a transaction that keeps others waiting.

        The session must see only what is committed.
        """
        kept = self._kept.get(goal.slug)
        if kept is None or (kept.long and not self._lasts(session, goal, kept)):
            kept = self._thought(session, goal)
        if kept.long:
            kept.thoughts.foresee()
        self.leases.keep(session, goal, kept.thoughts.state.place)

    def renew(self, session: Session, goal: GoalRow) -> Thoughts:
        """Think anew, whatever is known; claims go on from there, and need not think the same."""
        with self._turns[goal.slug]:
            thoughts = self._think(session, goal).thoughts
            thoughts.foresee()
        return thoughts

    def copy(self) -> "Mind":
        """One that knows the same, and keeps to itself what it thinks from now on."""
        return Mind(rehearses=True, _kept=dict(self._kept))

    def _thought(self, session: Session, goal: GoalRow) -> _Kept:
        found = self._known(session, goal)
        if found is None:
            with self._turns[goal.slug]:  # who comes meanwhile waits, instead of thinking the same
                found = self._known(session, goal) or self._think(session, goal)
        return found

    def _known(self, session: Session, goal: GoalRow) -> _Kept | None:
        kept = self._kept.get(goal.slug)
        if kept is None or not self._lasts(session, goal, kept):
            return None
        return self._caught_up(session, goal, kept) if kept.long else kept

    def _caught_up(self, session: Session, goal: GoalRow, kept: _Kept) -> _Kept:
        """Hear of repeats since: no leases any more, no readings yet, they would be asked again.

        And of what operators forbid: nobody is sent to branch from what was just banned.
        """
        heard, repeats = states.repeats(session, goal, kept.thoughts.state.place, kept.heard)
        acted = columns.newest_act(session, goal.slug)
        if (heard, acted) == (kept.heard, kept.acted):
            return kept
        caught_up = replace(kept, heard=heard, acted=acted, repeats=kept.repeats + repeats)
        if acted > kept.acted:
            state = states.marked_anew(session, goal, kept.thoughts.state, kept.acted)
            caught_up = replace(caught_up, thoughts=_under(kept.thoughts, state))
        if self._kept.get(goal.slug) is kept:
            self._keep(session, goal, caught_up)
        return caught_up

    def _lasts(self, session: Session, goal: GoalRow, kept: _Kept) -> bool:
        if kept.long and time.monotonic() < kept.at + PATIENCE * kept.took:
            return True
        return kept.seq == columns.newest(session, goal.slug)

    def _think(self, session: Session, goal: GoalRow) -> _Kept:
        seq, started = columns.newest(session, goal.slug), time.monotonic()
        thoughts = think(session, goal)
        ended = time.monotonic()
        kept = _Kept(thoughts, seq, ended, ended - started, seq, seq)
        self._keep(session, goal, kept)
        return kept

    def _keep(self, session: Session, goal: GoalRow, kept: _Kept) -> None:
        if self.rehearses or not (isinstance(session, Writing) and session.unsure):
            self._kept[goal.slug] = kept


_referee = titles.Referee()
"""Only saves work: what a decision was about is the same in every process and at any time."""


def think(session: Session, goal: GoalRow) -> Thoughts:
    """Read the goal's rows, fit its belief and judge its claims."""
    state = states.read(session, goal)
    believed = belief.fit(state.snapshot)
    verdicts = verification.judge(state.snapshot, believed)
    champion = _referee.champion(state.snapshot, believed, verdicts)
    return Thoughts(state, believed, verdicts, champion)


def _under(thoughts: Thoughts, state: State) -> Thoughts:
    """The same thoughts of a state that operators changed."""
    champion = thoughts.champion
    fallen = champion is not None and state.snapshot.nodes[champion].forbidden
    return replace(thoughts, state=state, champion=None if fallen else champion, memo={})
