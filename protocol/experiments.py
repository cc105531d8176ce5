"""Experiments: nodes of a goal's tree, one commit each."""

from enum import StrEnum
from uuid import UUID

from pydantic import Field

from protocol.base import Finite, Line, Page, Request, Sha, Slug, Text, Time, Wire


class Status(StrEnum):
    """Where an experiment is on its way; the tree keeps all of them for ever."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    ABANDONED = "abandoned"


class Standing(StrEnum):
    """What the hub believes of an experiment's metric."""

    NONE = "none"
    CLAIMED = "claimed"
    PROVISIONAL = "provisional"
    VERIFIED = "verified"
    DISPUTED = "disputed"
    REJECTED = "rejected"


class Operator(StrEnum):
    """The kind of change that was asked for."""

    BASELINE = "baseline"
    TWEAK = "tweak"
    BOLD = "bold"
    SIMPLIFY = "simplify"
    FIX = "fix"
    MERGE = "merge"
    CONSTANTS = "constants"
    ABLATE = "ablate"


class Proposal(Request):
    """Edited files and a hypothesis: text in, the hub writes the commit."""

    lease: UUID
    epoch: int = Field(ge=1)
    goal: Slug
    parent: Sha
    second_parent: Sha | None = None
    files: dict[str, Text] = Field(min_length=1, max_length=16)
    title: Line
    hypothesis: Text = Field(max_length=4000)
    operator: Operator = Operator.TWEAK
    mutator: Text = Field(default="", max_length=80)
    model: Text = Field(default="", max_length=80)
    expected_delta: Finite | None = None
    tokens_used: int = Field(default=0, ge=0, lt=2**31)
    dollars: float = Field(default=0.0, ge=0, allow_inf_nan=False)


class Registered(Wire):
    """The experiment now exists on the hub as running."""

    id: UUID
    sha: str
    number: int
    duplicate: bool = False


class Earlier(Wire):
    """An earlier result that answers a proposal before any GPU time is spent."""

    sha: str
    number: int
    title: str
    level: str
    score: float | None = None
    delta: float | None = None
    status: Status
    sentence: str


class Experiment(Wire):
    """A node of the tree with what the hub believes of it.

    `brought` lists the experiments whose change a merge took over, the second parent first.
    """

    id: UUID
    sha: str
    number: int
    goal: str
    parent: str | None = None
    second_parent: str | None = None
    brought: list[str] = Field(default_factory=list)
    title: str
    hypothesis: str = ""
    operator: Operator
    agent: str | None = None
    owner: str | None = None
    mutator: str = ""
    model: str = ""
    created_at: Time
    finished_at: Time | None = None
    status: Status
    failure: str | None = None
    standing: Standing = Standing.NONE
    verdict: str = ""
    metric: float | None = None
    score: float | None = None
    score_sd: float | None = None
    delta: float | None = None
    delta_sd: float | None = None
    n_runs: int = 0
    n_owners: int = 0
    kept: bool = False
    n_children: int = 0
    depth: int = 0
    tree: str = ""
    lines_added: int = 0
    lines_removed: int = 0
    pinned: bool = False
    frozen: bool = False
    hidden: bool = False


class Experiments(Page):
    """A page of experiments."""

    experiments: list[Experiment]


class Spread(Wire):
    """How an experiment's children scored: counts in equal steps from `low` to `high`.

    `beyond` scored worse than all that; `without` have no score: they failed or are under way.
    """

    total: int
    without: int
    low: float | None = None
    high: float | None = None
    counts: list[int] = Field(default_factory=list)
    beyond: int = 0


class Ancestor(Wire):
    """One step of a lineage: what was tried, and what came of it."""

    sha: str
    number: int
    title: str
    operator: Operator
    agent: str | None = None
    status: Status
    failure: str | None = None
    standing: Standing = Standing.NONE
    kept: bool = False
    metric: float | None = None
    score: float | None = None
    delta: float | None = None
    delta_sd: float | None = None
    n_runs: int = 0


class Lineage(Page):
    """From an experiment up to the baseline by first parents, itself first."""

    experiments: list[Ancestor]


class DiffLine(Wire):
    """One line of a hunk: `kind` is one of ' ', '+', '-'."""

    kind: str
    text: str
    old: int | None = None
    new: int | None = None


class Hunk(Wire):
    """A run of changed lines with its context."""

    header: str
    lines: list[DiffLine]


class FileDiff(Wire):
    """One file's changes."""

    path: str
    added: int
    removed: int
    hunks: list[Hunk]
    truncated: bool = False


class Diff(Wire):
    """What changed from `base` to `sha`."""

    base: str | None
    sha: str
    files: list[FileDiff]


class Tree(Wire):
    """A goal's tree as columns, so that 100,000 experiments travel in well under a megabyte.

    `parent` holds distances back (number minus the parent's number, 0 for a root); `score` is in
    millionths (null: none), whole ones but for the tiny and the huge; `seconds` counts from
    `epoch`; `seq` of the whole is the cursor for `after=`; rows in a delta are those that changed
    since.
    """

    goal: str
    seq: int
    direction: str
    epoch: Time
    complete: bool
    number: list[int]
    parent: list[int]
    second_parent: list[int]
    score: list[float | None]
    status: list[int]
    standing: list[int]
    kept: list[int]
    agent: list[int]
    seconds: list[int]
    agents: list[str]
    statuses: list[str]
    standings: list[str]
