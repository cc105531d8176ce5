"""The walls themselves: what the child does between fork and exec, for each kind of sandbox."""

import os
import resource

from agent_client.jail import landlock, linux, seccomp, stage, uids

SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/libx32", "/bin", "/sbin")
ETC = (
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ld.so.preload",
    "/etc/alternatives",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/OpenCL",
    "/etc/vulkan",
)
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
PROCESSORS = "/sys/devices/system"
_NICE = 10
_SPARE_PROCESSES = 4
_GIB = 1 << 30

TYPE_CHECKING = False  # importing typing would take longer than building a wall
if TYPE_CHECKING:
    from typing import Any

    Spec = dict[str, Any]  # the run: see agent_client.sandbox.spawn


class Unreachable(OSError):
    """A path lies in a folder that the sandbox user cannot enter."""

    def __init__(self, path: str, barrier: str) -> None:
        super().__init__(
            f"{path} lies in {barrier}, which the sandbox's user cannot enter. "
            "Keep Python, AgentHub and its folder elsewhere (/opt, /srv), "
            f"or run: chmod o+x {barrier}"
        )


def limit(limits: "dict[str, float]", gpus: bool, others: int) -> None:
    """Set the limits that the kernel enforces per process or per user.

    No limit on address space: CUDA reserves far more than it uses. Root ignores the limit on
    processes, so root's runs have changed their user before this counts.
    """
    processes = int(limits["processes"]) + others + _SPARE_PROCESSES
    _lower(resource.RLIMIT_NPROC, processes)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_NOFILE, 4096)
    _lower(resource.RLIMIT_FSIZE, int(limits["disk"]))
    _lower(resource.RLIMIT_MSGQUEUE, 0)
    if limits.get("cpu"):
        _lower(resource.RLIMIT_CPU, int(limits["cpu"]) + 1)
    if not gpus:
        _lower(resource.RLIMIT_DATA, 2 * int(limits["memory"]) + _GIB)
    os.nice(_NICE)
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")


def _lower(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))


def bubblewrap(spec: "Spec", uid: "int | None", status: int) -> "list[str]":
    """Get ready to exec bubblewrap, as a user that owns nothing if we are root; returns its argv.

    Root must never start it: its sandbox user would be root in the kernel's eyes, and could write
    /proc/sys/kernel/core_pattern from inside.
    """
    paths = [*spec["readable"], spec["work"], *spec["writable"]]
    where = {path: path for path in paths}
    if uid is not None:
        _private_mounts()
        where = stage.collect(paths, uids.lock_folder())
        limit(spec["limits"], bool(spec["devices"]), 0)
        uids.become(uid)
    else:
        limit(spec["limits"], bool(spec["devices"]), _threads_of_this_user())
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    fd = _as_descriptor(seccomp.program(unix_sockets=True, signals=True))
    linux.keep_from_programs((fd, status))
    return bubblewrap_argv(spec, where, (fd, status))


def _private_mounts() -> None:
    try:
        stage.private_mounts()
    except PermissionError:
        raise OSError("root may not mount here, as in most containers") from None


