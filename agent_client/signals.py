"""Ctrl-C and SIGTERM, heard by a thread of their own."""

import queue
import signal
import threading
from collections.abc import Callable


def listen(obey: Callable[[int], None]) -> None:
    """From now on call `obey` with the number of each signal, one after another.

    A handler runs inside whatever the main thread does. If it set an event or took a lock that is
    held at that moment, it would wait for ever; a SimpleQueue's `put` may be called from there.
    """
    heard: queue.SimpleQueue[int] = queue.SimpleQueue()

    def _hear() -> None:
        while True:
            obey(heard.get())

    threading.Thread(target=_hear, name="signals", daemon=True).start()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _frame: heard.put(number))
