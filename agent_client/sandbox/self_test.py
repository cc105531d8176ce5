"""Proving the walls before anything foreign runs: an attacker inside, a witness outside.

What the attacker says is not enough: a killed victim, a visited socket, or a file that should not
be there convicts the sandbox, whatever the attacker reports.
"""

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agent_client.sandbox.backends import Sandbox
from agent_client.sandbox.errors import SandboxLeaks, UnsafeFile
from agent_client.sandbox.job import GIB, MIB, Exit, Job, Limits
from agent_client.sandbox.running import Running
from agent_client.sandbox.safe_read import safe_read

_HOSTILE = Path(__file__).with_name("hostile.py")
_SECONDS = 30.0
# Without a process table of its own a sandbox cannot hide the names of what else runs.
NUISANCES = frozenset({"read_command_lines"})
_BOMB = (
    "import os, time\nwhile True:\n    try: os.fork() or time.sleep(60)\n    except OSError: pass"
)
_DAEMON = (
    "import os, signal, time\n"
    "if os.fork(): os._exit(0)\n"
    "os.setsid(); signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "if os.fork(): os._exit(0)\n"
    "os.symlink('/etc/hostname', 'result.json'); open('alive', 'w').close(); time.sleep(600)"
)


@dataclass(frozen=True)
class Finding:
    """One attack: what it got, or that it got nothing."""

    attack: str
    got: str | None

    @property
    def held(self) -> bool:
        """The walls held, or what got out harms nobody."""
        return self.got is None or self.attack in NUISANCES


@dataclass(frozen=True)
class Report:
    """All attacks on one kind of sandbox."""

    sandbox: str
    findings: tuple[Finding, ...]

    @property
    def escapes(self) -> tuple[Finding, ...]:
        """The attacks that worked."""
        return tuple(finding for finding in self.findings if not finding.held)

    @property
    def nuisances(self) -> tuple[Finding, ...]:
        """What can be seen from inside, but does no harm."""
        return tuple(one for one in self.findings if one.held and one.got is not None)

    def insist(self) -> None:
        """Raise SandboxLeaks, naming the attacks, if any of them worked."""
        if self.escapes:
            named = ", ".join(f"{one.attack} ({one.got})" for one in self.escapes)
            raise SandboxLeaks(f"The {self.sandbox} sandbox does not hold here: {named}.")


def self_test(sandbox: Sandbox) -> Report:
    """Attack a sandbox from inside; the report says what got out. Takes about a second."""
    findings = [*_attacks(sandbox), *_endings(sandbox)]
    return Report(sandbox.name, tuple(findings))


def _attacks(sandbox: Sandbox) -> Iterator[Finding]:
    with contextlib.ExitStack() as stack:
        scene = Scene(stack)
        job = Job(
            [sys.executable, "-I", "-S", "hostile.py", "facts.json"],
            scene.work,
            readable=(scene.data,),
            limits=Limits(wall_seconds=_SECONDS, memory_bytes=GIB, processes=64),
        )
        ended, told = _finish(sandbox.start(job))
        if not ended.ok:
            why = ended.error or ended.reason or f"status {ended.status}"
            yield Finding("run_to_the_end", f"the attacker did not end well: {why} {told[-300:]}")
        said = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
        yield from (Finding(one["attack"], one["got"]) for one in said)
        yield from scene.evidence()


def _finish(running: Running) -> tuple[Exit, str]:
    with running:
        ended = running.wait(2 * _SECONDS)
        return ended, running.log.text()


def _endings(sandbox: Sandbox) -> Iterator[Finding]:
    """A fork bomb, and a daemon that ignores SIGTERM and leaves a link as its result."""
    with tempfile.TemporaryDirectory(prefix="agenthub-") as name:
        work = Path(name)
        bomb = Job([sys.executable, "-I", "-S", "-c", _BOMB], work, limits=_small())
        ended, _ = _finish(sandbox.start(bomb))
        stopped = ended.reason == "processes" and ended.clean
        yield Finding("fork_without_end", None if stopped else f"{ended}")
        daemon = Job([sys.executable, "-I", "-S", "-c", _DAEMON], work, limits=_small())
        ended, _ = _finish(sandbox.start(daemon))
        yield Finding("outlive_the_run", None if ended.clean else "a daemon is still alive")
        yield Finding("pass_a_link_as_result", _read_result(work))


