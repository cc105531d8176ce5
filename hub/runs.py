"""Runs: results are taken exactly once, kept for ever, and acknowledged only after commit."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlmodel import Session, col, select

from hub import board, experiments, goals, leaks, scores
from hub.blobs import Blobs
from hub.db import Work
from hub.errors import HubError, NotFound, NotYours
from hub.tables import HELD_BACK, AgentRow, ExperimentRow, OrderRow, OwnerRow, RunRow
from protocol.events import LeaseEnded, RunReported
from protocol.experiments import Status
from protocol.goals import GoalSpec
from protocol.runs import Curve, CurvePoint, Receipt, Run, RunReport

CREDIT_PER_SECOND = 1 / 60
CLOCK_SLACK = timedelta(minutes=5)
LATE = " It came after its lease had ended, and counts all the same."
UNHEARD = " It does not count: this device or its owner was set aside; the operators know why."


class WrongExperiment(HubError):
    """This lease was for another experiment; report the run under its own lease."""

    code, status = "wrong_experiment", 422


class WrongNonce(HubError):
    """The nonce is not this work order's; a result cannot be moved or replayed."""

    code, status = "wrong_nonce", 409


class AlreadyReported(HubError):
    """One work order is one run of an experiment, and this one was reported; ask for new work."""

    code, status = "already_reported", 409


class Implausible(HubError):
    """The metric lies outside what the goal's author thinks possible; it was not stored."""

    code, status = "implausible_metric", 422


@dataclass(frozen=True)
class Stored:
    """Where the large parts of a report lie."""

    log: str | None
    curve: str | None
    log_bytes: int = 0


def store(blobs: Blobs, report: RunReport) -> Stored:
    """Put log and curve on disk, before and outside the transaction: an orphan blob is harmless."""
    log = leaks.redact(report.log).encode()
    points = [[point.step, point.loss, point.seconds] for point in report.curve]
    return Stored(
        log=blobs.put(log) if log else None,
        curve=blobs.put(json.dumps(points).encode()) if points else None,
        log_bytes=len(log),
    )


def report(work: Work, identity: UUID, by: AgentRow, said: RunReport, stored: Stored) -> Receipt:
    """Take a result: run, score, credit and event in one transaction; safe to send again.

    Raises:
        BodyChanged: the id was used with another body.
        NotYours, WrongExperiment, WrongNonce, AlreadyReported, Implausible: each says what to do.
    """
    body = experiments.digest(said.model_dump_json())
    known = work.session.get(RunRow, identity)
    if known is not None:
        return _again(work, known, by, body)
    order = due(work.session, identity, by, said, locked=True)
    experiment = work.session.exec(
        select(ExperimentRow).where(col(ExperimentRow.sha) == said.experiment).with_for_update()
    ).first()
    if experiment is None:
        raise NotFound("There is no such experiment on this hub.")
    if order.experiment != said.experiment and experiment.lease != order.id:
        raise WrongExperiment
    goal = goals.find(work.session, experiment.goal)
    spec = goals.spec(work.session, goal)
    _check(spec, said)
    late = order.epoch != said.epoch or order.state != "leased"
    row = _row(work, identity, by, said, stored, order)
    row.late, row.body_digest = late, body
    row.counted = _in_good_standing(work.session, by)
    row.credit = min(said.seconds, spec.timeout_seconds) * CREDIT_PER_SECOND
    work.session.add(row)
    _finish(work, order, experiment, row)
    work.session.flush()
    if row.counted:
        scores.after_run(work, goal, experiment, row)
        board.post_result(work, experiment, row, spec)
    return _receipt(row)


def _in_good_standing(session: Session, by: AgentRow) -> bool:
    """Whoever is set aside may still hand in what was under way; it is kept and not heard."""
    owner = session.get_one(OwnerRow, by.owner)
    return by.state == "active" and owner.state == "active"


def _again(work: Work, known: RunRow, by: AgentRow, body: str) -> Receipt:
    if known.agent != by.name:
        raise NotYours
    if known.body_digest != body:
        raise experiments.conflict(work, known.goal, "run", known.id, by)
    return _receipt(known, duplicate=True)


def _receipt(row: RunRow, duplicate: bool = False) -> Receipt:
    more = LATE if row.late else ""
    more = more if row.counted else UNHEARD
    return Receipt(
        run=row.id,
        experiment=row.experiment,
        duplicate=duplicate,
        late=row.late,
        credit=row.credit,
        sentence=f"Stored.{more}",
    )


def due(
    session: Session, identity: UUID, by: AgentRow, said: RunReport, locked: bool = False
) -> OrderRow:
    """The work order that a report answers; the same report again is no other one.

    Raises:
        NotYours, WrongNonce, AlreadyReported: it answers none that this agent has open.
    """
    order = session.get(OrderRow, said.lease, with_for_update=locked)
    if order is None:
        raise NotFound("There is no such lease on this hub.")
    if order.holders.get(str(said.epoch)) != by.name:
        raise NotYours
    if said.nonce != order.nonce:
        raise WrongNonce
    told = select(RunRow.id).where(
        col(RunRow.id) != identity,
        col(RunRow.lease) == said.lease,
        col(RunRow.epoch) == said.epoch,
        col(RunRow.experiment) == said.experiment,
    )
    if session.exec(told.limit(1)).first() is not None:
        raise AlreadyReported
    return order


