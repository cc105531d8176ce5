"""Processes born with torch already imported: the same scripts, started in a tenth of the time.

A server imports what every training imports and forks for each script, so that what a script does
to its process dies with it. Nothing of the tests is in it.
"""

import multiprocessing as mp
import os
import runpy
import sys
from dataclasses import dataclass
from functools import cache
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import IO, Any

PRELOADED = ["numpy", "torch", "torch._dynamo", "tiktoken", "safetensors.torch", __name__]


@dataclass(frozen=True)
class Child:
    """A running script with pipes, as a sandbox would hand it over."""

    process: ForkServerProcess
    stdin: IO[bytes]
    stdout: IO[bytes]

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; the exit status."""
        self.process.join(timeout)
        return self.process.exitcode if self.process.exitcode is not None else -1

    def kill(self) -> None:
        """End it."""
        self.process.kill()


def start(argv: list[str], folder: Path, env: dict[str, str]) -> Child:
    """Run `python script.py ...` in a folder; `argv[0]`, the interpreter, is ours in any case."""
    (theirs_in, ours_in), (ours_out, theirs_out) = os.pipe(), os.pipe()
    process = _context().Process(
        target=_script, args=(argv[1:], str(folder), env, DupFd(theirs_in), DupFd(theirs_out))
    )
    process.start()
    for fd in (theirs_in, theirs_out):
        os.close(fd)
    return Child(process, os.fdopen(ours_in, "wb", 0), os.fdopen(ours_out, "rb", 0))


def run(argv: list[str], folder: Path, env: dict[str, str]) -> tuple[int, str]:
    """Run a script to its end; its exit status and all that it printed, errors included."""
    child = start(argv, folder, env)
    child.stdin.close()
    with child.stdout:
        said = child.stdout.read()
    return child.wait(60), said.decode()


@cache
def _context() -> ForkServerContext:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    context = mp.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def _script(argv: list[str], folder: str, env: dict[str, str], stdin: Any, stdout: Any) -> None:
    os.dup2(stdin.detach(), 0)
    os.dup2(stdout.detach(), 1)
    os.dup2(1, 2) if "_model_process.py" not in argv else None
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - as long as the process
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = argv
    sys.path.insert(0, folder)
    try:
        runpy.run_path(argv[0], run_name="__main__")
    finally:
        sys.stdout.flush()
