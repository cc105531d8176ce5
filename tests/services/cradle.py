"""Hubs and clients born with everything imported: that costs them more than most tests ask of them.

One process for each worker imports what they import and forks for each command. What is born has
a pid, an environment, a session and an end of its own, as `python -m` would give it, and runs the
same module. Python itself starts what is of another checkout, what `scripts.demo` starts, the hubs
of `tests/hub/test_server.py` and the clients that a test leaves running, so that how they start is
tested as well.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

IMPORTED = ("hub.cli.root", "hub.app", "tests.builders", "agent_client.cli", "agent_client.loop")
ROOT = Path(__file__).parents[2]
WORD = struct.Struct("i")


@dataclass
class Born:
    """A process that is no child of ours; what `subprocess.Popen` can do that tests need."""

    pid: int
    end: socket.socket
    returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code, or None while it lives."""
        if self.returncode is None:
            self.end.settimeout(0.0)
            self._look()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; raises TimeoutExpired."""
        if self.returncode is None:
            self.end.settimeout(timeout)
            self._look()
        if self.returncode is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal unless it is over."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def _look(self) -> None:
        try:
            self.returncode = _word(self.end)
        except (BlockingIOError, TimeoutError):
            return
        self.end.close()


def bear(
    argv: Sequence[str],
    env: Mapping[str, str],
    output: IO[bytes],
    errors: IO[bytes] | None = None,
    session: bool = False,
) -> Born:
    """Start `python -m MODULE ARGUMENTS`, where `argv` is the module and its arguments."""
    files = [each.fileno() for each in (output, errors or output)]
    ours, theirs = socket.socketpair()
    said = {"argv": list(argv), "env": dict(env), "cwd": str(Path.cwd()), "session": session}
    with theirs:
        socket.send_fds(_cradle(), [json.dumps(said).encode()], [theirs.fileno(), *files])
    return Born(_word(ours), ours)


def run(
    argv: Sequence[str], env: Mapping[str, str], seconds: float
) -> subprocess.CompletedProcess[str]:
    """The same to its end, as `subprocess.run` would, with what it said as text."""
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complained:
        born = bear(argv, env, said, complained)
        try:
            born.wait(seconds)
        except BaseException:
            born.kill()
            raise
        texts = []
        for each in (said, complained):
            each.seek(0)
            texts.append(each.read().decode())
    return subprocess.CompletedProcess(list(argv), born.wait(), *texts)


@cache
def _cradle() -> socket.socket:
    """The process that forks; it ends when this one does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd=ROOT,
        )
    atexit.register(_end, ours, process)
    return ours


def _end(orders: socket.socket, process: subprocess.Popen[bytes]) -> None:
    orders.close()
    process.wait()


def _word(end: socket.socket) -> int:
    said = end.recv(WORD.size, socket.MSG_WAITALL)
    if len(said) < WORD.size:
        raise RuntimeError("the cradle is gone")
    number: int = WORD.unpack(said)[0]
    return number


def _serve(orders: socket.socket) -> list[str] | None:
    """Fork for each order; returns in what was born with its arguments, else None at the end."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        said, fds, _, _ = socket.recv_fds(orders, 1 << 20, 3)
        if not said:
            return None
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            orders.close()
            return _nurse(json.loads(said), *fds)
        for fd in fds:
            os.close(fd)


def _nurse(said: dict[str, Any], end: int, *files: int) -> list[str]:
    """Stay between cradle and child, because only a parent hears how a process ended."""
    child = os.fork()
    if child == 0:
        os.close(end)
        return _settle(said, *files)
    os.write(end, WORD.pack(child))
    for each in files:
        os.close(each)
    _, status = os.waitpid(child, 0)
    os.write(end, WORD.pack(os.waitstatus_to_exitcode(status)))
    os._exit(0)


def _settle(said: dict[str, Any], *files: int) -> list[str]:
    for number, each in enumerate(files, 1):
        os.dup2(each, number)
        os.close(each)
    if said["session"]:
        os.setsid()
    os.chdir(said["cwd"])
    os.environ.clear()
    os.environ.update(said["env"])
    time.tzset()
    argv: list[str] = said["argv"]
    return argv


def _main() -> None:
    for name in IMPORTED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # or each child's collector would copy all of it by looking at it
    argv = _serve(socket.socket(fileno=int(sys.argv[1])))
    if argv is not None:
        sys.argv = argv
        runpy.run_module(argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main()
