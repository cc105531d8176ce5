"""Everything a worker is made of, built in one place and passed to whoever needs it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from agent_client.backoff import Stopping
from agent_client.hub_api import Hub
from agent_client.journal import Journal
from agent_client.lease import Keeper
from agent_client.limits import local
from agent_client.mutators.base import Mutator
from agent_client.sandbox import Sandbox
from agent_client.sender import Sender
from agent_client.settings import Settings
from agent_client.state import State
from agent_client.telemetry import Duty, Telemetry
from agent_client.trainer import Patience
from agent_client.workspace import Workspace
from protocol.agents import Device
from protocol.goals import Goal, GoalSpec

VERSION = "0.1.0"
WallClock = Callable[[], datetime]


def utc_now() -> datetime:
    """The present, with its time zone."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class KnownGoal:
    """A goal's rules as of one version."""

    spec: GoalSpec
    version: int
    baseline: str | None
    brief: str = ""

    @classmethod
    def of(cls, said: Goal) -> "KnownGoal":
        """What the hub told. The brief is the goal's: an experiment's tree has that of its day."""
        texts = {file.path: file.text or "" for file in said.files}
        return cls(said.spec, said.version, said.baseline, texts.get(said.spec.brief, ""))


@dataclass
class Kit:
    """One worker's collaborators."""

    folder: Path
    settings: Settings
    hub: Hub
    state: State
    journal: Journal
    sender: Sender
    keeper: Keeper
    workspace: Workspace
    sandbox: Sandbox
    mutator: Mutator
    telemetry: Telemetry
    stopping: Stopping
    device: Device
    fallback: Mutator | None = None
    gpu: str = "0"
    patience: Patience = field(default_factory=Patience)
    duty: Duty = field(default_factory=Duty)
    clock: WallClock = utc_now
    budget: str = ""
    max_experiments: int | None = None
    why_mutator: str = ""

    @property
    def today(self) -> date:
        """The owner's day, to which what is used up counts, as it does where limits are read."""
        return local(self.clock()).date()
