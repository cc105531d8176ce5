"""What a process tree uses, looked at often and cheaply, and the first limit that it passes.

Processes are counted before anything else: reading the memory of a fork bomb would hang the
reader. Files are found by descriptors, so neither depth nor links lead astray.
"""

import os
import stat
import time

from agent_client.jail import linux, tree
from agent_client.jail.memory import RESERVE, Watch

MEMORY, PROCESSES, DISK, FILES, CPU = "memory", "processes", "disk", "files", "cpu"
FULL = "full disk"
_DISK_EVERY = 1.0
_DEEPEST = 64


class Meter:
    """Measures everything below this process; `folders` are those that the run may write."""

    def __init__(
        self, limits: "dict[str, float]", folders: "list[str]", uid: "int | None" = None
    ) -> None:
        self._limits, self._folders, self._uid = limits, folders, uid
        self._room: dict[str, int] = {}
        self._headroom = 0.0
        self._disk_due = 0.0
        self.memory = Watch(limits[MEMORY])
        self.seen: list[tree.Process] = []

    def passed(self) -> "str | None":
        """The name of the first limit that is passed, or None."""
        found = self.seen = tree.below(os.getpid())
        if sum(process.threads for process in found) > self._limits[PROCESSES]:
            return PROCESSES
        if self.memory.look(found) > self._limits[MEMORY]:
            return MEMORY
        limit = self._limits.get(CPU)
        if limit and sum(process.seconds for process in found) > limit:
            return CPU
        return self._storage(found)

    def _storage(self, found: "list[tree.Process]") -> "str | None":
        if time.monotonic() < self._disk_due and not self._writes_fast():
            return None
        spent = time.process_time()
        count = Count(self._limits[DISK], self._limits[FILES])
        try:
            verdict = count.folders(self._folders)
        except OSError:  # its own folder taken away from us
            return FILES
        self._room = {folder: _room(folder) for folder in self._folders}
        # A quick disk is full within the second between two looks, long before the run's own limit.
        left = min((room - RESERVE for room in self._room.values()), default=0)
        self._headroom = max(0, min(self._limits[DISK] - count.bytes, left))
        with linux.FileUser(self._uid):  # in a container, root may not look at others' descriptors
            verdict = verdict or count.deleted(found)
        self._disk_due = time.monotonic() + max(_DISK_EVERY, 20 * (time.process_time() - spent))
        return verdict

    def _writes_fast(self) -> bool:
        """Whether the disk lost a quarter of what may still be written since the last look."""
        lost = sum(before - _room(folder) for folder, before in self._room.items())
        return lost > self._headroom / 4

    def at_the_end(self) -> "str | None":
        """Measure the folders once more, when nothing runs any longer."""
        try:
            return Count(self._limits[DISK], self._limits[FILES]).folders(self._folders)
        except OSError:
            return FILES


class Count:
    """Bytes and names below folders, up to limits."""

    def __init__(self, most_bytes: float, most_files: float) -> None:
        self._most_bytes, self._most_files = most_bytes, most_files
        self.bytes = self._files = 0
        self._devices: set[int] = set()

    def folders(self, paths: "list[str]") -> "str | None":
        """Add up folders; a folder that hides its content from us breaks the limit too."""
        for path in paths:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                self._devices.add(os.fstat(fd).st_dev)
                verdict = self._folder(fd, 0) or _nearly_full(fd)
            finally:
                os.close(fd)
            if verdict:
                return verdict
        return None

    def _folder(self, fd: int, depth: int) -> "str | None":
        if depth > _DEEPEST:
            return FILES
        with os.scandir(fd) as entries:
            for entry in entries:
                verdict = self._entry(fd, entry, depth)
                if verdict:
                    return verdict
        return None

    def _entry(self, fd: int, entry: "os.DirEntry[str]", depth: int) -> "str | None":
        try:
            found = os.stat(entry.name, dir_fd=fd, follow_symlinks=False)
        except FileNotFoundError:
            return None
        self._files += 1
        self.bytes += found.st_blocks * 512
        if self.bytes > self._most_bytes:
            return DISK
        if self._files > self._most_files:
            return FILES
        return self._inside(fd, entry.name, depth) if stat.S_ISDIR(found.st_mode) else None

    def _inside(self, fd: int, name: str, depth: int) -> "str | None":
        try:
            below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:
            return FILES
        try:
            return self._folder(below, depth + 1)
        finally:
            os.close(below)

    def deleted(self, found: "list[tree.Process]") -> "str | None":
        """Add files that have lost their last name but are still held open."""
        seen: set[tuple[int, int]] = set()
        open_files = 0
        for process in found:
            paths = _descriptors(process.pid)
            open_files += len(paths)
            if open_files > self._most_files:  # or looking at them would blind us to the rest
                return FILES
            for path in paths:
                self._add_deleted(path, seen)
        return DISK if self.bytes > self._most_bytes else None

    def _add_deleted(self, path: str, seen: "set[tuple[int, int]]") -> None:
        try:
            file = os.stat(path)
        except OSError:
            return
        key = (file.st_dev, file.st_ino)
        nameless = stat.S_ISREG(file.st_mode) and file.st_nlink == 0
        if nameless and file.st_dev in self._devices and key not in seen:
            seen.add(key)
            self.bytes += file.st_blocks * 512


def _descriptors(pid: int) -> "list[str]":
    try:
        return [f"/proc/{pid}/fd/{name}" for name in os.listdir(f"/proc/{pid}/fd")]
    except OSError:
        return []


def _nearly_full(fd: int) -> "str | None":
    """Others fill the disk too, and so do files in flight between processes, which have no name."""
    found = os.fstatvfs(fd)
    return FULL if found.f_bavail * found.f_frsize < RESERVE else None


def _room(folder: str) -> int:
    try:
        found = os.statvfs(folder)
    except OSError:
        return 0
    return found.f_bfree * found.f_frsize
