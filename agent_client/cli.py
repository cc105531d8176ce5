"""The volunteer's commands. Exit codes are written down in docs/volunteers.md."""

import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
from rich.console import Console

from agent_client import control, fleet, joining, machine, settings, signals, versions
from agent_client.backoff import Backoff, Stopping, until_answered
from agent_client.build import choose_sandbox, kit_for, loop_for, prove
from agent_client.calibration import still_fit
from agent_client.doctor import doctor
from agent_client.errors import ClientError
from agent_client.home import signin
from agent_client.hub_api import check_address
from agent_client.limits import FINISH
from agent_client.lock import InstanceLock
from agent_client.options import HOME, UNSAFE, Folder
from agent_client.payload import show_payload
from agent_client.setup import VERSION, Kit
from agent_client.telemetry import log_to

app = typer.Typer(
    help="Volunteer this machine for an AgentHub: it tries ideas, trains them and reports.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
PENDING, PENDING_SECONDS = "An operator of the hub has to approve you first.", 15.0
log = structlog.get_logger(__name__)
for command in (
    *(control.status, control.pause, control.resume, control.stop, control.logs, control.service),
    doctor,
    show_payload,
    signin,
):
    app.command()(command)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"agent_client {VERSION}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Volunteer this machine for an AgentHub: it tries ideas, trains them and reports."""


@app.command()
def join(  # noqa: PLR0913, PLR0917 - each is an option of the command
    url: Annotated[str, typer.Argument(help="The hub's address.")],
    folder: Folder = HOME,
    name: Annotated[str, typer.Option(help="The agent's name; made up if left out.")] = "",
    owner: Annotated[str, typer.Option(help="Your name on the hub.")] = "",
    invite: Annotated[str | None, typer.Option(help="An invite code, if the hub asks.")] = None,
    goal: Annotated[list[str] | None, typer.Option(help="Only this goal; repeatable.")] = None,
    gpus: Annotated[str, typer.Option(help="auto, all, cpu, or an index such as 0.")] = "auto",
    insecure_http: Annotated[bool, typer.Option(help="Allow http to another machine.")] = False,
    unsafe_no_sandbox: Annotated[bool, typer.Option(help=UNSAFE)] = False,
) -> None:
    """Join a hub: check everything, get a token, write the settings."""
    folder = folder.resolve()
    wish = joining.Wish(
        url, name, owner, invite, tuple(goal or ()), gpus, insecure_http, unsafe_no_sandbox
    )
    check_address(url, insecure_http)  # before the longer checks
    joining.check_wish(wish)
    machine.check_gpus(gpus)
    joining.greet(wish, fresh=not (folder / settings.CONFIG).exists() and not fleet.workers(folder))
    sandbox = choose_sandbox(unsafe_no_sandbox)
    typer.echo(prove(sandbox))
    count = machine.gpu_count() if gpus == "all" else 1
    if count > 1:
        for each in fleet.join(folder, wish, sandbox, typer.echo, count):
            typer.echo(f"GPU {each.settings.gpus} works as {each.settings.agent}.")
        typer.echo(f"Next: agent_client run{settings.folder_option(folder)}")
        return
    made = joining.join(folder, wish, sandbox, typer.echo)
    who = f"{made.info.name} as {made.settings.agent} (owner {made.settings.owner})"
    if made.again:
        typer.echo(f"This folder has already joined {who}; options given now change nothing.")
        typer.echo(f"Change {folder / settings.CONFIG}, or join in another --folder.")
    else:
        typer.echo(f"Joined {who}.")
        typer.echo(f"Settings are in {folder / settings.CONFIG}, readable by you alone.")
    if made.advice:
        typer.echo(made.advice)
    if made.state != "active":
        typer.echo("An operator of the hub has to approve you first; `run` waits for it.")
    typer.echo(f"Next: agent_client run{settings.folder_option(folder)}")


@app.command()
def run(  # noqa: PLR0917 - each is an option of the command
    folder: Folder = HOME,
    mutator: Annotated[str | None, typer.Option(help="auto, claude, offline, command.")] = None,
    mutator_command: Annotated[str | None, typer.Option(help="'claude -p {prompt_file}'.")] = None,
    max_experiments: Annotated[int | None, typer.Option(min=1, help="Stop after so many.")] = None,
    goal: Annotated[list[str] | None, typer.Option(help="Only this goal; repeatable.")] = None,
    pipeline: Annotated[
        bool | None, typer.Option(help="Prepare the next run while one trains.")
    ] = None,
    unsafe_no_sandbox: Annotated[bool, typer.Option(help=UNSAFE)] = False,
) -> None:
    """Work until stopped. Ctrl-C finishes the run and submits it; a second one stops at once."""
    folder = folder.resolve()
    if fleet.workers(folder):
        raise typer.Exit(fleet.Fleet(fleet.workers(folder), _options(), typer.echo).run())
    said: dict[str, Any] = {
        "mutator": mutator,
        "mutator_command": mutator_command,
        "goals": goal or None,
        "pipeline": pipeline,
        "unsafe_no_sandbox": unsafe_no_sandbox or None,
    }
    chosen = settings.with_options(settings.load(folder), said)
    # Whoever finds us by the lock means us by `stop --finish`; what was said before is another's.
    lock = InstanceLock.take(folder, lambda: (folder / FINISH).unlink(missing_ok=True))
    log_to(folder)
    log.info("started", version=VERSION, hub=chosen.hub, agent=chosen.agent)
    try:
        _work(folder, chosen, max_experiments)
    except ClientError as problem:
        log.error("stopped", code=problem.code, detail=problem.detail)
        raise
    finally:
        lock.release()


def _options() -> list[str]:
    """What was said after `run`, less the folder, for each worker of a fleet."""
    said, kept = iter(sys.argv[2:]), []
    for word in said:
        if word == "--folder":
            next(said, None)
        elif not word.startswith("--folder="):
            kept.append(word)
    return kept


def _work(folder: Path, chosen: settings.Settings, max_experiments: int | None) -> None:
    kit = kit_for(folder, chosen, Console(), Stopping())
    kit.max_experiments = max_experiments
    work(kit)


def work(kit: Kit) -> None:
    """Work with these collaborators until told to stop."""
    _listen(kit.stopping)
    with kit.hub:
        _introduce(kit)
        loop_for(kit).run()
    if kit.telemetry.finished:
        kit.telemetry.console.print(kit.telemetry.table())


def _introduce(kit: Kit) -> None:
    """Say what will happen, and check the hub's version gate."""
    say = kit.telemetry.say
    info = until_answered(kit.hub.info, kit.stopping, say, Backoff())
    advice = versions.check(VERSION, info.minimum_client, info.latest_client)
    _wait_for_approval(kit)
    say(f"{kit.settings.agent} works for {info.name} on {kit.device.name} ({kit.device.kind}).")
    say(f"Proposals by {kit.mutator.name}, because {kit.why_mutator}.")
    say(prove(kit.sandbox))
    _leave_out(kit, info.goals)
    say("Ctrl-C finishes the run; twice stops at once.")
    gone = machine.gpu_trouble(kit.settings.gpus, kit.device)
    for warning in (advice, gone, machine.clock_trouble(kit.clock(), kit.hub.clock)):
        if warning:
            say(warning)


def _leave_out(kit: Kit, there: Sequence[str]) -> None:
    """Ask for no goal whose runs this GPU would only crash; raises NothingFits."""
    capability = machine.capability(kit.gpu) if kit.device.kind == "cuda" else None
    if capability is None:
        return
    say, wanted = kit.telemetry.say, [each for each in kit.settings.goals or there if each in there]
    specs = [
        until_answered(partial(kit.hub.goal, name), kit.stopping, say, Backoff()).spec
        for name in wanted
    ]
    fit, said = still_fit(specs, capability)
    for sentence in said:
        say(f"Left out: {sentence}")
    if said:
        kit.settings = kit.settings.model_copy(update={"goals": fit})


def _wait_for_approval(kit: Kit) -> None:
    """Until an operator lets this agent work, or its owner wants to stop."""
    say, told = kit.telemetry.say, False
    while until_answered(kit.hub.me, kit.stopping, say, Backoff()).state == "pending":
        kit.telemetry.wait(PENDING)
        if not told:
            say(f"Waiting: {PENDING}")
        told = True
        if kit.stopping.sleep(PENDING_SECONDS):
            return


def _listen(stopping: Stopping) -> None:
    """First Ctrl-C finishes, the second and SIGTERM abort."""

    def obey(number: int) -> None:
        if number == signal.SIGTERM or stopping.finish.is_set():
            stopping.ask_abort()
        else:
            stopping.ask_finish()
            os.write(2, b"\nFinishing this run, then stopping. Ctrl-C again stops at once.\n")

    signals.listen(obey)


def main() -> None:
    """Run a command; a refusal becomes one sentence and its exit code."""
    try:
        app()
    except ClientError as problem:
        sys.stderr.write(f"{problem.detail}\n")
        sys.exit(problem.exit_code)
