"""The few Linux calls that Python does not offer, by ctypes; each raises OSError with its errno."""

import ctypes
import os

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP = 1, 4, 22
PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 24, 36, 38
CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUTS = 0x20000, 0x8000000, 0x4000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWCGROUP = (
    0x10000000,
    0x20000000,
    0x40000000,
    0x2000000,
)
SIGKILL, SIGPIPE, SIGTERM, SIGSTOP = 9, 13, 15, 19
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE, MS_SLAVE = 0x20, 0x1000, 0x4000, 1 << 18, 1 << 19

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def prctl(option: int, value: int, third: int = 0) -> None:
    """Call prctl(2) with numbers or addresses."""
    _checked(_libc.prctl(ctypes.c_int(option), ctypes.c_ulong(value), ctypes.c_ulong(third), 0, 0))


def unshare(flags: int) -> None:
    """Leave namespaces that are shared with others."""
    _checked(_libc.unshare(ctypes.c_int(flags)))


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """Call mount(2)."""
    _checked(
        _libc.mount(
            os.fsencode(source),
            os.fsencode(target),
            os.fsencode(kind) or None,
            ctypes.c_ulong(flags),
            os.fsencode(data) or None,
        )
    )


def sethostname(name: str) -> None:
    """Name the machine, for everybody in this UTS namespace."""
    _checked(_libc.sethostname(os.fsencode(name), ctypes.c_size_t(len(name))))


class FileUser:
    """Look at files as another user within a `with` block, if we are root; None changes nothing."""

    def __init__(self, uid: "int | None") -> None:
        self._uid = uid

    def __enter__(self) -> None:
        """Become that user, for files only."""
        if self._uid is not None:
            _libc.setfsgid(self._uid)
            _libc.setfsuid(self._uid)

    def __exit__(self, *_: object) -> None:
        """Be root again."""
        if self._uid is not None:
            _libc.setfsuid(0)
            _libc.setfsgid(0)


def syscall(number: int, *values: object) -> int:
    """Call a system call that libc has no name for."""
    passed = [ctypes.c_long(v) if isinstance(v, int) else v for v in values]
    return _checked(_libc.syscall(ctypes.c_long(number), *passed))


def keep_from_programs(but: "tuple[int, ...]" = ()) -> None:
    """Let a program that is started now inherit the standard streams and these, nothing else."""
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        try:
            os.set_inheritable(fd, fd <= 2 or fd in but)
        except OSError:  # the one that listed the others
            continue


def mind_broken_pipes() -> None:
    """Undo for the next program what Python did at its start: ignore SIGPIPE."""
    _libc.signal(SIGPIPE, None)


def signal(pid: int, number: int) -> None:
    """Signal a process; one that is gone already is fine."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def bury(pid: int, options: int = 0) -> None:
    """Wait for a child; one that was buried already is fine."""
    try:
        os.waitpid(pid, options)
    except ChildProcessError:
        return
