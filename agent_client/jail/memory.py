"""The memory of a process tree, and how long it is safe not to look at it.

Looking at each process takes milliseconds, in which eight that grow at once take hundreds of
megabytes. The machine's own sum takes microseconds: while that has not grown by what the tree has
left, the tree cannot have passed its limit, whoever took it. It is read as often as the most memory
that processors can fill in that time demands; only when it has grown enough is the tree looked at.

Shared memory (memfd, tmpfs, MAP_SHARED) belongs to no process: the machine's growth of it counts.
"""

import os

from agent_client.jail import tree

RESERVE = 256 << 20
FILLED_PER_SECOND = 2 << 30
"""What one processor can fill at most, in bytes; two were seen to fill 3.8 GiB/s together."""


class Watch:
    """Knows what a tree was last seen to use, and how the machine's memory grew since."""

    def __init__(self, limit: float, machine: str = "/proc/meminfo") -> None:
        self._limit = limit
        self._pace = FILLED_PER_SECOND * max(2, os.cpu_count() or 1)
        self._file = os.open(machine, os.O_RDONLY | os.O_CLOEXEC)
        self._taken_before, self._shared_before, _ = self._machine()
        self.peak = self._used = 0

    def look(self, found: "list[tree.Process]") -> int:
        """Bytes that these processes use; the whole limit and more when the machine has none."""
        taken, shared, available = self._machine()
        self._used = sum(tree.private_bytes(process.pid) for process in found)
        self._used += max(0, shared - self._shared_before)
        if available < RESERVE:  # socket buffers and the like belong to nobody: save the machine
            self._used = max(self._used, int(self._limit) + 1)
        self._taken_before = taken
        self.peak = max(self.peak, self._used)
        return self._used

    def safe_seconds(self) -> float:
        """How long nothing can go wrong; 0 when a look is due."""
        grown = max(0, self._machine()[0] - self._taken_before)
        return max(0.0, (self._limit - self._used - grown) / self._pace)

    def _machine(self) -> "tuple[int, int, int]":
        """Bytes that the machine's processes have taken, those that are shared, those left."""
        text = os.pread(self._file, 4096, 0)
        shared = _entry(text, b"Shmem:")
        return _entry(text, b"AnonPages:") + shared, shared, _entry(text, b"MemAvailable:")


def machine_memory() -> "tuple[int, int]":
    """The machine's shared and its available memory in bytes."""
    with open("/proc/meminfo", "rb") as file:
        text = file.read()
    return _entry(text, b"Shmem:"), _entry(text, b"MemAvailable:")


def _entry(text: bytes, name: bytes) -> int:
    """One line of it in bytes; a container's own meminfo may lack some."""
    if name not in text:
        return 0
    start = text.index(name) + len(name)
    return int(text[start : text.index(b"kB", start)]) * 1024
