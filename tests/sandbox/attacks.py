"""The hostile corpus: which program, what must end it, and what must be true afterwards."""

import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from agent_client.jail.memory import machine_memory
from agent_client.sandbox import Exit, Job, Limits, Sandbox, UnsafeFile, safe_read
from agent_client.sandbox.job import MIB
from tests.sandbox.builders import PATIENCE

CORPUS = Path(__file__).with_name("corpus")
LIMITS = Limits(
    wall_seconds=8.0,
    memory_bytes=256 * MIB,
    processes=48,
    disk_bytes=32 * MIB,
    log_bytes=4 * MIB,
    files=500,
)
SLACK = 64 * MIB
POISON = "agenthub-poison.pth"


@dataclass(frozen=True)
class Attack:
    """One hostile program; `by` are the reasons that may end it, None for its own end."""

    name: str
    case: str
    by: tuple[str | None, ...]


@dataclass(frozen=True)
class Aftermath:
    """What an attack left: how it ended, every complaint of the witness, and memory too much.

    How much it had before it was ended depends on how busy the machine is.
    """

    ended: Exit
    complaints: tuple[str, ...]
    too_much: str = ""


ATTACKS = (
    Attack("fork_bomb", "C10", ("processes",)),
    Attack("fork_many", "C10", ("processes", None)),
    Attack("thread_bomb", "C10", ("processes",)),
    Attack("memory_private", "C11", ("memory", None)),
    Attack("memory_shared", "C11", ("memory",)),
    Attack("memory_memfd", "C11", ("memory",)),
    Attack("memory_in_flight", "C11", ("memory", None)),
    Attack("memory_folder", "C11 C12", ("memory", None)),
    Attack("memory_many", "C11", ("memory",)),
    Attack("disk_one_file", "C12", ("disk", None)),
    Attack("disk_many_files", "C12", ("disk",)),
    Attack("disk_inodes", "C12", ("files",)),
    Attack("disk_deep", "C12", ("files",)),
    Attack("disk_unlinked", "C12", ("disk",)),
    Attack("disk_hidden", "C12", ("disk", "files")),
    Attack("log_flood", "C13", ("log",)),
    Attack("log_one_line", "C13", ("log",)),
    Attack("log_junk", "C13", (None,)),
    Attack("end_never", "C14", ("timeout",)),
    Attack("end_daemon", "C14", (None,)),
    Attack("end_hydra", "C14", ("timeout", "processes", None)),
    Attack("end_stopped", "C14", ("timeout",)),
    Attack("poison_caches", "C05", (None,)),
    Attack("tell_names", "C08", (None,)),
    Attack("result_link", "C15", (None,)),
    Attack("result_linked_folder", "C15", (None,)),
    Attack("result_pipe", "C15", (None,)),
    Attack("result_second_name", "C15", (None,)),
    Attack("result_huge", "C15", (None,)),
    Attack("result_socket", "C15", (None,)),
)


def carry_out(attack: Attack, sandbox: Sandbox, folder: Path) -> Aftermath:
    """Run an attack in a folder of its own and look at what is left."""
    folder.mkdir()
    shutil.copy(CORPUS / f"{attack.name}.py", folder / "train.py")
    shared = machine_memory()[0]
    argv = [sys.executable, "-I", "train.py"]
    with sandbox.start(Job(argv, folder, limits=LIMITS, grace_seconds=0.5)) as running:
        ended = running.wait(PATIENCE)
        log = running.log.text()
    complaints = [
        *_about_the_end(attack, ended),
        *_about_the_log(attack, log),
        *_about_results(folder),
    ]
    if machine_memory()[0] - shared > SLACK:
        complaints.append("shared memory is still taken")
    return Aftermath(ended, tuple(complaints), _too_much(ended))


def _too_much(ended: Exit) -> str:
    over = ended.peak_rss > LIMITS.memory_bytes * 1.1 + SLACK
    return f"had {ended.peak_rss // MIB} MiB of memory" if over else ""


def _about_the_end(attack: Attack, ended: Exit) -> list[str]:
    found = []
    if ended.reason not in attack.by:
        found.append(f"ended by {ended.reason or 'itself'} {ended.error}")
    if not ended.clean:
        found.append("something lives on")
    if ended.seconds > LIMITS.wall_seconds + 4:
        found.append(f"took {ended.seconds:.1f} s")
    return found


def _about_the_log(attack: Attack, log: str) -> list[str]:
    found = []
    if len(log) > 2 * MIB:
        found.append(f"{len(log)} characters of log kept")
    if any(mark in log for mark in ("\x1b", "\x00", "\u202e", "\x9b")):
        found.append("the log holds control characters")
    # As a word: two letters stand in many a random name of a folder.
    if attack.name == "tell_names" and re.search(rf"\b{re.escape(os.uname().nodename)}\b", log):
        found.append("knows the machine's name")
    if os.environ.get("HOME", "/nonexistent") + "/." in log:
        found.append("knows the owner's home")
    return found


def _about_results(folder: Path) -> list[str]:
    found = []
    try:
        content = safe_read(folder, "result.json", MIB)
        found.append(f"a result of {len(content)} bytes was read")
    except (UnsafeFile, FileNotFoundError):
        pass
    used = sum(path.lstat().st_blocks * 512 for path in folder.glob("*"))
    if used > LIMITS.disk_bytes * 1.1 + SLACK:
        found.append(f"left {used // MIB} MiB on disk")
    places = ["/tmp/torchinductor_sandbox", "/dev/shm", "/var/tmp", "/root", sys.prefix]
    found += [f"poisoned {place}" for place in places if _lies(Path(place) / POISON)]
    return found


def _lies(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:
        return False
