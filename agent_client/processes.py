"""Starting a stranger's program: what a launcher is asked for, and the plain one without walls."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

GRACE_SECONDS = 15.0


@dataclass(frozen=True)
class Allowance:
    """What one process tree may use; memory and disk in MiB, time in seconds."""

    memory_mb: int = 4096
    disk_mb: int = 1024
    processes: int = 64
    seconds: float = 600.0


@dataclass(frozen=True)
class Job:
    """One program to run: `folder` is its working and only writable folder.

    `readable` are further paths it may read; `env` is its whole environment; with `gpus` the
    machine's GPU devices are passed through.
    """

    argv: Sequence[str]
    folder: Path
    env: Mapping[str, str]
    readable: Sequence[Path] = ()
    allowance: Allowance = field(default_factory=Allowance)
    gpus: bool = False


class Running(Protocol):
    """A started program; standard error comes on `stdout` too."""

    @property
    def pid(self) -> int:
        """The process to remember for clean-up after a crash of ours."""

    @property
    def stdin(self) -> IO[bytes] | None:
        """Where it can be told something."""

    @property
    def stdout(self) -> IO[bytes] | None:
        """What it prints."""

    @property
    def limit(self) -> str:
        """The limit that ended it (memory, disk, processes, time), or nothing."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit status; raises TimeoutExpired."""

    def kill(self) -> None:
        """End it and everything it started."""


class Launcher(Protocol):
    """Starts programs behind the walls of one kind of sandbox."""

    @property
    def name(self) -> str:
        """How the hub and the owner know this kind."""

    def start(self, job: Job) -> Running:
        """Start a program; raises OSError when it cannot be started."""


@dataclass
class PlainRunning:
    """A process group of ours."""

    process: subprocess.Popen[bytes]
    limit: str = ""

    @property
    def pid(self) -> int:
        """The leader of the group."""
        return self.process.pid

    @property
    def stdin(self) -> IO[bytes] | None:
        """Where it can be told something."""
        return self.process.stdin

    @property
    def stdout(self) -> IO[bytes] | None:
        """What it prints."""
        return self.process.stdout

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit status."""
        return self.process.wait(timeout)

    def kill(self) -> None:
        """End the whole group at once; a group that is gone already is fine."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@dataclass(frozen=True)
class Plain:
    """No sandbox: its own process group, its own folder, an empty environment, and nothing more."""

    name: str = "none"

    def start(self, job: Job) -> PlainRunning:
        """Start a program without walls; only for owners who said so in so many words."""
        process = subprocess.Popen(
            list(job.argv),
            cwd=job.folder,
            env=dict(job.env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        return PlainRunning(process)


def interpreter(argv: Sequence[str]) -> list[str]:
    """A goal's command with a leading `python` read as the client's own interpreter."""
    return [sys.executable, *argv[1:]] if argv[0] == "python" else list(argv)


def end_tree(pid: int, grace: float = GRACE_SECONDS) -> None:
    """End a process group that an earlier client left behind: asked first, then killed."""
    for sign, wait in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
        try:
            os.killpg(pid, sign)
        except (ProcessLookupError, PermissionError):
            return
        ends = time.monotonic() + wait
        while time.monotonic() < ends and _alive(pid):
            time.sleep(0.05)


def _alive(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        os.killpg(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True
