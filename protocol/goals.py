"""Goals: a research question, which files may change, how a change is measured, the rules."""

from enum import StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from protocol.base import (
    EXACT,
    MAX_FILE_BYTES,
    Count,
    Line,
    Page,
    Request,
    Slug,
    Text,
    Time,
    Wire,
)

MAX_EDITABLE, MAX_PROTECTED = 16, 64
MAX_FILES = MAX_EDITABLE + MAX_PROTECTED + 16
"""Of a folder: the brief, goal.toml and what stays behind come to those that rules name."""

_SHA256 = r"^[0-9a-f]{64}$"


def _relative(path: str) -> str:
    """Refuse a path that could leave the folder it is meant to lie in, or that hides."""
    parts = PurePosixPath(path).parts
    plain = bool(parts) and not path.startswith("/") and "\\" not in path and "\x00" not in path
    if not plain or any(part.startswith(".") for part in parts) or str(PurePosixPath(path)) != path:
        raise ValueError(f"{path!r} must be a plain relative path such as 'train.py'")
    return path


FilePath = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_relative)]
Argv = Annotated[list[Annotated[Text, Field(min_length=1, max_length=400)]], Field(max_length=32)]
Fraction = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
Amount = Annotated[float, Field(gt=0, le=1e15, allow_inf_nan=False)]


class Direction(StrEnum):
    """Whether a smaller or a larger metric is better."""

    MIN = "min"
    MAX = "max"


class Source(StrEnum):
    """Who computes the metric: the trusted scorer, a protected command, or train.py itself."""

    SCORER = "scorer"
    COMMAND = "command"
    SELF_REPORTED = "self-reported"


class BudgetUnit(StrEnum):
    """What a run may spend; tokens and steps make results independent of the machine's speed."""

    TOKENS = "tokens"
    SECONDS = "seconds"
    STEPS = "steps"


class GoalState(StrEnum):
    """Whether the hub hands out work on a goal."""

    OPEN = "open"
    PAUSED = "paused"
    CLOSED = "closed"


LARGEST = 1e100
Bound = Annotated[float, Field(ge=-LARGEST, le=LARGEST, allow_inf_nan=False, strict=True)]


