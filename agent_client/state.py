"""What a client remembers between starts: held leases, children's pids, totals, spending."""

import json
import platform
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from uuid import UUID, uuid4

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent_client import files
from agent_client.errors import CopiedFolder

STATE = "state.json"
log = structlog.get_logger(__name__)


class Held(BaseModel):
    """A lease that this client holds, or held when it died."""

    model_config = ConfigDict(frozen=True)

    lease: UUID
    epoch: int
    goal: str = ""
    kind: str = ""
    experiment: str | None = None
    attempts: int = 1


class Child(BaseModel):
    """A process of ours; its start time tells it from a later process with the same pid."""

    model_config = ConfigDict(frozen=True)

    pid: int
    started: int


class Day(BaseModel):
    """What one calendar day used up."""

    model_config = ConfigDict(frozen=True)

    day: date
    runs: int = 0
    dollars: float = 0.0
    tokens: int = 0


class Pledge(BaseModel):
    """What a request under way may cost."""

    model_config = ConfigDict(frozen=True)

    dollars: float
    tokens: int


class Totals(BaseModel):
    """Counts over the life of this folder; times in seconds."""

    model_config = ConfigDict(frozen=True)

    runs: int = 0
    failed: int = 0
    experiments: int = 0
    dollars: float = 0.0
    tokens: int = 0
    training_seconds: float = 0.0


class Memory(BaseModel):
    """The content of state.json."""

    model_config = ConfigDict(frozen=True)

    session: str = Field(default_factory=lambda: uuid4().hex)
    machine: str = ""
    folder: str = ""
    held: list[Held] = Field(default_factory=list)
    children: list[Child] = Field(default_factory=list)
    today: Day | None = None
    totals: Totals = Totals()
    pledged: Pledge | None = None


@dataclass
class State:
    """The memory of one client; every change is on disk before the call returns."""

    folder: Path
    memory: Memory = field(default_factory=Memory)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @classmethod
    def open(cls, folder: Path) -> "State":
        """Read the state, or its previous copy when a crash tore it, or begin anew."""
        for content in files.candidates(folder / STATE):
            try:
                return cls(folder, Memory.model_validate_json(content))
            except ValidationError:
                log.warning("the state file is torn; its previous copy is used")
        return cls(folder)

    def insist_on_being_the_only_one(self) -> None:
        """Raise CopiedFolder when the folder that this state was written in still has its own.

        A folder that was moved goes on working: then nothing is left where it was.
        """
        before = self.memory.folder
        if before and Path(before) != self.folder and (Path(before) / STATE).exists():
            raise CopiedFolder(
                f"{self.folder} is a copy of {before}, which is still there; two clients with one "
                "token would take each other's work. Run `agent_client join URL` in a new folder, "
                f"or remove {before}."
            )

    def change(self, make: Callable[[Memory], dict[str, object]]) -> Memory:
        """Replace fields of the memory by what `make` returns of the present one."""
        with self._lock:
            self.memory = self.memory.model_copy(update=make(self.memory))
            try:
                content = json.dumps(self.memory.model_dump(mode="json")).encode()
                files.write_durably(self.folder / STATE, content)
            except OSError as problem:
                log.warning("the state cannot be written; kept in memory", problem=str(problem))
            return self.memory

    def hold(self, held: Held) -> None:
        """Remember a lease, or what it now works on."""

        def replace(now: Memory) -> dict[str, object]:
            return {"held": [*(h for h in now.held if h.lease != held.lease), held]}

        self.change(replace)

    def attempts(self, lease: UUID) -> int:
        """How often work on a lease began that is still remembered."""
        return next((h.attempts for h in self.memory.held if h.lease == lease), 0)

    def let_go(self, lease: UUID, epoch: int) -> None:
        """Forget a lease that was reported or released at this epoch."""
        gone = (lease, epoch)
        self.change(lambda now: {"held": [h for h in now.held if (h.lease, h.epoch) != gone]})

    def forget_lost(self, in_care: Collection[UUID], given: UUID | None) -> None:
        """Forget leases from before a crash when the hub gave other work, or none.

        It first hands out again what we hold and do not name: so they ran out, unrenewed.
        """
        lost = {each.lease for each in self.memory.held}.difference(in_care)
        if lost and given not in lost:
            self.change(lambda now: {"held": [h for h in now.held if h.lease not in lost]})

    def adopt(self, pid: int) -> None:
        """Remember a child process, so that the next start can end it if we are killed."""
        child = Child(pid=pid, started=start_ticks(pid) or 0)
        self.change(lambda now: {"children": [*now.children, child]})

    def bury(self, pid: int) -> None:
        """Forget a child process that ended."""
        self.change(lambda now: {"children": [c for c in now.children if c.pid != pid]})

    def spend(self, today: date, dollars: float = 0.0, tokens: int = 0, runs: int = 0) -> None:
        """Count what was used up, against the day and the total."""
        self.change(lambda now: _spent(now, today, dollars, tokens, runs))

    def pledge(self, dollars: float, tokens: int) -> None:
        """Write down what a proposal may have cost by the end of its next request."""
        self.change(lambda _: {"pledged": Pledge(dollars=dollars, tokens=tokens)})

    def settle(self, today: date, dollars: float, tokens: int) -> None:
        """Count what a proposal cost, in place of what was pledged."""
        if dollars or tokens or self.memory.pledged:
            self.change(lambda now: {**_spent(now, today, dollars, tokens), "pledged": None})

    def redeem(self, today: date) -> None:
        """Count what was pledged and not settled: we ended while the model wrote."""
        if (said := self.memory.pledged) is not None:
            self.settle(today, said.dollars, said.tokens)

    def count(self, **more: float) -> None:
        """Add to the totals."""

        def add(now: Memory) -> dict[str, object]:
            said = now.totals.model_dump()
            return {"totals": Totals(**{**said, **{k: said[k] + v for k, v in more.items()}})}

        self.change(add)

    def used(self, today: date) -> Day:
        """What today used up so far."""
        now = self.memory.today
        return now if now is not None and now.day == today else Day(day=today)


def _spent(
    now: Memory, today: date, dollars: float, tokens: int, runs: int = 0
) -> dict[str, object]:
    day = now.today if now.today and now.today.day == today else Day(day=today)
    ever = {"dollars": now.totals.dollars + dollars, "tokens": now.totals.tokens + tokens}
    grown = {
        "runs": day.runs + runs,
        "dollars": day.dollars + dollars,
        "tokens": day.tokens + tokens,
    }
    return {
        "today": day.model_copy(update=grown),
        "totals": now.totals.model_copy(update=ever),
    }


def start_ticks(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[19])


def machine_identity() -> str:
    """A stable name of this machine: the one systemd keeps, else the host's name."""
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        try:
            text = Path(path).read_text().strip()
        except OSError:
            continue
        if text:
            return text
    return platform.node()
