"""Waiting politely: full jitter with a cap, a floor from Retry-After, and a wait one can wake."""

import math
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from agent_client.errors import HubBusy, HubUnreachable

T = TypeVar("T")
CAP_SECONDS = 60.0
TOO_MANY_FLOOR = 60.0
LONGEST_SECONDS = 3600.0


def full_jitter(attempt: int, floor: float, draw: Callable[[], float]) -> float:
    """Seconds before try `attempt` (0 first): U(0, min(60, 2 * 2^n)), never below `floor`.

    Full jitter keeps 1,000 clients under 45 requests a second after an outage; see
    docs/volunteers.md for the source.
    """
    spread = min(CAP_SECONDS, 2.0 * 2.0 ** min(attempt, 10))
    return max(floor, draw() * spread)


def number(text: str) -> float | None:
    """What a header says, if that is a number and none below zero."""
    try:
        said = float(text)
    except ValueError:
        return None
    return said if math.isfinite(said) and said >= 0 else None


def asked_for(retry_after: str) -> float:
    """The seconds of a Retry-After header, an hour at most; none where it holds no number."""
    return min(number(retry_after) or 0.0, LONGEST_SECONDS)


@dataclass
class Backoff:
    """Counts failures in a row; a success starts again from the beginning."""

    draw: Callable[[], float] = random.SystemRandom().random
    failures: int = 0

    def next(self, floor: float = 0.0) -> float:
        """Seconds to wait after one more failure."""
        wait = full_jitter(self.failures, floor, self.draw)
        self.failures += 1
        return wait

    def reset(self) -> None:
        """Forget the failures; something worked."""
        self.failures = 0


@dataclass
class Stopping:
    """The owner's wish to stop: `finish` ends after the run, `abort` at once; waits wake up."""

    finish: threading.Event = field(default_factory=threading.Event)
    abort: threading.Event = field(default_factory=threading.Event)

    def ask_finish(self) -> None:
        """Finish the run, submit, and end."""
        self.finish.set()

    def ask_abort(self) -> None:
        """Kill the run, tell the hub, and end."""
        self.finish.set()
        self.abort.set()

    def sleep(self, seconds: float) -> bool:
        """Wait, but no longer than until the owner wants to stop; says whether they do."""
        return self.finish.wait(seconds)


def until_answered(
    ask: Callable[[], T], stopping: Stopping, say: Callable[[str], None], backoff: Backoff
) -> T:
    """Ask the hub until it answers: after a power cut a client may be up before its hub is.

    Raises:
        HubUnreachable, HubBusy: the owner wants to stop, and there is still no answer.
    """
    while True:
        try:
            return ask()
        except (HubUnreachable, HubBusy) as problem:
            say(f"Waiting: {problem.detail}")
            floor = problem.retry_after if isinstance(problem, HubBusy) else 0.0
            if stopping.sleep(backoff.next(floor)):
                raise
