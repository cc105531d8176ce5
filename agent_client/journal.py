"""What must reach the hub: on disk before the first send, removed once the hub names it back."""

import errno
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog

from agent_client import files

RESERVE_BYTES = 1024 * 1024
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Entry:
    """One thing to send: `kind` chooses the route, `id` makes sending it twice harmless."""

    kind: str
    id: UUID
    body: dict[str, Any]

    def encode(self) -> bytes:
        """The entry as bytes that prove themselves whole."""
        said = json.dumps({"kind": self.kind, "id": str(self.id), "body": self.body})
        return json.dumps({"sha256": _digest(said), "said": said}).encode()

    @classmethod
    def decode(cls, content: bytes) -> "Entry":
        """Read what `encode` wrote; raises ValueError when a byte is missing or changed."""
        outer = json.loads(content)
        if not isinstance(outer, dict) or _digest(str(outer.get("said"))) != outer.get("sha256"):
            raise ValueError("the checksum does not match")
        said = json.loads(outer["said"])
        return cls(kind=said["kind"], id=UUID(said["id"]), body=said["body"])


@dataclass
class Journal:
    """The spool of one client; several threads may use it.

    A reserve file is given up when the disk is full, so that a finished run still fits; if even
    that is not enough the entry waits in memory and is written when there is room.
    """

    folder: Path
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _unwritten: dict[str, Entry] = field(default_factory=dict)
    _sent: set[str] = field(default_factory=set)
    set_aside: int = 0

    def open(self) -> None:
        """Make the folder and the reserve, and clear what a crash tore."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in files.torn(self.folder):
            log.warning("a half-written journal entry is ignored", entry=path.name)
            path.unlink()
        self._reserve()

    def add(self, entry: Entry) -> bool:
        """Write an entry down; says whether it is on disk (else it is kept in memory)."""
        with self._lock:
            name = self._name(entry)
            try:
                self._write(name, entry)
            except OSError as problem:
                log.warning("the disk refuses the journal; kept in memory", problem=str(problem))
                self._unwritten[name] = entry
                return False
            return True

    def _name(self, entry: Entry) -> str:
        for name in (*self._unwritten, *(path.name for path in self._paths())):
            if name.endswith(f"-{entry.id}.json"):
                return name
        return f"{self._next():08d}-{entry.id}.json"

    def _write(self, name: str, entry: Entry) -> None:
        try:
            files.write_durably(self.folder / name, entry.encode())
        except OSError as problem:
            if problem.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            self._spare.unlink(missing_ok=True)
            files.write_durably(self.folder / name, entry.encode())
        self._unwritten.pop(name, None)

    def entries(self) -> Iterator[tuple[str, Entry]]:
        """Everything unsent, oldest first; what cannot be read is set aside with a warning."""
        with self._lock:
            names = sorted({*(path.name for path in self._paths()), *self._unwritten})
        for name in names:
            entry = self._unwritten.get(name) or self._read(name)
            if entry is not None:
                yield name, entry

    def _read(self, name: str) -> Entry | None:
        path = self.folder / name
        for content in files.candidates(path):
            try:
                return Entry.decode(content)
            except (ValueError, KeyError, TypeError):
                continue
        if path.exists():
            self._set_aside(path)
        return None

    def _set_aside(self, path: Path) -> None:
        self.set_aside += 1
        path.replace(path.with_suffix(".corrupt"))
        log.warning("a corrupt journal entry is set aside; the rest is sent", entry=path.name)

    def remove(self, name: str) -> None:
        """Forget an entry that the hub acknowledged by name.

        On a disk that keeps it, it is sent once more after a restart, which the hub knows to take.
        """
        with self._lock:
            self._unwritten.pop(name, None)
            try:
                files.remove_durably(self.folder / name)
            except OSError as problem:
                log.warning("the disk keeps what was sent", entry=name, problem=str(problem))
                self._sent.add(name)

    def refuse(self, name: str, reason: str) -> None:
        """Set aside an entry that the hub will never take; nothing measured is deleted.

        While there is no room for that it stays where it is.
        """
        with self._lock:
            entry = self._unwritten.get(name) or self._read(name)
            log.warning("the hub refuses a journal entry; set aside", entry=name, reason=reason)
            if entry is not None:
                note = json.dumps({"reason": reason, "body": entry.body}).encode()
                try:
                    files.write_durably((self.folder / name).with_suffix(".refused"), note)
                except OSError as problem:
                    log.warning("the disk refuses it; it stays as it is", problem=str(problem))
                    return
            self.remove(name)

    def settle(self) -> None:
        """Write down what waited in memory for room on the disk, and take the reserve back."""
        with self._lock:
            for name, entry in list(self._unwritten.items()):
                try:
                    self._write(name, entry)
                except OSError:
                    return
            self._reserve()

    def _reserve(self) -> None:
        if self._spare.exists():
            return
        try:
            self._spare.write_bytes(b"\0" * RESERVE_BYTES)
        except OSError:
            self._spare.unlink(missing_ok=True)

    def __len__(self) -> int:
        with self._lock:
            return len({*(path.name for path in self._paths()), *self._unwritten})

    @property
    def safe(self) -> bool:
        """Whether everything unsent is on disk."""
        return not self._unwritten

    @property
    def _spare(self) -> Path:
        return self.folder / "reserve"

    def _paths(self) -> list[Path]:
        return sorted(path for path in self.folder.glob("*.json") if path.name not in self._sent)

    def _next(self) -> int:
        names = [*(path.name for path in self.folder.glob("[0-9]*")), *self._unwritten]
        return 1 + max((int(name.split("-")[0]) for name in names), default=0)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
