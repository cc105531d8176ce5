"""Group commit: whoever's turn it is does for all who wait what each of them came for."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Task = TypeVar("Task")
MOST = 64
"""Tasks of one turn: who comes later has the next one."""


@dataclass
class _Place(Generic[Task]):
    task: Task
    done: bool = False


class Turns(Generic[Task]):
    """One thread at a time, and what came while it waited for its turn is done in that turn.

    Nobody waits for company: who comes alone is alone. `do` must not raise.
    """

    def __init__(self, do: Callable[[Sequence[Task]], None]) -> None:
        self._do = do
        self._waiting: deque[_Place[Task]] = deque()
        self._turn = threading.Lock()

    def take(self, task: Task) -> None:
        """Return once the task was done, in this thread's turn or in another's."""
        mine = _Place(task)
        self._waiting.append(mine)
        with self._turn:
            while not mine.done:
                taken = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
                self._do([each.task for each in taken])
                for each in taken:
                    each.done = True
