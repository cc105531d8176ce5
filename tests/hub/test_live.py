"""Every socket hears every event once and in order, however it reads and wherever it began."""

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import psycopg
import pytest
import uvicorn
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader
from websockets.sync.client import connect

from hub.core import Hub
from hub.live import FRAMES, INBOX, Listener, Live, News, TooSlow, _logging_trouble
from hub.server import TellingProtocol
from protocol.events import GoalChanged
from tests.services.ports import free_port

T = TypeVar("T")


def in_a_loop(asked: Coroutine[Any, Any, T]) -> T:
    """Run it in a thread of its own: Playwright leaves a loop running in the tests' thread."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, asyncio.wait_for(asked, 60)).result()


@asynccontextmanager
async def tailing(hub: Hub) -> AsyncIterator[Live]:
    """The hub's live events, from now until the test ends."""
    await hub.live.start()
    try:
        yield hub.live
    finally:
        await hub.live.stop()


async def until(true: Callable[[], bool]) -> None:
    for _ in range(2000):
        if true():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


async def all_wait(live: Live, count: int) -> None:
    """So many have read what the log held, and would be told at once."""
    await until(lambda: sum(each._idle is not None for each in live._listeners) == count)


def announce(hub: Hub, count: int, together: int = 1, pause: float = 0.0) -> None:
    """So many events, some of them in one transaction."""
    for _ in range(0, count, together):
        time.sleep(pause)
        with hub.database.work() as work:
            for _ in range(together):
                work.announce(GoalChanged(goal="toy", state="open", version=1, reason=""))


class Wire:
    """A socket that refuses frames as often as chance has it, and what came over it."""

    def __init__(self, seed: int, refusing: float) -> None:
        self.chance = random.Random(seed)
        self.refusing = refusing
        self.texts: list[str] = []
        self.pushes = 0

    def push(self, frames: bytes) -> bool:
        if self.chance.random() < self.refusing:
            return False
        self.pushes += 1
        self.texts += messages(frames)
        return True

    async def listen(self, live: Live, after: int) -> None:
        await self.take(live.events(after, self.push))

    async def take(self, texts: AsyncIterator[str]) -> None:
        async for text in texts:
            await asyncio.sleep(self.chance.choice((0, 0, 0.002)))  # it takes its time
            self.texts.append(text)

    @property
    def numbers(self) -> list[int]:
        return [int(text.split(",")[0].removeprefix('{"seq":')) for text in self.texts]


def messages(frames: bytes) -> list[str]:
    """What a client reads out of bytes from the wire."""
    reader = StreamReader()
    reader.feed_data(frames)
    reader.feed_eof()
    found = []
    while not _finished(reader.at_eof()):
        frame = _finished(Frame.parse(reader.read_exact, mask=False, max_size=None))
        assert frame.opcode is Opcode.TEXT and frame.fin
        found.append(bytes(frame.data).decode())
    return found


def _finished(steps: Any) -> Any:
    """What a parser that never has to wait returns."""
    with pytest.raises(StopIteration) as done:
        next(steps)
    return done.value.value


@pytest.mark.parametrize("seed", range(4))
def test_old_and_new_events_come_once_and_in_order_however_a_socket_reads(
    hub: Hub, seed: int
) -> None:
    async def told() -> list[Wire]:
        chance = random.Random(seed)
        wires = [Wire(number, refusing) for number, refusing in enumerate((0, 0.1, 0.5, 0.9, 1))]
        async with tailing(hub) as live:
            writing = asyncio.create_task(asyncio.to_thread(announce, hub, 120, 3, 0.01))
            listening = []
            for wire in wires:
                listening.append(asyncio.create_task(wire.listen(live, after=1)))
                await asyncio.sleep(chance.random() * 0.1)
            await writing
            await all_wait(live, len(wires))
            await asyncio.to_thread(announce, hub, 1)
            await until(lambda: live.last == last)
        await asyncio.gather(*listening)
        return wires

    announce(hub, 30)
    last = hub.live.head() + 121

    wires = in_a_loop(told())
    for wire in wires:
        assert wire.numbers == list(range(2, last + 1))
    assert wires[0].pushes > 0
    assert wires[-1].pushes == 0


