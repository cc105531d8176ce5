"""Keeping leases alive from a thread of its own, whatever training and the language model do."""

import math
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

import structlog

from agent_client.errors import BadToken, HubBusy, HubError, HubRefused, HubUnreachable
from agent_client.hub_api import Hub
from protocol.work import Progress, Release, WorkOrder

BEAT_SECONDS = 30.0
SHORTEST_SECONDS = 1.0
log = structlog.get_logger(__name__)


@dataclass
class Grip:
    """One held lease: `say` tells where its work is; `stop` and `lost` are the hub's answers."""

    order: WorkOrder
    say: Progress
    stop: str = ""
    lost: bool = False

    def report(self, **what: object) -> None:
        """Change what the next heartbeat says."""
        self.say = self.say.model_copy(update=what)


@dataclass
class Keeper:
    """Renews every held lease about each 30 s, jittered, a short one sooner; `clock` in seconds.

    A lost lease does not end its run: a finished run counts even when it comes late.
    """

    hub: Hub
    clock: Callable[[], float] = time.monotonic
    draw: Callable[[], float] = random.SystemRandom().random
    revoked: threading.Event = field(default_factory=threading.Event)
    reachable: bool = True
    _grips: dict[UUID, Grip] = field(default_factory=dict)
    _due: dict[UUID, float] = field(default_factory=dict)
    _wake: threading.Event = field(default_factory=threading.Event)
    _over: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to beat."""
        self._thread = threading.Thread(target=self._run, name="leases", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Beat no more; leases are left to whoever releases or reports them."""
        self._over.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(5.0)

    def hold(self, order: WorkOrder, phase: str) -> Grip:
        """Take a lease into care; its first heartbeat is not later than any other."""
        grip = Grip(order, Progress(epoch=order.epoch, phase=phase))
        with self._lock:
            self._grips[order.lease] = grip
            self._due[order.lease] = self.clock() + self._interval(order)
        self._wake.set()  # it may be due before whatever is waited for now
        return grip

    def let_go(self, order: WorkOrder) -> bool:
        """Stop renewing a lease; says whether it was in care.

        One that was given back and handed to us again, at another epoch, is not meant.
        """
        with self._lock:
            grip = self._grips.get(order.lease)
            if grip is None or grip.order.epoch != order.epoch:
                return False
            del self._grips[order.lease], self._due[order.lease]
            return True

    def held(self) -> list[Grip]:
        """All leases in care."""
        with self._lock:
            return list(self._grips.values())

    def beat_soon(self) -> None:
        """Send every heartbeat now rather than at its time."""
        with self._lock:
            self._due = dict.fromkeys(self._grips, self.clock())
        self._wake.set()

    def _run(self) -> None:
        while not self._over.is_set():
            self._wake.wait(self.seconds_left())
            self._wake.clear()
            self.renew_due()

    def seconds_left(self) -> float:
        """How long until a heartbeat is due; while no lease is held that of one is waited for."""
        with self._lock:
            due = min(self._due.values(), default=self.clock() + BEAT_SECONDS)
        return max(0.0, due - self.clock())

    def renew_due(self) -> None:
        """Renew the leases whose time has come."""
        for grip in self.held():
            lease = grip.order.lease
            if self._over.is_set() or self._due.get(lease, math.inf) > self.clock():
                continue
            self._renew(grip)
            with self._lock:
                if lease in self._grips:
                    self._due[lease] = self.clock() + self._interval(grip.order)

    def _interval(self, order: WorkOrder) -> float:
        """Jittered, and a third of the lease at most, so that two beats may be lost."""
        usual = BEAT_SECONDS * (0.8 + 0.4 * self.draw())
        third = max(SHORTEST_SECONDS, order.lease_seconds / 3)
        return min(usual, third * (0.8 + 0.2 * self.draw()))

    def _renew(self, grip: Grip) -> None:
        try:
            renewal = self.hub.renew(grip.order.lease, grip.say)
        except (HubUnreachable, HubBusy) as problem:
            self.reachable = False
            log.info("a heartbeat was lost", problem=str(problem))
        except BadToken:
            self.revoked.set()
        except HubRefused as problem:
            self.reachable = True
            grip.lost = True
            if self.let_go(grip.order):  # else its run ended while the hub was asked
                log.warning("a lease is lost; its run goes on", reason=problem.reason)
        else:
            self.reachable = True
            grip.stop = renewal.reason or "the hub said so" if renewal.stop else ""


def release(hub: Hub, lease: UUID, epoch: int, reason: str) -> bool:
    """Give a lease back; says whether the hub heard it. If not, it runs out by itself."""
    try:
        hub.release(lease, Release(epoch=epoch, reason=reason[:200]))
    except HubError as problem:
        log.info("a lease could not be released", problem=str(problem))
        return False
    return True
