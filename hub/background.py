"""What a hub does again and again beside its requests, each in a thread of its own."""

import logging
import threading
from abc import ABC, abstractmethod

log = logging.getLogger(__name__)
STOP_SECONDS = 30.0
"""What is in hand at a stop gets so long to end; the process does not wait for more."""
CALM = 10
"""After trouble that nobody foresaw the next turn is so many intervals away."""


class Background(ABC):
    """A base of dataclasses that have an `interval`: seconds between one turn and the next."""

    interval: float

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Take turns until stopped."""
        name = type(self).__name__.lower()
        self._thread = threading.Thread(target=self._run, daemon=True, name=name)
        self._thread.start()

    def stop(self) -> None:
        """End after the turn in hand."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=STOP_SECONDS)

    @property
    def stopping(self) -> bool:
        """Whether a turn should not begin anything more."""
        return self._stop.is_set()

    @abstractmethod
    def once(self) -> float:
        """Take a turn; returns how many seconds later the next is due."""

    def take_turn(self) -> float:
        """`once`, whatever happens: nobody would start a thread again that one turn ended."""
        try:
            return self.once()
        except Exception:
            log.exception("background.trouble", extra={"of": type(self).__name__})
            return CALM * self.interval

    def _run(self) -> None:
        pause = self.interval
        while not self._stop.wait(pause):
            pause = self.take_turn()