def hear(listener: Listener, *news: Sequence[int]) -> None:
    for numbers in news:
        lines = [(number, str(number)) for number in numbers]
        listener.tell(News(lines, b"".join(number.to_bytes() for number in numbers)))


def _kept(pushed: list[bytes], frames: bytes) -> bool:
    pushed.append(frames)
    return True


def test_what_comes_while_older_lines_wait_for_their_turn_is_not_pushed_past_them() -> None:
    async def told() -> tuple[list[bytes], list[str]]:
        answers = iter([True, False, True, True])
        pushed: list[bytes] = []
        listener = Listener(0, lambda frames: next(answers) and _kept(pushed, frames))
        waiting = listener.waiting()
        taking = asyncio.ensure_future(anext(waiting))
        await asyncio.sleep(0)
        hear(listener, [1], [2, 3], [4])  # the second is refused; the third would not be
        taken = [await taking, await anext(waiting)]
        hear(listener, [5])  # it has been given 3, and may not have sent it yet
        taken += [await anext(waiting), await anext(waiting)]
        return pushed, taken

    assert in_a_loop(told()) == ([b"\x01"], ["2", "3", "4", "5"])


def test_what_the_log_gave_already_is_not_told_again() -> None:
    async def told() -> tuple[list[bytes], list[str]]:
        pushed: list[bytes] = []
        listener = Listener(0, lambda frames: _kept(pushed, frames))
        hear(listener, [1, 2], [3])
        listener.seen = 2  # as somebody who reads the log says
        waiting = listener.waiting()
        taken = [await anext(waiting)]
        taking = asyncio.ensure_future(anext(waiting))
        await asyncio.sleep(0)
        hear(listener, [2, 3], [3, 4], [5])
        return pushed, [*taken, await taking]

    assert in_a_loop(told()) == ([], ["3", "4"])


def test_no_line_is_told_twice_though_it_was_pushed_or_a_whisper_came_between() -> None:
    async def told() -> tuple[list[bytes], list[str]]:
        pushed: list[bytes] = []
        listener = Listener(0, lambda frames: _kept(pushed, frames))
        hear(listener, [3], [0])
        waiting = listener.waiting()
        taken = [await anext(waiting), await anext(waiting)]
        for news in ([[0], [2, 3, 4]], [[5], [5, 6]]):
            taking = asyncio.ensure_future(anext(waiting))
            await asyncio.sleep(0)
            hear(listener, *news)
            taken.append(await taking)
        return pushed, taken

    assert in_a_loop(told()) == ([b"\x00", b"\x05"], ["3", "0", "4", "6"])


def test_a_socket_that_leaves_at_that_moment_keeps_no_line_from_the_others() -> None:
    async def told() -> None:
        listener = Listener(0, push=None)
        taking = asyncio.ensure_future(anext(listener.waiting()))
        await asyncio.sleep(0)
        taking.cancel()
        hear(listener, [1])

    in_a_loop(told())


def test_who_reads_nothing_is_dropped_alone_and_resumes_without_a_gap(hub: Hub) -> None:
    async def told() -> tuple[list[int], list[int], list[int]]:
        quick, stuck, again = Wire(1, 0.0), Wire(2, 1.0), Wire(3, 0.0)
        async with tailing(hub) as live:
            start = live.last
            first = live.events(start, stuck.push)
            reading = asyncio.create_task(quick.listen(live, start))
            taken = asyncio.ensure_future(anext(first))
            await all_wait(live, 2)
            await asyncio.to_thread(announce, hub, INBOX + 500, 250)
            await until(lambda: live.last == start + INBOX + 500)
            stuck.texts.append(await taken)
            with pytest.raises(TooSlow):
                await stuck.take(first)
            resuming = asyncio.create_task(again.listen(live, stuck.numbers[-1]))
            await asyncio.sleep(0)
        await asyncio.gather(reading, resuming)
        return quick.numbers, stuck.numbers, again.numbers

    quick, stuck, again = in_a_loop(told())

    assert len(quick) == INBOX + 500
    assert stuck + again == quick
    assert len(stuck) == 1, "what waited for it is not sent to it"


