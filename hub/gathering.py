"""Questions that many ask at once, answered together."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from anyio import CapacityLimiter, to_thread

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")


class Gathering(Generic[Ask, Answer]):
    """Hands what was asked within a moment to one call, in a thread, and each answer to its asker.

    Who asks while nobody else did is answered at once; `pause` (seconds) is kept between calls.
    """

    def __init__(
        self, answer: Callable[[Sequence[Ask]], Sequence[Answer | Exception]], pause: float
    ) -> None:
        self._answer = answer
        self._pause = pause
        self._waiting: list[tuple[Ask, asyncio.Future[Answer]]] = []
        self._turns: asyncio.Task[None] | None = None
        self._last = float("-inf")

    async def ask(self, question: Ask) -> Answer:
        """The answer; raises what stands in its place."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        if self._turns is None or self._turns.done():
            self._turns = asyncio.create_task(self._take_turns())
        return await future

    async def _take_turns(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            await asyncio.sleep(self._last + self._pause - loop.time())
            self._last = loop.time()
            waiting, self._waiting = self._waiting, []
            answers = await self._answers([question for question, _ in waiting])
            for (_, future), answer in zip(waiting, answers, strict=True):
                _settle(future, answer)

    async def _answers(self, questions: Sequence[Ask]) -> Sequence[Answer | Exception]:
        # A thread of its own: those for requests may all be taken.
        alone = CapacityLimiter(1)
        try:
            return await to_thread.run_sync(self._answer, questions, limiter=alone)
        except Exception as error:
            return [error] * len(questions)


def _settle(future: asyncio.Future[Answer], answer: Answer | Exception) -> None:
    if future.done():
        return  # its asker has left
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
