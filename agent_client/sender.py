"""Emptying the journal from a thread of its own, for ever, in order and politely."""

import threading
from dataclasses import dataclass, field
from uuid import UUID

import structlog

from agent_client.backoff import Backoff
from agent_client.errors import BadToken, HubBroke, HubBusy, HubRefused, HubUnreachable
from agent_client.hub_api import Hub
from agent_client.journal import Entry, Journal
from agent_client.lease import release

ROUTES = {"run": ("/v1/runs/{id}", "run"), "post": ("/v1/posts/{id}", "id")}
IDLE_SECONDS = 15.0
log = structlog.get_logger(__name__)


class NotNamed(HubUnreachable):
    """The hub's answer does not name what was sent, so it counts as not received."""

    code = "not_acknowledged"


@dataclass
class Sender:
    """Sends what the journal holds; one failure waits with full jitter, one success resets."""

    hub: Hub
    journal: Journal
    backoff: Backoff = field(default_factory=Backoff)
    revoked: threading.Event = field(default_factory=threading.Event)
    trouble: str = ""
    _wake: threading.Event = field(default_factory=threading.Event)
    _over: threading.Event = field(default_factory=threading.Event)
    _pass: threading.Lock = field(default_factory=threading.Lock)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to send."""
        self._thread = threading.Thread(target=self._run, name="sender", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There is something new to send."""
        self._wake.set()

    def stop(self, patience: float = 10.0) -> bool:
        """Try once more for what is left, then end; says whether everything was acknowledged."""
        self._over.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(patience)
        if self._thread is None or not self._thread.is_alive():
            self.attempt()
        return len(self.journal) == 0

    def _run(self) -> None:
        wait = 0.0
        while not self._over.wait(wait):
            worked = self.attempt()
            if worked:
                self._wake.wait(IDLE_SECONDS)
                self._wake.clear()
            wait = 0.0 if worked else self.backoff.next(self._floor)

    _floor: float = 0.0

    def attempt(self) -> bool:
        """One pass over the journal; says whether it is empty now."""
        with self._pass:
            self._floor = 0.0
            try:
                self._all()
            except HubBusy as problem:
                self._floor, self.trouble = problem.retry_after, str(problem)
                return False
            except HubUnreachable as problem:
                self.trouble = str(problem)
                return False
            except OSError as problem:  # a disk that turned read-only: nothing is lost, all is kept
                self.trouble = f"The journal cannot be kept: {problem}."
                log.warning("the disk refuses the journal", problem=str(problem))
                return False
            except BadToken as problem:
                self.revoked.set()
                self._floor, self.trouble = 60.0, str(problem)
                return False
            self.trouble = ""
            self.backoff.reset()
            self.journal.settle()
            return self.journal.safe

    def _all(self) -> None:
        """All that the hub takes. One entry at which it fails must not hold up the rest for ever.

        A second one ends the pass: then it fails at whatever it is sent.
        """
        broke: HubBroke | None = None
        for name, entry in self.journal.entries():
            try:
                self._one(name, entry)
            except HubBroke as problem:
                if broke is not None:
                    raise
                broke = problem
        if broke is not None:
            raise broke

    def _one(self, name: str, entry: Entry) -> None:
        """Send one entry; what the hub will never take is set aside, so the rest can go."""
        if entry.kind not in ROUTES:
            self.journal.refuse(name, f"this client cannot send a {entry.kind!r}")
            return
        route, key = ROUTES[entry.kind]
        try:
            reply = self.hub.send_raw(route.format(id=entry.id), entry.body)
        except BadToken:
            raise
        except HubRefused as problem:
            self.journal.refuse(name, f"{problem.reason}: {problem}")
            self._give_back(entry, problem)
            return
        if reply.get(key) != str(entry.id):
            raise NotNamed
        self.journal.remove(name)
        self.backoff.reset()

    def _give_back(self, entry: Entry, problem: HubRefused) -> None:
        """A run's lease would be handed out to us again, and its report be refused again."""
        lease, epoch = entry.body.get("lease"), entry.body.get("epoch")
        if entry.kind == "run" and isinstance(lease, str) and isinstance(epoch, int):
            why = f"its report was refused: {problem.reason}"
            release(self.hub, UUID(lease), epoch, why)
