"""`agent_client show-payload`: exactly what leaves this machine, before it does."""

import json
import os
from collections.abc import Iterator
from typing import Any

import typer
from pydantic import BaseModel

from agent_client import fleet, machine, settings
from agent_client.build import KEY, choose_mutator, choose_sandbox
from agent_client.devices import named
from agent_client.hub_api import Hub
from agent_client.journal import Journal
from agent_client.options import HOME, Folder
from agent_client.orders import history, task_on, work_request
from agent_client.settings import Settings
from agent_client.setup import VERSION, KnownGoal
from agent_client.state import State
from protocol.agents import Device, JoinRequest
from protocol.experiments import Proposal
from protocol.runs import RunReport
from protocol.work import Output, Progress


def parts(folder: Folder, chosen: Settings, hub: Hub) -> Iterator[tuple[str, Any]]:
    """Each thing that is sent, under the address that it goes to."""
    sandbox = choose_sandbox(chosen.unsafe_no_sandbox)
    device = named(machine.describe(chosen.gpus, sandbox.name))
    yield from _to_the_hub(folder, chosen, device)
    mutator = choose_mutator(chosen, os.environ.get(KEY), lambda *_: "")
    if mutator.mutator.name == "claude":
        yield from _to_the_model(chosen, hub, device)
    else:
        yield "language model", f"Nothing: proposals are written by {mutator.mutator.name}."


def _to_the_hub(folder: Folder, chosen: Settings, device: Device) -> Iterator[tuple[str, Any]]:
    join = JoinRequest(name=chosen.agent, owner=chosen.owner, device=device, client_version=VERSION)
    yield "POST /v1/agents (once, at join)", _plain(join)
    asked = work_request(chosen, device, State.open(folder).memory)
    yield "POST /v1/work (each time that work is asked for)", _plain(asked)
    yield "POST /v1/leases/ID/renew (about each 30 s)", _fields(Progress)
    yield "POST /v1/leases/ID/output (every 2 to 15 s while a run trains)", _fields(Output)
    yield "PUT /v1/experiments/ID (each proposal)", _fields(Proposal)
    waiting = [entry.body for _, entry in Journal(folder / "journal").entries()]
    yield "PUT /v1/runs/ID (each finished run)", _fields(RunReport)
    yield "in the journal, not sent yet", waiting


def _to_the_model(chosen: Settings, hub: Hub, device: Device) -> Iterator[tuple[str, Any]]:
    """The next proposal's first request, as if it were on the goal's baseline."""
    from agent_client.mutators import claude, llm  # half of the start-up time of any command

    for name in (chosen.goals or hub.info().goals)[:1]:
        goal = hub.goal(name)
        if goal.baseline is None:
            continue
        contents = hub.files(goal.baseline)
        task = task_on(KnownGoal.of(goal), contents, device, history(hub, name, goal.baseline))
        where = chosen.llm.base_url or "https://api.anthropic.com"
        said = llm.body(chosen.llm, claude.begin(task, chosen.llm).request())
        yield f"POST {where}/v1/messages (each proposal; here on the baseline of {name})", said


def _plain(said: BaseModel) -> Any:
    return said.model_dump(mode="json")


def _fields(kind: type[BaseModel]) -> dict[str, str]:
    """What a message of this kind may hold; anything else is refused before it is sent."""
    said = kind.model_json_schema()
    return {name: _word(each, said.get("$defs", {})) for name, each in said["properties"].items()}


def _word(said: dict[str, Any], known: dict[str, Any]) -> str:
    """What JSON a field holds, for people: `number or null`, `list of {step, loss}`."""
    said = known.get(said.get("$ref", "").rpartition("/")[2], said)
    if "anyOf" in said:
        return " or ".join(_word(each, known) for each in said["anyOf"])
    if "enum" in said:
        return "one of " + ", ".join(said["enum"])
    if "properties" in said:
        return "{" + ", ".join(said["properties"]) + "}"
    if said["type"] == "array":
        return f"list of {_word(said['items'], known)}"
    if said["type"] == "object":
        return f"{_word(said['additionalProperties'], known)} by name"
    return str(said["type"])


def show_payload(folder: Folder = HOME) -> None:
    """Show what is sent to the hub and to the language model; sends none of it."""
    for each in fleet.workers(folder) or [folder]:
        chosen = settings.load(each)
        with Hub.at(chosen.hub, chosen.token) as hub:
            for address, said in parts(each, chosen, hub):
                typer.echo(f"# {address}")
                typer.echo(said if isinstance(said, str) else json.dumps(said, indent=2))
