"""What the demo shows of a hub: who does what now, each result as it comes, a table at the end."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from pydantic import TypeAdapter
from rich.console import Console
from rich.status import Status as Spinner
from rich.table import Table

from protocol.experiments import Experiment, Experiments, Status
from protocol.goals import Direction, Goal
from protocol.runs import Run
from protocol.work import Lease

ENDED = frozenset({Status.FINISHED, Status.FAILED})
LEASES = TypeAdapter(list[Lease])
RUNS = TypeAdapter(list[Run])
EVERY = 15.0
"""Seconds between two progress lines where the output is no terminal."""


@dataclass(frozen=True)
class HubReader:
    """Reads what anybody may read of a hub."""

    url: str

    def alive(self) -> bool:
        """Whether the hub answers."""
        try:
            return self._get("/healthz") is not None
        except OSError:
            return False

    def goal(self, name: str) -> Goal:
        """The goal's rules."""
        return Goal.model_validate_json(self._get(f"/v1/goals/{name}"))

    def leases(self, goal: str) -> list[Lease]:
        """What agents do now."""
        return LEASES.validate_json(self._get(f"/v1/leases?goal={goal}"))

    def experiments(self, goal: str) -> list[Experiment]:
        """The goal's newest experiments, oldest first."""
        page = Experiments.model_validate_json(self._get(f"/v1/goals/{goal}/experiments?limit=200"))
        return sorted(page.experiments, key=lambda experiment: experiment.number)

    def runs(self, sha: str) -> list[Run]:
        """The runs of an experiment."""
        return RUNS.validate_json(self._get(f"/v1/experiments/{sha}/runs"))

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=10) as reply:
            body: bytes = reply.read()
        return body


@dataclass
class Watch:
    """Follows one goal on the screen; `new` ended since `start`, and the baseline is none."""

    hub: HubReader
    goal: Goal
    console: Console
    known: set[str] = field(default_factory=set)
    new: list[Experiment] = field(default_factory=list)
    baseline: float | None = None
    _began: dict[UUID, datetime] = field(default_factory=dict)
    _said: float = 0.0
    _phase: str = ""

    def start(self) -> None:
        """Take what is there already as known."""
        self.known = {each.sha for each in self._ended()}

    def look(self, spinner: Spinner) -> None:
        """Show what changed; a hub that does not answer in time is asked again later."""
        try:
            self._show_results()
            self._show_progress(spinner)
        except (OSError, urllib.error.URLError, json.JSONDecodeError):
            spinner.update("The hub does not answer; asking again.")

    def _ended(self) -> list[Experiment]:
        return [each for each in self.hub.experiments(self.goal.name) if each.status in ENDED]

    def _show_results(self) -> None:
        for experiment in self._ended():
            if experiment.sha not in self.known:
                self.known.add(experiment.sha)
                if experiment.parent is not None:
                    self.new.append(experiment)
                self.console.print(self._result(experiment), highlight=False)

    def _result(self, experiment: Experiment) -> str:
        reading = _number(experiment.metric)
        change = _signed(self.delta(experiment))
        name = self.goal.spec.metric.name
        return f"  #{experiment.number}  {name} {reading} ({change})  {experiment.title}"

    def _show_progress(self, spinner: Spinner) -> None:
        leases = self.hub.leases(self.goal.name)
        begun = [lease for lease in leases if lease.phase != "claimed"] or leases
        for lease in begun:
            if lease.phase == "training":
                self._began.setdefault(lease.id, datetime.now(UTC))
        line = "   ".join(map(self._progress, begun)) or "Waiting for the agent ..."
        spinner.update(line)
        phase = ",".join(lease.phase for lease in begun)
        due = time.monotonic() - self._said > EVERY or phase != self._phase
        if not self.console.is_terminal and due:
            self._said, self._phase = time.monotonic(), phase
            self.console.print(f"  {line}", highlight=False)

    def _progress(self, lease: Lease) -> str:
        loss = "" if lease.loss is None else f"  loss {lease.loss:.4f}"
        step = f"  step {lease.step}" if lease.step else ""
        done = f"  {lease.fraction:.0%}" if lease.fraction else ""
        left = eta(lease, self._began.get(lease.id), datetime.now(UTC))
        return f"{lease.agent}: {lease.kind.value}, {lease.phase}{step}{done}{loss}{left}"

    def delta(self, experiment: Experiment) -> float | None:
        """How far the reading lies from its parent's; from the hub's scores where it has them."""
        if experiment.delta is not None or experiment.metric is None:
            return experiment.delta
        parents = {each.sha: each for each in self.hub.experiments(self.goal.name)}
        parent = parents.get(experiment.parent or "")
        before = None if parent is None else (parent.score or parent.metric)
        return None if before is None else experiment.metric - before

    def table(self) -> Table:
        """The experiments that ended, as they are on the hub now."""
        metric = self.goal.spec.metric
        table = Table(title=f"{self.goal.spec.title}: experiments on the hub", title_justify="left")
        for name in ("experiment", "parent", "change", metric.name, "delta", "verdict"):
            table.add_column(name, overflow="fold")
        numbers = {each.sha: each.number for each in self.hub.experiments(self.goal.name)}
        for each in self.confirmed():
            table.add_row(*self._row(each, numbers))
        return table

    def confirmed(self) -> list[Experiment]:
        """The new experiments, read again from the hub."""
        mine = {each.sha for each in self.new}
        return [each for each in self._ended() if each.sha in mine]

    def _row(self, each: Experiment, numbers: dict[str, int]) -> Iterable[str]:
        delta = self.delta(each)
        yield f"#{each.number} {each.sha[:7]}"
        yield f"#{numbers[each.parent]}" if each.parent in numbers else "-"
        yield each.title
        yield _number(each.metric)
        yield _signed(delta)
        yield each.verdict or self._verdict(each, delta)

    def _verdict(self, each: Experiment, delta: float | None) -> str:
        if delta is None:
            return each.failure or each.status.value
        better = delta < 0 if self.goal.spec.metric.direction is Direction.MIN else delta > 0
        return "better than its parent" if better else "no better than its parent"


def eta(lease: Lease, began: datetime | None, now: datetime) -> str:
    """What is left, by the share that was done at the last heartbeat.

    Not by the time since the claim: a run is claimed while another one trains.
    """
    if began is None or not 0.02 < lease.fraction < 1:
        return ""
    whole = (lease.renewed_at - began) / lease.fraction
    left = (began + whole - now).total_seconds()
    return f"  about {left:.0f} s to go" if left > 0 else ""


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.4f}"
