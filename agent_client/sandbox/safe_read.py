"""Reading what strangers' code left behind, without following it anywhere."""

import errno
import os
import stat
from pathlib import Path

from agent_client.sandbox.errors import UnsafeFile

_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY | os.O_NOFOLLOW


def safe_read(folder: Path, name: str, limit: int) -> bytes:
    """Return the bytes of one plain file below a folder, at most `limit` of them.

    Raises FileNotFoundError if there is none, and UnsafeFile for a link, a second name, a pipe, a
    device, another file system, too many bytes, or a file that changes while it is read.
    """
    fd = _open(folder, name)
    try:
        before = os.fstat(fd)
        _must_be_plain(name, before, limit)
        content = _read(fd, limit + 1)
        after = os.fstat(fd)
    finally:
        os.close(fd)
    if len(content) != before.st_size or _changed(before, after):
        raise UnsafeFile(f"{name} changed while it was read.")
    return content


def _open(folder: Path, name: str) -> int:
    """Step by step, so that no step is a link; openat2 would do it in one, where there is one."""
    *above, last = name.split("/")
    if not {"", ".", ".."}.isdisjoint((*above, last)):
        raise UnsafeFile(f"{name!r} leads elsewhere.")
    here = os.open(folder, _FOLDER)
    try:
        mount = _mount(here)
        for part in above:
            here = _swap(here, _step(here, part, _FOLDER | os.O_NOFOLLOW, name))
        found = _step(here, last, _FLAGS, name)
    finally:
        os.close(here)
    if _mount(found) != mount:
        os.close(found)
        raise UnsafeFile(f"{name} leads elsewhere.")
    return found


def _step(here: int, part: str, flags: int, name: str) -> int:
    try:
        return os.open(part, flags, dir_fd=here)
    except FileNotFoundError:
        raise
    except OSError as problem:
        elsewhere = problem.errno in (errno.ELOOP, errno.ENOTDIR)
        raise UnsafeFile(f"{name} {'leads elsewhere' if elsewhere else problem}.") from None


def _mount(fd: int) -> str:
    """Where it is mounted; the device's number may differ within one mount, as in containers."""
    told = Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines()
    return next(line for line in told if line.startswith("mnt_id:"))


def _swap(old: int, new: int) -> int:
    os.close(old)
    return new


def _must_be_plain(name: str, found: os.stat_result, limit: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise UnsafeFile(f"{name} is no plain file.")
    if found.st_nlink != 1:
        raise UnsafeFile(f"{name} has a second name.")
    if found.st_size > limit:
        raise UnsafeFile(f"{name} has {found.st_size} bytes; {limit} are allowed.")


def _read(fd: int, most: int) -> bytes:
    parts, left = [], most
    while left > 0 and (part := os.read(fd, min(left, 1 << 20))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _changed(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns)
