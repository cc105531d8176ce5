"""Landlock: which paths a process and its children may use from now on, without any privilege.

Numbers and structures are those of linux/landlock.h; the kernel says by its ABI version which
rights it knows, and only those are asked for. ABI 1 (5.13) files, 2 REFER, 3 TRUNCATE,
4 TCP, 5 device ioctls, 6 (6.12) abstract unix sockets and signals.
"""

import ctypes
import os
import stat
import struct

from agent_client.jail.linux import syscall

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446
_PATH_BENEATH = 1
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
MAKE_CHAR, MAKE_BLOCK, REFER, TRUNCATE, IOCTL_DEV = 1 << 6, 1 << 11, 1 << 13, 1 << 14, 1 << 15
KNOWS_TRUNCATE = 3
_BY_ABI = {1: (1 << 13) - 1, 2: REFER, KNOWS_TRUNCATE: TRUNCATE, 5: IOCTL_DEV}
_NET_TCP = 0b11
_SCOPE_ALL = 0b11
READ = EXECUTE | READ_FILE | READ_DIR
ALL = (1 << 16) - 1
WORK = ALL & ~(MAKE_CHAR | MAKE_BLOCK | IOCTL_DEV)
DEVICE = READ_FILE | WRITE_FILE | READ_DIR | IOCTL_DEV | TRUNCATE
_OF_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV


def abi() -> int:
    """The kernel's Landlock version, or 0 where there is none."""
    try:
        return syscall(_CREATE, 0, 0, 1)
    except OSError:
        return 0


def restrict(rules: "list[tuple[str, int]]") -> None:
    """Allow these (path, rights) and nothing else, for good; paths that do not exist are skipped.

    Raises OSError where Landlock is missing. The caller has set no_new_privs before.
    """
    known = abi()
    handled = sum(bits for since, bits in _BY_ABI.items() if since <= known)
    net = _NET_TCP if known >= 4 else 0
    scope = _SCOPE_ALL if known >= 6 else 0
    attributes = struct.pack("QQQ", handled, net, scope)
    size = 24 if known >= 6 else 16 if known >= 4 else 8
    ruleset = syscall(_CREATE, ctypes.create_string_buffer(attributes[:size], size), size, 0)
    for path, rights in rules:
        _allow(ruleset, path, rights & handled)
    syscall(_RESTRICT, ruleset, 0)
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    if not stat.S_ISDIR(os.fstat(fd).st_mode):
        rights &= _OF_A_FILE
    rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, fd), 12)
    syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
    os.close(fd)
