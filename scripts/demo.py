"""`make demo`: a hub, one agent and a board on this machine, until Ctrl-C or enough experiments."""

import argparse
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from rich.console import Console

from scripts.demo_watch import HubReader, Watch

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
PORT = 8000
HUB_STARTS = 60.0
"""Seconds the hub has to open its port; a first start writes its database."""
HUB_STOPS = 25.0
AGENT_ABORTS = 40.0
PR_SET_PDEATHSIG = 1


class DemoError(Exception):
    """The demo cannot go on; the message says why."""


@dataclass
class Interrupts:
    """Counts Ctrl-C: one finishes the run, two abort it; SIGTERM and a closed terminal abort."""

    count: int = 0

    def install(self) -> None:
        """Listen to the terminal."""
        signal.signal(signal.SIGINT, self._one_more)
        for name in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(name, self._at_once)

    def _one_more(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1

    def _at_once(self, _number: int, _frame: FrameType | None) -> None:
        self.count = 2


@dataclass
class Child:
    """A program of ours in a process group of its own, so that Ctrl-C reaches only the driver."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    before: int
    """Bytes in the log when it started: what earlier ones said is no news."""

    @classmethod
    def start(cls, name: str, argv: Sequence[str], folder: Path) -> "Child":
        """Start it; its output goes to `name`.log in the folder."""
        log = folder / f"{name}.log"
        with log.open("ab") as output:
            before = output.tell()
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=_die_with_me,  # the driver has one thread
            )
        return cls(name, process, log, before)

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.poll() is None

    def interrupt(self, count: int) -> None:
        """Pass on the first Ctrl-C, the second, the third: three signals, for equal ones merge."""
        if self.running:
            signals = {1: signal.SIGINT, 2: signal.SIGTERM}
            self.process.send_signal(signals.get(count, signal.SIGKILL))

    def end(self, patience: float) -> None:
        """Ask it to stop, wait, and kill what is left of its group."""
        if self.running:
            self.process.terminate()
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def last_lines(self) -> str:
        """The end of its output, for a message."""
        said = self.log.read_bytes()[self.before :].decode(errors="replace")
        return "\n".join(said.splitlines()[-15:])


def _die_with_me() -> None:
    """Let a child not outlive a driver that was killed outright; Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; 0 means that everything asked for is on the hub."""
    said = _options(argv)
    console = Console(soft_wrap=True)
    interrupts = Interrupts()
    interrupts.install()
    said.folder.mkdir(parents=True, exist_ok=True)
    try:
        with ExitStack() as stack:
            return _run(said, console, interrupts, stack)
    except DemoError as error:
        console.print(str(error), style="red", markup=False, highlight=False)
        return 1


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experiments", type=int, help="stop after so many; default: never")
    parser.add_argument("--goal", default="tiny_gpt", help="a goal of the library, or a folder")
    parser.add_argument("--folder", type=Path, default=ROOT / ".demo", help="where it all lives")
    parser.add_argument("--port", type=int, default=PORT)
    return parser.parse_args(argv)


def _run(
    said: argparse.Namespace, console: Console, interrupts: Interrupts, stack: ExitStack
) -> int:
    hub, reader = _start_hub(said, stack)
    goal = reader.goal(Path(said.goal).name)
    console.print(f"The board: [bold]{reader.url}/[/bold]", highlight=False)
    console.print(f"Logs and data: {said.folder}", highlight=False)
    watch = Watch(reader, goal, console)
    watch.start()
    agent = _start_agent(said, reader.url, stack)
    console.print("One agent trains. Ctrl-C finishes the run at hand; twice aborts it.")
    _follow(hub, agent, watch, interrupts)
    agent.end(AGENT_ABORTS)
    return _conclude(said, watch, agent, interrupts)


def _start_hub(said: argparse.Namespace, stack: ExitStack) -> tuple[Child, HubReader]:
    data = str(said.folder / "hub")
    _once([str(BIN / "hub"), "goal", "open", said.goal, "--alone", "--data", data], allow="already")
    port = said.port if _free(said.port) else _any_port()
    argv = [str(BIN / "hub"), "serve", "--data", data, "--port", str(port)]
    hub = Child.start("hub", argv, said.folder)
    stack.callback(hub.end, HUB_STOPS)
    reader = HubReader(f"http://127.0.0.1:{port}")
    _wait_for(hub, reader)
    return hub, reader


def _wait_for(hub: Child, reader: HubReader) -> None:
    deadline = time.monotonic() + HUB_STARTS
    while not reader.alive():
        if not hub.running or time.monotonic() > deadline:
            raise DemoError(f"The hub did not start:\n{hub.last_lines()}")
        time.sleep(0.1)


def _start_agent(said: argparse.Namespace, url: str, stack: ExitStack) -> Child:
    program, home = str(BIN / "agent_client"), str(said.folder / "agent")
    name = ("--owner", "demo", "--name", "demo-agent")
    _once([program, "join", url, "--folder", home, *name], allow="already")
    argv = [program, "run", "--folder", home]
    if said.experiments:
        argv += ["--max-experiments", str(said.experiments)]
    agent = Child.start("agent", argv, said.folder)
    stack.callback(agent.end, AGENT_ABORTS)
    return agent


def _once(argv: list[str], allow: str) -> None:
    """Run a command that may have been run in this folder before."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    if done.returncode and allow not in said:
        raise DemoError(f"{Path(argv[0]).name} {argv[1]} failed:\n{said.strip()}")


def _follow(hub: Child, agent: Child, watch: Watch, interrupts: Interrupts) -> None:
    """Show what happens until the agent ends, passing interrupts on to it."""
    passed_on = 0
    with watch.console.status("Starting ...") as spinner:
        while agent.running:
            while passed_on < interrupts.count:
                passed_on += 1
                agent.interrupt(passed_on)
                watch.console.print(_heard(passed_on))
            if not hub.running:
                raise DemoError(f"The hub ended unexpectedly:\n{hub.last_lines()}")
            watch.look(spinner)
            time.sleep(0.5)
        watch.look(spinner)


def _heard(count: int) -> str:
    said = {1: "Finishing the run at hand; Ctrl-C again aborts it.", 2: "Aborting."}
    return said.get(count, "Killing the agent.")


def _conclude(said: argparse.Namespace, watch: Watch, agent: Child, interrupts: Interrupts) -> int:
    on_the_hub = watch.confirmed()
    if on_the_hub:
        watch.console.print(watch.table())
    if said.experiments and len(on_the_hub) < said.experiments:
        found = f"{len(on_the_hub)} of {said.experiments} experiments are on the hub."
        watch.console.print(found)
        if not interrupts.count:
            watch.console.print(f"The agent's last lines:\n{agent.last_lines()}", markup=False)
        return 1
    if agent.process.returncode and not interrupts.count:
        raise DemoError(f"The agent ended unexpectedly:\n{agent.last_lines()}")
    watch.console.print(f"Done. Everything is kept in {said.folder}; make demo goes on from there.")
    return 0


def _free(port: int) -> bool:
    try:
        with socket.create_server(("127.0.0.1", port)):
            return True
    except OSError:
        return False


def _any_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


if __name__ == "__main__":
    sys.exit(main())
