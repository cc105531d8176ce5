"""One worker per GPU: an agent and a folder of its own each, run side by side as programs."""

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent_client import joining, signals
from agent_client.joining import JoinedHub, Wish
from agent_client.sandbox import Sandbox
from agent_client.settings import CONFIG, FLEET, make_folder

PROGRAM = "from agent_client.cli import main; main()"


def worker_folder(folder: Path, gpu: int) -> Path:
    """Where the worker of one GPU keeps what is its own."""
    return folder / f"gpu{gpu}"


def workers(folder: Path) -> list[Path]:
    """The folders of a fleet's workers; none when the folder is a single client's."""
    found = sorted(path.parent for path in folder.glob(f"gpu*/{CONFIG}"))
    return [] if not found or (folder / CONFIG).exists() else found


def join(
    folder: Path, wish: Wish, sandbox: Sandbox, tell: Callable[[str], None], gpus: int
) -> list[JoinedHub]:
    """Join once per GPU; the first agent's token vouches for the owner's others."""
    made: list[JoinedHub] = []
    make_folder(folder)
    (folder / FLEET).touch()  # so that its workers share what is prepared for all of them
    for gpu in range(gpus):
        name = f"{wish.name[:27]}-{gpu}" if wish.name else ""
        one = replace(wish, gpus=str(gpu), name=name, workers=gpus)
        if made:
            first = made[0].settings
            one = replace(one, owner=first.owner, token=first.token, invite=None)
        made.append(joining.join(worker_folder(folder, gpu), one, sandbox, tell))
    return made


def outcome(codes: Iterable[int]) -> int:
    """The highest exit code; whoever was killed by a signal has one as a shell tells it."""
    return max((code if code >= 0 else 128 - code for code in codes), default=0)


@dataclass
class Fleet:
    """The running workers. A signal to the fleet is a signal to each of them."""

    folders: Sequence[Path]
    options: Sequence[str]
    say: Callable[[str], None]
    _running: list[subprocess.Popen[str]] = field(default_factory=list)
    _told: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> int:
        """Run all workers until each has ended; the highest exit code is the fleet's."""
        signals.listen(self._pass_on)
        tellers = [
            threading.Thread(target=self._tell, args=(folder, process), daemon=True)
            for folder in self.folders
            if (process := self._start(folder)) is not None
        ]
        for teller in tellers:
            teller.start()
        for teller in tellers:
            teller.join()
        return outcome(process.wait() for process in self._running)

    def _start(self, folder: Path) -> "subprocess.Popen[str] | None":
        """Start the worker of a folder, unless the fleet was told to stop by now."""
        argv = [sys.executable, "-c", PROGRAM, "run", "--folder", str(folder), *self.options]
        with self._lock:
            if self._told:
                return None
            process = subprocess.Popen(
                argv,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,  # a terminal's Ctrl-C comes through us, once
            )
            self._running.append(process)
        return process

    def _tell(self, folder: Path, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self.say(f"{folder.name}: {line.rstrip()}")
        if code := process.wait():
            self.say(f"{folder.name}: ended with exit code {outcome([code])}; its GPU rests.")

    def _pass_on(self, number: int) -> None:
        with self._lock:
            self._told = True
            for process in self._running:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(number)
