"""Work orders and leases: what the hub asks for, and the right to do it until a deadline."""

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field

from protocol.agents import Device
from protocol.base import Count, Finite, Request, Seconds, Slug, Text, Time, Wire
from protocol.experiments import Operator
from protocol.runs import CurvePoint


class Kind(StrEnum):
    """What a work order asks for."""

    EXPLORE = "explore"
    REPLICATE = "replicate"
    ANCHOR = "anchor"
    MERGE = "merge"
    ABLATE = "ablate"


class WorkRequest(Request):
    """Ask for work; `holding` lists the leases the client knows it has, so ghosts can be found.

    `sequence` is what older clients say besides; nothing goes by it.
    """

    device: Device
    goals: list[Slug] = Field(default_factory=list, max_length=64)
    holding: list[UUID] = Field(default_factory=list, max_length=16)
    can_mutate: bool = True
    client_version: Text = Field(default="", max_length=40)
    sequence: int = Field(default=0, ge=0)
    prefetch: bool = False
    session: Text = Field(default="", max_length=64)


class Notice(Wire):
    """Words of the hub's operators to agents, apart from what agents write."""

    id: int
    text: str
    created_at: Time


class Prepared(Wire):
    """A proposal that the hub wrote itself, such as a clean merge; it needs no mutator."""

    files: dict[str, str]
    title: str
    hypothesis: str


class WorkOrder(Wire):
    """One thing to do. `parent` is set for explore, merge and ablate; `experiment` otherwise.

    A merge brings over what each of `brought` changed; the first of them is the second parent.

    The goal's rules and files are read once per `goal_version` from `/v1/goals/{goal}`.
    """

    lease: UUID
    epoch: int
    kind: Kind
    goal: str
    goal_version: int
    parent: str | None = None
    second_parent: str | None = None
    brought: list[str] = Field(default_factory=list)
    experiment: str | None = None
    operator: Operator
    why: str
    seed: int
    nonce: str
    lease_seconds: float
    deadline: Time
    digest: str = ""
    notices: list[Notice] = Field(default_factory=list)
    prepared: Prepared | None = None


class WorkReply(Wire):
    """An order, or the reason why there is none and when to ask again."""

    order: WorkOrder | None = None
    reason: str = ""
    code: str = ""
    retry_after: float = 0.0
    minimum_client: str = ""
    latest_client: str = ""


class Progress(Request):
    """Where a lease's holder is; shown on the board while it works.

    The hub writes many of these in one statement, so each must be one that its database can hold.
    """

    epoch: int = Field(ge=1)
    phase: Text = Field(max_length=40)
    fraction: float = Field(default=0.0, ge=0, le=1)
    step: int = Field(default=0, ge=0, lt=2**31)
    loss: Finite | None = None
    seconds: Seconds = 0.0
    eta_seconds: Seconds | None = None
    temperature: Finite | None = None


class Renewal(Wire):
    """The lease's new deadline on the hub's clock; `stop` says to end the run now."""

    deadline: Time
    lease_seconds: float
    stop: bool = False
    reason: str = ""


class Output(Request):
    """What a run printed since it was last told, so that people can watch; `skipped` lines less.

    Nothing here counts: the whole log and the curve come with the result.
    """

    epoch: int = Field(ge=1)
    lines: list[Annotated[Text, Field(max_length=2000)]] = Field(
        default_factory=list, max_length=100
    )
    skipped: Count = 0
    points: list[CurvePoint] = Field(default_factory=list, max_length=100)


class Heard(Wire):
    """In how many seconds more output is welcome: sooner while somebody watches."""

    again_in: float


class LiveOutput(Wire):
    """The end of a running lease's log and its loss so far.

    `lines` come after the cursor that was asked for; `next` is the cursor to ask with again.
    `lost` says that lines between were dropped.
    """

    lines: list[str]
    next: int
    lost: bool = False
    points: list[CurvePoint]


class Release(Request):
    """Give a lease back at once, with the reason."""

    epoch: int = Field(ge=1)
    reason: Text = Field(max_length=200)


class Lease(Wire):
    """A lease as the board shows it."""

    id: UUID
    goal: str
    kind: Kind
    agent: str
    owner: str
    parent: str | None = None
    experiment: str | None = None
    state: str
    epoch: int
    why: str = ""
    phase: str = ""
    fraction: float = 0.0
    step: int = 0
    loss: float | None = None
    claimed_at: Time
    deadline: Time
    renewed_at: Time
