"""Jobs for the sandbox's tests, and the kinds of walls that this machine offers."""

import sys
from functools import cache
from pathlib import Path
from typing import Any

from agent_client.sandbox import Exit, Job, Limits, Sandbox, Unsafe, backends

PATIENCE = 60.0


@cache
def walls() -> tuple[Sandbox, ...]:
    """The kinds with walls that work here, strongest first."""
    return tuple(one for one in backends() if one.available() is None)


@cache
def here() -> tuple[Sandbox, ...]:
    """Every kind that works here, the one without walls last."""
    return (*walls(), Unsafe())


def a_job(folder: Path, program: str, **more: Any) -> Job:
    """A Python program for a folder, for half a minute at most."""
    return Job([sys.executable, "-c", program], folder, **{"limits": Limits(30.0), **more})


def run(sandbox: Sandbox, job: Job) -> tuple[Exit, str]:
    """Run a job to its end; its end and what it printed."""
    running = sandbox.start(job)
    ended = running.wait(PATIENCE)
    return ended, running.log.text()
