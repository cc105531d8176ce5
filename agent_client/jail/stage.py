"""A private view of the file system, made as root just before root is given up.

A user that owns nothing cannot walk through /root or a 0700 home to the interpreter, the data and
the work folder there. So they are opened as root and bound where everybody can walk: either under
a staging folder (bubblewrap binds them on from there) or in place, over an empty copy of the first
folder on the way that is closed (Landlock). Nothing else of that closed folder can be seen then.
"""

import os
import stat

from agent_client.jail import linux

_RPRIVATE = linux.MS_REC | linux.MS_PRIVATE


def private_mounts() -> None:
    """Leave the shared mount namespace; raises OSError without CAP_SYS_ADMIN."""
    linux.unshare(linux.CLONE_NEWNS)
    linux.mount("none", "/", flags=_RPRIVATE)


def collect(paths: "list[str]", folder: str) -> "dict[str, str]":
    """Bind each path into a fresh folder that everybody can walk; returns where each now is."""
    opened = [(path, os.open(path, os.O_PATH | os.O_CLOEXEC)) for path in paths]
    linux.mount("tmpfs", folder, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=0711,size=1m")
    placed = {}
    for number, (path, fd) in enumerate(opened):
        placed[path] = _bind(fd, f"{folder}/{number}")
    return placed


def open_the_way(paths: "list[str]") -> None:
    """Make these paths reachable where they are; what lies beside them on the way disappears."""
    closed: dict[str, list[tuple[str, int]]] = {}
    for path in paths:
        barrier = first_closed(path)
        if barrier is not None:
            closed.setdefault(barrier, []).append((path, os.open(path, os.O_PATH | os.O_CLOEXEC)))
    for barrier, members in closed.items():
        linux.mount("tmpfs", barrier, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=0711")
        for path, fd in sorted(members):
            os.makedirs(os.path.dirname(path), 0o711, exist_ok=True)
            _bind(fd, path)


def first_closed(path: str) -> "str | None":
    """The first folder on the way to a path that strangers cannot walk through."""
    parts = path.strip("/").split("/")[:-1]
    for count in range(1, len(parts) + 1):
        folder = "/" + "/".join(parts[:count])
        if not os.stat(folder).st_mode & stat.S_IXOTH:
            return folder
    return None


def _bind(fd: int, target: str) -> str:
    if not os.path.lexists(target):
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            os.mkdir(target, 0o755)
        else:
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
    linux.mount(f"/proc/self/fd/{fd}", target, flags=linux.MS_BIND | linux.MS_REC)
    os.close(fd)
    return target


def hide_other_processes() -> None:
    """Show each user only its own processes in /proc."""
    linux.mount("proc", "/proc", "proc", linux.MS_NOSUID | linux.MS_NODEV, "hidepid=2")


def forget_the_machines_name() -> None:
    """Give this process and its children another host name, and no shared System V memory."""
    linux.unshare(linux.CLONE_NEWUTS | linux.CLONE_NEWIPC)
    linux.sethostname("sandbox")


def private_memory_folder(size: int) -> None:
    """Give /dev/shm a size and no neighbours."""
    linux.mount(
        "tmpfs", "/dev/shm", "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, f"mode=1777,size={size}"
    )


def give(uid: int, folder: str) -> None:
    """Hand a work folder and what is in it to a user; links are never followed.

    A file with a second name may be somebody else's, so it keeps its owner.
    """
    for _, _, names, fd in os.fwalk(folder, follow_symlinks=False):
        os.fchown(fd, uid, uid)
        for name in names:
            found = os.stat(name, dir_fd=fd, follow_symlinks=False)
            if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
                os.chown(name, uid, uid, dir_fd=fd, follow_symlinks=False)
