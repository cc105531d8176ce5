"""Telling the hub what a run prints while it runs, so that people can watch; never in its way."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

import structlog

from agent_client.errors import HubBusy, HubRefused, HubUnreachable
from agent_client.progress import Transcript
from protocol.runs import CurvePoint
from protocol.work import Heard, Output, WorkOrder

MOST = 100
LONGEST = 2000
FIRST_SECONDS = 1.0
AWAY_SECONDS = 60.0
Tell = Callable[[UUID, Output], Heard]
log = structlog.get_logger(__name__)


@dataclass
class Relay:
    """One run's words on their way to the hub, from a thread of its own.

    The newest lines go; what came too fast is counted instead. A hub that is away, busy or older
    costs the run nothing.
    """

    tell: Tell
    order: WorkOrder
    censor: Callable[[str], str]
    first: float = FIRST_SECONDS
    thread: threading.Thread | None = None
    _lines: deque[str] = field(default_factory=lambda: deque(maxlen=MOST))
    _points: list[CurvePoint] = field(default_factory=list)
    _came: int = 0
    _taken: int = 0
    _step: int = -1
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Relay":
        """Begin to tell."""
        self.thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Tell no more; the result brings everything."""
        self._over.set()

    def take(self, transcript: Transcript) -> None:
        """Note what is new in a transcript that another thread will go on writing."""
        with self._lock:
            new = transcript.log.count - self._taken
            if new > 0:
                self._taken = transcript.log.count
                self._came += new
                self._lines.extend(transcript.log.last(min(new, MOST)))
            # A progress bar writes over its own line: points may come without any.
            fresh = [point for point in transcript.curve[-MOST:] if point.step > self._step]
            if fresh:
                self._step = fresh[-1].step
                self._points = [*self._points, *fresh][-MOST:]

    def _run(self) -> None:
        wait = self.first
        while not self._over.wait(wait):
            output = self._drained()
            if output is None:
                continue
            try:
                wait = min(max(self.tell(self.order.lease, output).again_in, 1.0), 300.0)
            except (HubUnreachable, HubBusy):
                wait = AWAY_SECONDS
            except HubRefused as problem:
                log.info("nobody can watch this run", reason=problem.reason)
                return

    def _drained(self) -> Output | None:
        with self._lock:
            lines, points, came = list(self._lines), self._points, self._came
            self._lines.clear()
            self._points, self._came = [], 0
        if not lines and not points:
            return None
        shown = [self.censor(line)[:LONGEST] for line in lines]
        return Output(epoch=self.order.epoch, lines=shown, skipped=came - len(lines), points=points)
