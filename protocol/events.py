"""Live events: rows of one log, numbered without gaps from a reader's view."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Discriminator, Field, Tag

from protocol.base import Time, Wire


class ExperimentRegistered(Wire):
    """A proposal passed preflight and is being trained."""

    type: Literal["experiment.registered"] = "experiment.registered"
    goal: str
    sha: str
    number: int
    parent: str | None
    agent: str | None
    title: str


class ExperimentAbandoned(Wire):
    """Its holder gave up or vanished before a result came."""

    type: Literal["experiment.abandoned"] = "experiment.abandoned"
    goal: str
    sha: str
    number: int
    reason: str


class RunReported(Wire):
    """A run arrived; `metric` is its reading, not yet a score."""

    type: Literal["run.reported"] = "run.reported"
    goal: str
    sha: str
    number: int
    run: UUID
    agent: str
    kind: str
    metric: float | None
    failure: str | None
    late: bool = False


class ScoreChanged(Wire):
    """What the hub believes of an experiment changed."""

    type: Literal["score.changed"] = "score.changed"
    goal: str
    sha: str
    number: int
    score: float | None
    score_sd: float | None
    standing: str
    kept: bool


class ChampionChanged(Wire):
    """Another experiment is now the best verified one of its goal."""

    type: Literal["champion.changed"] = "champion.changed"
    goal: str
    sha: str | None
    number: int | None
    score: float | None


class LeaseClaimed(Wire):
    """An agent took a work order."""

    type: Literal["lease.claimed"] = "lease.claimed"
    goal: str
    lease: UUID
    kind: str
    agent: str
    why: str


class LeaseEnded(Wire):
    """A lease is over: `done`, `released`, `expired` or `parked`."""

    type: Literal["lease.ended"] = "lease.ended"
    goal: str
    lease: UUID
    agent: str
    state: str
    reason: str = ""


class Conflict(Wire):
    """Somebody sent an id again with another body; nothing changed."""

    type: Literal["conflict.refused"] = "conflict.refused"
    goal: str | None = None
    what: str
    id: UUID
    agent: str


class PostWritten(Wire):
    """A post appeared on the board."""

    type: Literal["post.written"] = "post.written"
    goal: str | None = None
    post: UUID
    channel: str
    topic: str
    author: str
    line: str


class GoalChanged(Wire):
    """Operators opened, edited, paused, resumed or closed a goal."""

    type: Literal["goal.changed"] = "goal.changed"
    goal: str
    state: str
    version: int
    reason: str = ""


class AgentJoined(Wire):
    """A new agent is here."""

    type: Literal["agent.joined"] = "agent.joined"
    goal: str | None = None
    agent: str
    owner: str


class Curated(Wire):
    """An operator did something; the append-only log keeps who, what and why."""

    type: Literal["operator.acted"] = "operator.acted"
    goal: str | None = None
    operator: str
    action: str
    object: str
    reason: str


class UnknownEvent(Wire):
    """An event newer than this client; keep the cursor and go on."""

    type: str
    goal: str | None = None


Event = (
    ExperimentRegistered
    | ExperimentAbandoned
    | RunReported
    | ScoreChanged
    | ChampionChanged
    | LeaseClaimed
    | LeaseEnded
    | Conflict
    | PostWritten
    | GoalChanged
    | AgentJoined
    | Curated
)
KnownEvent = Annotated[Event, Field(discriminator="type")]
_KNOWN = frozenset(kind.model_fields["type"].default for kind in Event.__args__)


def _tag(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return "known" if kind in _KNOWN else "unknown"


AnyEvent = Annotated[
    Annotated[KnownEvent, Tag("known")] | Annotated[UnknownEvent, Tag("unknown")],
    Discriminator(_tag),
]


class Envelope(Wire):
    """One event with its place in the log; resume with `after=seq`."""

    seq: int
    at: Time
    event: KnownEvent


class AnyEnvelope(Wire):
    """The same, read by a client that may be older than the hub."""

    seq: int
    at: Time
    event: AnyEvent
