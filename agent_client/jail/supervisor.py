"""One run from fork to the death of its last process; started by `agent_client.sandbox`.

Reads the run from one descriptor, takes orders from the lifeline, writes its outcome to another;
both are marshalled, because importing json alone costs more time than building the walls. The
lifeline's end of file means that the client is dead: then everything dies at once.
"""

import marshal
import os
import select
import sys
import time

from agent_client.jail import linux, stage, tree, uids, walls
from agent_client.jail.meter import DISK, FULL, Meter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent_client.jail.walls import Spec

STOP, FLOOD = b"s", b"l"
_TICK = 0.05
_SHARE = 20  # looking may cost one part in twenty of the time


class SetupFailed(Exception):
    """The walls could not be built."""


def main() -> None:
    """Supervise the run whose descriptors are named in argv: specification, lifeline, outcome."""
    spec_fd, lifeline, outcome = (int(word) for word in sys.argv[1:4])
    try:
        with open(spec_fd, "rb") as file:
            spec = marshal.loads(file.read())
        report = Run(spec, lifeline).until_over()
    except (OSError, SetupFailed) as problem:
        report = {"code": None, "signal": None, "reason": "setup", "error": str(problem)}
    os.write(outcome, marshal.dumps(report))


class Run:
    """One program with everything that it starts."""

    def __init__(self, spec: "Spec", lifeline: int) -> None:
        self._spec, self._lifeline = spec, lifeline
        self._reason: str | None = None
        self._kill_at: float | None = None
        self._uid: int | None = None
        linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
        linux.prctl(linux.PR_SET_DUMPABLE, 0)
        if os.geteuid() == 0 and spec["kind"] != "none":
            self._uid, self._lock = uids.acquire()
            _give(self._uid, [spec["work"], *spec["writable"]])

    def until_over(self) -> "dict[str, object]":
        """Start the program, watch it, and leave nothing behind."""
        self._began = time.monotonic()
        self._status_fd, self._status_end = os.pipe()
        self._pid = self._fork()
        os.close(self._status_end)
        folders = [self._spec["work"], *self._spec["writable"]]
        self._meter = Meter(self._spec["limits"], folders, self._uid)
        try:
            status = self._watch()
        finally:
            clean = self._end()
        return self._report(status, clean)

    def _fork(self) -> int:
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                self._become_the_program()
            except BaseException as problem:  # whatever it is, the parent must hear of it
                os.write(writer, str(problem).encode() or b"unknown")
            finally:
                os._exit(127)
        os.close(writer)
        _let_go_of_standard_streams()
        with open(reader, "rb") as file:
            trouble = file.read()
        if trouble:
            raise SetupFailed(trouble.decode("utf-8", "replace"))
        return pid

    def _become_the_program(self) -> None:
        os.setsid()
        os.umask(0o022)
        linux.prctl(linux.PR_SET_DUMPABLE, 1)  # or its own /proc/self would not be its own
        linux.keep_from_programs()
        linux.mind_broken_pipes()
        spec = self._spec
        if spec["kind"] == "bubblewrap":
            argv = walls.bubblewrap(spec, self._uid, self._status_end)
        else:
            landlocked = spec["kind"] == "landlock"
            argv = walls.landlocked(spec, self._uid) if landlocked else walls.unsafe(spec)
            os.chdir(spec["work"])
        os.execvpe(argv[0], argv, spec["env"])

    def _watch(self) -> int:
        """Wait for the program's end; returns its wait status."""
        poller = select.poll()
        died = os.pidfd_open(self._pid)
        poller.register(died, select.POLLIN)
        poller.register(self._lifeline, select.POLLIN)
        due, spent = self._began + _TICK, 0.0
        while True:
            events = dict(poller.poll(1000 * self._pause(due, spent)))
            if died in events:
                return os.waitpid(self._pid, 0)[1]
            if self._lifeline in events:
                self._obey(os.read(self._lifeline, 1))
            if time.monotonic() < due and self._meter.memory.safe_seconds() > 0:
                continue
            spent = time.process_time()  # not the clock: a busy machine must not blind us
            self._look(time.monotonic())
            spent = time.process_time() - spent
            due = time.monotonic() + max(_TICK, _SHARE * spent)

    def _pause(self, due: float, spent: float) -> float:
        """Seconds until the next look, or until there could be too much memory; a whole ms."""
        safe = max(self._meter.memory.safe_seconds(), spent, 0.001)
        return max(0.0, min(due - time.monotonic(), safe))

    def _obey(self, order: bytes) -> None:
        if order == STOP:
            self._ask_to_end("stopped")
        elif order == FLOOD:
            self._kill("log")
        else:
            self._kill("orphaned")

    def _look(self, now: float) -> None:
        if self._kill_at is not None and now >= self._kill_at:
            self._kill(self._reason or "stopped")
        if now - self._began > self._spec["limits"]["wall"]:
            self._ask_to_end("timeout")
        passed = self._meter.passed()
        if passed:
            self._kill(passed)

    def _ask_to_end(self, reason: str) -> None:
        """SIGTERM to all but bubblewrap itself, whose end is everybody's; SIGKILL follows."""
        if self._kill_at is not None:
            return
        self._reason = self._reason or reason
        self._kill_at = time.monotonic() + self._spec["grace"]
        spared = (self._pid,) if self._spec["kind"] == "bubblewrap" else ()
        tree.send([p for p in tree.below(os.getpid()) if p.pid not in spared], linux.SIGTERM)

    def _kill(self, reason: str) -> None:
        self._reason = self._reason or reason
        tree.send(self._meter.seen, linux.SIGKILL)  # whatever else is found, these stop now
        self._end()

    def _end(self) -> bool:
        """Kill all that is left, without burying the program itself, whose status we want."""
        if tree.childless():
            return True
        if self._uid is not None:
            uids.end_all(self._uid)
        return tree.end_all(keep=self._pid)

    def _report(self, status: int, clean: bool) -> "dict[str, object]":
        code: int | None = os.waitstatus_to_exitcode(status)
        assert code is not None
        if self._spec["kind"] == "bubblewrap":
            self._check_bubblewrap(code)
            code = 128 - code if code > 128 else code
        return {
            "code": code if code >= 0 else None,
            "signal": -code if code < 0 else None,
            "reason": self._final_reason(succeeded=code == 0),
            "seconds": time.monotonic() - self._began,
            "peak": self._meter.memory.peak,
            "clean": clean,
        }

    def _final_reason(self, succeeded: bool) -> "str | None":
        """A disk that is full of other things ends a run, but is no fault and no failure of it."""
        if self._reason not in (None, FULL):
            return self._reason
        left = self._meter.at_the_end()
        if left == FULL and succeeded:
            return None  # it had come to its end before it could be ended
        if self._reason == FULL:
            return left or DISK  # there is room now: what filled the disk died with the run
        return left

    def _check_bubblewrap(self, code: int) -> None:
        """Bubblewrap says how the program ended; if it says nothing, it never started it."""
        with open(self._status_fd, "rb") as file:
            said = file.read()
        if code == 1 and self._reason is None and b"exit-code" not in said:
            raise SetupFailed("bubblewrap could not build its walls; the log says why")


def _give(uid: int, folders: "list[str]") -> None:
    for folder in folders:
        stage.give(uid, folder)


def _let_go_of_standard_streams() -> None:
    """The program's pipes must close when it does, not when we do."""
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.close(null)
