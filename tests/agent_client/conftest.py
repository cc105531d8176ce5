"""Fixtures of the client's tests: a hub in a process of its own, and clients that are programs."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent_client import settings
from agent_client.hub_api import Hub
from protocol.experiments import Experiment
from tests.agent_client.hub_process import HubProcess, a_hub, client, environment


@dataclass(frozen=True)
class Volunteer:
    """A client program with its folder."""

    folder: Path
    hub: HubProcess

    def do(
        self, *arguments: str, seconds: float = 120, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        argv = client(*arguments, "--folder", str(self.folder))
        return subprocess.run(
            argv,
            env=environment(**env),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def begin(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        """Start a command and leave it running."""
        return subprocess.Popen(
            client(*arguments, "--folder", str(self.folder)),
            env=environment(**env),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def join(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Join the hub."""
        return self.do("join", self.hub.url, *arguments)

    def api(self) -> Hub:
        """The hub as this volunteer's agent; close it."""
        return Hub.at(self.hub.url, settings.load(self.folder).token)

    def experiments(self, goal: str = "toy") -> list[Experiment]:
        """What the hub knows, the oldest first."""
        with self.api() as hub:
            return list(reversed(hub.newest(goal)))


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubProcess]:
    """A hub with the toy goal."""
    with a_hub(tmp_path / "hub") as running:
        yield running


@pytest.fixture
def volunteer(hub: HubProcess, tmp_path: Path) -> Volunteer:
    """A client that has joined."""
    ready = Volunteer(tmp_path / "agent", hub)
    done = ready.join()
    assert done.returncode == 0, done.stderr
    return ready