def test_whispers_of_a_moment_are_written_at_once_and_are_no_events(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.live.MOMENT", 0.5)  # longer than a busy machine takes for a few turns

    async def told() -> Wire:
        wire = Wire(0, 0.0)
        async with tailing(hub) as live:
            listening = asyncio.create_task(wire.listen(live, live.last))
            await all_wait(live, 1)
            for number in range(50):
                live.whisper({"progress": number})
                await asyncio.sleep(0)
            await until(lambda: len(wire.texts) == 50)
            live.whisper({"progress": 50})
            await until(lambda: len(wire.texts) == 51)
            await asyncio.to_thread(announce, hub, 1)
            await until(lambda: len(wire.texts) == 52)
        await listening
        return wire

    wire = in_a_loop(told())

    assert wire.texts[:51] == [f'{{"progress":{number}}}' for number in range(51)]
    assert '"goal.changed"' in wire.texts[51]
    assert wire.pushes == 3


def test_nobody_pays_for_a_whisper_that_nobody_hears(hub: Hub) -> None:
    async def told() -> list[Any]:
        async with tailing(hub) as live:
            live.whisper({"progress": object()})  # cannot even be written
            await asyncio.sleep(0)
            return live._whispers

    assert in_a_loop(told()) == []


class Pushing:
    """An application that pushes until it is refused, then sends the long way, then pushes more."""

    def __init__(self) -> None:
        self.pushed = 0
        self.refused = threading.Event()
        self.gone = threading.Event()
        self.after_all: list[bool] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        push = scope["extensions"][FRAMES]
        await receive()
        await send({"type": "websocket.accept"})
        while push(frame(self.pushed)):
            self.pushed += 1
        self.refused.set()
        await send({"type": "websocket.send", "text": text(self.pushed)})
        assert push(frame(self.pushed + 1) + frame(self.pushed + 2))
        assert (await receive())["type"] == "websocket.disconnect"
        self.after_all.append(push(frame(0)))
        self.gone.set()


def text(number: int) -> str:
    return f"{number:06d}" + "x" * 70_000  # longer than what two bytes of length can say


def frame(number: int) -> bytes:
    return Frame(Opcode.TEXT, text(number).encode()).serialize(mask=False)


@contextmanager
def served(app: Any) -> Iterator[str]:
    port = free_port()
    config = uvicorn.Config(app, port=port, ws=TellingProtocol, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        threading.Event().wait(0.02)
    yield f"ws://127.0.0.1:{port}/"
    server.should_exit = True
    thread.join(20)


def test_pushed_frames_and_sent_ones_reach_a_slow_reader_in_order() -> None:
    app = Pushing()
    with served(app) as address:
        with connect(address, max_queue=1, compression=None) as socket:
            assert app.refused.wait(30)
            seen = [socket.recv(timeout=30) for _ in range(app.pushed + 3)]
        assert app.gone.wait(30)

    assert seen == [text(number) for number in range(app.pushed + 3)]
    assert app.pushed > 0
    assert app.after_all == [False]


def test_a_standby_that_lets_nobody_listen_is_a_line_of_the_log_and_no_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with _logging_trouble():
        raise psycopg.errors.ReadOnlySqlTransaction("cannot execute LISTEN during recovery")

    (told,) = caplog.records
    assert (told.message, told.exc_info) == ("live.away", None)
