"""A real `agent_client run` in a process of its own, and a record of what it finished."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tests.services import cradle

PATIENCE = 240.0
LOOK = 0.01
"""Seconds between two looks at a journal; an entry lives at least one round trip to the hub."""


@dataclass
class ClientProcess:
    """One client in one folder, over any number of lives; `finished` are the runs it wrote down.

    `program` starts it in another way than the installed command.
    """

    folder: Path
    url: str
    name: str
    owner: str
    finished: set[str] = field(default_factory=set)
    options: tuple[str, ...] = ("--mutator", "offline")
    environment: dict[str, str] = field(default_factory=dict)
    program: tuple[str, ...] = ()
    output: Path | None = None
    process: subprocess.Popen[bytes] | cradle.Born | None = None
    _life: int = 0
    """Where in its log its present life begins."""
    _over: threading.Event = field(default_factory=threading.Event)

    @property
    def log(self) -> Path:
        """Everything it printed, in all its lives."""
        return self.output or self.folder.parent / f"{self.folder.name}.out"

    @property
    def journal(self) -> Path:
        """Where finished runs wait for their receipt."""
        return self.folder / "journal"

    def join(self) -> "ClientProcess":
        """Get a token, and begin to watch the journal."""
        argv = ("join", self.url, "--folder", str(self.folder))
        who = ("--name", self.name, "--owner", self.owner, "--gpus", "cpu")
        done = cradle.run(("agent_client", *argv, *who), os.environ, PATIENCE)
        assert done.returncode == 0, done.stdout + done.stderr
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def start(self) -> None:
        """Begin to work; left alone, with the mutator that needs no key."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        with self.log.open("ab") as output:
            self._life = output.tell()
            self.process = self._born(kept | self.environment, output)

    def _born(
        self, env: dict[str, str], output: IO[bytes]
    ) -> subprocess.Popen[bytes] | cradle.Born:
        if not self.program:
            argv = ("agent_client", "run", "--folder", str(self.folder), *self.options)
            return cradle.bear(argv, env, output, session=True)
        return subprocess.Popen(
            self.program,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.process is not None and self.process.poll() is None

    @property
    def listens(self) -> bool:
        """Whether a Ctrl-C would be heard: while Python still starts, it would only be a crash."""
        return b"Ctrl-C finishes the run" in self.log.read_bytes()[self._life :]

    def signal(self, number: signal.Signals) -> None:
        """Send one signal to the client alone."""
        if self.running and self.process is not None:
            self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL the client alone; its children must end by themselves."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    def stop(self) -> int:
        """What one Ctrl-C does to a client that has started; returns the exit code."""
        self.signal(signal.SIGCONT)
        eventually(lambda: self.listens or not self.running)
        self.signal(signal.SIGINT)
        code = self.process.wait(PATIENCE) if self.process is not None else 0
        self._over.set()
        return code

    def unsent(self) -> set[str]:
        """The ids of the runs in the journal."""
        found = set()
        for path in self.journal.glob("*.json"):
            with contextlib.suppress(OSError):
                if '\\"kind\\": \\"run\\"' in path.read_text():
                    found.add(path.stem.partition("-")[2])
        return found

    def _watch(self) -> None:
        while not self._over.wait(LOOK):
            self.finished |= self.unsent()


def eventually(holds: Callable[[], object], patience: float = PATIENCE) -> None:
    """Wait until a condition holds; fails when it takes longer than `patience` seconds."""
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)
