"""A run seen from the client: its pipes, its output, its end."""

import contextlib
import marshal
import os
import select
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Self

from agent_client.jail.supervisor import FLOOD, STOP
from agent_client.sandbox.job import Exit, Job
from agent_client.sandbox.log import Log

_MARGIN = 15.0


class Running:
    """A started run; when this process dies, however that happens, the run dies too."""

    def __init__(self, supervisor: "subprocess.Popen[bytes]", wires: "Wires", job: Job) -> None:
        self._supervisor, self._wires = supervisor, wires
        self._exit: Exit | None = None
        self._lock = threading.Lock()
        self.stdin: IO[bytes] | None = supervisor.stdin
        self.stdout: IO[bytes] | None = None if job.output == "lines" else supervisor.stdout
        printed = supervisor.stdout if job.output == "lines" else supervisor.stderr
        self.log = Log(printed, job.limits.log_bytes, self._flooded)

    @property
    def pid(self) -> int:
        """The supervisor's process id: killing it kills the run."""
        return self._supervisor.pid

    def lines(self, timeout: float | None = None) -> Iterator[str]:
        """Give what it prints, line by line, cleaned; raises TimeoutError after silence."""
        return self.log.lines(timeout)

    def wait(self, timeout: float | None = None) -> Exit:
        """Wait for the end of everything it started; raises TimeoutError."""
        with self._lock:
            if self._exit is None:
                self._exit = self._read_outcome(timeout)
            return self._exit

    def stop(self) -> None:
        """Ask the whole tree to end; what has not after the grace period is killed."""
        self._order(STOP)

    def kill(self) -> None:
        """End the whole tree now and wait until it is gone."""
        self._wires.drop_lifeline()
        self.wait(_MARGIN)

    def close(self) -> None:
        """End the run if it lives, and close the pipes; what was not read is gone."""
        self.kill()
        for pipe in (self.stdin, self.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    def __enter__(self) -> Self:
        """Use the run in a `with` block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def _flooded(self) -> None:
        self._order(FLOOD)

    def _order(self, order: bytes) -> None:
        self._wires.send(order)

    def _read_outcome(self, timeout: float | None) -> Exit:
        ready, _, _ = select.select([self._wires.outcome], [], [], timeout)
        if not ready:
            raise TimeoutError
        said = self._wires.last_words()
        self._supervisor.wait()
        self._wires.drop_lifeline()
        self.log.close()
        return _exit(said, self.log.text() if not said else "")


@dataclass
class Wires:
    """Descriptors to and from the supervisor."""

    lifeline: int | None
    outcome: int

    def __post_init__(self) -> None:
        """Writing and closing the lifeline must not overlap: its number may be used again."""
        self._lock = threading.Lock()

    def send(self, order: bytes) -> None:
        """Give an order; a supervisor that is gone needs none."""
        with self._lock:
            if self.lifeline is not None:
                try:
                    os.write(self.lifeline, order)
                except BrokenPipeError:
                    return

    def drop_lifeline(self) -> None:
        """Let the supervisor know that nobody wants this run any more."""
        with self._lock:
            if self.lifeline is not None:
                os.close(self.lifeline)
                self.lifeline = None

    def last_words(self) -> bytes:
        """Read the outcome to its end, once."""
        with open(self.outcome, "rb") as file:  # noqa: PTH123  (a descriptor)
            return file.read()


def _exit(said: bytes, log: str) -> Exit:
    if not said:
        return Exit(None, 9, "setup", clean=False, error=f"the supervisor died. {log[-500:]}")
    found = marshal.loads(said)  # noqa: S302  (our own supervisor wrote it)
    return Exit(
        code=found["code"],
        signal=found["signal"],
        reason=found["reason"],
        seconds=found.get("seconds", 0.0),
        peak_rss=found.get("peak", 0),
        clean=found.get("clean", True),
        error=found.get("error", ""),
    )
