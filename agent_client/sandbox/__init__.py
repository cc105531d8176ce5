"""Running strangers' code: no network, no secrets, one writable folder, limits, a certain end."""

from agent_client.sandbox.backends import (
    Bubblewrap,
    Landlock,
    Sandbox,
    Unsafe,
    backends,
    choose,
    sweep,
)
from agent_client.sandbox.doctor import Diagnosis, diagnose, proven
from agent_client.sandbox.errors import NoSandbox, SandboxError, SandboxLeaks, UnsafeFile
from agent_client.sandbox.job import Exit, Job, Limits, base_env
from agent_client.sandbox.log import clean
from agent_client.sandbox.running import Running
from agent_client.sandbox.safe_read import safe_read
from agent_client.sandbox.self_test import Finding, Report, self_test
from agent_client.sandbox.wipe import wipe

__all__ = [
    "Bubblewrap",
    "Diagnosis",
    "Exit",
    "Finding",
    "Job",
    "Landlock",
    "Limits",
    "NoSandbox",
    "Report",
    "Running",
    "Sandbox",
    "SandboxError",
    "SandboxLeaks",
    "Unsafe",
    "UnsafeFile",
    "backends",
    "base_env",
    "choose",
    "clean",
    "diagnose",
    "proven",
    "safe_read",
    "self_test",
    "sweep",
    "wipe",
]