def _small() -> Limits:
    return Limits(wall_seconds=_SECONDS, memory_bytes=GIB, processes=24, disk_bytes=64 * MIB)


def _read_result(work: Path) -> str | None:
    try:
        return f"{len(safe_read(work, 'result.json', MIB))} bytes"
    except (UnsafeFile, FileNotFoundError):
        return None


class Scene:
    """Things worth stealing and people worth harming, all of them fakes."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self.marker = f"agenthub-canary-{secrets.token_hex(8)}"
        base = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="agenthub-")))
        base.chmod(0o755)
        self.work, self.data, self.outside = base / "work", base / "data", base / "outside"
        for folder in (self.work, self.data, self.outside):
            folder.mkdir()
        self.outside.chmod(0o777)
        self.shard = _open_file(self.data / "shard", "tokens")
        self.secret = _open_file(self.outside / "key", self.marker)
        self._listen(stack)
        self.victim = stack.enter_context(self._a_victim())
        stack.callback(self.victim.kill)
        stack.callback(self._clear)
        self.work.joinpath("facts.json").write_text(json.dumps(self._facts()))
        self.work.joinpath("hostile.py").write_text(_HOSTILE.read_text())

    def _listen(self, stack: contextlib.ExitStack) -> None:
        self.tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.udp.bind(("127.0.0.1", 0))
        path = self.outside / "daemon.sock"
        self.daemons = []
        for name in (str(path), "\0" + self.marker):
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(name)
            listener.listen()
            self.daemons.append(listener)
        path.chmod(0o777)

    def _a_victim(self) -> "subprocess.Popen[bytes]":
        sleeping = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)", self.marker]
        return subprocess.Popen(sleeping, env={"OWNERS_KEY": self.marker})

    def _facts(self) -> dict[str, object]:
        return {
            "secret": str(self.secret),
            "outside": str(self.outside),
            "home": os.path.expanduser("~"),  # noqa: PTH111  (Path.home must find one)
            "readable": [str(self.data)],
            "read_only_files": [str(self.shard), "/usr/bin/env", sys.executable],
            "tcp": self.tcp.getsockname()[1],
            "udp": self.udp.getsockname()[1],
            "unix": str(self.outside / "daemon.sock"),
            "abstract": self.marker,
            "marker": self.marker,
            "victim": self.victim.pid,
        }

    def evidence(self) -> Iterator[Finding]:
        """What can be seen from outside, whatever the attacker said."""
        yield Finding("witness_victim", "killed" if self.victim.poll() is not None else None)
        visited = any(map(_was_visited, (self.tcp, self.udp, *self.daemons)))
        roots = [path.name for path in self.work.glob("shortcut") if path.lstat().st_uid == 0]
        yield Finding("witness_user", "the attacker was root" if roots else None)
        yield Finding("witness_sockets", "visited" if visited else None)
        changed = self.shard.read_text() != "tokens" or self.secret.read_text() != self.marker
        for found in (self.secret.stat(), self.shard.stat()):
            changed |= found.st_mode & 0o777 != 0o666 or found.st_mtime == 1
        yield Finding("witness_files", "changed" if changed else None)
        left = [str(path) for path in self._left_behind() if path.exists()]
        yield Finding("witness_shared_memory", ", ".join(left) or None)

    def _left_behind(self) -> list[Path]:
        return [Path(folder) / self.marker for folder in ("/dev/shm", "/tmp", "/dev/mqueue")]

    def _clear(self) -> None:
        for path in self._left_behind():
            path.unlink(missing_ok=True)


def _open_file(path: Path, text: str) -> Path:
    """A file that everybody may read and write, so that only walls protect it."""
    path.write_text(text)
    path.chmod(0o666)
    return path


def _was_visited(listener: socket.socket) -> bool:
    listener.setblocking(False)
    try:
        if listener.type == socket.SOCK_DGRAM:
            listener.recv(16)
        else:
            listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True
