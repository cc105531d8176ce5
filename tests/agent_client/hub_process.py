"""A real hub in a process of its own, on a port of this machine, with goals that need no torch."""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import uvicorn

from agent_client.errors import HubError
from agent_client.hub_api import Hub
from hub import goal_files, goals
from hub.app import create_app
from hub.core import open_hub
from hub.settings import Settings
from protocol.goals import GoalSpec
from tests.builders import FILES, a_spec
from tests.services import cradle
from tests.services.ports import free_port

TOY_TRAIN = '''"""A training without torch: its loss falls to a number that the constants decide."""
import os
import time

LEARNING_RATE = 0.1
WIDTH = 8
SLEEP = 0.0

seed = int(os.environ["AGENTHUB_SEED"])
best = abs(LEARNING_RATE - 0.3) + 1.0 / WIDTH
for step in range(1, 11):
    time.sleep(SLEEP / 10)
    print(f"step {step:05d} ({step / 10:.1%}) | loss: {best + 1.0 / step:.4f}", flush=True)
print("---")
print(f"score: {best:.6f}")
'''


BARE_TRAIN = """print("---")\nprint("score: 1.0")\n"""
METRIC = {"name": "score", "direction": "min"}
LONG_CHECK = "import time\ntime.sleep(400)\n"


def toy_files(sleep: float = 0.0) -> dict[str, str]:
    """The toy goal's files; each run sleeps so many seconds."""
    return {**FILES, "train.py": TOY_TRAIN.replace("SLEEP = 0.0", f"SLEEP = {sleep}")}


@dataclass
class HubProcess:
    """Starts, kills and starts again the same hub on the same port and data."""

    data: Path
    sleep: float = 0.0
    goal: str = "toy"
    lease_seconds: float = 150.0
    minimum_client: str = "0.1.0"
    port: int = field(default_factory=free_port)
    process: cradle.Born | None = None
    name: str = field(default_factory=lambda: f"hub {uuid4().hex[:8]}")

    @property
    def url(self) -> str:
        """The hub's address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers; another hub on a port lost in a race is not it."""
        options = ["--data", str(self.data), "--port", str(self.port), "--goal", self.goal]
        options += [
            "--name",
            self.name,
            "--sleep",
            str(self.sleep),
            "--lease",
            str(self.lease_seconds),
            "--minimum",
            self.minimum_client,
        ]
        argv = ["tests.agent_client.hub_process", *options]
        self.data.mkdir(parents=True, exist_ok=True)
        with (self.data / "hub.log").open("ab") as log:
            self.process = cradle.bear(argv, os.environ, log)
        for _ in range(600):
            with suppress(HubError), Hub.at(self.url) as hub:
                if hub.info().name == self.name:
                    return
            time.sleep(0.05)
        raise AssertionError((self.data / "hub.log").read_text())

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it, whatever state it is in."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()


@contextmanager
def a_hub(data: Path, sleep: float = 0.0, goal: str = "toy") -> Iterator[HubProcess]:
    """A running hub, ended on exit."""
    hub = HubProcess(data, sleep, goal)
    hub.start()
    try:
        yield hub
    finally:
        hub.stop()


def client(*arguments: str, env: dict[str, str] | None = None) -> list[str]:
    """The command line of the installed client."""
    return [str(Path(sys.executable).parent / "agent_client"), *arguments]


def environment(**more: str) -> dict[str, str]:
    """An environment without anybody's keys and settings."""
    secret = ("ANTHROPIC_", "AGENTHUB_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(secret)}
    return {**kept, "COLUMNS": "200", **more}


def _goal(said: argparse.Namespace) -> tuple[GoalSpec, dict[str, str]]:
    if said.goal == "bare":  # nothing in it that the offline mutator could change
        return a_spec("bare"), {**FILES, "train.py": BARE_TRAIN}
    if said.goal == "bounded":
        seeds = {"policy": "fixed", "fixed": 7}
        return a_spec("bounded", metric=METRIC | {"maximum": 10.0}, seeds=seeds), toy_files()
    if said.goal == "long_check":
        commands = {"train": ["python", "train.py"], "evaluate": ["python", "check.py"]}
        files = {"editable": ["train.py"], "protected": ["prepare.py", "check.py"]}
        spec = a_spec(
            "long_check", metric=METRIC | {"source": "command"}, commands=commands, files=files
        )
        return spec, toy_files() | {"check.py": LONG_CHECK}
    if said.goal != "toy":
        folder = goal_files.from_library(said.goal)
        return _sooner_over(folder.spec, dict(folder.texts))
    return a_spec(timeout_seconds=60 + 2 * said.sleep), toy_files(said.sleep)


def _sooner_over(spec: GoalSpec, files: dict[str, str]) -> tuple[GoalSpec, dict[str, str]]:
    """The same goal with a tenth of the tokens and of the stories; a volunteer's timing takes less.

    At its full size the README's newcomer prepares it, as does `tests/goals/test_tiny_gpt.py`.
    """
    if spec.name != "tiny_gpt":
        return spec, files
    from tests.goals.mini import less_data  # its imports would be every hub's

    budget = spec.budget.model_copy(update={"amount": spec.budget.amount / 10})
    device = spec.device.model_copy(update={"calibration_seconds": 4})
    prepare = less_data(files["prepare.py"], {"TRAIN_STORIES": "1200", "VAL_STORIES": "36"})
    less = {"budget": budget, "device": device}
    return spec.model_copy(update=less), {**files, "prepare.py": prepare}


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until told to stop; the goal is opened on the first start."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--goal", default="toy")
    parser.add_argument("--name", default="AgentHub")
    parser.add_argument("--sleep", type=float, default=0.0)
    parser.add_argument("--lease", type=float, default=150.0)
    parser.add_argument("--minimum", default="0.1.0")
    said = parser.parse_args(arguments)
    settings = Settings(
        name=said.name, data=said.data, lease_seconds=said.lease, minimum_client=said.minimum
    )
    hub = open_hub(settings)
    spec, files = _goal(said)
    with suppress(goals.GoalExists), hub.database.work() as work:
        goals.open_goal(work, hub.git, spec, files)
    uvicorn.run(create_app(hub), host="127.0.0.1", port=said.port, log_level="warning")


if __name__ == "__main__":
    main()