def _check(spec: GoalSpec, said: RunReport) -> None:
    if said.metric is not None and not spec.metric.plausible(said.metric):
        bounds = f"{spec.metric.minimum} to {spec.metric.maximum}"
        raise Implausible(f"{spec.metric.name} {said.metric} lies outside {bounds}; not stored.")


def _row(
    work: Work, identity: UUID, by: AgentRow, said: RunReport, stored: Stored, order: OrderRow
) -> RunRow:
    dumped = said.model_dump(
        mode="json",
        include={
            "failure",
            "failure_detail",
            "metric",
            "metrics",
            "evaluation",
            "budget",
            "device",
            "session",
            "client_version",
        },
    )
    return RunRow(
        id=identity,
        experiment=said.experiment,
        goal=order.goal,
        agent=by.name,
        owner=by.owner,
        lease=order.id,
        epoch=said.epoch,
        kind=order.kind,
        seed=said.seed,
        seconds=said.seconds,
        device_class=said.device.device_class,
        log_blob=stored.log,
        log_bytes=stored.log_bytes,
        curve_blob=stored.curve,
        curve_points=len(said.curve),
        # A skewed clock may say anything; the hub's own time is what orders runs.
        started_at=min(said.started_at, work.now + CLOCK_SLACK),
        created_at=work.now,
        **dumped,
    )


def _finish(work: Work, order: OrderRow, experiment: ExperimentRow, row: RunRow) -> None:
    """Close the lease, unless it has moved on, and give experiment and owner what they are due.

    A lease whose agent mended a crash is at work on the mended experiment: the crash is stored,
    and the lease stays.
    """
    if not row.late and order.experiment in (None, experiment.sha):
        order.state, order.ended_at, order.phase = "done", work.now, "done"
        work.announce(LeaseEnded(goal=order.goal, lease=order.id, agent=row.agent, state="done"))
    if row.counted:
        _tell(experiment, row, work.now)
    owner = work.session.get_one(OwnerRow, row.owner)
    if owner.state not in HELD_BACK:
        owner.credit += row.credit
    experiment.changed_seq = work.announce(
        RunReported(
            goal=row.goal,
            sha=experiment.sha,
            number=experiment.number,
            run=row.id,
            agent=row.agent,
            kind=row.kind,
            metric=row.metric,
            failure=row.failure,
            late=row.late,
        )
    )


def _tell(experiment: ExperimentRow, row: RunRow, now: datetime) -> None:
    """The first result decides, and a first failure yields to a later success."""
    if experiment.finished_at is None:
        experiment.finished_at = now
        experiment.failure, experiment.metric = row.failure, row.metric
        experiment.status = (Status.FAILED if row.failure else Status.FINISHED).value
    elif experiment.status == Status.FAILED.value and row.failure is None:
        experiment.status, experiment.failure = Status.FINISHED.value, None
        experiment.metric = row.metric
    experiment.n_runs += 1


def find(session: Session, identity: UUID) -> RunRow:
    """A run by id."""
    row = session.get(RunRow, identity)
    if row is None:
        raise NotFound("There is no such run on this hub.")
    return row


def of(session: Session, sha: str) -> list[RunRow]:
    """An experiment's runs, oldest first."""
    query = select(RunRow).where(col(RunRow.experiment) == sha)
    return list(session.exec(query.order_by(col(RunRow.created_at), col(RunRow.id))).all())


def view(row: RunRow) -> Run:
    """A run as readers see it."""
    return Run.model_validate(row.model_dump())


def curve(blobs: Blobs, row: RunRow, points: int = 2000) -> Curve:
    """The learning curve in at most `points` points: each bucket keeps its lowest and highest."""
    raw = json.loads(blobs.get(row.curve_blob)) if row.curve_blob else []
    every = [CurvePoint(step=step, loss=loss, seconds=seconds) for step, loss, seconds in raw]
    return Curve(run=row.id, points=bucketed(every, points), total=len(every))


def bucketed(points: list[CurvePoint], most: int) -> list[CurvePoint]:
    """Thin a curve by min and max per bucket, the same way every time, ends included."""
    if len(points) <= most:
        return points
    buckets = max(1, (most - 2) // 2)
    inner = points[1:-1]
    kept = [points[0]]
    for index in range(buckets):
        part = inner[index * len(inner) // buckets : (index + 1) * len(inner) // buckets]
        if part:
            low, high = min(part, key=_loss), max(part, key=_loss)
            kept += sorted({low.step: low, high.step: high}.values(), key=lambda point: point.step)
    return [*kept, points[-1]]


def _loss(point: CurvePoint) -> float:
    return point.loss


@dataclass(frozen=True)
class LogPart:
    """Some lines of a log: `first` is the number of the first, counted from 1, of `total`."""

    text: str
    first: int
    total: int


def log_part(blobs: Blobs, row: RunRow, most: int, before: int | None = None) -> LogPart:
    """The last lines of a run's log, or the last of those before a line."""
    text = blobs.get(row.log_blob).decode() if row.log_blob is not None else ""
    lines = text.splitlines()
    end = len(lines) if before is None else min(len(lines), before - 1)
    start = max(0, end - most)
    return LogPart("\n".join(lines[start:end]), start + 1, len(lines))
