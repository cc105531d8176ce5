"""From a claim to a run that is ready to train: lay out, mutate, register, start warm."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from uuid import UUID, uuid4

import structlog

from agent_client import versions
from agent_client.author import Author
from agent_client.backoff import Backoff
from agent_client.data_maker import prepare
from agent_client.errors import (
    BadToken,
    ClientError,
    HubBusy,
    HubError,
    HubRefused,
    HubUnreachable,
    TooOld,
)
from agent_client.lease import Grip, release
from agent_client.mending import MAKES_EXPERIMENTS, Crashed, Infirmary
from agent_client.mutators.base import (
    Idea,
    Misconfigured,
    MutatorError,
    NoIdea,
    Refused,
    Task,
    changed,
)
from agent_client.orders import folder_of, held, history, proposal, task_on, work_request
from agent_client.ready import Ready, Start
from agent_client.setup import VERSION, Kit, KnownGoal
from agent_client.trainer import Plan, Training
from agent_client.workspace import DataBroken
from protocol.experiments import Experiment, Proposal
from protocol.work import WorkOrder, WorkReply

PROPOSALS_PER_PARENT = 3
WHATEVER_IS_PROPOSED = frozenset({"stale_lease", "not_yours", "not_active", "wrong_parent"})
"""Refusals that another proposal, which has to be paid, meets as well."""

log = structlog.get_logger(__name__)


@dataclass
class Proposer:
    """Makes one run ready after another; a thread of its own may drive it."""

    kit: Kit
    author: Author = field(init=False)
    backoff: Backoff = field(default_factory=Backoff)
    crashes: Infirmary = field(default_factory=Infirmary)
    proposed: int = 0
    _goals: dict[tuple[str, int], KnownGoal] = field(default_factory=dict)
    _advised: bool = True
    """What the hub's version means was said at the start; only what changes is said again."""

    def __post_init__(self) -> None:
        """Whoever writes proposals works with the same kit."""
        self.author = Author(self.kit)

    @property
    def exhausted(self) -> bool:
        """Whether as many experiments were made as the owner asked for, and none is to mend."""
        most = self.kit.max_experiments
        return most is not None and self.proposed >= most and not self.crashes

    def next(self, waiting: Callable[[str], None]) -> Ready | None:
        """The next run; None when there is none now, after saying why and waiting politely."""
        crashed = self.crashes.next()
        if crashed is not None:
            return self._mend(crashed, waiting)
        order = self._claim(waiting)
        if order is None:
            return None
        grip = self.kit.keeper.hold(order, "laying out")
        again = self.kit.state.attempts(order.lease)
        self.kit.state.hold(held(order, attempts=again + 1))
        try:
            ready = self._make_ready(order, grip, waiting)
        except BadToken:
            raise
        except (HubError, MutatorError, DataBroken, OSError) as problem:
            self._give_back(order, problem, waiting)
            return None
        self.backoff.reset()
        self.author.made_ready()
        return ready

    def _claim(self, waiting: Callable[[str], None]) -> WorkOrder | None:
        kit = self.kit
        waiting("asking the hub for work")
        request = work_request(kit.settings, kit.device, kit.state.memory).model_copy(
            update={
                "holding": self._holding(),
                "can_mutate": self.author.works,
                "prefetch": bool(kit.keeper.held()),
            }
        )
        try:
            reply = kit.hub.work(request)
        except (HubUnreachable, HubBusy) as problem:
            floor = problem.retry_after if isinstance(problem, HubBusy) else 0.0
            self._wait(waiting, f"{problem} Finished runs are kept.", floor)
            return None
        care = {grip.order.lease for grip in kit.keeper.held()}
        kit.state.forget_lost(care, reply.order.lease if reply.order else None)
        self._heed(reply)
        if reply.order is None:
            reason = reply.reason or "The hub has no work."
            self._wait(waiting, f"{self.author.why_resting} {reason}".strip(), reply.retry_after)
            return None
        return reply.order

    def _heed(self, reply: WorkReply) -> None:
        """Look at the versions that each answer names; raises TooOld, with the order given back."""
        try:
            advice = versions.check(VERSION, reply.minimum_client, reply.latest_client)
        except TooOld as problem:
            if reply.order is not None:
                self.drop(reply.order, problem.detail)
            raise
        if advice and not self._advised:
            self.kit.telemetry.say(advice)
        self._advised = bool(advice)

    def _holding(self) -> list[UUID]:
        """Leases in work, and those whose result is written down but not yet received.

        Looked at in this order, because a lease is let go only when its report is written down:
        one that is not named is handed out again.
        """
        found = {grip.order.lease for grip in self.kit.keeper.held()}
        unsent = [entry.body.get("lease") for _, entry in self.kit.journal.entries()]
        return sorted(found | {UUID(str(lease)) for lease in unsent if lease})[:16]

    def _wait(self, waiting: Callable[[str], None], reason: str, floor: float) -> None:
        waiting(reason)
        self.kit.stopping.sleep(self.backoff.next(floor))

    def _make_ready(self, order: WorkOrder, grip: Grip, waiting: Callable[[str], None]) -> Ready:
        kit = self.kit
        goal = self._goal(order)
        if order.kind in MAKES_EXPERIMENTS and order.experiment is None:
            experiment, contents, score = self._propose(order, goal, grip, waiting)
        else:
            assert order.experiment is not None
            experiment, score = self._known(order)
            contents = kit.workspace.tree(order.experiment, kit.hub.files)
        ready = Start(order, goal, grip, experiment, score, contents)
        return self._start(ready, waiting)

    def _start(self, start: Start, waiting: Callable[[str], None]) -> Ready:
        """Lay the files out beside their data and start the process that will train them."""
        kit, order, goal = self.kit, start.order, start.goal
        attempts = kit.state.attempts(order.lease)
        kit.state.hold(held(order, start.experiment.sha, attempts=attempts))
        waiting("preparing data")
        data = kit.workspace.data(
            goal.spec, start.contents, lambda folder: prepare(kit.sandbox, goal.spec, folder)
        )
        folder = kit.workspace.lay_out(folder_of(order), start.contents, order.goal)
        plan = Plan(
            spec=goal.spec,
            folder=folder,
            data=data.training,
            seed=goal.spec.seeds.chosen(order.seed),
            budget=kit.budget or goal.spec.budget.text(),
            device=kit.device.kind,
            gpu=kit.gpu,
            vram_mb=kit.settings.limits.vram_mb,
        )
        start.grip.report(phase="waiting for its turn")
        training = Training.start(kit.sandbox, plan, warm=kit.settings.pipeline)
        kit.state.adopt(training.running.pid)
        return Ready(**vars(start), data=data, training=training)

    def _mend(self, crashed: Crashed, waiting: Callable[[str], None]) -> Ready | None:
        """The mended run under the same lease; without one the crash ends the lease as it is.

        The mend is registered before the crash is reported, so that the lease is known to be at
        work on it. It stays in our care: were it not renewed, or not named when more work is asked
        for, the hub would take it for lost and hand it out again, to us first.
        """
        ready = crashed.ready
        order, goal, grip = ready.order, ready.goal, ready.grip
        try:
            made, contents = self._mended(crashed, waiting)
        except BadToken:
            raise
        except (HubError, MutatorError, OSError) as problem:
            log.info("a crash could not be mended", problem=str(problem))
            self.give_up(crashed)
            return None
        self.crashes.settle(crashed)
        start = Start(order, goal, grip, made, ready.parent_score, contents, mended=True)
        try:
            return self._start(start, waiting)
        except (DataBroken, OSError) as problem:
            self._give_back(order, problem, waiting)
            return None

    def give_up(self, crashed: Crashed) -> None:
        """Report a crash that nothing mends, which ends its lease."""
        self.crashes.settle(crashed)
        self.forget(crashed.ready.order)

    def _mended(
        self, crashed: Crashed, waiting: Callable[[str], None]
    ) -> tuple[Experiment, dict[str, str]]:
        """Ask once, and register what came under the lease of the crash."""
        ready, mutator = crashed.ready, self.author.present()
        order = ready.order
        assert order.parent is not None
        if not mutator.mends:
            raise NoIdea
        waiting(f"{mutator.name} mends #{ready.experiment.number}")
        ready.grip.report(phase="mending a crash")
        parent = dict(self.kit.workspace.tree(order.parent, self.kit.hub.files))
        task = crashed.task(self._task(order, ready.goal, parent))
        idea = self.author.ask(mutator, order.lease, task)
        contents = {**ready.contents, **changed(task, idea.files)}
        files = {path: text for path, text in contents.items() if parent.get(path) != text}
        made = self._register(uuid4(), proposal(order, idea, files, mutator.name))
        return made, contents

    def _known(self, order: WorkOrder) -> tuple[Experiment, float | None]:
        """An experiment that exists: somebody's to confirm, or our own from before a crash."""
        assert order.experiment is not None
        experiment = self.kit.hub.experiment(order.experiment)
        if order.parent is None or order.kind not in MAKES_EXPERIMENTS:
            return experiment, None
        self.proposed += 1
        return experiment, self.kit.hub.experiment(order.parent).score

    def _goal(self, order: WorkOrder) -> KnownGoal:
        key = (order.goal, order.goal_version)
        if key not in self._goals:
            self._goals[key] = KnownGoal.of(self.kit.hub.goal(order.goal))
        return self._goals[key]

    def _propose(
        self, order: WorkOrder, goal: KnownGoal, grip: Grip, waiting: Callable[[str], None]
    ) -> tuple[Experiment, dict[str, str], float | None]:
        kit = self.kit
        assert order.parent is not None
        contents = dict(kit.workspace.tree(order.parent, kit.hub.files))
        parent = kit.hub.experiment(order.parent)
        if order.prepared is not None:
            files, made = self._take_prepared(order)
            return made, {**contents, **files}, parent.score
        task = self._task(order, goal, contents)
        for _ in range(PROPOSALS_PER_PARENT):
            mutator = self.author.present()
            waiting(f"{mutator.name} writes a proposal on #{parent.number}")
            grip.report(phase="writing a proposal")
            idea = self.author.ask(mutator, order.lease, task)
            identity = uuid4()
            try:
                files = changed(task, idea.files)
                made = self._register(identity, proposal(order, idea, files, mutator.name))
            except (HubRefused, NoIdea) as problem:
                if isinstance(problem, HubRefused) and problem.reason in WHATEVER_IS_PROPOSED:
                    raise
                task = task.after(Refused(idea.title, str(problem), idea.files))
                continue
            contents.update(files)
            self.proposed += 1
            return made, contents, parent.score
        raise NoIdea(f"{PROPOSALS_PER_PARENT} proposals on #{parent.number} were refused.")

    def _take_prepared(self, order: WorkOrder) -> tuple[dict[str, str], Experiment]:
        """Register what the hub wrote itself, such as a clean merge; no mutator is asked."""
        assert order.prepared is not None
        said = order.prepared
        idea = Idea(said.files, said.title, said.hypothesis, order.operator)
        made = self._register(uuid4(), proposal(order, idea, dict(said.files), "hub"))
        self.proposed += 1
        return dict(said.files), made

    def _register(self, identity: UUID, said: Proposal) -> Experiment:
        """Register under one id until the hub answers: a lost reply must not make two."""
        waits = Backoff()
        while True:
            try:
                made = self.kit.hub.propose(identity, said)
                return self.kit.hub.experiment(made.sha)
            except (HubUnreachable, HubBusy) as problem:
                floor = problem.retry_after if isinstance(problem, HubBusy) else 0.0
                if self.kit.stopping.sleep(waits.next(floor)):
                    raise

    def _task(self, order: WorkOrder, goal: KnownGoal, contents: dict[str, str]) -> Task:
        kit = self.kit
        assert order.parent is not None
        known = history(kit.hub, order.goal, order.parent)
        return replace(
            task_on(goal, contents, kit.device, known),
            operator=order.operator,
            seed=order.seed,
            digest=order.digest,
        )

    def _give_back(
        self, order: WorkOrder, problem: Exception, waiting: Callable[[str], None]
    ) -> None:
        """Release what could not be made ready, and wait a little where that may help."""
        code = problem.code if isinstance(problem, ClientError) else type(problem).__name__
        log.warning("a lease is given back", code=code, problem=str(problem))
        self.drop(order, f"{code}: {problem}")
        if isinstance(problem, Misconfigured):
            raise problem
        self.author.count_dry(problem)
        floor = problem.retry_after if isinstance(problem, HubBusy) else 0.0
        self._wait(waiting, str(problem), floor)

    def drop(self, order: WorkOrder, reason: str) -> None:
        """Give a lease back and forget it.

        The hub may hand the same work out again at once, and to us: it is held until the hub was
        told, and its folder is gone by then.
        """
        self.kit.workspace.clear(folder_of(order))
        release(self.kit.hub, order.lease, order.epoch, reason)
        self.forget(order)

    def forget(self, order: WorkOrder) -> None:
        """Let a lease go that was given back, or whose report is in the journal."""
        self.kit.state.let_go(order.lease, order.epoch)
        self.kit.keeper.let_go(order)
        self.author.forget(order.lease)
