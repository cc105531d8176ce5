"""All processes below this one, however they were orphaned: counted, measured, stopped, killed.

The caller is a child subreaper, so a daemon's orphans come back to it.
"""

import os
import time

from agent_client.jail import linux

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")
_KILL_SECONDS = 10.0


class Process:
    """One line of /proc/PID/stat: threads, processor seconds."""

    __slots__ = ("parent", "pid", "seconds", "state", "threads")

    def __init__(self, pid: int, text: bytes) -> None:
        fields = text[text.rindex(b")") + 2 :].split()
        self.pid, self.state, self.parent = pid, fields[0], int(fields[1])
        self.threads = int(fields[17])
        self.seconds = (int(fields[11]) + int(fields[12])) / _TICKS


def below(root: int) -> "list[Process]":
    """Every living process below `root`, itself not counted."""
    children: dict[int, list[Process]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (found := _read(int(name))) is not None:
            children.setdefault(found.parent, []).append(found)
    reached, todo = [], [root]
    while todo:
        for child in children.get(todo.pop(), ()):
            todo.append(child.pid)
            if child.state not in (b"Z", b"X"):
                reached.append(child)
    return reached


def _read(pid: int) -> "Process | None":
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return Process(pid, file.read())
    except (OSError, ValueError):
        return None


def private_bytes(pid: int) -> int:
    """Memory that belongs to a process alone: resident minus shared pages.

    Read from statm: smaps_rollup hangs when a fork bomb holds the locks it needs.
    """
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            _, resident, shared, *_ = file.read().split()
    except (OSError, ValueError):
        return 0
    return max(0, int(resident) - int(shared)) * _PAGE


def send(processes: "list[Process]", sign: int) -> None:
    """Signal each; those that are gone already are fine."""
    for process in processes:
        linux.signal(process.pid, sign)


def end_all(keep: int = 0) -> bool:
    """Stop, then kill everything below us until nothing is left; False after ten seconds.

    The child `keep` dies too, but is left for the caller to wait for.
    """
    ends = time.monotonic() + _KILL_SECONDS
    while living := below(os.getpid()):
        send(living, linux.SIGSTOP)
        send(below(os.getpid()), linux.SIGKILL)
        reap(keep)
        if time.monotonic() > ends:
            return False
        time.sleep(0.002)
    reap(keep)
    return True


def childless() -> bool:
    """Nothing is left below us, not even dead: orphans come to us, so no child means no tree."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return False


def reap(keep: int) -> None:
    """Bury dead children, all but one."""
    for process in _children(os.getpid()):
        if process != keep:
            linux.bury(process, os.WNOHANG)


def _children(parent: int) -> "list[int]":
    found = [_read(int(name)) for name in os.listdir("/proc") if name.isdigit()]
    return [one.pid for one in found if one is not None and one.parent == parent]
