"""Fixtures of the client's tests: a hub in a process of its own, and clients that are programs."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agent_client import settings
from agent_client.author import Author
from agent_client.hub_api import Hub
from agent_client.mutators.base import Mutator
from agent_client.mutators.claude import Claude
from agent_client.mutators.llm import connect
from agent_client.settings import Llm
from agent_client.setup import Kit
from agent_client.state import State
from protocol.experiments import Experiment
from tests.agent_client.hub_process import HubProcess, a_hub, client, environment
from tests.services import cradle
from tests.services.anthropic_server import AnthropicServer


@dataclass(frozen=True)
class Volunteer:
    """A client program with its folder."""

    folder: Path
    hub: HubProcess

    def do(
        self, *arguments: str, seconds: float = 120, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        argv = ("agent_client", *arguments, "--folder", str(self.folder))
        return cradle.run(argv, environment(**env), seconds)

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


@dataclass
class Templates:
    """Hubs that a volunteer has joined, to be copied: making one costs more than most tests.

    Each is a folder with the hub's data in `hub` and the volunteer's in `agent`.
    """

    folder: Path
    made: dict[float, Path] = field(default_factory=dict)

    def of(self, sleep: float) -> Path:
        """The template whose toy goal trains for so many seconds."""
        if sleep not in self.made:
            made = self.folder / str(sleep)
            with a_hub(made / "hub", sleep) as hub:
                done = Volunteer(made / "agent", hub).join()
                assert done.returncode == 0, done.stderr
            self.made[sleep] = made
        return self.made[sleep]


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    """Templates, made once per worker."""
    return Templates(tmp_path_factory.mktemp("templates"))


@pytest.fixture
def hub(
    request: pytest.FixtureRequest, templates: Templates, tmp_path: Path
) -> Iterator[HubProcess]:
    """A hub with the toy goal, which trains for no time or for the parameter's seconds."""
    sleep = getattr(request, "param", 0.0)
    shutil.copytree(templates.of(sleep) / "hub", tmp_path / "hub")
    with a_hub(tmp_path / "hub", sleep) as running:
        yield running


@pytest.fixture
def volunteer(hub: HubProcess, templates: Templates, tmp_path: Path) -> Volunteer:
    """A client that has joined."""
    ready = Volunteer(tmp_path / "agent", hub)
    shutil.copytree(templates.of(hub.sleep) / "agent", ready.folder)
    joined = settings.load(ready.folder)
    settings.save(ready.folder, joined.model_copy(update={"hub": hub.url}))
    return ready


def an_author(folder: Path, mutator: Mutator, state: State | None = None) -> Author:
    """Whoever has proposals written, with no more of a client than that takes."""
    kit = SimpleNamespace(
        mutator=mutator, fallback=None, state=state or State(folder), today=date(2026, 11, 21)
    )
    return Author(cast(Kit, kit))


@pytest.fixture
def a_claude(anthropic_api: AnthropicServer) -> Iterator[Callable[..., Claude]]:
    """Makes mutators that ask the local server; their connections are closed at the end."""
    with ExitStack() as open_clients:

        def make(
            key: str = "key", money: str = "", tokens: int | None = None, **changes: Any
        ) -> Claude:
            known = {"base_url": anthropic_api.url, "timeout_seconds": 5}
            settings = Llm(model="claude-sonnet-5", **{**known, **changes})
            client = open_clients.enter_context(connect(settings, key))
            return Claude(client, settings, 0.5, lambda *_: money, tokens)

        yield make
