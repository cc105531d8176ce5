"""Keeping leases alive from a thread of its own, whatever training and the language model do."""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

import structlog

from agent_client.errors import BadToken, HubBusy, HubError, HubRefused, HubUnreachable
from agent_client.hub_api import Hub
from protocol.work import Progress, Release, WorkOrder

BEAT_SECONDS = 30.0
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
    """Renews every held lease about each 30 s, jittered, on the monotonic clock.

    A lost lease does not end its run: a finished run counts even when it comes late.
    """

    hub: Hub
    beat: float = BEAT_SECONDS
    draw: Callable[[], float] = random.SystemRandom().random
    revoked: threading.Event = field(default_factory=threading.Event)
    reachable: bool = True
    _grips: dict[UUID, Grip] = field(default_factory=dict)
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
        """Take a lease into care."""
        grip = Grip(order, Progress(epoch=order.epoch, phase=phase))
        with self._lock:
            self._grips[order.lease] = grip
        return grip

    def let_go(self, lease: UUID) -> None:
        """Stop renewing a lease."""
        with self._lock:
            self._grips.pop(lease, None)

    def held(self) -> list[Grip]:
        """All leases in care."""
        with self._lock:
            return list(self._grips.values())

    def beat_soon(self) -> None:
        """Send a heartbeat now rather than at its time."""
        self._wake.set()

    def _run(self) -> None:
        while not self._over.is_set():
            self._wake.wait(self._interval())
            self._wake.clear()
            for grip in self.held():
                if self._over.is_set():
                    return
                self._renew(grip)

    def _interval(self) -> float:
        """A third of the shortest lease at most, so that two beats may be lost."""
        shortest = min((grip.order.lease_seconds / 3 for grip in self.held()), default=self.beat)
        return min(self.beat, shortest) * (0.8 + 0.4 * self.draw())

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
            log.warning("a lease is lost; its run goes on", reason=problem.reason)
            self.let_go(grip.order.lease)
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
