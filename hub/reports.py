"""Reports: results are taken exactly once, kept for ever, and acknowledged only after commit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlmodel import SQLModel

from hub import blobwriter, board, claims, experiments, goals, leaks, scores
from hub.agents import Speaker
from hub.blobs import Packed, pack
from hub.db import Database, Rule, Work
from hub.errors import HubError, NotFound, NotYours
from hub.experiments import Reported
from hub.hot import Hot, HotQuery
from hub.ops_tables import ActionRow
from hub.tables import HELD_BACK
from protocol.events import LeaseEnded, RunReported
from protocol.experiments import Status
from protocol.goals import GoalSpec
from protocol.runs import Receipt, RunReport

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
class Large:
    """The large parts of a report, as they are kept."""

    log: Packed | None
    curve: Packed | None
    log_bytes: int = 0


class _Known(NamedTuple):
    """What an earlier report of the same id left."""

    id: UUID
    goal: str
    experiment: str
    agent: str
    body_digest: str
    late: bool
    counted: bool
    credit: float


class _Order(NamedTuple):
    """What a report is held against of the order that it answers."""

    id: UUID
    goal: str
    kind: str
    state: str
    epoch: int
    experiment: str | None
    nonce: str
    holders: dict[str, str]


class _Other(NamedTuple):
    """Another run of the same lease, such as the crash before its mending."""

    id: UUID
    experiment: str


class _States(NamedTuple):
    """Whether an agent and its owner are heard at this moment."""

    agent: str
    owner: str


def packed(said: RunReport) -> Large:
    """Name and compress log and curve."""
    log = leaks.redact(said.log).encode()
    points = [[point.step, point.loss, point.seconds] for point in said.curve]
    return Large(
        log=pack(log) if log else None,
        curve=pack(orjson.dumps(points)) if points else None,
        log_bytes=len(log),
    )


def deliver(
    database: Database,
    identity: UUID,
    who: Callable[[sa.Connection], Speaker],
    said: RunReport,
) -> Rule[Receipt]:
    """Do what needs no lock while others write; returns what is left to do in a transaction.

    Raises:
        What `who` does, and the rule as `report` does.
    """
    with database.reading() as connection:
        by = who(connection)
    large, body = packed(said), experiments.digest(said.model_dump_json().encode())
    return lambda work: report(work, identity, by, said, large, body)


def report(
    work: Work, identity: UUID, by: Speaker, said: RunReport, large: Large, body: str
) -> Receipt:
    """Take a result: run, score, credit and event in one transaction; safe to send again.

    Raises:
        BodyChanged: the id was used with another body.
        NotYours, WrongExperiment, WrongNonce, AlreadyReported, Implausible: each says what to do.
    """
    known = _KNOWN.first(work.connection, identity=identity)
    if known is not None:
        return _again(work, known, by, body)
    order = _due(work.connection, identity, by, said)
    experiment = _MEASURED.first(work.connection, sha=said.experiment)
    if experiment is None:
        raise NotFound("There is no such experiment on this hub.")
    if order.experiment != said.experiment and experiment.lease != order.id:
        raise WrongExperiment
    spec = goals.rules(work.connection, experiment.goal)
    _check(spec, said)
    # Again: between the look-up and this transaction an operator may have acted.
    now = _STATES.first(work.connection, agent=by.name)
    assert now is not None, "whoever speaks is there"
    run = _row(work, identity, by, said, large, order) | {
        "late": order.epoch != said.epoch or order.state != "leased",
        "body_digest": body,
        # Whoever is set aside may still hand in what was under way; it is kept and not heard.
        "counted": now == ("active", "active"),
        "credit": min(said.seconds, spec.timeout_seconds) * CREDIT_PER_SECOND,
    }
    blobwriter.add(work.connection, filter(None, (large.log, large.curve)))
    _NEW.run(work.connection, **run)
    if now.owner not in HELD_BACK:
        _CREDITED.run(work.connection, owner=by.owner, more=run["credit"])
    _finish(work, order, experiment, run)
    if run["counted"]:
        _believe(work, experiment, run)
        board.post_result(work, experiment, run, spec)
    return _receipt(identity, run)


def _again(work: Work, known: _Known, by: Speaker, body: str) -> Receipt:
    if known.agent != by.name:
        raise NotYours
    if known.body_digest != body:
        raise experiments.conflict(work, known.goal, "run", known.id, by)
    return _receipt(known.id, known._asdict(), duplicate=True)


def _receipt(identity: UUID, run: Mapping[str, Any], duplicate: bool = False) -> Receipt:
    more = LATE if run["late"] else ""
    more = more if run["counted"] else UNHEARD
    return Receipt(
        run=identity,
        experiment=run["experiment"],
        duplicate=duplicate,
        late=run["late"],
        credit=run["credit"],
        sentence=f"Stored.{more}",
    )


def _due(connection: sa.Connection, identity: UUID, by: Speaker, said: RunReport) -> _Order:
    """The work order that a report answers; the same report again is no other one.

    Raises:
        NotYours, WrongNonce, AlreadyReported: it answers none that this agent has open.
    """
    order = _ORDER.first(connection, lease=said.lease)
    if order is None:
        raise NotFound("There is no such lease on this hub.")
    if order.holders.get(str(said.epoch)) != by.name:
        raise NotYours
    if said.nonce != order.nonce:
        raise WrongNonce
    others = _OTHERS.all(connection, lease=said.lease, epoch=said.epoch, mine=identity)
    if any(each.experiment == said.experiment for each in others):
        raise AlreadyReported
    if others and _merged_away(connection, said.experiment) & {str(each.id) for each in others}:
        raise AlreadyReported
    return order


def _merged_away(connection: sa.Connection, sha: str) -> set[str]:
    """The runs of an experiment that operators ever counted for another one."""
    merges = sa.select(_actions.c.changes).where(
        _actions.c.object == sha, _actions.c.action == "experiment.merge"
    )
    changes = (each for merge in connection.execute(merges).scalars() for each in merge)
    return {key for each in changes if each["table"] == "runs" for key in each["keys"]}


def _check(spec: GoalSpec, said: RunReport) -> None:
    if said.metric is not None and not spec.metric.plausible(said.metric):
        bounds = f"its bounds of {spec.metric.bounds_said}"
        raise Implausible(f"{spec.metric.name} {said.metric} lies outside {bounds}; not stored.")


def _row(
    work: Work, identity: UUID, by: Speaker, said: RunReport, large: Large, order: _Order
) -> dict[str, Any]:
    return {
        "id": identity,
        "experiment": said.experiment,
        "goal": order.goal,
        "agent": by.name,
        "owner": by.owner,
        "lease": order.id,
        "epoch": said.epoch,
        "kind": order.kind,
        "seed": said.seed,
        "seconds": said.seconds,
        "device_class": said.device.device_class,
        "log_blob": large.log and large.log.digest,
        "log_bytes": large.log_bytes,
        "curve_blob": large.curve and large.curve.digest,
        "curve_points": len(said.curve),
        # A skewed clock may say anything; the hub's own time is what orders runs.
        "started_at": min(said.started_at, work.now + CLOCK_SLACK),
        "created_at": work.now,
        **said.model_dump(mode="json", include=_AS_SAID),
    }


_AS_SAID = {
    *("failure", "failure_detail", "metric", "metrics", "evaluation", "budget", "device"),
    *("session", "client_version"),
}


def _finish(work: Work, order: _Order, experiment: Reported, run: Mapping[str, Any]) -> None:
    """Close the lease, unless it has moved on, and give the experiment what it is due.

    A lease whose agent mended a crash is at work on the mended experiment: the crash is stored,
    and the lease stays.
    """
    if not run["late"] and order.experiment in (None, experiment.sha):
        _DONE.run(work.connection, lease=order.id, now=work.now)
        work.announce(LeaseEnded(goal=order.goal, lease=order.id, agent=run["agent"], state="done"))
    seq = work.announce(
        RunReported(
            goal=run["goal"],
            sha=experiment.sha,
            number=experiment.number,
            run=run["id"],
            agent=run["agent"],
            kind=run["kind"],
            metric=run["metric"],
            failure=run["failure"],
            late=run["late"],
        )
    )
    after = {
        "finished_at": experiment.finished_at,
        "failure": experiment.failure,
        "metric": experiment.metric,
        "status": experiment.status,
        "more": int(run["counted"]),
    }
    if run["counted"]:
        after |= _told(experiment, run, work.now)
    _AFTER.run(work.connection, **after, made=experiment.sha, seq=seq)


def _told(experiment: Reported, run: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The first result decides, and a first failure yields to a later success."""
    if experiment.finished_at is None:
        status = (Status.FAILED if run["failure"] else Status.FINISHED).value
        return {
            "finished_at": now,
            "status": status,
            "failure": run["failure"],
            "metric": run["metric"],
        }
    if experiment.status == Status.FAILED.value and run["failure"] is None:
        return {"status": Status.FINISHED.value, "failure": None, "metric": run["metric"]}
    return {}


