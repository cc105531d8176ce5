"""What a run prints: lines as they come, and a bounded memory of the beginning and the end."""

import os
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import IO

MAX_LINE = 4096
OVER = "\r"
"""Ends a line that is written over, as progress bars are."""

_KEPT = 512 * 1024
_CHUNK = 65536
_WAITING_LINES = 10_000
_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)?", re.DOTALL)
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


def clean(text: str) -> str:
    """Take out what a terminal or a reader could be fooled with: escapes, controls, bidi marks."""
    return _UNSEEN.sub("", _ESCAPES.sub("", text))


class Log:
    """Reads a pipe in a thread of its own; calls `flooded` once when too much has come."""

    def __init__(
        self,
        pipe: IO[bytes] | None,
        most_bytes: int,
        flooded: Callable[[], None],
        kept: int = _KEPT,
    ) -> None:
        self._pipe, self._most, self._kept = pipe, most_bytes, kept
        self._flooded: Callable[[], None] | None = flooded
        self._head, self._tail = bytearray(), bytearray()
        self._lines: deque[str] = deque(maxlen=_WAITING_LINES)
        self._partial = bytearray()
        self._changed = threading.Condition()
        self._over = pipe is None
        self.bytes_seen = 0
        self._thread = threading.Thread(target=self._read, daemon=True, name="sandbox-log")
        self._thread.start()

    def lines(self, timeout: float | None = None) -> Iterator[str]:
        """Give cleaned lines until the output closes; a reader that is too slow misses some.

        A line that was written over ends with OVER.

        Raises TimeoutError when no line comes for `timeout` seconds.
        """
        while True:
            with self._changed:
                ready = self._changed.wait_for(lambda: self._lines or self._over, timeout)
                if not ready:
                    raise TimeoutError
                if not self._lines:
                    return
                line = self._lines.popleft()
            yield line

    def text(self) -> str:
        """The cleaned beginning and end, with a note between them if something is missing."""
        with self._changed:
            head, tail = bytes(self._head), bytes(self._tail)
            missing = self.bytes_seen - len(head) - len(tail)
        note = f"\n[... {missing} bytes left out ...]\n" if missing else ""
        return clean(head.decode("utf-8", "replace") + note + tail.decode("utf-8", "replace"))

    def close(self, timeout: float = 5.0) -> None:
        """Wait until everything that was printed has been read."""
        self._thread.join(timeout)

    def _read(self) -> None:
        if self._pipe is None:
            return
        with self._pipe:
            while chunk := os.read(self._pipe.fileno(), _CHUNK):
                self._take(chunk)
                if self.bytes_seen > self._most and self._flooded is not None:
                    self._flooded()
                    self._flooded = None
        with self._changed:
            self._cut()
            self._over = True
            self._changed.notify_all()

    def _take(self, chunk: bytes) -> None:
        with self._changed:
            self.bytes_seen += len(chunk)
            room = self._kept - len(self._head)
            self._head += chunk[:room]
            self._tail += chunk[room:]
            del self._tail[: -self._kept]
            self._split(chunk)
            self._changed.notify_all()

    def _split(self, chunk: bytes) -> None:
        *whole, rest = chunk.split(b"\n")
        for piece in whole:
            self._write(piece)
            self._cut()
        self._write(rest)

    def _write(self, piece: bytes) -> None:
        *passing, last = piece.split(OVER.encode())
        for part in passing:
            self._append(part)
            if not self._returned:
                self._partial += OVER.encode()
        self._append(last)

    def _append(self, part: bytes) -> None:
        if part and self._returned:
            self._lines.append(_shown(self._partial) + OVER)
            self._partial.clear()
        self._partial += part[: max(0, MAX_LINE - len(self._partial))]

    @property
    def _returned(self) -> bool:
        """What comes next is written over what stands there."""
        return self._partial.endswith(OVER.encode())

    def _cut(self) -> None:
        if self._partial:
            self._lines.append(_shown(self._partial))
        self._partial.clear()


def _shown(line: bytes | bytearray) -> str:
    return clean(line.decode("utf-8", "replace"))
