"""The circuit breaker: a machine that only fails stops by itself, waits longer, and says why."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from protocol.runs import Failure

LIMIT = 5
FIRST_WAIT_SECONDS = 60.0
LONGEST_WAIT_SECONDS = 3600.0

# What a proposal brings about by itself says nothing about this machine.
PROPOSALS_OWN = frozenset(
    {
        Failure.SYNTAX,
        Failure.NAN,
        Failure.DIVERGED,
        Failure.LOG_FLOOD,
        Failure.CHEAT,
        Failure.BAD_RESULT,
        Failure.TIMEOUT,
        Failure.PROCESSES,
        Failure.DISK,
    }
)


@dataclass
class Breaker:
    """Counts failed jobs in a row; from the fifth on each one waits 60 s * 2^n, an hour at most."""

    clock: Callable[[], float] = time.monotonic
    in_a_row: int = 0
    last: str = ""
    _until: float = 0.0

    def failed(self, reason: str) -> None:
        """One more job failed that should not have."""
        self.in_a_row, self.last = self.in_a_row + 1, reason
        if self.in_a_row >= LIMIT:
            wait = FIRST_WAIT_SECONDS * 2.0 ** min(self.in_a_row - LIMIT, 10)
            self._until = self.clock() + min(wait, LONGEST_WAIT_SECONDS)

    def ended(self, failure: Failure | None, detail: str) -> None:
        """A run ended: a success clears, a proposal's own crash does neither."""
        if failure is None:
            self.in_a_row, self.last, self._until = 0, "", 0.0
        elif failure not in PROPOSALS_OWN:
            self.failed(f"{failure.value}: {detail}")

    def wait(self) -> tuple[float, str]:
        """Seconds to wait before the next job, with the reason; (0, "") when all is well."""
        left = self._until - self.clock()
        if left <= 0:
            return 0.0, ""
        return left, f"{self.in_a_row} jobs failed in a row ({self.last}); pausing for a while."
