"""How busy a device is kept, with and without the pipeline, when proposals take long.

    python -m benchmarks.agent.duty_cycle --llm 45 --budget 60 --experiments 6

Two installed clients work side by side for two real hubs of their own, in their sandboxes, on a
goal whose training sleeps for the budget; a local server in the Messages format takes the
simulated model's time to answer. One client runs serially, one with its pipeline. The duty cycle
is the share of training and measuring from the first training's start to the last one's end.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.agent_client.hub_process import HubProcess, a_hub, client, environment
from tests.services.anthropic_server import AnthropicServer, Request, anthropic_server
from tests.services.anthropic_wire import Reply, tool_use

RESULT = Path(__file__).parents[1] / "results" / "agent_duty_cycle.json"
WAYS = {"pipelined": "--pipeline", "serial": "--no-pipeline"}


def proposal(request: Request, seconds: float) -> Reply:
    """One change of the learning rate, after as long as a model thinks."""
    found = re.search(r"LEARNING_RATE = ([0-9.]+)", json.dumps(request["messages"]))
    assert found is not None
    value = f"{float(found[1]) + 0.001 * (1 + time.time_ns() % 97):.4f}"
    edit = {
        "path": "train.py",
        "search": f"LEARNING_RATE = {found[1]}",
        "replace": f"LEARNING_RATE = {value}",
    }
    said = {"title": f"learning rate {value}", "hypothesis": "Simulated.", "edits": [edit]}
    return replace(tool_use("propose_change", said), wait=seconds)


@contextmanager
def simulated_model(seconds: float) -> Iterator[AnthropicServer]:
    """A model that answers well and slowly."""
    with anthropic_server() as server:
        server.otherwise = lambda request: proposal(request, seconds)
        yield server


def begin(hub: HubProcess, model: str, folder: Path, way: str, most: int) -> subprocess.Popen[str]:
    """Start one client on its own hub."""
    env = environment(
        ANTHROPIC_API_KEY="simulated",
        AGENTHUB_CLIENT_LLM__BASE_URL=model,
        AGENTHUB_CLIENT_LIMITS__DOLLARS_PER_DAY="1000",
    )
    where = ("--folder", str(folder))
    subprocess.run(client("join", hub.url, *where), env=env, check=True, capture_output=True)
    options = ("--mutator", "claude", "--max-experiments", str(most), way)
    with (folder / "output.txt").open("w") as output:
        return subprocess.Popen(
            client("run", *where, *options), env=env, stdout=output, stderr=output, text=True
        )


def outcome(folder: Path) -> dict[str, Any]:
    """What the client itself reports when it is done."""
    argv = client("status", "--json", "--folder", str(folder))
    said = json.loads(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)
    return {
        "duty_cycle": round(said["duty_cycle"], 4),
        "seconds_between_runs_median": round(said["seconds_between_runs"], 2),
        "trainings": said["totals"]["runs"],
        "failed": said["totals"]["failed"],
    }


def measure(llm: float, budget: float, experiments: int) -> dict[str, Any]:
    """Both ways at the same time on the same machine, so that both meet the same load."""
    with tempfile.TemporaryDirectory() as home, ExitStack() as stack:
        started = {}
        for name, way in WAYS.items():
            model = stack.enter_context(simulated_model(llm))
            hub = stack.enter_context(a_hub(Path(home) / f"hub-{name}", sleep=budget))
            folder = Path(home) / name
            started[name] = begin(hub, model.url, folder, way, experiments)
        for name, process in started.items():
            if process.wait():
                raise RuntimeError((Path(home) / name / "output.txt").read_text())
        found = {name: outcome(Path(home) / name) for name in WAYS}
    return {
        "llm_seconds": llm,
        "budget_seconds": budget,
        "experiments": experiments,
        "load_average_at_end": [round(each, 1) for each in os.getloadavg()],
        "cores": os.cpu_count(),
        **found,
        "serial_at_best": round(budget / (budget + llm), 4),
    }


def main() -> None:
    """Measure, print, and keep the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--llm", type=float, default=45.0)
    parser.add_argument("--budget", type=float, default=60.0)
    parser.add_argument("--experiments", type=int, default=6)
    said = parser.parse_args()
    found = measure(said.llm, said.budget, said.experiments)
    text = json.dumps(found, indent=2)
    RESULT.write_text(text + "\n")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
