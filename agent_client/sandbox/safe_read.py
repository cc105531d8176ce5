"""Reading what strangers' code left behind, without following it anywhere."""

import ctypes
import errno
import os
import stat
import struct
from pathlib import Path

from agent_client.jail.linux import syscall
from agent_client.sandbox.errors import UnsafeFile

_OPENAT2 = 437
_NO_XDEV, _NO_MAGICLINKS, _NO_SYMLINKS, _BENEATH = 1, 2, 4, 8
_RESOLVE = _NO_XDEV | _NO_MAGICLINKS | _NO_SYMLINKS | _BENEATH
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


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
    base = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    how = ctypes.create_string_buffer(struct.pack("=QQQ", _FLAGS, 0, _RESOLVE), 24)
    try:
        return syscall(_OPENAT2, base, ctypes.c_char_p(os.fsencode(name)), how, 24)
    except FileNotFoundError:
        raise
    except OSError as problem:
        why = "leads elsewhere" if problem.errno in (errno.ELOOP, errno.EXDEV) else str(problem)
        raise UnsafeFile(f"{name} {why}.") from None
    finally:
        os.close(base)


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