def _believe(work: Work, experiment: Reported, run: Mapping[str, Any]) -> None:
    """Score an experiment whose run has just come; large goals are refitted a moment later."""
    first = experiment.score is None
    if first and run["failure"] is not None:
        said = f"Failed: {run['failure']}. {run['failure_detail']}"[:300]
        _FAILED.run(work.connection, made=experiment.sha, said=said)
    elif experiment.next_number <= scores.AT_ONCE:
        work.session.expire_all()
        scores.refit(work, goals.find(work.session, experiment.goal))
    elif first:
        claims.claim(work, experiment, run["metric"], experiment.noise_sd)


_tables = SQLModel.metadata.tables
_made, _runs, _orders = _tables["experiments"], _tables["runs"], _tables["orders"]
_goals, _owners, _agents = _tables["goals"], _tables["owners"], _tables["agents"]
_actions = ActionRow.metadata.tables["actions"]
_this_order = _orders.c.id == sa.bindparam("lease")
_this_made = _made.c.sha == sa.bindparam("made")
_this_owner = _owners.c.name == sa.bindparam("owner")
_KNOWN = HotQuery(
    sa.select(*(_runs.c[name] for name in _Known._fields)).where(
        _runs.c.id == sa.bindparam("identity")
    ),
    _Known,
)
_ORDER = HotQuery(
    sa.select(*(_orders.c[name] for name in _Order._fields)).where(_this_order), _Order
)
_OTHERS = HotQuery(
    sa.select(_runs.c.id, _runs.c.experiment).where(
        _runs.c.lease == sa.bindparam("lease"),
        _runs.c.epoch == sa.bindparam("epoch"),
        _runs.c.id != sa.bindparam("mine"),
    ),
    _Other,
)
_MEASURED = HotQuery(
    sa.select(
        *(_made.c[name] for name in Reported._fields[:-2]), _goals.c.next_number, _goals.c.noise_sd
    )
    .join(_goals, _made.c.goal == _goals.c.slug)
    .where(_made.c.sha == sa.bindparam("sha")),
    Reported,
)
_STATES = HotQuery(
    sa.select(_agents.c.state, _owners.c.state)
    .join(_owners, _owners.c.name == _agents.c.owner)
    .where(_agents.c.name == sa.bindparam("agent")),
    _States,
)
_NEW = Hot(sa.insert(_runs), columns=_runs.c.keys())
_CREDITED = Hot(
    sa.update(_owners).where(_this_owner).values(credit=_owners.c.credit + sa.bindparam("more"))
)
_DONE = Hot(
    sa.update(_orders)
    .where(_this_order)
    .values(state="done", phase="done", ended_at=sa.bindparam("now"))
)
_AFTER = Hot(
    sa.update(_made)
    .where(_this_made)
    .values(
        {name: sa.bindparam(name) for name in ("finished_at", "failure", "metric", "status")}
        | {"n_runs": _made.c.n_runs + sa.bindparam("more"), "changed_seq": sa.bindparam("seq")}
    )
)
_FAILED = Hot(sa.update(_made).where(_this_made).values(verdict=sa.bindparam("said")))
