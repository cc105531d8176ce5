"""What this machine can train on, told to the hub; the goals' own rules decide what it may do."""

import os
import platform
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from agent_client.errors import BadSettings
from protocol.agents import Device

CLOCK_SLACK_SECONDS = 60.0
OWN_GROUPS, GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")
SUPPLIES = Path("/sys/class/power_supply")


def describe(gpus: str = "auto", sandbox: str = "unknown") -> Device:
    """The device that a worker trains on: the first chosen GPU, else the processor."""
    found = None if gpus == "cpu" else _gpu(gpus)
    return (found or _cpu()).model_copy(update={"sandbox": sandbox, "torch": torch_version()})


def clock_trouble(here: datetime, there: datetime | None) -> str:
    """A sentence when this machine's clock and the hub's are over a minute apart, else nothing."""
    if there is None or abs((here - there).total_seconds()) <= CLOCK_SLACK_SECONDS:
        return ""
    minutes = (here - there).total_seconds() / 60
    way = "ahead of" if minutes > 0 else "behind"
    return (
        f"This machine's clock is {abs(minutes):,.0f} minutes {way} the hub's. Leases and waits do "
        "not mind; the hours that you allow and what a day may cost follow this machine's clock."
    )


def on_battery(supplies: Path = SUPPLIES) -> bool:
    """Whether a battery runs this machine: one is being emptied, and nothing is plugged in."""
    said = [
        {name: _word(each / name) for name in ("type", "status", "online")}
        for each in _in(supplies)
    ]
    plugged = any(one["type"] != "Battery" and one["online"] == "1" for one in said)
    emptied = any(one["type"] == "Battery" and one["status"] == "Discharging" for one in said)
    return emptied and not plugged


def _in(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _word(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, ValueError):
        return ""


def torch_version() -> str:
    """The installed torch, without importing it."""
    try:
        return version("torch")
    except PackageNotFoundError:
        return ""


def gpu_count() -> int:
    """How many NVIDIA GPUs the driver shows."""
    try:
        import pynvml

        pynvml.nvmlInit()
        return int(pynvml.nvmlDeviceGetCount())
    except Exception:  # no library or no driver: no GPU that we could use
        return 0


def capability(gpu: str) -> float | None:
    """A GPU's compute capability, such as 9.0; None where its driver does not say."""
    try:
        import pynvml

        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(int(gpu))
        major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
    except Exception:  # no library, no driver, or one that is too old to tell
        return None
    return float(f"{major}.{minor}")


def check_gpus(gpus: str) -> None:
    """Raise BadSettings for a GPU that is not there."""
    count = gpu_count() if gpus[:1].isdigit() else 0
    if gpus[:1].isdigit() and max(map(int, gpus.split(","))) >= count:
        seen = f"{count} can be seen, counted from 0" if count else "no NVIDIA GPU can be seen"
        raise BadSettings(f"--gpus {gpus}: {seen}. Say --gpus cpu to work on the processor.")


def gpu_trouble(gpus: str, device: Device) -> str:
    """A sentence when the GPU of the settings is gone, else nothing."""
    if device.kind != "cpu" or not gpus[:1].isdigit():
        return ""
    return f"GPU {gpus} cannot be seen any more; working on the processor. `doctor` says more."


def _gpu(gpus: str) -> Device | None:
    index = int(gpus.split(",")[0]) if gpus[:1].isdigit() else 0
    if index >= gpu_count():
        return None
    import pynvml

    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    name = _text(pynvml.nvmlDeviceGetName(handle))
    memory = int(pynvml.nvmlDeviceGetMemoryInfo(handle).total) // (1 << 20)
    return Device(
        name=name[:200],
        kind="cuda",
        device_class=name[:200],
        memory_mb=memory,
        driver=_text(pynvml.nvmlSystemGetDriverVersion())[:100],
    )


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _cpu() -> Device:
    name = _cpu_name()
    cores = os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // (1 << 20)
    return Device(
        name=name,
        kind="cpu",
        device_class=f"cpu {platform.machine()} x{cores}",
        memory_mb=allowed_mb(memory),
    )


def allowed_mb(memory: int, own: Path = OWN_GROUPS, groups: Path = GROUPS) -> int:
    """Of so many MB those that this process may use: containers and services have limits.

    In a container the group's path may be the host's, and its limit lies where the groups begin.
    """
    found = [memory]
    for line in _word(own).splitlines():
        _, kinds, path = line.split(":", 2)
        if kinds not in ("", "memory"):
            continue
        top, name = groups / kinds, "memory.limit_in_bytes" if kinds else "memory.max"
        here = top / path.strip("/")
        for folder in (here, *here.parents):
            if folder.is_relative_to(top):
                said = _word(folder / name)
                found += [int(said) >> 20] if said.isdigit() else []
    return min(found)


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return (names or [platform.processor() or platform.machine()])[0][:200] or "cpu"
