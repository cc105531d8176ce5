"""What is asked at the same time is answered together, and to each its own."""

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest

from hub.gathering import Gathering

T = TypeVar("T")


class Doubler:
    """Doubles numbers, refuses seven, breaks on thirteen; `gate` holds it back."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.called = threading.Event()
        self.gate = threading.Event()

    def __call__(self, asked: Sequence[int]) -> list[int | Exception]:
        self.calls.append(list(asked))
        self.called.set()
        assert self.gate.wait(30)
        if 13 in asked:
            raise ZeroDivisionError
        return [LookupError("seven") if each == 7 else 2 * each for each in asked]


def in_a_loop(asked: Coroutine[Any, Any, T]) -> T:
    """Run it in a thread of its own: Playwright leaves a loop running in the tests' thread."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, asked).result()


async def all_of(doubler: Doubler, first: int, *others: int) -> list[int | BaseException]:
    """Ask for one, and for the others while that is being answered."""
    gathering = Gathering(doubler, pause=0.0)
    asked = [asyncio.create_task(gathering.ask(first))]
    await asyncio.to_thread(doubler.called.wait)
    asked += [asyncio.create_task(gathering.ask(each)) for each in others]
    await asyncio.sleep(0)
    doubler.gate.set()
    return await asyncio.gather(*asked, return_exceptions=True)


def test_whoever_asks_while_one_is_answered_is_answered_in_one_call() -> None:
    doubler = Doubler()

    answers = in_a_loop(all_of(doubler, 1, 2, 3, 4))

    assert answers == [2, 4, 6, 8]
    assert doubler.calls == [[1], [2, 3, 4]]


def test_one_refusal_is_nobody_elses() -> None:
    _, six, seven, eight = in_a_loop(all_of(Doubler(), 1, 6, 7, 8))

    assert (six, eight) == (12, 16)
    assert isinstance(seven, LookupError)


def test_a_call_that_breaks_is_told_to_all_and_the_next_is_answered() -> None:
    async def next_one() -> int:
        doubler = Doubler()
        gathering = Gathering(doubler, pause=0.0)
        doubler.gate.set()
        with pytest.raises(ZeroDivisionError):
            await gathering.ask(13)
        return await gathering.ask(5)

    assert in_a_loop(next_one()) == 10


def test_an_asker_who_leaves_takes_nobody_along() -> None:
    async def leaving() -> int:
        doubler = Doubler()
        gathering = Gathering(doubler, pause=0.0)
        staying = asyncio.create_task(gathering.ask(1))
        await asyncio.to_thread(doubler.called.wait)
        gone, kept = (asyncio.create_task(gathering.ask(each)) for each in (2, 3))
        await asyncio.sleep(0)
        gone.cancel()
        doubler.gate.set()
        await staying
        return await kept

    assert in_a_loop(leaving()) == 6
