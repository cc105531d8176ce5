"""The owner's limits: whether new work may begin now, and the reason when it may not."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from agent_client.breaker import Breaker
from agent_client.gpu import Gauge, NoGauge
from agent_client.hours import allowed, opens_in, parse_hours
from agent_client.jail.memory import RESERVE
from agent_client.machine import on_battery
from agent_client.settings import OwnerLimits
from agent_client.state import State

PAUSE, FINISH = "pause", "finish"
COOLER = 5.0
RESERVE_MB = RESERVE >> 20


def local(now: datetime) -> datetime:
    """A time as the owner's clocks show it: hours and days are counted in it."""
    return now.astimezone()


def local_now() -> datetime:
    """The owner's local time."""
    return local(datetime.now(UTC))


@dataclass
class Gate:
    """Asked before each claim and each training; a reason means wait."""

    folder: Path
    limits: OwnerLimits
    state: State
    gauge: Gauge = field(default_factory=NoGauge)
    breaker: Breaker = field(default_factory=Breaker)
    clock: Callable[[], datetime] = local_now
    battery: Callable[[], bool] = on_battery
    needed_disk_mb: int = 0
    _hot: bool = False

    def reason(self) -> str:
        """Why new work must wait, or nothing."""
        checks = (self._paused, self._broken, self._hours, self._day, self._disk, self._power)
        for check in (*checks, self._gpu):
            said = check()
            if said:
                return said
        return ""

    def _paused(self) -> str:
        return "Paused; `agent_client resume` goes on." if (self.folder / PAUSE).exists() else ""

    def _broken(self) -> str:
        wait, why = self.breaker.wait()
        return f"{why} {wait:.0f} s left." if wait else ""

    def _hours(self) -> str:
        spans, now = parse_hours(self.limits.hours), self.clock()
        if allowed(spans, now):
            return ""
        opens = (now + opens_in(spans, now)).strftime("%a %H:%M")
        return f"Outside the hours you allow; goes on {opens}."

    def _day(self) -> str:
        most, used = self.limits.runs_per_day, self.state.used(self.clock().date()).runs
        if most is not None and used >= most:
            return f"{used} of {most} runs a day are done; goes on tomorrow."
        return ""

    def money(self, dollars: float = 0.0, tokens: int = 0) -> str:
        """Why proposals may not take so much more now, or nothing."""
        limits, ever = self.limits, self.state.memory.totals
        today = self.state.used(self.clock().date())
        for used, most, when in (
            (ever.dollars, limits.dollars_total, "in total"),
            (today.dollars, limits.dollars_per_day, "a day"),
        ):
            if most is not None and used + dollars >= most:
                more = f", and this proposal may cost ${dollars:.2f}" if used < most else ""
                return f"${used:.2f} of ${most:.2f} {when} is spent{more}."
        for taken, bound, when in (
            (ever.tokens, limits.tokens_total, "in total"),
            (today.tokens, limits.tokens_per_day, "a day"),
        ):
            if bound is not None and taken + tokens >= bound:
                more = f", and this proposal may take {tokens:,}" if taken < bound else ""
                return f"{taken:,} of {bound:,} tokens {when} are used{more}."
        return ""

    def pledge(self, dollars: float, tokens: int) -> str:
        """The same; what may be taken is written down, for an end before the model's reply."""
        reason = self.money(dollars, tokens)
        if not reason:
            self.state.pledge(dollars, tokens)
        return reason

    def _disk(self) -> str:
        try:
            free = shutil.disk_usage(self.folder).free // (1 << 20)
        except OSError as problem:
            return f"The disk cannot be read: {problem}"
        wanted = max(self.limits.disk_free_mb, RESERVE_MB) + self.needed_disk_mb
        return f"Only {free} MB of disk are free, {wanted} MB are needed." if free < wanted else ""

    def _power(self) -> str:
        if self.limits.on_battery or not self.battery():
            return ""
        return "This machine runs on its battery; goes on when it is plugged in."

    def _gpu(self) -> str:
        """Heat has a memory: once too hot, it must cool by 5 degrees before work goes on."""
        reading, limits = self.gauge.read(), self.limits
        if reading is None:
            return ""
        if reading.gone:
            return f"{reading.gone} cannot be seen any more; `agent_client doctor` says more."
        if limits.pause_when_gpu_is_used and reading.others:
            return f"Somebody else uses the GPU (pid {reading.others[0]})."
        if limits.temperature is not None and reading.temperature is not None:
            bound = limits.temperature - (COOLER if self._hot else 0.0)
            self._hot = reading.temperature > bound
            if self._hot:
                return f"The GPU has {reading.temperature:.0f} C, {bound:.0f} C are allowed."
        if limits.power_watts is not None and (reading.power or 0) > limits.power_watts:
            return f"The GPU draws {reading.power:.0f} W, {limits.power_watts:.0f} W are allowed."
        return ""

    @property
    def finishing(self) -> bool:
        """Whether `agent_client stop --finish` was said."""
        return (self.folder / FINISH).exists()
