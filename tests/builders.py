"""Builders: say what a test is about; they supply the rest."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from protocol.agents import Device, JoinRequest
from protocol.experiments import Proposal
from protocol.goals import GoalSpec
from protocol.runs import CurvePoint, RunReport
from protocol.work import WorkRequest

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
TRAIN = "LEARNING_RATE = 0.1\nDEPTH = 2\n\nprint('---')\nprint(f'score: {LEARNING_RATE}')\n"
PREPARE = "print('nothing to prepare')\n"
FILES = {"train.py": TRAIN, "prepare.py": PREPARE, "program.md": "# Make it smaller\n"}


@dataclass
class Clock:
    """A clock that stands still until it is told to move."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)


def a_spec(name: str = "toy", **changes: Any) -> GoalSpec:
    """A small goal that needs no torch."""
    said: dict[str, Any] = {
        "name": name,
        "title": "A toy",
        "question": "How small can the score get?",
        "timeout_seconds": 60.0,
        "metric": {"name": "score", "direction": "min"},
        "files": {"editable": ["train.py"], "protected": ["prepare.py"]},
        "commands": {"train": ["python", "train.py"]},
        "budget": {"unit": "steps", "amount": 10},
    }
    return GoalSpec.model_validate(said | changes)


def a_device(**changes: Any) -> Device:
    """A laptop's CPU."""
    said = {"name": "test cpu", "kind": "cpu", "device_class": "cpu-test", "memory_mb": 8000}
    return Device.model_validate(said | changes)


def a_join(name: str = "volta", owner: str = "ada", **changes: Any) -> JoinRequest:
    """Somebody who wants to help."""
    said = {"name": name, "owner": owner, "device": a_device(), "client_version": "0.1.0"}
    return JoinRequest.model_validate(said | changes)


def a_work_request(**changes: Any) -> WorkRequest:
    """An ask for anything."""
    return WorkRequest.model_validate({"device": a_device()} | changes)


@dataclass
class Order:
    """What a test needs to remember of a work order."""

    lease: UUID
    epoch: int
    goal: str
    nonce: str
    seed: int
    parent: str | None = None
    experiment: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)


def a_proposal(order: Order, learning_rate: float = 0.2, **changes: Any) -> Proposal:
    """A changed learning rate."""
    said = {
        "lease": order.lease,
        "epoch": order.epoch,
        "goal": order.goal,
        "parent": order.parent,
        "second_parent": order.extra.get("second_parent"),
        "files": {"train.py": TRAIN.replace("0.1", str(learning_rate))},
        "title": f"Learning rate to {learning_rate}",
        "hypothesis": "A larger step learns faster.",
        "mutator": "offline",
    }
    return Proposal.model_validate(said | changes)


def a_report(order: Order, metric: float | None = 0.9, **changes: Any) -> RunReport:
    """A run that went well, or failed when `metric` is None."""
    said: dict[str, Any] = {
        "lease": order.lease,
        "epoch": order.epoch,
        "experiment": order.experiment,
        "metric": metric,
        "failure": None if metric is not None else "crash",
        "seed": order.seed,
        "nonce": order.nonce,
        "budget": "steps=10",
        "seconds": 30.0,
        "curve": [CurvePoint(step=1, loss=2.0), CurvePoint(step=2, loss=1.0)],
        "log": "step 1\nstep 2\n",
        "device": a_device(),
        "started_at": NOON,
    }
    return RunReport.model_validate(said | changes)


def an_id() -> UUID:
    """A fresh id, as a client mints it."""
    return uuid4()
