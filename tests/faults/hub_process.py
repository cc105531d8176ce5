"""A real `hub serve` in a process of its own, which tests kill and start again."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import httpx

from tests.services import cradle
from tests.services.ports import free_port

BIN = Path(sys.executable).parent
TOY = Path(__file__).parent / "toy"
PATIENCE = 120.0
"""Seconds a start or a stop may take on a busy machine."""


@dataclass
class HubProcess:
    """One hub on one data folder and one port, over any number of lives."""

    data: Path
    port: int = field(default_factory=free_port)
    settings: dict[str, str] = field(default_factory=dict)
    host: str = "127.0.0.1"
    code: Path | None = None
    by_itself: bool = False
    """Whether Python starts it, as an operator would; the cradle does so in a tenth of the time."""
    process: subprocess.Popen[bytes] | cradle.Born | None = None

    @property
    def url(self) -> str:
        """Where it listens, without a proxy."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        """Whether it has been started and has not died."""
        return self.process is not None and self.process.poll() is None

    @property
    def log(self) -> Path:
        """Everything it printed, in all its lives."""
        return self.data.parent / f"{self.data.name}.log"

    def start(self, failpoint: str = "") -> None:
        """Start it and wait until it answers; `failpoint` is where it will die."""
        environment = {"AGENTHUB_FAILPOINT": failpoint, **self.settings}
        argv = ("serve", "--data", str(self.data), "--port", str(self.port), "--host", self.host)
        with self.log.open("ab") as output:
            self.process = self._begin(argv, environment, output)
        self._wait_until_ready()

    def kill(self) -> None:
        """SIGKILL, as the kernel's memory killer would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def freeze(self) -> None:
        """SIGSTOP: the hub hangs with its sockets open."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        if self.process is None:
            return 0
        self.process.terminate()
        return self.process.wait(PATIENCE)

    def wait_until_dead(self) -> None:
        """Wait for a fail point to strike."""
        assert self.process is not None
        self.process.wait(PATIENCE)

    def run(self, *arguments: str) -> str:
        """Run another `hub` command on the same data and return what it said."""
        argv = (*arguments, "--data", str(self.data))
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            code = self._begin(argv, self.settings, output, errors).wait(PATIENCE)
            said, wrong = _text(output), _text(errors)
        if code:
            raise RuntimeError(f"hub {' '.join(arguments)} failed:\n{said}{wrong}")
        return said

    def _begin(
        self,
        arguments: Sequence[str],
        settings: dict[str, str],
        output: IO[bytes],
        errors: IO[bytes] | None = None,
    ) -> subprocess.Popen[bytes] | cradle.Born:
        environment = self._environment(settings)
        if self.code is None and not self.by_itself:
            return cradle.bear(("hub", *arguments), environment, output, errors, session=True)
        return subprocess.Popen(
            (sys.executable, "-m", "hub", *arguments),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors or output,
            start_new_session=True,
        )

    def _environment(self, more: dict[str, str]) -> dict[str, str]:
        """This test's environment; `code` puts another copy of the package first."""
        folder = self.code or Path(__file__).parents[2]
        return {**os.environ, **more, "PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1"}

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self.process is None or self.process.poll() is not None:
                raise RuntimeError(f"the hub died at its start:\n{self.log.read_text()[-3000:]}")
            try:
                httpx.get(f"{self.url}/readyz", timeout=2).raise_for_status()
            except httpx.HTTPError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError("the hub does not get ready")


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


def a_data_folder_with_the_toy(folder: Path) -> Path:
    """A hub's data folder in which the goal `toy` is open."""
    hub = HubProcess(folder / "hub")
    hub.run("goal", "open", str(TOY))
    return hub.data


def copied(template: Path, folder: Path) -> Path:
    """A copy of a data folder, for one test."""
    shutil.copytree(template, folder / "hub")
    return folder / "hub"
