"""What a GPU is doing, asked of NVIDIA's NVML; a machine without one simply has no readings."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class Reading:
    """One look at a GPU: degrees Celsius, watts; `others` are pids that are not ours.

    One that was there and is no more says which in `gone`.
    """

    temperature: float | None = None
    power: float | None = None
    others: tuple[int, ...] = ()
    gone: str = ""


class Gauge(Protocol):
    """Reads a GPU."""

    def read(self) -> Reading | None:
        """The present state, or None when there is nothing to read."""


class NoGauge:
    """A machine without an NVIDIA GPU."""

    def read(self) -> Reading | None:
        """Nothing to read."""
        return None


@dataclass(frozen=True)
class Nvml:
    """The GPU with this index, through nvidia-ml-py."""

    library: Any
    index: int

    def read(self) -> Reading:
        """Read what the driver knows; single values that it does not know are None."""
        nvml = self.library
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(self.index)
        except nvml.NVMLError:
            return Reading(gone=f"GPU {self.index}")
        return Reading(
            temperature=self._try(nvml.nvmlDeviceGetTemperature, handle, 0),
            power=self._scaled(self._try(nvml.nvmlDeviceGetPowerUsage, handle)),
            others=self._others(handle),
        )

    def _try(self, ask: Any, *about: Any) -> Any:
        with contextlib.suppress(self.library.NVMLError):
            return ask(*about)
        return None

    def _scaled(self, milliwatts: float | None) -> float | None:
        return None if milliwatts is None else milliwatts / 1000

    def _others(self, handle: Any) -> tuple[int, ...]:
        found = []
        for ask in (
            self.library.nvmlDeviceGetComputeRunningProcesses,
            self.library.nvmlDeviceGetGraphicsRunningProcesses,
        ):
            found += [each.pid for each in self._try(ask, handle) or []]
        return tuple(sorted({pid for pid in found if not _ours(pid)}))


def _ours(pid: int) -> bool:
    """Whether a process descends from this one."""
    while pid > 1:
        if pid == os.getpid():
            return True
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
            pid = int(stat.rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            return False
    return False


def as_cuda_names(index: str) -> str:
    """A GPU as `CUDA_VISIBLE_DEVICES` takes it, which must not be the number that NVML gives it.

    CUDA counts the fastest first, and only those whose device files it sees: behind walls a second
    GPU would be none, or another one. Alone it has one number, and its UUID is the same to all.
    From NVIDIA's manual, not tried: no machine here had two.
    """
    try:
        import pynvml

        pynvml.nvmlInit()
        if pynvml.nvmlDeviceGetCount() < 2:
            return index
        said = pynvml.nvmlDeviceGetUUID(pynvml.nvmlDeviceGetHandleByIndex(int(index)))
    except Exception:  # no library or no driver: then CUDA finds nothing either
        return index
    return said.decode() if isinstance(said, bytes) else str(said)


def gauge(index: int = 0) -> Gauge:
    """A gauge for one GPU, or one that reads nothing where there is no driver."""
    try:
        import pynvml

        pynvml.nvmlInit()
        pynvml.nvmlDeviceGetHandleByIndex(index)
    except Exception:  # no library, no driver, no such GPU: all mean that nothing can be read
        return NoGauge()
    return Nvml(pynvml, index)
