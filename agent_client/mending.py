"""A crash is fed back once: its mutator may mend the proposal before the lease is given up."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from uuid import UUID

from agent_client.mutators.base import Task
from agent_client.ready import Ready
from agent_client.setup import Kit
from protocol.experiments import Operator
from protocol.runs import Failure, RunReport
from protocol.work import Kind

CHEAP_SECONDS = 60.0
"""What failed later than this cost more than a fresh idea does."""

SHOWN_CHARACTERS = 3000
MENDABLE = frozenset({Failure.SYNTAX, Failure.CRASH, Failure.NAN, Failure.OOM})
MAKES_EXPERIMENTS = (Kind.EXPLORE, Kind.MERGE, Kind.ABLATE)
Record = Callable[[Ready, RunReport], None]


@dataclass(frozen=True)
class Crashed:
    """A run that failed early, and its report, which is written down once the mend was tried."""

    ready: Ready
    report: RunReport

    def task(self, task: Task) -> Task:
        """The same task, asked again of the files that failed."""
        ready = self.ready
        editable = ready.goal.spec.files.editable
        return replace(
            task,
            files={path: ready.contents[path] for path in editable if path in ready.contents},
            operator=Operator.FIX,
            crash=f"{self.report.log[-SHOWN_CHARACTERS:]}\n{self.report.failure_detail}",
            suggestion=f"It was to be: {ready.experiment.title}. {ready.experiment.hypothesis}",
        )


@dataclass
class Infirmary:
    """Crashes that wait for their mend. Each report leaves exactly once, whatever came of it."""

    record: Record = field(default=lambda _ready, _report: None)
    _waiting: dict[UUID, Crashed] = field(default_factory=dict)
    _unrecorded: dict[UUID, Crashed] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __len__(self) -> int:
        return len(self._waiting)

    def take_in(self, crashed: Crashed) -> None:
        """Keep a crash until the mutator has time for it."""
        lease = crashed.ready.order.lease
        with self._lock:
            self._waiting[lease] = self._unrecorded[lease] = crashed

    def next(self) -> Crashed | None:
        """The crash to mend now; its report is still to be settled."""
        with self._lock:
            lease = next(iter(self._waiting), None)
            return None if lease is None else self._waiting.pop(lease)

    def settle(self, crashed: Crashed) -> None:
        """Write the crash's report down, unless that has been done."""
        with self._lock:
            found = self._unrecorded.pop(crashed.ready.order.lease, None)
        if found is not None:
            self.record(found.ready, found.report)

    def discharge(self) -> list[Crashed]:
        """Nothing is mended now. Returns the crashes that are still to be settled."""
        with self._lock:
            self._waiting.clear()
            return list(self._unrecorded.values())


def worth_mending(kit: Kit, ready: Ready, report: RunReport) -> bool:
    """Whether this failure is a proposal's own, came early, and was not mended before."""
    return (
        kit.mutator.mends
        and not ready.mended
        and ready.order.kind in MAKES_EXPERIMENTS
        and report.failure in MENDABLE
        and report.seconds <= CHEAP_SECONDS
        and not kit.stopping.finish.is_set()
    )
