"""`agent_client doctor`: what works on this machine, what does not, and what to do about it."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer

from agent_client import machine, settings, versions
from agent_client.errors import ClientError, NotJoined
from agent_client.gpu import gauge
from agent_client.hub_api import Hub
from agent_client.options import HOME, Folder
from agent_client.sandbox import Report, backends, self_test
from agent_client.setup import VERSION

GOOD, NOTE, BAD = "ok", "note", "bad"
MARKS = {GOOD: "+", NOTE: "o", BAD: "-"}


@dataclass(frozen=True)
class Finding:
    """One thing looked at: `grade` is ok, note (works, with less) or bad (must be mended)."""

    what: str
    grade: str
    said: str


def examine(folder: Path, key: str | None) -> Iterator[Finding]:
    """Look at everything that a run needs, in the order in which it would be needed."""
    yield _folder(folder)
    yield _disk(folder)
    yield from _hub(folder)
    yield _torch()
    yield from _device()
    yield from _sandbox()
    yield _key(key)


def _folder(folder: Path) -> Finding:
    try:
        settings.make_folder(folder)
    except ClientError as problem:
        return Finding("folder", BAD, problem.detail)
    return Finding("folder", GOOD, f"{folder} can be written.")


def _disk(folder: Path) -> Finding:
    try:
        free = shutil.disk_usage(folder if folder.exists() else folder.parent).free // (1 << 20)
    except OSError as problem:
        return Finding("disk", BAD, str(problem))
    enough = free >= 2000
    return Finding("disk", GOOD if enough else NOTE, f"{free} MB are free.")


def _hub(folder: Path) -> Iterator[Finding]:
    try:
        known = settings.load(folder)
    except NotJoined as problem:
        yield Finding("hub", NOTE, problem.detail)
        return
    except ClientError as problem:
        yield Finding("settings", BAD, problem.detail)
        return
    with Hub.at(known.hub, known.token) as hub:
        yield _try("hub", lambda: _reach(hub))
        yield _try("token", lambda: f"The hub knows you as {hub.me().name}.")


def _reach(hub: Hub) -> str:
    info = hub.info()
    advice = versions.check(VERSION, info.minimum_client, info.latest_client)
    goals = ", ".join(info.goals) or "none"
    return f"{info.name} answers; open goals: {goals}. {advice}".strip()


def _try(what: str, ask: Callable[[], str]) -> Finding:
    try:
        return Finding(what, GOOD, ask())
    except ClientError as problem:
        return Finding(what, BAD, problem.detail)


def _torch() -> Finding:
    try:
        found = version("torch")
        if found.endswith("+cpu") and machine.gpu_count():
            said = f"torch {found} is built without CUDA, so the GPU is of no use; install another."
            return Finding("torch", BAD, said)
        return Finding("torch", GOOD, f"torch {found} is installed.")
    except PackageNotFoundError:
        how = "pip install '.[train]' in AgentHub's checkout"
        said = f"torch is not installed: {how}. Goals without it still run."
        return Finding("torch", BAD, said)


def _device() -> Iterator[Finding]:
    device = machine.describe()
    if device.kind == "cpu":
        said = (
            "No NVIDIA GPU is visible (no driver, or none in this container). Goals for a CPU, "
            f"such as tiny_gpt, run on {device.name} with {device.memory_mb} MB; GPU goals do not."
        )
        yield Finding("gpu", NOTE, said)
        return
    yield Finding("gpu", GOOD, f"{device.name}, {device.memory_mb} MB, driver {device.driver}.")
    reading = gauge().read()
    heat = None if reading is None else reading.temperature
    if heat is None:
        yield Finding("gpu sensors", NOTE, "The temperature cannot be read; its limit is void.")
    else:
        yield Finding("gpu sensors", GOOD, f"{heat:.0f} C now.")


def _sandbox() -> Iterator[Finding]:
    """Each kind of sandbox: usable or not and why, and what an attacker inside it achieved."""
    works = False
    for sandbox in backends():
        try:
            reason = sandbox.available()
            report = None if reason is not None else self_test(sandbox)
        except OSError as problem:
            yield Finding(f"sandbox {sandbox.name}", BAD, f"Cannot be tried: {problem}")
            continue
        if report is None:
            yield Finding(f"sandbox {sandbox.name}", NOTE, f"Cannot be used: {reason}.")
            continue
        works = works or not report.escapes
        yield Finding(f"sandbox {sandbox.name}", BAD if report.escapes else GOOD, _matrix(report))
    if not works:
        yield Finding("sandbox", BAD, "None holds, so strangers' code is not run here.")


def _matrix(report: Report) -> str:
    if report.escapes:
        return "Got out: " + ", ".join(one.attack for one in report.escapes) + "."
    said = f"{len(report.findings)} attacks from inside failed."
    remains = ", ".join(f"{one.attack} ({one.got})" for one in report.nuisances)
    return f"{said} What remains: {remains}." if remains else said


def _key(key: str | None) -> Finding:
    if key:
        return Finding("language model", GOOD, "ANTHROPIC_API_KEY is set: proposals by claude.")
    return Finding("language model", NOTE, "ANTHROPIC_API_KEY is not set: proposals by offline.")


def doctor(
    folder: Folder = HOME,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Say plainly what works on this machine; exit 1 when something must be mended."""
    found = list(examine(folder, os.environ.get("ANTHROPIC_API_KEY")))
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found]))
    else:
        for each in found:
            typer.echo(f"{MARKS[each.grade]} {each.what}: {each.said}")
    if any(each.grade == BAD for each in found):
        raise typer.Exit(1)
