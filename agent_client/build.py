"""Putting a client together from its settings: the one place where collaborators are made."""

import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from rich.console import Console

from agent_client import machine
from agent_client.backoff import Stopping
from agent_client.devices import named
from agent_client.errors import BadSettings, CopiedFolder, NoKey, NoSandbox
from agent_client.gpu import NoGauge, gauge
from agent_client.hub_api import Hub, check_address
from agent_client.journal import Journal
from agent_client.lease import Keeper
from agent_client.limits import Gate, local
from agent_client.loop import Loop
from agent_client.mutators.base import Mutator
from agent_client.sandbox import NoSandbox as NoWalls
from agent_client.sandbox import Sandbox, SandboxError, choose, self_test
from agent_client.sender import Sender
from agent_client.settings import Settings, gpu_of, shared_cache
from agent_client.setup import Kit
from agent_client.state import State, machine_identity
from agent_client.telemetry import Telemetry
from agent_client.workspace import Workspace

KEY = "ANTHROPIC_API_KEY"
Money = Callable[[float, int], str]


@dataclass(frozen=True)
class Chosen:
    """A mutator, and why it is this one."""

    mutator: Mutator
    why: str
    fallback: Mutator | None = None


def choose_mutator(settings: Settings, key: str | None, money: Money) -> Chosen:
    """The mutator that the settings ask for; `auto` means claude with a key, else offline.

    Raises NoKey when claude is asked for without one, and BadSettings for a missing command.
    """
    wanted = settings.mutator
    if wanted == "auto":
        wanted = "claude" if key else "offline"
        why = f"{KEY} is {'set' if key else 'not set'}"
    else:
        why = "you asked for it"
    if wanted == "offline":
        return Chosen(_offline(), why)
    if wanted == "command":
        return Chosen(_command(settings), why)
    if not key:
        raise NoKey
    fallback = _offline() if settings.llm.fall_back_to_offline else None
    return Chosen(_claude(settings, key, money), why, fallback)


def _offline() -> Mutator:
    from agent_client.mutators.offline import Offline

    return Offline()


def _command(settings: Settings) -> Mutator:
    from agent_client.mutators.command import Command

    if not _words(settings.mutator_command):
        raise BadSettings("--mutator command needs --mutator-command 'agent {prompt_file}'")
    hidden = (settings.token,)
    return Command(settings.mutator_command, settings.mutator_seconds, hidden, settings.llm.prompts)


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError as problem:
        raise BadSettings(f"--mutator-command {command!r} cannot be read: {problem}") from None


def _claude(settings: Settings, key: str, money: Money) -> Mutator:
    from agent_client.mutators.claude import Claude
    from agent_client.mutators.llm import connect

    limits = settings.limits
    client = connect(settings.llm, key)
    return Claude(client, settings.llm, limits.dollars_per_run, money, limits.tokens_per_run)


def choose_sandbox(allow_unsafe: bool) -> Sandbox:
    """The strongest sandbox of this machine; raises NoSandbox unless the owner waived it."""
    try:
        return choose(allow_unsafe=allow_unsafe)
    except NoWalls as problem:
        raise NoSandbox(problem.detail) from None
    except OSError as problem:
        raise NoSandbox(f"No sandbox can be tried here: {problem}") from None


def prove(sandbox: Sandbox) -> str:
    """Attack the sandbox before anything foreign runs in it; a sentence about what it keeps out.

    Raises NoSandbox naming the attack when one got out.
    """
    if sandbox.strength == 0:
        return "No sandbox, as you said: strangers' code can read and send what you can."
    try:
        report = self_test(sandbox)
        report.insist()
    except SandboxError as problem:
        raise NoSandbox(problem.detail) from None
    except OSError as problem:
        raise NoSandbox(f"The sandbox cannot be tried here: {problem}") from None
    seen = ", ".join(one.attack for one in report.nuisances)
    held = f"Sandbox: {sandbox.name}; {len(report.findings)} attacks from inside failed."
    return f"{held} What it cannot hide: {seen}." if seen else held


def kit_for(folder: Path, settings: Settings, console: Console, stopping: Stopping) -> Kit:
    """Build one worker's collaborators; nothing is started yet."""
    state = State.open(folder)
    identity = machine_identity()
    if state.memory.machine not in ("", identity):
        raise CopiedFolder
    state.insist_on_being_the_only_one()
    state.change(lambda _: {"machine": identity, "folder": str(folder), "session": uuid4().hex})
    hub = Hub.at(check_address(settings.hub, settings.insecure_http), settings.token)
    journal = Journal(folder / "journal")
    sandbox = choose_sandbox(settings.unsafe_no_sandbox)
    gate = Gate(folder, settings.limits, state)
    chosen = choose_mutator(settings, os.environ.get(KEY), gate.pledge)
    return Kit(
        folder=folder,
        settings=settings,
        hub=hub,
        state=state,
        journal=journal,
        sender=Sender(hub, journal),
        keeper=Keeper(hub),
        workspace=Workspace(folder, shared=shared_cache(folder, settings.cache)),
        sandbox=sandbox,
        mutator=chosen.mutator,
        fallback=chosen.fallback,
        telemetry=Telemetry(folder, console),
        stopping=stopping,
        device=named(machine.describe(settings.gpus, sandbox.name)),
        gpu=gpu_of(settings.gpus),
        why_mutator=chosen.why,
    )


def loop_for(kit: Kit) -> Loop:
    """One worker, ready to run."""
    cuda = kit.device.kind == "cuda"
    meter = gauge(int(kit.gpu)) if cuda else NoGauge()
    limits = kit.settings.limits
    return Loop(kit, Gate(kit.folder, limits, kit.state, meter, clock=lambda: local(kit.clock())))
