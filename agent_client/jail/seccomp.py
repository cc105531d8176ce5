"""The system calls that strangers' code is refused, as a BPF program for x86_64 and arm64.

A deny list: training code uses whatever torch and CUDA use, while the calls below are those that
reach into the kernel's riskier half or past a sandbox. clone3 answers ENOSYS because a filter
cannot look at its flags; libc then falls back to clone, whose flags are looked at. socketpair
stays allowed, Python's event loops need it.
"""

import ctypes
import errno
import os
import struct

from agent_client.jail import linux

_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_CALLS = {
    # name: (x86_64, aarch64); -1 where the call does not exist
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "chroot": (161, 51), "move_mount": (429, 429),
    "open_tree": (428, 428), "fsopen": (430, 430), "fsconfig": (431, 431),
    "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "process_madvise": (440, 440), "kcmp": (312, 272), "pidfd_getfd": (438, 438),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "reboot": (169, 142),
    "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89), "quotactl": (179, 60),
    "quotactl_fd": (443, 443), "syslog": (103, 116), "settimeofday": (164, 170),
    "clock_settime": (227, 112), "adjtimex": (159, 171), "clock_adjtime": (305, 266),
    "iopl": (172, -1), "ioperm": (173, -1), "modify_ldt": (154, -1), "personality": (135, 92),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "lookup_dcookie": (212, 18),
    "fanotify_init": (300, 262), "vhangup": (153, 58), "sethostname": (170, 161),
    "setdomainname": (171, 162), "memfd_secret": (447, 447), "nfsservctl": (180, 42),
    "shmget": (29, 194), "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180),
    # by number one reaches what others made: ids are small and easily guessed
    "shmat": (30, 196), "shmctl": (31, 195), "msgsnd": (69, 189), "msgrcv": (70, 188),
    "msgctl": (71, 187), "semop": (65, 193), "semctl": (66, 191), "semtimedop": (220, 192),
    "mq_unlink": (241, 181),
}  # fmt: skip
_SIGNALS = {
    "kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424),
}  # fmt: skip
# Landlock does not look at these, so a program that runs as the owner could change the owner's
# files with them: any by its path, and what it may read by a descriptor. They pretend to work:
# honest programs copy modes and times, and go on.
_MODES = {
    "chmod": (90, -1), "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, -1),
    "lchown": (94, -1), "fchownat": (260, 54), "utime": (132, -1), "utimes": (235, -1),
    "futimesat": (261, -1), "utimensat": (280, 88), "setxattr": (188, 5), "lsetxattr": (189, 6),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "setxattrat": (463, 463),
    "fchmod": (91, 52), "fchown": (93, 55), "fsetxattr": (190, 7), "fremovexattr": (199, 16),
    "removexattrat": (466, 466), "file_setattr": (469, 469),
}  # fmt: skip
_TRUNCATE, _OPEN, _OPENAT, _OPENAT2 = (76, 45), (2, -1), (257, 56), (437, 437)
_READ_AND_EMPTY, _HOW_TO_OPEN = 0x200, 0x203  # O_RDONLY | O_TRUNC among O_ACCMODE | O_TRUNC
_SOCKET, _CLONE, _CLONE3 = (41, 198), (56, 220), (435, 435)
_IOCTL, _PRCTL, _PRLIMIT = (16, 29), (157, 167), (302, 261)
_PR_SET_DUMPABLE = 4  # would hide open files from whoever counts them
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_AF_UNIX = 1
_NEW_NAMESPACES = 0x7E020000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NR, _ARCH_AT, _ARG0, _ARG1, _ARG2 = 0, 4, 16, 24, 32


def _op(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)


def _refuse(number: int = errno.EPERM) -> bytes:
    return _op(_RETURN, _ERRNO | number)


def _deny(number: int, error: int = errno.EPERM) -> bytes:
    return _op(_EQUAL, number, 0, 1) + _refuse(error)


def _for(number: int, body: bytes) -> bytes:
    """Run the body for this call only, then have the call's number loaded again."""
    return _op(_EQUAL, number, 0, len(body) // 8 + 1) + body + _op(_LOAD, _NR)


def program(
    unix_sockets: bool,
    signals: bool,
    modes: bool = True,
    emptying: bool = True,
    machine: str = "",
) -> bytes:
    """The filter: `unix_sockets` allows AF_UNIX (harmless in a root of its own).

    Without `signals` the process may signal nobody, for kernels that cannot confine signals;
    without `modes` changing a file's mode, owner, times or attributes does nothing; without
    `emptying` a file cannot be cut unless it is open to write, for Landlocks that do not look.
    Raises OSError on machines other than x86_64 and arm64.
    """
    machine = machine or os.uname().machine
    if machine not in _ARCH:
        raise OSError(errno.ENOSYS, f"no seccomp filter for {machine}")
    column = list(_ARCH).index(machine)
    denied = dict(_CALLS) if signals else {**_CALLS, **_SIGNALS}
    numbers = sorted(pair[column] for pair in denied.values() if pair[column] >= 0)
    pretended = [] if modes else [pair[column] for pair in _MODES.values() if pair[column] >= 0]
    parts = [
        _op(_LOAD, _ARCH_AT),
        _op(_EQUAL, _ARCH[machine], 1, 0),
        _refuse(),
        _op(_LOAD, _NR),
        _op(_AT_LEAST, 0x40000000, 0, 1),  # the x32 numbering would go around the list
        _refuse(),
        *(_deny(number) for number in numbers),
        *(_deny(number, error=0) for number in pretended),
        *(() if emptying else _no_emptying(column)),
        _deny(_CLONE3[column], errno.ENOSYS),
        _for(_SOCKET[column], _sockets(unix_sockets)),
        _for(_CLONE[column], _op(_LOAD, _ARG0) + _op(_ANY_BIT, _NEW_NAMESPACES, 0, 1) + _refuse()),
        _for(_IOCTL[column], _op(_LOAD, _ARG1) + _deny(_TIOCSTI) + _deny(_TIOCLINUX)),
        _for(_PRLIMIT[column], _op(_LOAD, _ARG0) + _op(_EQUAL, 0, 1, 0) + _refuse()),
        _for(_PRCTL[column], _op(_LOAD, _ARG0) + _deny(_PR_SET_DUMPABLE)),
        _op(_RETURN, _ALLOW),
    ]
    return b"".join(parts)


def _no_emptying(column: int) -> "list[bytes]":
    asked = _op(_AND, _HOW_TO_OPEN) + _deny(_READ_AND_EMPTY, errno.EACCES)
    opens = ((_OPEN, _ARG1), (_OPENAT, _ARG2))
    return [
        _deny(_TRUNCATE[column], errno.EACCES),
        _deny(_OPENAT2[column], errno.ENOSYS),  # a filter cannot look at its flags either
        *(_for(call[column], _op(_LOAD, at) + asked) for call, at in opens if call[column] >= 0),
    ]


def _sockets(unix: bool) -> bytes:
    if not unix:
        return _refuse(errno.EACCES)
    return _op(_LOAD, _ARG0) + _op(_EQUAL, _AF_UNIX, 1, 0) + _refuse(errno.EACCES)


def load(filter_program: bytes) -> None:
    """Put the filter on this process and all its children, for good; needs no_new_privs."""
    code = ctypes.create_string_buffer(filter_program, len(filter_program))
    head = struct.pack("=HxxxxxxQ", len(filter_program) // 8, ctypes.addressof(code))
    buffer = ctypes.create_string_buffer(head, len(head))
    linux.prctl(linux.PR_SET_SECCOMP, 2, ctypes.addressof(buffer))