class Metric(Request):
    """The number that the swarm moves: `name` is its key in the block that a run ends with."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    direction: Direction
    unit: Text = Field(default="", max_length=40)
    source: Source = Source.SELF_REPORTED
    minimum: Bound | None = None
    maximum: Bound | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.minimum is not None and self.maximum is not None and self.minimum >= self.maximum:
            raise ValueError("metric.minimum must be below metric.maximum")
        return self

    def better(self, reading: float, than: float) -> bool:
        """Say whether `reading` beats `than` in this metric's direction."""
        return reading < than if self.direction is Direction.MIN else reading > than

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the largest reading that the goal's author thinks possible.

        Beyond `LARGEST` a number is no measurement, and no model of the goal can hold it.
        """
        low = -LARGEST if self.minimum is None else self.minimum
        high = LARGEST if self.maximum is None else self.maximum
        return low, high

    @property
    def bounds_said(self) -> str:
        """The bounds as a sentence says them; one that nobody gave is not said."""
        low, high = self.bounds
        if (self.minimum is None) == (self.maximum is None):
            return f"{low:g} to {high:g}"
        return f"{low:g} and more" if self.maximum is None else f"{high:g} and less"

    def plausible(self, reading: float) -> bool:
        """Say whether a reading lies between the bounds."""
        low, high = self.bounds
        return low <= reading <= high


class Files(Request):
    """Which files an experiment may change, and which no proposal may touch."""

    editable: list[FilePath] = Field(min_length=1, max_length=MAX_EDITABLE)
    protected: list[FilePath] = Field(default_factory=list, max_length=MAX_PROTECTED)

    @model_validator(mode="after")
    def _apart(self) -> Self:
        names = [*self.editable, *self.protected]
        if len(set(names)) != len(names):
            raise ValueError("a file is named twice in files.editable and files.protected")
        return self


class Commands(Request):
    """Argument lists run in the work folder; a leading `python` means the client's interpreter.

    `hidden` makes texts from the seed in `AGENTHUB_HIDDEN`, after training, that no run can have
    learned by heart.
    """

    prepare: Argv = Field(default_factory=list)
    train: Argv = Field(min_length=1)
    evaluate: Argv = Field(default_factory=list)
    hidden: Argv = Field(default_factory=list)


class Budget(Request):
    """What one run may spend; travels to train.py as `AGENTHUB_BUDGET`, such as tokens=250000."""

    unit: BudgetUnit
    amount: Amount

    def text(self) -> str:
        """Write the budget as the harness hands it to train.py."""
        return f"{self.unit.value}={self.amount:.15g}"


class DeviceRules(Request):
    """What a device must have before it is handed a run of this goal.

    `minimum_speed` is in budget units a second of the pinned baseline (tokens/s for a token
    budget); `calibration_seconds` bounds the calibration run.
    """

    kinds: list[Literal["cpu", "cuda"]] = Field(default=["cpu", "cuda"], min_length=1)
    memory_mb: Count = 0
    disk_mb: Count = 0
    minimum_speed: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    calibration_seconds: Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)] = 20.0
    compute_capability: Annotated[float, Field(ge=0, le=20)] = 0.0


class DataFile(Request):
    """One file to fetch once, verify and share among workers."""

    path: FilePath
    url: Text = Field(pattern=r"^https://[^\s]+$", max_length=500)
    size: int = Field(gt=0, lt=EXACT)
    sha256: str = Field(pattern=_SHA256)
    licence: Line


class Data(Request):
    """What training reads: downloads by hash, and whether prepare.py can do without them."""

    files: list[DataFile] = Field(default_factory=list, max_length=256)
    generated: bool = False
    fallback: bool = False
    val_hidden: bool = True


class Scoring(Request):
    """How the trusted scorer reads a checkpoint: row length, batch, and how many rows it probes."""

    context: int = Field(default=256, ge=8, le=65536)
    batch_rows: int = Field(default=16, ge=1, le=4096)
    sealed_rows: int = Field(default=32, ge=1, le=65536)
    probe_rows: int = Field(default=8, ge=2, le=4096)
    tolerance: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.0
    max_checkpoint_mb: int = Field(default=64, ge=1, le=65536)
    own_tokenizer: bool = False


class Seeds(Request):
    """Seeds are the harness's, never train.py's: drawn per run, or one that is always the same."""

    policy: Literal["per-run", "fixed"] = "per-run"
    fixed: int = Field(default=0, ge=0, lt=2**31)

    def chosen(self, drawn: int) -> int:
        """The seed of a run that the hub drew `drawn` for."""
        return self.fixed if self.policy == "fixed" else drawn


class VerificationPolicy(Request):
    """When a claim counts: owners that must agree, error rates, and the least gain worth having."""

    owners: int = Field(default=2, ge=1, le=10)
    alpha: Fraction = 0.05
    beta: Fraction = 0.05
    min_gain: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    max_runs: int = Field(default=8, ge=1, le=100)
    noise_sd: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None

    @property
    def alone(self) -> bool:
        """Whether one owner verifies, so that repeats by their own devices are evidence."""
        return self.owners == 1


class Limits(Request):
    """What the sandbox allows one run."""

    memory_mb: int = Field(default=4096, ge=64, lt=EXACT)
    disk_mb: int = Field(default=1024, ge=16, lt=EXACT)
    processes: int = Field(default=64, ge=1, le=4096)
    log_mb: int = Field(default=16, ge=1, le=1024)
    file_bytes: int = Field(default=MAX_FILE_BYTES, ge=1024, le=MAX_FILE_BYTES)
    threads: int = Field(default=2, ge=1, le=256)


class GoalSpec(Request):
    """Everything that goal.toml says of a goal."""

    name: Slug
    title: Line
    question: Text = Field(min_length=1, max_length=2000)
    brief: FilePath = "program.md"
    timeout_seconds: Annotated[float, Field(gt=0, le=7 * 86400, allow_inf_nan=False)]
    metric: Metric
    files: Files
    commands: Commands
    budget: Budget
    other_budgets: list[Budget] = Field(default_factory=list, max_length=4)
    device: DeviceRules = DeviceRules()
    data: Data = Data()
    scoring: Scoring | None = None
    seeds: Seeds = Seeds()
    verification: VerificationPolicy = VerificationPolicy()
    limits: Limits = Limits()

    @model_validator(mode="after")
    def _measurable(self) -> Self:
        if self.metric.source is Source.SCORER and self.scoring is None:
            raise ValueError("metric.source = 'scorer' needs a [scoring] table")
        if self.metric.source is Source.COMMAND and not self.commands.evaluate:
            raise ValueError("metric.source = 'command' needs commands.evaluate")
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.brief in self.files.editable:
            raise ValueError(f"brief {self.brief!r} must not be editable")
        if self.data.files and self.commands.hidden:
            raise ValueError("commands.hidden generates texts; it cannot judge downloaded data")
        if self.budget.unit is BudgetUnit.SECONDS and self.timeout_seconds <= self.budget.amount:
            raise ValueError("timeout_seconds must exceed the budget of seconds")
        return self

    @property
    def everything(self) -> list[str]:
        """Every file of the goal that is laid out in a work folder, sorted."""
        return sorted({*self.files.editable, *self.files.protected, self.brief})


class GoalFile(Wire):
    """One file of a goal with its hash, as a client lays it out."""

    path: str
    sha256: str
    size: int
    editable: bool
    text: str | None = None


class Goal(Wire):
    """A goal as the hub tells it: its rules, its files and where it stands.

    `brief_html` is the brief rendered and sanitised on the hub; it comes with the files' text.
    """

    name: str
    version: int
    state: GoalState
    reason: str = ""
    spec: GoalSpec
    files: list[GoalFile] = Field(default_factory=list)
    brief_html: str = ""
    baseline: str | None = None
    champion: str | None = None
    experiments: int = 0
    runs: int = 0
    agents: int = 0
    best: float | None = None
    created_at: Time
    updated_at: Time


class Goals(Page):
    """A page of goals."""

    goals: list[Goal]
