"""What to run, how much it may use, and how it ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from agent_client.jail.meter import FULL

MIB = 1 << 20
GIB = 1 << 30

Output = Literal["lines", "pipes", "raw"]


@dataclass(frozen=True)
class Limits:
    """What one run may use. Sizes in bytes, times in seconds; threads count as processes.

    `log_bytes` ends a run that prints more; of less, head and tail are kept. `cpu_seconds` is
    summed over all processors.
    """

    wall_seconds: float = 900.0
    memory_bytes: int = 8 * GIB
    processes: int = 1024
    disk_bytes: int = 8 * GIB
    log_bytes: int = 64 * MIB
    files: int = 20_000
    cpu_seconds: float | None = None


@dataclass(frozen=True)
class Job:
    """One program to run with `work_dir` as its current and writable folder.

    `readable` and `writable` are further folders; the interpreter that argv names is readable of
    itself. `env` is laid over `base_env`, nothing is inherited. `output` "lines" reads what
    it prints as lines; with "pipes" the caller has its stdin and stdout, and stderr is read; with
    "raw" the caller reads stderr from stdout as well. `gpus` are device numbers, or ("all",). As
    root, `work_dir` and `writable` change their owner.
    """

    argv: Sequence[str]
    work_dir: Path
    readable: Sequence[Path] = ()
    writable: Sequence[Path] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    gpus: Sequence[str] = ()
    output: Output = "lines"
    grace_seconds: float = 5.0


@dataclass(frozen=True)
class Exit:
    """How a run ended: by exit code or by signal, and which limit ended it, if one did.

    `reason` is None, or one of timeout, stopped, memory, disk, files, log, processes, cpu,
    orphaned, setup, and "full disk", which is full of other things. `clean` says that
    nothing it started is alive.
    """

    code: int | None
    signal: int | None
    reason: str | None
    seconds: float = 0.0
    peak_rss: int = 0
    clean: bool = True
    error: str = ""

    @property
    def ok(self) -> bool:
        """It ended by itself and says that all is well."""
        return self.code == 0 and self.reason is None

    @property
    def no_room(self) -> bool:
        """It was ended for want of a disk that is full of other things than its own."""
        return self.reason == FULL

    @property
    def status(self) -> int:
        """The exit status as subprocess gives it: negative for a signal, 1 if nothing ran."""
        if self.code is not None:
            return self.code
        return -self.signal if self.signal else 1


def base_env(work_dir: Path) -> dict[str, str]:
    """The whole environment of a run before its own is laid over it; caches in its folder."""
    home, caches = str(work_dir), work_dir / ".cache"
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": home,
        "TMPDIR": home,
        "USER": "sandbox",
        "LOGNAME": "sandbox",
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "XDG_CACHE_HOME": str(caches),
        "TORCHINDUCTOR_CACHE_DIR": str(caches / "inductor"),
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
        "TRITON_CACHE_DIR": str(caches / "triton"),
        "CUDA_CACHE_PATH": str(caches / "cuda"),
    }
