"""Runs: one training of one experiment on one device by one agent."""

from enum import StrEnum
from uuid import UUID

from pydantic import Field, model_validator

from protocol.agents import Device
from protocol.base import (
    MAX_CURVE_POINTS,
    MAX_LOG_BYTES,
    Count,
    Finite,
    Moment,
    Page,
    Request,
    Seconds,
    Sha,
    Text,
    Time,
    Wire,
)


class Failure(StrEnum):
    """How a run failed; a crashed run is a result too."""

    SYNTAX = "syntax"
    CRASH = "crash"
    OOM = "oom"
    NAN = "nan"
    DIVERGED = "diverged"
    TIMEOUT = "timeout"
    HANG = "hang"
    NO_METRIC = "no_metric"
    LOG_FLOOD = "log_flood"
    DISK = "disk"
    PROCESSES = "processes"
    BAD_RESULT = "bad_result"
    CHEAT = "cheat"
    KILLED = "killed"


class CurvePoint(Request):
    """Training loss at a step."""

    step: Count
    loss: Finite
    seconds: Seconds = 0.0


class ProbeResult(Request):
    """One probe of the trusted evaluation."""

    name: str = Field(max_length=40)
    passed: bool
    detail: str = Field(default="", max_length=500)
    value: Finite | None = None


class Evaluation(Request):
    """What the trusted evaluator measured; `source` says who computed the metric."""

    source: str = Field(pattern=r"^(scorer|command|self-reported)$")
    passed: bool
    failed_probe: str | None = Field(default=None, max_length=40)
    metric: Finite | None = None
    corrected: Finite | None = None
    loss_hash: str = Field(default="", max_length=64)
    probes: list[ProbeResult] = Field(default_factory=list, max_length=16)
    seconds: Seconds = 0.0


class RunReport(Request):
    """Everything a client says of a run; send it again until it is acknowledged."""

    lease: UUID
    epoch: int = Field(ge=1)
    experiment: Sha
    failure: Failure | None = None
    failure_detail: Text = Field(default="", max_length=500)
    metric: Finite | None = None
    metrics: dict[Text, Finite] = Field(default_factory=dict, max_length=64)
    evaluation: Evaluation | None = None
    seed: int = Field(ge=0, lt=2**63)
    budget: Text = Field(max_length=40)
    seconds: Seconds
    curve: list[CurvePoint] = Field(default_factory=list, max_length=MAX_CURVE_POINTS)
    log: Text = Field(default="", max_length=MAX_LOG_BYTES)
    device: Device
    session: Text = Field(default="", max_length=64)
    client_version: Text = Field(default="", max_length=40)
    nonce: str = Field(default="", max_length=64)
    started_at: Moment

    @model_validator(mode="after")
    def _finished_means_measured(self) -> "RunReport":
        if (self.failure is None) == (self.metric is None):
            raise ValueError("a run has a metric or a failure, and exactly one of the two")
        return self


class Receipt(Wire):
    """The hub has the run on disk; `duplicate` says that it had it before."""

    run: UUID
    experiment: str
    duplicate: bool = False
    late: bool = False
    credit: float = 0.0
    sentence: str = ""


class Run(Wire):
    """A run as readers see it; its curve and log are separate reads."""

    id: UUID
    experiment: str
    goal: str
    agent: str
    owner: str
    kind: str
    failure: Failure | None = None
    failure_detail: str = ""
    metric: float | None = None
    metrics: dict[str, float] = Field(default_factory=dict)
    evaluation: Evaluation | None = None
    seed: int
    budget: str
    seconds: float
    device: Device
    session: str = ""
    lease: UUID | None = None
    client_version: str = ""
    late: bool = False
    counted: bool = True
    credit: float = 0.0
    started_at: Time | None = None
    created_at: Time
    log_bytes: int = 0
    curve_points: int = 0


class Runs(Page):
    """A page of runs."""

    runs: list[Run]


class Curve(Wire):
    """Learning curve of a run; `total` counts the points before bucketing."""

    run: UUID
    points: list[CurvePoint]
    total: int
