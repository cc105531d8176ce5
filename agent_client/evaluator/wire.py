"""How scorer and model process talk over two pipes: tokens out, logits back, nothing else.

`AHGO` lets the process load the model, and `AHOK` says that it is loaded. A request is `AHRQ`, rows
and columns, then int32 tokens. An answer is `AHLG`, rows, columns, vocabulary and a number format,
then the logits; `AHER` carries a short text in place of an answer. All numbers are little-endian.
Every byte that comes back is a stranger's: sizes are checked before memory is taken, and each read
has a deadline.
"""

import os
import select
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol

import numpy as np
from numpy.typing import NDArray

from agent_client.evaluator.refusal import Rejected

MODEL_PROCESS = Path(__file__).with_name("model_process.py")
_CHUNK = 1 << 20
_REAP_SECONDS = 10.0
_ERROR_CHARS = 400

Tokens = NDArray[np.int32]
Logits = NDArray[np.float32]


class Running(Protocol):
    """A sandboxed process with pipes at both ends."""

    @property
    def stdin(self) -> IO[bytes] | None:
        """Where requests are written."""

    @property
    def stdout(self) -> IO[bytes] | None:
        """Where answers are read."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit status."""

    def kill(self) -> None:
        """End the process and all that it started."""


Launch = Callable[[list[str], Path, dict[str, str]], Running]
"""Start `argv` in a sandbox whose one writable folder is the path; the dict is the environment."""


class Model:
    """One model process; `ask` and `answer` are apart so that it works while we score.

    Raises Rejected with the probe `answers` when what comes back is late, malformed or not finite.
    """

    def __init__(self, running: Running, vocab: int, patience: float) -> None:
        """Wait for nothing yet; `patience` is the deadline of each exchange in seconds."""
        if running.stdin is None or running.stdout is None:
            raise ValueError("the launcher must give the model process pipes")
        self._running, self._vocab, self._patience = running, vocab, patience
        self._out, self._in = running.stdin.fileno(), running.stdout.fileno()
        os.set_blocking(self._out, False)
        os.set_blocking(self._in, False)
        self._shape: tuple[int, int] | None = None

    def ready(self) -> None:
        """Let the model be built and its weights be loaded, and wait for that."""
        deadline = time.monotonic() + self._patience
        with suppress(Rejected):  # one that has ended may have said why
            self._send(b"AHGO")
        self._expect(b"AHOK", deadline)

    def ask(self, tokens: Tokens) -> None:
        """Send a batch of rows; collect the logits with `answer` before asking again."""
        head = struct.pack("<4sII", b"AHRQ", *tokens.shape)
        self._shape = (int(tokens.shape[0]), int(tokens.shape[1]))
        self._send(head + np.ascontiguousarray(tokens, dtype="<i4").tobytes())

    def answer(self) -> Logits:
        """Return the logits of the last batch, float32 [rows, columns, vocabulary]."""
        deadline = time.monotonic() + self._patience
        assert self._shape is not None
        wanted = (*self._shape, self._vocab)
        self._expect(b"AHLG", deadline)
        *shape, kind = struct.unpack("<IIIB", self._receive(13, deadline))
        if tuple(shape) != wanted:
            raise Rejected("answers", f"logits of shape {tuple(shape)} came, not {wanted}")
        if kind not in (2, 4):
            raise Rejected("answers", f"unknown number format {kind}")
        return self._numbers(wanted, kind, deadline)

    def close(self) -> None:
        """End the process; it holds nothing that is still wanted."""
        self._running.kill()
        self._running.wait(_REAP_SECONDS)
        for pipe in (self._running.stdin, self._running.stdout):
            if pipe is not None:
                pipe.close()

    def _numbers(self, shape: tuple[int, int, int], kind: int, deadline: float) -> Logits:
        raw = self._receive(int(np.prod(shape)) * kind, deadline)
        if kind == 2:  # bfloat16 is the upper half of a float32
            wide = np.frombuffer(raw, dtype="<u2").astype(np.uint32) << 16
            logits: Logits = wide.view(np.float32).reshape(shape)
        else:
            logits = np.frombuffer(raw, dtype="<f4").reshape(shape)
        if not np.isfinite(logits).all():
            raise Rejected("answers", "logits hold NaN or infinity")
        return logits

    def _expect(self, magic: bytes, deadline: float) -> None:
        came = self._receive(4, deadline)
        if came == magic:
            return
        if came == b"AHER":
            (size,) = struct.unpack("<I", self._receive(4, deadline))
            said = bytes(self._receive(min(size, _ERROR_CHARS), deadline)).decode(
                "utf-8", "replace"
            )
            raise Rejected("answers", f"the model process failed: {said}")
        raise Rejected("answers", "the model process answered something that is no logits")

    def _receive(self, size: int, deadline: float) -> bytearray:
        whole = bytearray(size)
        view, got = memoryview(whole), 0
        while got < size:
            self._wait(self._in, select.POLLIN, deadline)
            try:
                n = os.readv(self._in, [view[got : got + _CHUNK]])
            except BlockingIOError:
                continue
            if n == 0:
                raise Rejected("answers", "the model process ended before it had answered")
            got += n
        return whole

    def _send(self, payload: bytes) -> None:
        deadline = time.monotonic() + self._patience
        view = memoryview(payload)
        while view:
            self._wait(self._out, select.POLLOUT, deadline)
            try:
                view = view[os.write(self._out, view[:65536]) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                raise Rejected("answers", "the model process ended and takes no tokens") from None

    def _wait(self, fd: int, event: int, deadline: float) -> None:
        poller = select.poll()
        poller.register(fd, event)
        left = deadline - time.monotonic()
        if left <= 0 or not poller.poll(left * 1000):
            raise Rejected("answers", f"no answer within {self._patience:.0f} s")
