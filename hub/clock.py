"""The hub's clock: wall time that never jumps, so that no step of it ends or prolongs a lease."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

SLEW = 0.05
"""How much faster or slower than real seconds ours may pass while we follow a step."""


def utc_now() -> datetime:
    """The machine's clock, with whatever steps somebody makes it take."""
    return datetime.now(UTC)


@dataclass
class SteadyClock:
    """Starts with the machine's clock, then counts real seconds and follows it slowly.

    An operator or a time server may set the machine's clock ten minutes on or back while hundreds
    of leases run. Intervals stay true to one part in twenty, time never runs backwards, and the
    step is made up for within twenty times its length.
    """

    wall: Callable[[], datetime] = utc_now
    monotonic: Callable[[], float] = time.monotonic
    _now: datetime | None = None
    _at: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self) -> datetime:
        """The time now, UTC."""
        with self._lock:
            wall, at = self.wall(), self.monotonic()
            if self._now is None:
                self._now = wall
            else:
                self._now = self._followed(wall, timedelta(seconds=at - self._at))
            self._at = at
            return self._now

    def _followed(self, wall: datetime, elapsed: timedelta) -> datetime:
        assert self._now is not None
        steady = self._now + elapsed
        most = elapsed * SLEW
        return steady + max(-most, min(most, wall - steady))
