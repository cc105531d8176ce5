"""Whoever writes proposals now, what they cost, and when nobody does."""

import time
from dataclasses import dataclass, field, replace
from uuid import UUID

from agent_client.backoff import Backoff
from agent_client.breaker import Breaker
from agent_client.mutators.base import (
    CommandFailed,
    Idea,
    Mutator,
    MutatorError,
    NoIdea,
    OverBudget,
    Task,
    Unavailable,
    Usage,
)
from agent_client.setup import Kit

OVER_BUDGET_SECONDS = 600.0
DRY_PARENTS, DRY_SECONDS = 2, 300.0
"""A mutator that has nothing for so many parents in a row is not asked for so long."""

DRY = (
    "The offline mutator has tried every change that it knows; set ANTHROPIC_API_KEY or give "
    "--mutator-command for other ideas. Work that needs none is done."
)
FAILING = "Run --mutator-command by hand to see why. Work that needs none is done."


@dataclass
class Author:
    """The owner's mutator, or while it is away the one they allowed in its place."""

    kit: Kit
    _away: Backoff = field(default_factory=Backoff)
    _failing: Breaker = field(default_factory=Breaker)
    """A command's failures in a row: its status does not say whether it can ever work."""
    _until: float = 0.0
    _why: str = ""
    _dry: int = 0
    _spent: dict[UUID, Usage] = field(default_factory=dict)
    """What proposals cost under each lease that is held: a limit is a run's, not a proposal's."""

    @property
    def works(self) -> bool:
        """While the language model is away only orders that need none are asked for."""
        return time.monotonic() >= self._until or self.kit.fallback is not None

    @property
    def why_resting(self) -> str:
        """Why nobody writes proposals now, or nothing."""
        return "" if self.works else self._why

    def present(self) -> Mutator:
        """Whoever is to be asked; raises Unavailable so that no lease waits for who is away."""
        left = self._until - time.monotonic()
        if left <= 0:
            return self.kit.mutator
        if self.kit.fallback is None:
            raise Unavailable(f"{self._why} Trying again in {left:.0f} s.", left)
        return self.kit.fallback

    def ask(self, mutator: Mutator, lease: UUID, task: Task) -> Idea:
        """An idea under a lease, paid for whatever came of it; raises what the mutator does."""
        try:
            idea = mutator.propose(replace(task, spent=self._spent.get(lease, Usage())))
        except MutatorError as problem:
            self._pay(lease, problem.usage)
            self._rest(problem)
            raise
        self._away.reset()
        self._failing.ended(None, "")
        self._pay(lease, idea.usage)
        return idea

    def _pay(self, lease: UUID, usage: Usage) -> None:
        if usage != Usage():
            self._spent[lease] = self._spent.get(lease, Usage()) + usage
        self.kit.state.settle(self.kit.today, usage.dollars, usage.tokens)

    def _rest(self, problem: MutatorError) -> None:
        """Leave alone a model that is away or too dear for today, and a command that only fails."""
        why = problem.detail
        match problem:
            case CommandFailed():
                self._failing.failed(why)
                wait, paused = self._failing.wait()
                why = f"{paused} {FAILING}"
            case Unavailable():
                wait = self._away.next(problem.retry_after)
            case OverBudget():
                wait = OVER_BUDGET_SECONDS
            case _:
                return
        self._until, self._why = time.monotonic() + wait, why

    def forget(self, lease: UUID) -> None:
        """A lease ended; what it cost is the day's and the total's."""
        self._spent.pop(lease, None)

    def made_ready(self) -> None:
        """Something could be made ready: nobody has run dry."""
        self._dry = 0

    def count_dry(self, problem: Exception) -> None:
        """Ask the hub for other work when a mutator that learns nothing new has run dry."""
        self._dry = self._dry + 1 if isinstance(problem, NoIdea) else 0
        if self._dry >= DRY_PARENTS and not self.kit.mutator.mends:
            self._until, self._why = time.monotonic() + DRY_SECONDS, DRY
