"""Ctrl-C and SIGTERM, heard by a thread of their own."""

import os
import signal
import threading
from collections.abc import Callable

HEARD = (signal.SIGINT, signal.SIGTERM)


def listen(obey: Callable[[int], None]) -> None:
    """From now on call `obey` with the number of each signal, one after another.

    Python runs a handler in the main thread when that comes back from whatever it waits for, and
    no signal brings it back that another thread took or that came just before it began to wait:
    minutes, where a program is measured. So the signal itself writes to a pipe, and no handler
    does anything. One that took a lock held at that moment would wait for ever besides.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    def _hear() -> None:
        while said := os.read(reader, 1):
            if said[0] in HEARD:
                obey(said[0])

    threading.Thread(target=_hear, name="signals", daemon=True).start()
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in HEARD:
        signal.signal(number, lambda _number, _frame: None)
