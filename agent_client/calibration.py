"""Trying the goals' own baselines before joining: does it run here, and is it fast enough?"""

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from agent_client import known_answer, machine
from agent_client.data_maker import prepare
from agent_client.devices import (
    Calibration,
    CalibrationFailed,
    DeviceRefused,
    TooSlow,
    calibrate,
    check,
    check_capability,
    check_machine,
    named,
)
from agent_client.errors import ClientError
from agent_client.sandbox import Sandbox
from agent_client.settings import shared_cache
from agent_client.trainer import Patience, Plan, Training
from agent_client.workspace import Workspace
from protocol.agents import Device
from protocol.goals import Budget, BudgetUnit, Goal, GoalSpec

SEED = 1


class NothingFits(ClientError):
    """None of the hub's open goals can be run on this machine."""

    code, exit_code = "nothing_fits", 3


@dataclass(frozen=True)
class Fitness:
    """What calibration found: the device as the hub should know it, and a sentence per goal."""

    device: Device
    fit: tuple[str, ...]
    said: tuple[str, ...]


def fitness(
    folder: Path,
    sandbox: Sandbox,
    device: Device,
    goals: Iterable[Goal],
    tell: Callable[[str], None],
    gpu: str = "0",
) -> Fitness:
    """Check each goal's rules, and time its baseline where it names a least speed.

    Before any speed is looked at, a small training must come to its known loss.

    Raises:
        NothingFits: with both numbers for each goal, when none can be run here.
        WrongAnswer: this machine's arithmetic cannot be trusted.
    """
    goals = list(goals)
    device = named(device)
    workspace = Workspace(folder, shared=shared_cache(folder))
    workspace.open()
    trial = _Trial(workspace, sandbox, tell, gpu)
    fit: list[str] = []
    said: list[str] = []
    if known_answer.wanted((goal.spec for goal in goals), device):
        tell(known_answer.ask(sandbox, device, gpu))
    for goal in goals:
        try:
            device, sentence = _one(trial, device, goal)
        except (DeviceRefused, ClientError) as refusal:
            said.append(f"{goal.name}: {refusal}")
            continue
        fit.append(goal.name)
        said += [sentence] if sentence else []
    if said and not fit:
        raise NothingFits(f"{NothingFits.sentence()} " + " ".join(said))
    return Fitness(device, tuple(fit), tuple(said))


def still_fit(specs: Iterable[GoalSpec], capability: float | None) -> tuple[list[str], list[str]]:
    """Which goals may be asked for on this GPU, and a sentence on each that may not.

    It may be another one than joined. The rest of a device the hub knows from each claim.

    Raises:
        NothingFits: none may.
    """
    fit, said = [], []
    for spec in specs:
        try:
            check_capability(spec, capability)
        except DeviceRefused as refusal:
            said.append(str(refusal))
        else:
            fit.append(spec.name)
    if said and not fit:
        raise NothingFits(f"{NothingFits.sentence()} " + " ".join(said))
    return fit, said


def _one(trial: "_Trial", device: Device, goal: Goal) -> tuple[Device, str]:
    """The device, perhaps with its speed, and what to say; raises DeviceRefused.

    A machine that does other work at this moment looks slow; that is said, but not held against it.
    """
    check(goal.spec, device)
    capability = machine.capability(trial.gpu) if device.kind == "cuda" else None
    free = shutil.disk_usage(trial.workspace.goals).free >> 20
    check_machine(goal.spec, capability, free)
    busy = os.getloadavg()[0] > (os.cpu_count() or 1) + 1
    found = trial.measure(device, goal)
    if found is None:
        return device, ""
    try:
        check(goal.spec, device, found)
    except TooSlow as refusal:
        if not busy:
            raise
        return device, f"{refusal} It is busy with other work, so this is not held against it."
    needed = f"{goal.spec.device.minimum_speed:,.0f} are needed"
    return _with_speed(device, found), f"{goal.name}: {found.text()}; {needed}."


def _with_speed(device: Device, found: Calibration) -> Device:
    if found.unit is not BudgetUnit.TOKENS:
        return device
    return device.model_copy(update={"tokens_per_second": found.speed})


@dataclass(frozen=True)
class _Trial:
    """Where and how baselines are tried."""

    workspace: Workspace
    sandbox: Sandbox
    tell: Callable[[str], None]
    gpu: str

    def measure(self, device: Device, goal: Goal) -> Calibration | None:
        """Run the baseline for its calibration time; goals without a least speed need none."""
        spec = goal.spec
        if spec.device.minimum_speed <= 0:
            return None
        self.tell(f"Timing the baseline of {goal.name} ...")
        contents = {each.path: each.text or "" for each in goal.files}
        data = self.workspace.data(
            spec, contents, lambda folder: prepare(self.sandbox, spec, folder)
        )
        run = str(uuid4())
        work = self.workspace.lay_out(run, contents)
        plan = Plan(spec, work, data.training, SEED, "", device.kind, self.gpu)
        try:
            return calibrate(spec, lambda budget: self._train(plan, budget))
        finally:
            self.workspace.clear(run)

    def _train(self, plan: Plan, budget: Budget) -> Mapping[str, float]:
        training = Training.start(self.sandbox, replace(plan, budget=budget.text()))
        outcome = training.watch(Patience(), lambda: False, lambda _, __: None)
        if outcome.failure is not None:
            raise CalibrationFailed(f"Its baseline fails here: {outcome.detail}")
        return outcome.metrics
