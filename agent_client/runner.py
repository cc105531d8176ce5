"""One ready run to its end: train, measure, write the report down."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import structlog

from agent_client.censor import Censor
from agent_client.evaluator import DataBroken, Submission, evaluate
from agent_client.failures import explain, without_metric
from agent_client.journal import Entry
from agent_client.mending import MAKES_EXPERIMENTS
from agent_client.progress import Transcript
from agent_client.ready import Ready
from agent_client.relay import Relay
from agent_client.setup import VERSION, Kit
from agent_client.telemetry import Finished
from agent_client.trainer import Outcome, SandboxBroken, environment
from agent_client.walls import Helpers, walls
from agent_client.workspace import remove_tree
from protocol.runs import Evaluation, Failure, RunReport

MEASURE_SECONDS = 600.0
STOPPED = "the owner stopped it"
NO_ROOM = "the volunteer's disk is full"

FOR_TRAINING = (
    *("AGENTHUB_DATA", "AGENTHUB_OUT", "AGENTHUB_SEED", "AGENTHUB_BUDGET"),
    "AGENTHUB_VRAM_MB",
)
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Result:
    """What a run ended as; `report` is None when its owner or the hub stopped it."""

    report: RunReport | None
    reason: str = ""


@dataclass
class Runner:
    """Trains and measures, one run at a time."""

    kit: Kit

    def run(self, ready: Ready) -> Result:
        """Train to the end, whatever it is; a crash is a result like any other."""
        kit = self.kit
        started = kit.clock()
        kit.duty.start()
        self._show(ready, "training")
        outcome = self._watched(ready)
        kit.state.bury(ready.training.running.pid)
        if outcome.aborted:
            kit.duty.end(outcome.seconds)
            return Result(None, ready.grip.stop or STOPPED)
        if outcome.no_room:
            kit.duty.end(outcome.seconds)
            return Result(None, NO_ROOM)
        began, helpers = time.monotonic(), self._helpers(ready)
        evaluation = self._measure(ready, outcome, helpers) if outcome.failure is None else None
        kit.duty.end(outcome.seconds, time.monotonic() - began)
        if helpers.no_room:
            return Result(None, NO_ROOM)
        if evaluation is not None and not evaluation.passed:
            if kit.stopping.abort.is_set():
                return Result(None, STOPPED)
            if helpers.broken:
                raise SandboxBroken(f"{SandboxBroken.sentence()} ({helpers.broken})")
        failure, detail = _verdict(outcome, evaluation, ready.goal.spec.metric.name)
        censor = self._censor()
        metric = evaluation.metric if evaluation is not None and failure is None else None
        report = RunReport(
            lease=ready.order.lease,
            epoch=ready.order.epoch,
            experiment=ready.experiment.sha,
            failure=failure,
            failure_detail=censor.detail(detail),
            metric=metric,
            metrics=dict(outcome.metrics),
            evaluation=None if evaluation is None else censor.evaluation(evaluation),
            seed=ready.training.plan.seed,
            budget=ready.training.plan.budget,
            seconds=outcome.seconds,
            curve=list(outcome.curve),
            log=censor.log(outcome.log),
            device=kit.device,
            session=kit.state.memory.session,
            client_version=VERSION,
            nonce=ready.order.nonce,
            started_at=started,
        )
        return Result(report)

    def _watched(self, ready: Ready) -> Outcome:
        """Follow the training; whoever looks at its page sees what it prints."""
        kit = self.kit
        with Relay(kit.hub.tell, ready.order, self._censor().text) as relay:

            def _seen(transcript: Transcript, seconds: float) -> None:
                self._seen(ready, transcript, seconds)
                relay.take(transcript)

            return ready.training.watch(
                kit.patience,
                lambda: kit.stopping.abort.is_set() or bool(ready.grip.stop),
                _seen,
            )

    def write_down(self, ready: Ready, report: RunReport) -> UUID:
        """Put the report into the journal before anything is sent; returns its id."""
        identity = uuid4()
        kit = self.kit
        kit.journal.add(Entry("run", identity, report.model_dump(mode="json")))
        kit.state.spend(kit.today, runs=1)
        kit.state.count(
            runs=1,
            failed=int(report.failure is not None),
            experiments=int(ready.order.kind in MAKES_EXPERIMENTS),
            training_seconds=report.seconds,
        )
        self._tell(ready, report)
        return identity

    def _tell(self, ready: Ready, report: RunReport) -> None:
        kit = self.kit
        totals = kit.state.memory.totals
        kit.telemetry.done(
            Finished(
                number=ready.experiment.number,
                sha=ready.experiment.sha,
                parent=ready.order.parent or "",
                title=ready.experiment.title,
                kind=ready.order.kind.value,
                name=ready.goal.spec.metric.name,
                metric=report.metric,
                delta=_difference(report.metric, ready.parent_score),
                failure="" if report.failure is None else report.failure.value,
                seconds=report.seconds,
            )
        )
        kit.telemetry.update(
            runs=totals.runs,
            failed=totals.failed,
            duty=kit.duty.cycle,
            overhead=kit.duty.overhead,
        )

    def _show(self, ready: Ready, phase: str) -> None:
        ready.grip.report(phase=phase)
        self.kit.keeper.beat_soon()
        self.kit.telemetry.update(
            phase=phase,
            reason="",
            goal=ready.order.goal,
            experiment=f"#{ready.experiment.number}",
            title=ready.experiment.title,
            step=0,
            fraction=0.0,
            loss=None,
            eta=None,
        )

    def _seen(self, ready: Ready, transcript: Transcript, seconds: float) -> None:
        latest = transcript.latest
        if latest is None:
            return
        eta = transcript.left(seconds)
        progress = {
            "step": latest.step,
            "fraction": latest.fraction,
            "loss": latest.loss,
        }
        ready.grip.report(**progress, seconds=seconds, eta_seconds=eta)
        self.kit.telemetry.update(**progress, eta=eta)

    def _measure(self, ready: Ready, outcome: Outcome, helpers: Helpers) -> Evaluation:
        """Let the trusted evaluator measure what the run left; raises DataBroken."""
        self._show(ready, "measuring")
        spec = ready.goal.spec
        scratch = Path(tempfile.mkdtemp(prefix="measure-", dir=self.kit.workspace.work))
        try:
            submission = Submission(
                files=ready.contents,
                out=ready.training.plan.folder / "out",
                data=ready.data.everything,
                scratch=scratch,
                printed=outcome.metrics.get(spec.metric.name),
                device=self.kit.device.kind,
            )
            with helpers.ended_by(self.kit.stopping.abort):
                return evaluate(spec, submission, helpers, ready.order.nonce)
        except DataBroken as problem:
            log.error("the evaluation's data is broken", problem=str(problem))
            raise
        finally:
            remove_tree(scratch)

    def _helpers(self, ready: Ready) -> Helpers:
        """The evaluator's helpers get no data and no seed, and a sandbox of their own each."""
        plan = ready.training.plan
        env = environment(plan)
        for name in (*FOR_TRAINING, "TMPDIR", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"):
            env.pop(name, None)
        limits = walls(ready.goal.spec.limits, MEASURE_SECONDS)
        return Helpers(self.kit.sandbox, limits, env, plan.gpus)

    def _censor(self) -> Censor:
        return Censor.of(self.kit.workspace.root, self.kit.settings.token)


def _verdict(
    outcome: Outcome, evaluation: Evaluation | None, metric: str
) -> tuple[Failure | None, str]:
    """What the run is worth as a whole: its own failure, or the evaluation's."""
    if outcome.failure is not None:
        return outcome.failure, outcome.detail
    assert evaluation is not None
    if evaluation.metric is not None and evaluation.passed:
        return None, ""
    probe = evaluation.failed_probe or "metric"
    said = next((p.detail for p in evaluation.probes if p.name == probe), "")
    failure = _by_probe(probe, evaluation)
    if failure is Failure.NO_METRIC:
        return failure, explain(failure, without_metric(metric, outcome.log))
    return failure, explain(failure, f"{probe}: {said}" if said else "")


def _by_probe(probe: str, evaluation: Evaluation) -> Failure:
    if evaluation.source == "self-reported":
        return Failure.BAD_RESULT if probe == "plausible" else Failure.NO_METRIC
    if probe in ("checkpoint", "answers", "tokenizer", "meta", "command", "plausible"):
        return Failure.BAD_RESULT
    return Failure.CHEAT


def _difference(metric: float | None, parent: float | None) -> float | None:
    return None if metric is None or parent is None else metric - parent
