"""The kinds of walls, strongest first, and the choice between them."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

from agent_client.jail import landlock, uids
from agent_client.sandbox.errors import NoSandbox
from agent_client.sandbox.job import Job, Limits
from agent_client.sandbox.running import Running
from agent_client.sandbox.spawn import spawn

_TRIAL_SECONDS = 20.0


class Sandbox(Protocol):
    """One kind of walls; a higher strength keeps more out, 0 keeps nothing out."""

    @property
    def name(self) -> str:
        """How owner and hub know this kind."""

    @property
    def strength(self) -> int:
        """For comparing kinds: 2, 1, or 0."""

    def available(self) -> str | None:
        """Why it cannot be used on this machine, or None if it can."""

    def start(self, job: Job) -> Running:
        """Start a job; whether its walls could be built shows in `Exit.reason`."""


class Bubblewrap:
    """Namespaces by bubblewrap: a file system, network and process table of its own."""

    name, strength = "bubblewrap", 2

    def __init__(self, path: str | None = None) -> None:
        self._path = path or shutil.which("bwrap")

    def available(self) -> str | None:
        """Why it cannot be used on this machine, or None if it can."""
        if self._path is None:
            return "bubblewrap is not installed (Debian, Ubuntu: apt install bubblewrap)"
        return _trial(self)

    def start(self, job: Job) -> Running:
        """Start a job in namespaces of its own."""
        return spawn(self.name, job, bwrap=self._path or "bwrap", sizes=self._sizes_memory)

    @cached_property
    def _sizes_memory(self) -> bool:
        """Before 0.7 it could not limit a tmpfs; the watch on shared memory does it then."""
        command = [self._path or "bwrap", "--help"]
        # --help reads nothing and starts nothing, so it may run as root.
        told = subprocess.run(command, capture_output=True, timeout=10, check=False)
        return b"--size" in told.stdout + told.stderr


class Landlock:
    """Path rules, a system-call filter and, for root, another user; works inside containers."""

    name, strength = "landlock", 1

    def available(self) -> str | None:
        """Why it cannot be used on this machine, or None if it can."""
        if landlock.abi() == 0:
            return "this kernel has no Landlock (Linux 5.13 or newer, enabled at boot)"
        return _trial(self)

    def start(self, job: Job) -> Running:
        """Start a job behind path rules."""
        return spawn(self.name, job)


class Unsafe:
    """No walls at all: limits, a clean environment, and an end for the whole process tree."""

    name, strength = "none", 0

    def available(self) -> str | None:
        """Nothing is needed to protect nothing."""
        return None

    def start(self, job: Job) -> Running:
        """Start a job that can read, write and send whatever its user can."""
        return spawn(self.name, job)


def _trial(sandbox: Sandbox) -> str | None:
    """Run one short program inside; the real interpreter is what most often cannot be reached."""
    with tempfile.TemporaryDirectory(prefix="agenthub-") as folder:
        job = Job(["/bin/sh", "-c", "exit 0"], Path(folder), limits=Limits(_TRIAL_SECONDS))
        running = sandbox.start(job)
        ended = running.wait(2 * _TRIAL_SECONDS)
        if ended.ok:
            return None
        said = running.log.text().strip().splitlines()[-1:] or [f"status {ended.status}"]
        return f"{ended.error or sandbox.name}: {said[0]}"


def sweep() -> int:
    """End what a killed client and its killed supervisors left running; returns how many runs.

    Only root's runs can be told by their user. Others die with their supervisor, or by
    bubblewrap's own bond; see docs/sandbox.md for what remains.
    """
    return uids.sweep() if os.geteuid() == 0 else 0


def backends() -> Sequence[Sandbox]:
    """Every kind of walls, strongest first."""
    return (Bubblewrap(), Landlock())


def choose(
    prefer: str | None = None,
    allow_unsafe: bool = False,
    among: Sequence[Sandbox] | None = None,
) -> Sandbox:
    """Return the strongest kind that works here, or the preferred one.

    Raises NoSandbox with a reason per kind; only `allow_unsafe` allows running without walls.
    """
    if os.uname().sysname != "Linux" and not allow_unsafe:
        raise NoSandbox("Strangers' code is run on Linux only, where a sandbox can hold it.")
    wanted = [one for one in (backends() if among is None else among) if prefer in (None, one.name)]
    reasons = []
    for sandbox in wanted:
        reason = sandbox.available()
        if reason is None:
            return sandbox
        reasons.append(f"{sandbox.name}: {reason}")
    if allow_unsafe:
        return Unsafe()
    raise NoSandbox(_advice(reasons))


def _advice(reasons: Sequence[str]) -> str:
    return (
        "No sandbox works on this machine, so nothing is run. "
        + " ".join(f"{reason}." for reason in reasons)
        + " Install bubblewrap, use a newer kernel, or, on a machine that holds nothing of value, "
        "say --unsafe-no-sandbox; the hub shows that."
    )
