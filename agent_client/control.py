"""Commands about a client that runs elsewhere, perhaps in another terminal: status, pause, stop."""

import json
import os
import signal
import sys
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from agent_client import fleet, settings
from agent_client.errors import BadSettings
from agent_client.limits import FINISH, PAUSE
from agent_client.lock import holder
from agent_client.options import HOME, Folder
from agent_client.state import State
from agent_client.telemetry import LOG, STATUS

UNIT = """\
# agent_client service > ~/.config/systemd/user/agenthub.service
# systemctl --user enable --now agenthub
# loginctl enable-linger   (or it ends when you log out)
[Unit]
Description=AgentHub volunteer
After=network-online.target

[Service]
# A service sees nothing of your shell. For proposals by claude, a file of mode 600 that says
# ANTHROPIC_API_KEY=... :
# EnvironmentFile=%h/.config/agenthub.env
ExecStart={program} run --folder {folder}
# The first signal finishes the run and submits it; after ten minutes it is told to stop at once.
# It goes to the client alone: the training's own processes are not to hear of it.
KillMode=mixed
KillSignal=SIGINT
TimeoutStopSec=600
FinalKillSignal=SIGTERM
Restart=on-failure
RestartPreventExitStatus=2 3 4 5 6
RestartSec=60
Nice=10
PrivateTmp=yes
ProtectSystem=strict
ReadWritePaths={writable}
NoNewPrivileges=yes

[Install]
WantedBy=default.target
"""


def read_status(folder: Path) -> dict[str, Any]:
    """What the client in a folder does and did; `running` tells whether it is alive."""
    known = settings.load(folder)
    state = State.open(folder).memory
    try:
        said = json.loads((folder / STATUS).read_text())
    except (OSError, ValueError):
        said = {}
    pid = holder(folder)
    shown = {key: said.get(key) for key in ("phase", "reason", "goal", "experiment", "title")}
    if pid is None:
        shown |= {"phase": "stopped", "reason": ""}
    return {
        "running": pid is not None,
        "pid": pid,
        "hub": known.hub,
        "agent": known.agent,
        **shown,
        **{key: said.get(key) for key in ("step", "fraction", "loss", "eta", "proposing")},
        "duty_cycle": said.get("duty"),
        "seconds_between_runs": said.get("overhead"),
        "hub_ms": said.get("hub_ms"),
        "unsent": len(list((folder / "journal").glob("*.json"))),
        "trouble": said.get("hub") or "",
        "paused": (folder / PAUSE).exists(),
        "held_leases": len(state.held),
        "today": state.today.model_dump(mode="json") if state.today else None,
        "totals": state.totals.model_dump(mode="json"),
    }


def status(
    folder: Folder = HOME,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Say what the client does now, why it waits, and what it has done."""
    workers = fleet.workers(folder)
    found = [read_status(each) for each in workers or [folder]]
    if as_json:
        typer.echo(json.dumps(found if workers else found[0]))
        return
    for said in found:
        _show(said)


def _show(said: dict[str, Any]) -> None:
    state = f"running (pid {said['pid']})" if said["running"] else "not running"
    typer.echo(f"{said['agent']} at {said['hub']}: {state}")
    if said["running"]:
        typer.echo(f"  {_line(said)}")
    if said["duty_cycle"] is not None:
        gap = said["seconds_between_runs"]
        between = "" if gap is None else f", {gap:.1f} s between runs"
        typer.echo(f"  device busy {said['duty_cycle']:.1%} of the time{between}")
    totals = said["totals"]
    runs = f"{totals['runs']} run{'' if totals['runs'] == 1 else 's'}"
    typer.echo(
        f"  {runs}, {totals['failed']} failed, {said['unsent']} unsent, "
        f"${totals['dollars']:.2f} spent"
    )
    if said["paused"]:
        typer.echo("  paused: nothing new begins; `agent_client resume` goes on")
    if said["running"] and said["hub_ms"] is not None:
        typer.echo(f"  the hub answers in {said['hub_ms']:.0f} ms")
    if said["trouble"]:
        typer.echo(f"  {said['trouble']}")


def _line(said: dict[str, Any]) -> str:
    parts = [str(said["phase"]), str(said["reason"] or ""), str(said["experiment"] or "")]
    if said["phase"] == "training":
        eta = "" if said["eta"] is None else f", {said['eta']:.0f} s left"
        parts.append(f"step {said['step']} ({(said['fraction'] or 0):.0%}){eta}")
    return " ".join(part for part in parts if part)


def pause(folder: Folder = HOME) -> None:
    """Begin nothing new after the present run, until `resume`."""
    for each in fleet.workers(folder) or [folder]:
        settings.load(each)
        settings.make_folder(each)
        (each / PAUSE).touch()
    typer.echo("Paused: nothing new begins. `agent_client resume` goes on.")


def resume(folder: Folder = HOME) -> None:
    """Go on after `pause`."""
    found = fleet.workers(folder) or [folder]
    for each in found:
        settings.load(each)
        settings.make_folder(each)
        (each / PAUSE).unlink(missing_ok=True)
    runs = any(holder(each) is not None for each in found)
    typer.echo("Going on." if runs else "No longer paused; `agent_client run` begins to work.")


def stop(
    folder: Folder = HOME,
    finish: Annotated[bool, typer.Option(help="Finish the run and submit it first.")] = False,
) -> None:
    """Stop the client of this folder: at once, or with --finish after its run."""
    for each in fleet.workers(folder) or [folder]:
        _stop_one(each, finish)


def _stop_one(folder: Path, finish: bool) -> None:
    pid = holder(folder)
    if pid is None:
        typer.echo("No client runs in this folder.")
    elif finish:
        settings.make_folder(folder)
        (folder / FINISH).touch()
        typer.echo(f"The client (pid {pid}) finishes its run, submits it and stops.")
    else:
        with suppress(ProcessLookupError):  # it may end by itself at this very moment
            os.kill(pid, signal.SIGTERM)
        typer.echo(f"The client (pid {pid}) stops now and gives its work back.")


def logs(
    folder: Folder = HOME,
    lines: Annotated[int, typer.Option(min=1, help="How many of the last lines.")] = 50,
    follow: Annotated[bool, typer.Option(help="Go on showing new lines.")] = False,
) -> None:
    """Show the client's log: one JSON object a line."""
    path = folder / LOG
    try:
        opened = path.open(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        told = f"There is no log yet at {path}; `agent_client run` writes it."
        raise BadSettings(told) from None
    except OSError as problem:
        raise BadSettings(f"{path} cannot be read: {problem.strerror}.") from None
    with opened as file:
        sys.stdout.writelines(deque(file, maxlen=lines))
        while follow:
            sys.stdout.writelines(file)
            sys.stdout.flush()
            time.sleep(0.5)


def service(folder: Folder = HOME) -> None:
    """Print a systemd unit that runs this client."""
    caches = [settings.load(each).cache for each in fleet.workers(folder) or [folder]]
    program = Path(sys.executable).with_name("agent_client")
    paths = dict.fromkeys([folder.resolve(), *(each.resolve() for each in caches if each)])
    words = {
        "program": _unit_word(program),
        "folder": _unit_word(folder.resolve()),
        "writable": " ".join(map(_unit_word, paths)),
    }
    typer.echo(UNIT.format(**words), nl=False)


def _unit_word(path: Path) -> str:
    """A path as systemd reads it in one piece, whatever is in it."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return text if " " not in text and text == str(path) else f'"{text}"'
