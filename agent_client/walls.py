"""Runs behind the sandbox's walls: what each may use, and the evaluator's view of one."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from agent_client.sandbox import Job, Running, Sandbox
from agent_client.sandbox import Limits as Walls
from protocol.goals import Limits

MIB = 1 << 20
LOOK_SECONDS = 0.2


def walls(limits: Limits, seconds: float, disk_mb: int | None = None) -> Walls:
    """A goal's limits as the sandbox takes them; everything is ended after so many seconds."""
    return Walls(
        wall_seconds=seconds,
        memory_bytes=limits.memory_mb * MIB,
        processes=limits.processes,
        disk_bytes=(disk_mb or limits.disk_mb) * MIB,
        log_bytes=limits.log_mb * MIB,
    )


def interpreter(argv: Sequence[str]) -> list[str]:
    """A goal's command with a leading `python` read as the client's own interpreter."""
    return [sys.executable, *argv[1:]] if argv[0] == "python" else list(argv)


@dataclass
class Helper:
    """A sandboxed helper of the evaluator, with pipes at both ends."""

    running: Running

    @property
    def stdin(self) -> IO[bytes] | None:
        """Where requests are written."""
        return self.running.stdin

    @property
    def stdout(self) -> IO[bytes] | None:
        """Where answers are read."""
        return self.running.stdout

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit status."""
        return self.running.wait(timeout).status

    def kill(self) -> None:
        """End the process and all that it started."""
        self.running.kill()


@dataclass(frozen=True)
class Helpers:
    """Starts the evaluator's helpers: no data, no network, one folder, pipes."""

    sandbox: Sandbox
    limits: Walls
    env: Mapping[str, str]
    gpus: Sequence[str] = ()
    _started: list[Running] = field(default_factory=list)

    @property
    def no_room(self) -> bool:
        """Whether one of them was ended because the disk is full of other things."""
        return any(running.wait().no_room for running in self._started)

    @property
    def broken(self) -> str:
        """What kept the sandbox from running one of them to its end, or nothing."""
        ended = (running.wait() for running in self._started)
        return next((each.error or "unknown" for each in ended if each.reason == "setup"), "")

    def __call__(self, argv: list[str], folder: Path, env: dict[str, str]) -> Helper:
        """Start one in its own sandbox."""
        job = Job(
            argv,
            folder,
            env={**self.env, **env},
            limits=self.limits,
            gpus=self.gpus,
            output="pipes",
        )
        running = self.sandbox.start(job)
        self._started.append(running)
        return Helper(running)

    @contextmanager
    def ended_by(self, wish: threading.Event) -> Iterator[None]:
        """While this lasts, a wish ends every helper, also one that is started after it."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(LOOK_SECONDS):
                for running in list(self._started) if wish.is_set() else []:
                    with suppress(TimeoutError):
                        running.kill()

        threading.Thread(target=watch, name="helpers", daemon=True).start()
        try:
            yield
        finally:
            over.set()


def end(pid: int, patience: float = 5.0) -> None:
    """Wait for the supervisor of an earlier client's run, which ends it because its client died.

    Killing a supervisor at work would leave behind what it is about to kill; only one that does
    not come to its end is killed.
    """
    ends = time.monotonic() + patience
    with suppress(ProcessLookupError, PermissionError):
        while time.monotonic() < ends:
            os.kill(pid, 0)
            time.sleep(0.05)
        os.kill(pid, signal.SIGKILL)
