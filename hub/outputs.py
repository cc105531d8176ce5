"""What running experiments print, in memory for those who watch; the result brings it whole."""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from uuid import UUID

from hub.db import Clock
from hub.leaks import redact
from protocol.runs import CurvePoint
from protocol.work import Heard, LiveOutput, Output

LINES = 300
POINTS = 600
MOST_LEASES = 2000
WATCHED_SECONDS = 20.0
SOON, LATER = 2.0, 15.0


@dataclass
class Stream:
    """One lease's last lines and thinned losses; `told` counts every line that ever came."""

    epoch: int
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=LINES))
    points: list[CurvePoint] = field(default_factory=list)
    told: int = 0
    watched_until: float = 0.0

    def take(self, said: Output) -> None:
        """Append what was printed; a gap counts, so that watchers can be told of it."""
        if said.skipped:
            self.lines.append(f"[... {said.skipped} lines left out ...]")
            self.told += 1
        self.lines.extend(redact(line) for line in said.lines)
        self.told += len(said.lines)
        last = self.points[-1].step if self.points else -1
        self.points += [point for point in said.points if point.step > last]
        if len(self.points) > POINTS:
            self.points = self.points[::2]


class Outputs:
    """Streams by lease, the oldest forgotten first; each hub process keeps what it was told."""

    def __init__(self, clock: Clock) -> None:
        self._now: Callable[[], float] = lambda: clock().timestamp()
        self._streams: OrderedDict[UUID, Stream] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, lease: UUID, said: Output) -> Heard:
        """Keep what a holder printed and say when more is welcome.

        A new holder starts an empty stream: what the last one printed is no part of its run.
        """
        with self._lock:
            stream = self._streams.get(lease)
            if stream is None or stream.epoch < said.epoch:
                stream = Stream(said.epoch, watched_until=stream.watched_until if stream else 0.0)
            self._streams[lease] = stream
            self._streams.move_to_end(lease)
            while len(self._streams) > MOST_LEASES:
                self._streams.popitem(last=False)
            stream.take(said)
            return Heard(again_in=SOON if stream.watched_until > self._now() else LATER)

    def watch(self, lease: UUID, after: int) -> LiveOutput:
        """What came after a cursor; whoever asks is known to watch for a while."""
        with self._lock:
            stream = self._streams.get(lease)
            if stream is None:
                return LiveOutput(lines=[], next=0, points=[])
            stream.watched_until = self._now() + WATCHED_SECONDS
            first = stream.told - len(stream.lines)
            # A cursor beyond the end is another holder's: begin again.
            start = first if after > stream.told else max(after, first)
            return LiveOutput(
                lines=list(islice(stream.lines, start - first, None)),
                next=stream.told,
                lost=start > after > 0 or after > stream.told,
                points=stream.points,
            )
