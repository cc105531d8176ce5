"""Agents by order and span, and what one agent has done so far."""

from datetime import date
from enum import StrEnum

from protocol.base import Time, Wire


class Span(StrEnum):
    """Over which time agents are counted."""

    DAY = "day"
    WEEK = "week"
    ALL = "all"


class Order(StrEnum):
    """By what agents are sorted: the most first, names from A to Z."""

    NAME = "name"
    SEEN = "seen"
    CREDIT = "credit"
    RUNS = "runs"
    REPLICATES = "replicates"
    HOURS = "hours"
    EXPERIMENTS = "experiments"
    KEPT = "kept"
    GAIN = "gain"

    @property
    def column(self) -> str:
        """What the hub calls it."""
        return {"hours": "gpu_seconds", "gain": "verified_gain"}.get(self.value, self.value)


class ActiveDay(Wire):
    """One day (UTC) on which an agent reported runs."""

    day: date
    runs: int
    failures: int
    seconds: float


class Step(Wire):
    """An experiment of an agent's, as a step in its goal's direction."""

    goal: str
    direction: str
    number: int
    sha: str
    title: str
    created_at: Time
    score: float
    delta: float | None = None
    standing: str


class Machine(Wire):
    """What an agent ran on, and with which client."""

    device_class: str
    client_version: str
    runs: int
    first_at: Time
    last_at: Time


class Speed(Wire):
    """How fast a run trained."""

    at: Time
    goal: str
    tokens_per_second: float


class AgentHistory(Wire):
    """An agent's last year, oldest first: at most 200 steps, doubts and speeds each."""

    days: list[ActiveDay]
    kept: list[Step]
    doubted: list[Step]
    machines: list[Machine]
    speeds: list[Speed]
