"""The README's commands are run, in its order, as a newcomer would."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.services.ports import free_port

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    for line in block.splitlines()
]
LINKS = re.findall(r"\]\(([^)#]+)\)", README)
PATIENCE = 240.0


@dataclass
class Newcomer:
    """Somebody in an empty folder; the hub's port differs, because 8000 may be taken here."""

    folder: Path
    port: int = field(default_factory=free_port)
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def hub(self) -> str:
        """The address of this newcomer's hub."""
        return f"http://127.0.0.1:{self.port}"

    def types(self, line: str) -> None:
        """Run a command to its end."""
        done = subprocess.run(self._argv(line), cwd=self.folder, env=self._env(), check=False)
        assert done.returncode == 0, line

    def leaves_running(self, line: str, *more: str) -> subprocess.Popen[bytes]:
        """Run a command that goes on."""
        process = subprocess.Popen(
            [*self._argv(line), *more], cwd=self.folder, env=self._env(), start_new_session=True
        )
        self.running.append(process)
        return process

    def sees(self, shown: Callable[[], bool]) -> None:
        """Wait until something shows."""
        deadline = time.monotonic() + PATIENCE
        while not _holds(shown):
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def _argv(self, line: str) -> list[str]:
        return line.replace("http://127.0.0.1:8000", self.hub).split()

    def _env(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "HOME": str(self.folder)}


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Newcomer]:
    newcomer = Newcomer(tmp_path)
    yield newcomer
    for process in newcomer.running:
        process.terminate()
        process.wait(30)


def _holds(shown: Callable[[], bool]) -> bool:
    try:
        return shown()
    except (OSError, httpx.HTTPError):
        return False


def after(heading: str) -> list[str]:
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [line for line in COMMANDS if line in section]


@pytest.mark.train
def test_a_hub_a_volunteer_and_a_goal_come_up_as_the_readme_says(newcomer: Newcomer) -> None:
    *prepare, serve, clone = after("Run a hub")
    join, doctor, run = after("Run a volunteer")
    for line in prepare:
        newcomer.types(line)
    newcomer.leaves_running(serve, "--port", str(newcomer.port))
    newcomer.sees(lambda: httpx.get(f"{newcomer.hub}/readyz").is_success)
    newcomer.types(join)
    newcomer.types(doctor)
    working = newcomer.leaves_running(run)
    newcomer.sees(lambda: "training" in httpx.get(f"{newcomer.hub}/v1/leases").text)
    working.send_signal(signal.SIGTERM)
    working.wait(60)
    newcomer.types(clone)

    for line in after("Write a goal"):
        newcomer.types(line)

    goals = httpx.get(f"{newcomer.hub}/v1/goals").json()["goals"]
    assert {goal["name"] for goal in goals} == {"tiny_gpt", "my_goal"}
    assert (newcomer.folder / "tiny_gpt" / "train.py").exists()


def test_every_make_target_that_the_readme_names_exists() -> None:
    named = set(re.findall(r"`?make ([a-z-]+)", README))

    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)

    assert named - set(re.findall(r"^  ([a-z-]+)", shown.stdout, re.MULTILINE)) == set()


def test_no_command_of_the_readme_is_left_out() -> None:
    made = [line for line in COMMANDS if line.startswith("make ")]
    run = [*after("Run a hub"), *after("Run a volunteer"), *after("Write a goal")]

    assert sorted(made + run) == sorted(COMMANDS)


@pytest.mark.parametrize("link", LINKS)
def test_a_link_leads_somewhere(link: str) -> None:
    assert link.startswith("http") or (ROOT / link).exists()
