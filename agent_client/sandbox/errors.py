"""Refusals of the sandbox: the docstring is the sentence people read, the code is stable."""

import inspect
from typing import ClassVar


class SandboxError(Exception):
    """The sandbox could not be used."""

    code: ClassVar[str] = "sandbox_error"

    def __init__(self, detail: str = "") -> None:
        self.detail = detail or " ".join((inspect.getdoc(type(self)) or "").split())
        super().__init__(self.detail)


class NoSandbox(SandboxError):
    """No sandbox works on this machine, so nothing is run; `agent_client doctor` says why."""

    code = "no_sandbox"


class SandboxLeaks(SandboxError):
    """A hostile probe got out of the sandbox, so nothing is run; the detail names the probe."""

    code = "sandbox_leaks"


class UnsafeFile(SandboxError):
    """This result is not a plain file of a sensible size inside the run's folder."""

    code = "unsafe_file"
