"""Reading what a training prints: progress lines, the final block, and a log with bounds."""

import math
import re
from collections import deque
from dataclasses import dataclass, field

from agent_client.sandbox.log import OVER
from protocol.base import MAX_CURVE_POINTS, MAX_LOG_BYTES
from protocol.runs import CurvePoint

_NUMBER = r"([-+]?(?:\d[\d,]*\.?\d*(?:[eE][-+]?\d+)?|nan|inf(?:inity)?))"
_STEP = re.compile(r"\bstep\s+(\d+)", re.IGNORECASE)
_SHARE = re.compile(r"\((\d+(?:\.\d+)?)%\)")
_LOSS = re.compile(r"\bloss:?\s*" + _NUMBER, re.IGNORECASE)
_PAIR = re.compile(r"^([a-z][A-Za-z0-9_]{0,39}):\s*" + _NUMBER + r"\s*$")
MAX_METRICS = 64
LEAST_SHARE = 0.02
"""A share of a run below this says nothing of how long the rest takes."""
DIVERGED_FACTOR = 3.0


@dataclass(frozen=True)
class Step:
    """One progress line: where the run is and how it does."""

    step: int
    fraction: float
    loss: float


def parse_step(line: str) -> Step | None:
    """Read `step 00010 (12.0%) | loss: 3.2100 | ...`; None for any other line."""
    step, loss = _STEP.search(line), _LOSS.search(line)
    if step is None or loss is None or len(step[1]) > 9:
        return None
    share = _SHARE.search(line)
    fraction = min(1.0, float(share[1]) / 100) if share else 0.0
    return Step(int(step[1]), fraction, float(loss[1].replace(",", "")))


def parse_pair(line: str) -> tuple[str, float] | None:
    """Read `val_bpb: 1.234`; NaN and infinities come back as they are."""
    found = _PAIR.match(line)
    return (found[1], float(found[2].replace(",", ""))) if found else None


@dataclass
class BoundedLog:
    """The head and the tail of a log; what lay between is counted, not kept."""

    head_bytes: int = MAX_LOG_BYTES // 4
    tail_bytes: int = MAX_LOG_BYTES // 2
    total: int = 0
    count: int = 0
    _head: list[str] = field(default_factory=list)
    _tail: deque[str] = field(default_factory=deque)
    _head_size: int = 0
    _tail_size: int = 0
    dropped: int = 0

    def add(self, line: str) -> None:
        """Append a line that is already clean."""
        size = len(line.encode()) + 1
        self.total += size
        self.count += 1
        if self._head_size + size <= self.head_bytes and not self._tail:
            self._head.append(line)
            self._head_size += size
            return
        self._tail.append(line)
        self._tail_size += size
        while self._tail_size > self.tail_bytes:
            self._tail_size -= len(self._tail.popleft().encode()) + 1
            self.dropped += 1

    def last(self, lines: int) -> list[str]:
        """The last few lines."""
        return [*self._head, *self._tail][-lines:]

    def text(self) -> str:
        """Head, a note of what is missing, tail."""
        note = [f"[... {self.dropped} lines left out ...]"] if self.dropped else []
        return "\n".join([*self._head, *note, *self._tail])


@dataclass
class Transcript:
    """Everything a run printed, as it comes; `trouble` says why it should be ended now.

    A loss that is not a number, or one over three times the first (after 20 points), is trouble:
    nothing that such a run learns would count.
    """

    log: BoundedLog = field(default_factory=BoundedLog)
    curve: list[CurvePoint] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    latest: Step | None = None
    latest_at: float = 0.0
    first_loss: float | None = None
    points: int = 0
    not_a_number: bool = False
    diverged: bool = False
    in_block: bool = False
    _stride: int = 1

    def take(self, line: str, seconds: float) -> None:
        """Take one cleaned line, `seconds` after the start.

        One that was written over tells of progress and is not kept.
        """
        passing, line = line.endswith(OVER), line.rstrip()
        if passing:
            self._step(line, seconds)
            return
        self.log.add(line)
        if line.strip() == "---":
            self.in_block, self.metrics = True, {}
        elif not self.in_block or not self._pair(line):
            self._step(line, seconds)

    def _pair(self, line: str) -> bool:
        """Take a line of the block; any other tells that the block was not the last."""
        pair = parse_pair(line)
        if pair is not None and (len(self.metrics) < MAX_METRICS or pair[0] in self.metrics):
            self.metrics[pair[0]] = pair[1]
        return pair is not None

    def _step(self, line: str, seconds: float) -> None:
        step = parse_step(line)
        if step is None:
            return
        if not math.isfinite(step.loss):
            self.not_a_number = True
            return
        self.latest, self.latest_at = step, seconds
        self.first_loss = step.loss if self.first_loss is None else self.first_loss
        self.diverged = self._too_high(step.loss)
        if self.points % self._stride == 0:
            self.curve.append(CurvePoint(step=step.step, loss=step.loss, seconds=seconds))
        self.points += 1
        if len(self.curve) >= MAX_CURVE_POINTS:
            self.curve, self._stride = self.curve[::2], self._stride * 2

    def _too_high(self, loss: float) -> bool:
        assert self.first_loss is not None
        return self.points >= 20 and loss > max(DIVERGED_FACTOR * self.first_loss, 10.0)

    def left(self, seconds: float) -> float | None:
        """Seconds that the run may yet take, `seconds` after its start; None while it is unknown.

        Between two progress lines they grow less: what was done is known of the line's moment.
        """
        if self.latest is None or self.latest.fraction <= LEAST_SHARE:
            return None
        return max(0.0, self.latest_at / self.latest.fraction - seconds)

    def finite(self) -> dict[str, float]:
        """The final block without what is not a finite number."""
        return {key: value for key, value in self.metrics.items() if math.isfinite(value)}