def bubblewrap_argv(spec: "Spec", where: "dict[str, str]", fds: "tuple[int, int]") -> "list[str]":
    """The whole command; `where` says from which path each folder is to be bound."""
    sized = ["--size", str(int(spec["limits"]["memory"]) // 2)] if spec["sizes"] else []
    argv = [spec["bwrap"], "--unshare-all", "--die-with-parent", "--new-session"]
    argv += ["--cap-drop", "ALL", "--hostname", "sandbox"]
    argv += ["--seccomp", str(fds[0]), "--json-status-fd", str(fds[1])]
    argv += [*_system(), "--proc", "/proc", "--dev", "/dev"]
    argv += [*sized, "--tmpfs", "/dev/shm", *sized, "--tmpfs", "/tmp"]
    argv += _bind("--ro-bind-try", "/sys" if spec["devices"] else PROCESSORS)
    for device in spec["devices"]:
        argv += _bind("--dev-bind-try", device)
    argv += _folders(spec, where)
    # Or one program inside writes another's memory: a measurement's by what it measures. With GPUs
    # newer NVIDIA drivers write /proc/self/task/*/comm.
    argv += [] if spec["devices"] else ["--remount-ro", "/proc"]
    argv += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", spec["work"], "--"]
    return [*argv, *spec["argv"]]


def _system() -> "list[str]":
    argv = []
    for path in SYSTEM:
        if os.path.islink(path):
            argv += ["--symlink", os.readlink(path), path]
        else:
            argv += _bind("--ro-bind-try", path)
    for path in ETC:
        argv += _bind("--ro-bind-try", path)
    return argv


def _folders(spec: "Spec", where: "dict[str, str]") -> "list[str]":
    """Shallow paths first, so that a folder inside another is bound over it."""
    writable = {spec["work"], *spec["writable"]}
    argv = []
    for path in sorted(where, key=lambda path: path.count("/")):
        argv += ["--bind" if path in writable else "--ro-bind", where[path], path]
    return argv


def _bind(option: str, path: str) -> "list[str]":
    return [option, path, path]


def landlocked(spec: "Spec", uid: "int | None") -> "list[str]":
    """Put Landlock and seccomp around this very process, as another user if we are root."""
    gpus = bool(spec["devices"])
    if uid is not None:
        _reach([*spec["readable"], spec["work"], *spec["writable"]], spec)
        limit(spec["limits"], gpus, 0)
        uids.become(uid)
    else:
        limit(spec["limits"], gpus, _threads_of_this_user())
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    linux.prctl(linux.PR_SET_PDEATHSIG, linux.SIGKILL)
    landlock.restrict(_rules(spec, dropped=uid is not None))
    confined = uid is not None or landlock.abi() >= 6
    seccomp.load(
        seccomp.program(
            unix_sockets=False,
            signals=confined,
            modes=uid is not None,
            emptying=landlock.abi() >= landlock.KNOWS_TRUNCATE,
        )
    )
    return list(spec["argv"])


def _reach(paths: "list[str]", spec: "Spec") -> None:
    """Make every path reachable, by mounts where we may mount."""
    try:
        stage.private_mounts()
    except PermissionError:
        for path in paths:
            barrier = stage.first_closed(path)
            if barrier is not None:
                raise Unreachable(path, barrier) from None
        return
    stage.open_the_way(paths)
    stage.forget_the_machines_name()
    stage.hide_other_processes()
    stage.private_memory_folder(int(spec["limits"]["memory"]) // 2)
    spec["private_shm"] = True


def _rules(spec: "Spec", dropped: bool) -> "list[tuple[str, int]]":
    gpus = bool(spec["devices"])
    rules = [(path, landlock.READ) for path in (*SYSTEM, *ETC, *spec["readable"])]
    rules += [(path, landlock.DEVICE) for path in (*DEVICES, *spec["devices"])]
    rules += [(path, landlock.WORK) for path in (spec["work"], *spec["writable"])]
    rules.append(("/sys" if gpus else PROCESSORS, landlock.READ))
    # Newer NVIDIA drivers write /proc/self/task/*/comm; file modes protect the rest of /proc from
    # a user that owns nothing, but not from root or the owner, who do not get this.
    writes = landlock.WRITE_FILE if gpus and dropped else 0
    rules.append(("/proc", landlock.READ_FILE | landlock.READ_DIR | writes))
    if spec.get("private_shm"):
        rules.append(("/dev/shm", landlock.WORK))
    return rules


def unsafe(spec: "Spec") -> "list[str]":
    """No walls: limits only."""
    limit(spec["limits"], bool(spec["devices"]), _threads_of_this_user())
    return list(spec["argv"])


def _threads_of_this_user() -> int:
    """How many threads this user runs now; its limit on processes counts them as well."""
    return sum(_threads(pid) for pid in uids.processes_of(os.getuid()))


def _threads(pid: int) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/task"))
    except OSError:
        return 0


def _as_descriptor(content: bytes) -> int:
    fd = os.memfd_create("filter", 0)
    os.write(fd, content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
