"""What `agent_client doctor` says about sandboxes: each kind, what was tried, what remains."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from agent_client.jail import landlock
from agent_client.sandbox.backends import Sandbox, backends
from agent_client.sandbox.errors import NoSandbox
from agent_client.sandbox.gpus import present
from agent_client.sandbox.self_test import Report, self_test

ALWAYS_REMAINS = (
    "A bug in the kernel lets a stranger's program out: keep the system up to date.",
    "A program can print whatever it likes: numbers count only when the evaluator measures them.",
    "It can use all of its processor time, memory and disk allowance for something else.",
)
GPU_REMAINS = (
    "The GPU driver's calls run in the kernel and cannot be walled off: keep the driver up to "
    "date, and keep no secrets on a machine that lends its GPU to strangers. GPU memory has no "
    "limit of the kernel's. Passing GPUs through was built from public reports and not tested."
)
WITHOUT_PROCESSES = (
    "The names and arguments of your other processes can be seen; keys are not there."
)
SAME_USER = "It runs as you: only path rules keep it from your files. bubblewrap is stronger."
NO_SIGNALS = (
    "This kernel cannot confine signals (6.12 can), so the program may signal nobody at all."
)


@dataclass(frozen=True)
class Kind:
    """One kind of walls: why it cannot be used, or what the attacks on it came to."""

    name: str
    missing: str | None
    report: Report | None = None
    remains: Sequence[str] = ()

    @property
    def holds(self) -> bool:
        """It can be used, and no attack got out."""
        return self.report is not None and not self.report.escapes


@dataclass(frozen=True)
class Diagnosis:
    """All kinds, strongest first; `chosen` is the one that a run would use, or None."""

    kinds: tuple[Kind, ...]
    gpus: tuple[str, ...]
    remains: tuple[str, ...]

    @property
    def chosen(self) -> Kind | None:
        """The strongest kind that holds."""
        return next((kind for kind in self.kinds if kind.holds), None)

    def rows(self) -> list[tuple[str, ...]]:
        """The matrix: the names of the kinds, then each attack with what came of it."""
        tried = [kind for kind in self.kinds if kind.report is not None]
        got = [{one.attack: one for one in kind.report.findings} for kind in tried if kind.report]
        attacks = list(got[0]) if got else []
        head = ("attack", *(kind.name for kind in tried))
        return [head, *((name, *(_mark(one.get(name)) for one in got)) for name in attacks)]


def _mark(finding: object) -> str:
    got, held = getattr(finding, "got", None), getattr(finding, "held", True)
    if got is None:
        return "stopped"
    return "seen" if held else "WORKED"


def diagnose(sandboxes: Sequence[Sandbox] | None = None) -> Diagnosis:
    """Try and attack every kind of walls; takes about a second for each."""
    kinds = tuple(_examine(one) for one in (backends() if sandboxes is None else sandboxes))
    gpus = tuple(present())
    return Diagnosis(kinds, gpus, ALWAYS_REMAINS + ((GPU_REMAINS,) if gpus else ()))


def _examine(sandbox: Sandbox) -> Kind:
    missing = sandbox.available()
    if missing is not None:
        return Kind(sandbox.name, missing)
    report = self_test(sandbox)
    return Kind(sandbox.name, None, report, _remains(sandbox, report))


def _remains(sandbox: Sandbox, report: Report) -> list[str]:
    found = [WITHOUT_PROCESSES] if report.nuisances else []
    if sandbox.name == "landlock" and os.geteuid() != 0:
        found.append(SAME_USER)
        if landlock.abi() < 6:
            found.append(NO_SIGNALS)
    return found


def proven(sandboxes: Sequence[Sandbox] | None = None) -> Sandbox:
    """Return the strongest kind of walls that withstands every attack now.

    Raises NoSandbox if none works here, and SandboxLeaks if the strongest that works has a hole:
    falling back to weaker walls then would hide that something is wrong.
    """
    for sandbox in backends() if sandboxes is None else sandboxes:
        if sandbox.available() is None:
            self_test(sandbox).insist()
            return sandbox
    raise NoSandbox
