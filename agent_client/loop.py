"""The client's life: make ready, train, write down, go on; and end as politely as asked."""

import queue
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import uuid4

import structlog

from agent_client import walls
from agent_client.errors import BadToken, DiskFull
from agent_client.evaluator import DataBroken
from agent_client.journal import Entry
from agent_client.lease import release
from agent_client.limits import Gate
from agent_client.mending import Crashed, worth_mending
from agent_client.orders import folder_of
from agent_client.proposer import Proposer
from agent_client.ready import Ready
from agent_client.runner import NO_ROOM, Runner
from agent_client.sandbox import sweep
from agent_client.setup import Kit
from agent_client.state import start_ticks
from agent_client.trainer import SandboxBroken
from protocol.base import figure
from protocol.board import PostDraft
from protocol.runs import RunReport

LOOK_SECONDS = 0.2
GATE_SECONDS = 5.0
log = structlog.get_logger(__name__)


@dataclass
class Loop:
    """One worker. With a pipeline, the next run is made ready while one trains."""

    kit: Kit
    gate: Gate
    proposer: Proposer = field(init=False)
    runner: Runner = field(init=False)
    _ready: "queue.Queue[Ready]" = field(default_factory=lambda: queue.Queue(maxsize=1))
    _wanted: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(1))
    _over: threading.Event = field(default_factory=threading.Event)
    _problem: BaseException | None = None
    _training: bool = False

    def __post_init__(self) -> None:
        """The two halves share one kit."""
        self.proposer = Proposer(self.kit)
        self.runner = Runner(self.kit)
        self.proposer.crashes.record = self._write_down

    def run(self) -> None:
        """Work until told to stop; raises what cannot be mended (a revoked token, a full disk)."""
        kit = self.kit
        recover(kit)
        kit.sender.start()
        kit.keeper.start()
        thread = threading.Thread(target=self._make_ready, name="proposer", daemon=True)
        try:
            with kit.telemetry.live():
                thread.start()
                self._work()
        finally:
            self._over.set()
            kit.stopping.ask_finish()
            thread.join(10.0)
            self._leave()
        if self._problem is not None:
            raise self._problem

    def _work(self) -> None:
        while not self._finished():
            try:
                ready = self._ready.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                continue
            self._wait_until_allowed(ready)
            if self.kit.stopping.finish.is_set():
                self._drop(ready)
                continue
            if ready.grip.stop:
                self._drop(ready, ready.grip.stop)
                self._wanted.release()
                continue
            self._training = True
            if self.kit.settings.pipeline:
                self._wanted.release()
            try:
                self._one(ready)
            finally:
                self._training = False
            if not self.kit.settings.pipeline:
                self._wanted.release()

    def _wait_until_allowed(self, ready: Ready) -> None:
        """What is ready may have to wait too: for the hour, for the GPU to cool or to be free.

        It does not wait longer than the hub leaves it to us: what is stopped is others' to do.
        """
        while not ready.grip.stop and (reason := self.gate.reason()):
            self.kit.telemetry.wait(reason)
            if self.gate.finishing or self.kit.stopping.sleep(GATE_SECONDS):
                self.kit.stopping.ask_finish()
                return

    def _finished(self) -> bool:
        if self.gate.finishing:
            self.kit.stopping.ask_finish()
        if self.kit.stopping.finish.is_set() or self._problem is not None:
            return True
        exhausted, making = self.proposer.exhausted, self._making
        return exhausted and not making and self._ready.empty()

    _making: bool = False

    def _one(self, ready: Ready) -> None:
        """Train one run and write down what it gave."""
        kit, order = self.kit, ready.order
        try:
            result = self.runner.run(ready)
        except (OSError, DataBroken, SandboxBroken) as problem:
            log.error("a run could not be done", problem=str(problem))
            self.gate.breaker.failed(str(problem))
            ready.training.abandon()
            self.proposer.drop(order, f"the client could not do it: {problem}")
            return
        # As much as a run may write: its own files went with it, and the next would end alike.
        room = ready.goal.spec.limits.disk_mb
        self.gate.needed_disk_mb = room if result.reason == NO_ROOM else 0
        if result.report is None:
            self.proposer.drop(order, result.reason)
            number = ready.experiment.number
            kit.telemetry.say(f"#{number} is given back, unfinished: {result.reason}.")
            return
        self.gate.breaker.ended(result.report.failure, result.report.failure_detail)
        if worth_mending(kit, ready, result.report):
            kit.workspace.clear(folder_of(order))
            self.proposer.crashes.take_in(Crashed(ready, result.report))
            return
        self._write_down(ready, result.report)
        self.proposer.forget(order)
        if result.report.failure is None and ready.experiment.sha == ready.goal.baseline:
            with suppress(OSError):  # a comfort that a full disk must not turn into a failure
                kit.workspace.keep_caches(folder_of(order), order.goal)
        kit.workspace.clear(folder_of(order))

    def _write_down(self, ready: Ready, report: RunReport) -> None:
        """Into the journal, and off to the hub."""
        self.runner.write_down(ready, report)
        self._post(ready, report)
        self.kit.sender.wake()
        self.kit.telemetry.update(unsent=len(self.kit.journal))

    def _post(self, ready: Ready, report: RunReport) -> None:
        """Tell the board what was expected and what came; the hub posts the bare numbers itself."""
        if ready.order.parent is None:
            return
        name, metric = ready.goal.spec.metric.name, report.metric
        came = report.failure_detail if metric is None else f"{name} {figure(metric)}"
        body = f"#{ready.experiment.sha[:10]} {ready.experiment.title}: {came}\n\n"
        body += f"Expected: {ready.experiment.hypothesis[:1000]}"
        draft = PostDraft(channel="discussion", topic=ready.order.goal, body=body)
        self.kit.journal.add(Entry("post", uuid4(), draft.model_dump(mode="json")))

    def _make_ready(self) -> None:
        """The other thread: one ready run ahead of the training, never more."""
        try:
            while not self._over.is_set():
                if self.proposer.exhausted:
                    self._over.wait(LOOK_SECONDS)
                    continue
                if not self._wanted.acquire(timeout=LOOK_SECONDS):
                    continue
                if not self._next_ready():
                    self._wanted.release()
        except BaseException as problem:
            self._problem = problem

    def _next_ready(self) -> bool:
        stopping = self.kit.stopping
        if stopping.finish.is_set():
            return stopping.sleep(LOOK_SECONDS) and False
        reason = self.gate.reason()
        if reason:
            self._give_up_mends()
            self._waiting(reason)
            stopping.sleep(GATE_SECONDS)
            return False
        self._making = True
        try:
            self.kit.sender.attempt()  # so that the hub does not count finished runs as held
            self._check()
            ready = self.proposer.next(self._waiting)
            if ready is not None:
                self._waiting("ready")
                self._ready.put(ready)
            return ready is not None
        finally:
            self._making = False

    def _give_up_mends(self) -> None:
        """Report crashes that wait for a mend which will not come soon."""
        for crashed in self.proposer.crashes.discharge():
            self.proposer.give_up(crashed)

    def _check(self) -> None:
        kit = self.kit
        if kit.sender.revoked.is_set() or kit.keeper.revoked.is_set():
            raise BadToken("unauthorized", BadToken.sentence(), 401, {})
        trouble, latency = kit.sender.trouble, kit.hub.latency()
        kit.telemetry.update(unsent=len(kit.journal), hub=trouble, hub_ms=latency)

    def _waiting(self, reason: str) -> None:
        """While a run trains the line belongs to it; what is being prepared shows beside it."""
        if self._training:
            self.kit.telemetry.update(proposing=reason)
        else:
            self.kit.telemetry.wait(reason, proposing="")

    def _drop(self, ready: Ready, reason: str = "the owner stopped the client") -> None:
        """Give back a run that never began."""
        ready.training.abandon()
        self.kit.state.bury(ready.training.running.pid)
        self.proposer.drop(ready.order, reason)

    def _leave(self) -> None:
        """Give back what is not begun, send what is done, and say what is left."""
        kit = self.kit
        while not self._ready.empty():
            self._drop(self._ready.get_nowait())
        self._give_up_mends()
        for grip in kit.keeper.held():
            self.proposer.drop(grip.order, "the owner stopped the client")
        kit.keeper.stop()
        sent = kit.sender.stop()
        kit.telemetry.update(phase="stopped", reason="", unsent=len(kit.journal))
        if not sent:
            where = "on disk" if kit.journal.safe else "in memory only"
            kit.telemetry.say(f"{len(kit.journal)} results are unsent and kept {where}.")
        if not kit.journal.safe:
            self._problem = DiskFull()


def recover(kit: Kit) -> None:
    """After a crash: end orphans, clear folders, and send what was finished before anything else.

    A lease whose experiment exists already is left for the next claim, which hands it out again;
    one that was tried twice is given back, because it may be what killed us. What the language
    model may have written meanwhile is counted as paid.
    """
    for child in kit.state.memory.children:
        if start_ticks(child.pid) == child.started:
            log.warning("an orphan of an earlier run is ended", pid=child.pid)
            walls.end(child.pid)
        kit.state.bury(child.pid)
    kit.state.redeem(kit.today)
    sweep()
    kit.workspace.open()
    kit.journal.open()
    bodies = [entry.body for _, entry in kit.journal.entries()]
    finished = {(str(body.get("lease")), body.get("experiment")) for body in bodies}
    for each in kit.state.memory.held:
        if (str(each.lease), each.experiment) in finished:
            kit.state.let_go(each.lease, each.epoch)
        elif each.experiment is None or each.attempts > 1:
            release(kit.hub, each.lease, each.epoch, "the client was killed")
            kit.state.let_go(each.lease, each.epoch)
