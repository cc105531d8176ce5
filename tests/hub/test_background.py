"""What a hub does beside its requests goes on, whatever one turn met."""

import threading
from dataclasses import dataclass, field

import pytest

from hub.background import Background


@dataclass
class Unlucky(Background):
    """Breaks at its first turn."""

    interval: float = 0.001
    turns: int = 0
    again: threading.Event = field(default_factory=threading.Event)

    def once(self) -> float:
        """Count."""
        self.turns += 1
        if self.turns == 1:
            raise ValueError("nobody foresaw this")
        self.again.set()
        return self.interval


def test_a_turn_that_breaks_is_told_and_is_not_the_last(caplog: pytest.LogCaptureFixture) -> None:
    unlucky = Unlucky()

    unlucky.start()
    went_on = unlucky.again.wait(10)
    unlucky.stop()

    assert went_on
    assert [each.message for each in caplog.records] == ["background.trouble"]
