"""Users that own nothing: root's strangers run as one of these, one run at a time each.

A locked file says that a run uses the user. So whoever gets the lock knows that everything still
running as this user is an orphan, and ends it: no list of process ids can go stale.
"""

import errno
import fcntl
import os
import stat
import time

from agent_client.jail import linux

FIRST, COUNT = 60001, 64
LOCKS = "/run/agenthub-sandbox"
_KILL_SECONDS = 10.0


def acquire() -> "tuple[int, int]":
    """Return a free user's number and the descriptor that holds its lock.

    Raises OSError when all are taken or the lock folder is not root's alone.
    """
    folder = lock_folder()
    for uid in range(FIRST, FIRST + COUNT):
        fd = _lock(folder, uid)
        if fd is None:
            continue
        end_all(uid)
        return uid, fd
    raise OSError(errno.EBUSY, f"all {COUNT} sandbox users are busy")


def sweep() -> int:
    """End whatever crashed clients left running; returns how many users had leftovers."""
    swept = 0
    for uid in range(FIRST, FIRST + COUNT):
        if not os.path.exists(f"{LOCKS}/{uid}"):
            continue
        fd = _lock(lock_folder(), uid)
        if fd is None:
            continue
        swept += bool(processes_of(uid))
        end_all(uid)
        os.close(fd)
    return swept


def lock_folder() -> str:
    """Make the folder of the locks; nobody but root may write into it."""
    if not os.path.lexists(LOCKS):
        os.makedirs(LOCKS, 0o711, exist_ok=True)
    found = os.lstat(LOCKS)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != 0 or found.st_mode & 0o022:
        raise OSError(errno.EPERM, f"{LOCKS} must be a folder that only root can write")
    return LOCKS


def _lock(folder: str, uid: int) -> "int | None":
    fd = os.open(f"{folder}/{uid}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def become(uid: int) -> None:
    """Give up root for this user, for good, and the right to regain any of it."""
    for capability in range(64):
        try:
            linux.prctl(linux.PR_CAPBSET_DROP, capability)
        except OSError:  # past the last one that this kernel knows, or not ours to drop
            break
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def end_all(uid: int) -> bool:
    """Kill every process of this user; False if some still live after ten seconds."""
    ends = time.monotonic() + _KILL_SECONDS
    while living := processes_of(uid):
        _kill_everything(uid)
        for pid in living:
            linux.signal(pid, linux.SIGKILL)
        if time.monotonic() > ends:
            return False
        time.sleep(0.005)
    return True


def _kill_everything(uid: int) -> None:
    """One kill(-1) as the user itself outruns any fork bomb."""
    pid = os.fork()
    if pid == 0:
        try:
            become(uid)
            os.kill(-1, linux.SIGKILL)
        finally:
            os._exit(0)
    linux.bury(pid)


def processes_of(uid: int) -> "list[int]":
    """The living processes whose real or saved user this is; zombies do not count."""
    return [pid for pid in _pids() if _runs_as(pid, uid)]


def _pids() -> "list[int]":
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _runs_as(pid: int, uid: int) -> bool:
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            text = file.read()
    except OSError:
        return False
    if b"\nState:\tZ" in text or b"\nState:\tX" in text:
        return False
    start = text.index(b"\nUid:") + 5
    return str(uid).encode() in text[start : text.index(b"\n", start)].split()
