"""What a device is called, how fast it is at a goal, and whether that is enough."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from protocol.agents import Device
from protocol.goals import Budget, BudgetUnit, GoalSpec

_NOISE = re.compile(r"\b(nvidia|geforce|tesla|graphics|amd|intel|cpu|processor)\b|\(r\)|\(tm\)|@.*")
_SPENT = {BudgetUnit.TOKENS: ("total_tokens_M", 1e6), BudgetUnit.STEPS: ("num_steps", 1.0)}


class DeviceRefused(Exception):
    """This device cannot run this goal; choose one of the goals that fit it."""

    code = "device_refused"


class TooSlow(DeviceRefused):
    """This device is too slow for this goal's budget."""

    code = "device_too_slow"


class CalibrationFailed(DeviceRefused):
    """The goal's own baseline does not run on this device; look at its last lines."""

    code = "calibration_failed"


@dataclass(frozen=True)
class Calibration:
    """What the pinned baseline did here: `speed` in `unit` a second."""

    goal: str
    speed: float
    unit: BudgetUnit

    def text(self) -> str:
        """Say the speed as people read it."""
        return f"{self.speed:,.0f} {self.unit.value} a second"


def fingerprint(device: Device) -> str:
    """Hash what makes readings comparable; drivers and names of the owner's choice stay out."""
    parts = (device.kind, device.name, device.memory_mb // 1024, device.count, device.torch)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def device_class(device: Device) -> str:
    """Name the group within which seconds may be compared, such as `cuda h100-80gb-hbm3 x1`."""
    words = _NOISE.sub(" ", device.name.lower())
    name = "-".join(re.findall(r"[a-z0-9]+", words)) or "unknown"
    return f"{device.kind} {name[:60]} x{device.count}"


def named(device: Device) -> Device:
    """The device with the names under which the hub compares it."""
    names = {"device_class": device_class(device), "fingerprint": fingerprint(device)}
    return device.model_copy(update=names)


def calibrate(spec: GoalSpec, train: Callable[[Budget], Mapping[str, float]]) -> Calibration:
    """Run the goal's baseline for its calibration time; `train` returns the numbers of its block.

    Raises CalibrationFailed when the block does not say how much was done in how long.
    """
    wanted = Budget(unit=BudgetUnit.SECONDS, amount=spec.device.calibration_seconds)
    unit = spec.budget.unit if spec.budget.unit in _SPENT else BudgetUnit.TOKENS
    key, scale = _SPENT[unit]
    said = train(wanted)
    done, seconds = said.get(key, 0.0) * scale, said.get("training_seconds", 0.0)
    if done <= 0 or seconds <= 0:
        raise CalibrationFailed(
            f"The baseline of {spec.name} did not say {key} and training_seconds on this device."
        )
    return Calibration(spec.name, done / seconds, unit)


def check(spec: GoalSpec, device: Device, found: Calibration | None = None) -> None:
    """Raise DeviceRefused, with both numbers, unless this device may run this goal."""
    rules = spec.device
    if device.kind not in rules.kinds:
        needed = " or ".join(rules.kinds)
        raise DeviceRefused(f"{spec.name} needs {needed}; this device is {device.kind}.")
    if 0 < device.memory_mb < rules.memory_mb:
        raise DeviceRefused(
            f"{spec.name} needs {rules.memory_mb:,} MB of memory; "
            f"this device has {device.memory_mb:,} MB."
        )
    if found is not None and found.speed < rules.minimum_speed:
        raise TooSlow(
            f"{spec.name} needs {rules.minimum_speed:,.0f} {found.unit.value} a second; "
            f"this device reached {found.text()}."
        )


def check_machine(spec: GoalSpec, capability: float | None, free_mb: int) -> None:
    """Raise DeviceRefused where the goal wants a newer GPU, or more disk than is free."""
    check_capability(spec, capability)
    if free_mb < spec.device.disk_mb:
        raise DeviceRefused(
            f"{spec.name} needs {spec.device.disk_mb:,} MB of disk; {free_mb:,} MB are free."
        )


def check_capability(spec: GoalSpec, capability: float | None) -> None:
    """Raise DeviceRefused where the goal wants a newer GPU.

    `capability` is the GPU's, such as 8.0; None is a processor, or a driver that does not say.
    """
    wanted = spec.device.compute_capability
    if capability is not None and capability < wanted:
        raise DeviceRefused(
            f"{spec.name} needs a GPU of compute capability {wanted:g}; "
            f"this one has {capability:g}."
        )
