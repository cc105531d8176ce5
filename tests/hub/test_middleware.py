"""What surrounds every request: clocks that are set only when something waits, and strict JSON."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from structlog.testing import capture_logs

from hub import middleware
from hub.guards import BadJson, check_json
from hub.middleware import Identities, RequestIds, in_time
from hub.server import PatientProtocol
from tests.services.ports import free_port

T = TypeVar("T")


def in_a_loop(asked: Coroutine[Any, Any, T]) -> T:
    """Run it in a thread of its own: Playwright leaves a loop running in the tests' thread."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, asyncio.wait_for(asked, 30)).result()


async def slowly(answer: T, *pauses: float) -> T:
    for pause in pauses:
        await asyncio.sleep(pause)
    return answer


@pytest.mark.parametrize("pauses", [(), (0,), (0.01, 0, 0.01)], ids=["none", "a turn", "several"])
def test_what_comes_in_time_is_handed_on(pauses: tuple[float, ...]) -> None:
    assert in_a_loop(in_time(slowly("it", *pauses), 10)) == "it"


def test_what_does_not_come_in_time_is_ended() -> None:
    ended: list[str] = []

    async def stubborn() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("it")

    async def asked() -> None:
        await asyncio.sleep(0)
        await in_time(stubborn(), 0.05)

    began = time.monotonic()
    with pytest.raises(TimeoutError):
        in_a_loop(asked())
    assert ended == ["it"]
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("pauses", [(), (0.01,)], ids=["at once", "later"])
def test_what_breaks_breaks_for_who_waits(pauses: tuple[float, ...]) -> None:
    async def broken() -> None:
        await slowly(None, *pauses)
        raise LookupError("it")

    with pytest.raises(LookupError, match="it"):
        in_a_loop(in_time(broken(), 10))


def test_who_is_cancelled_takes_along_what_it_waits_for() -> None:
    ended: list[str] = []

    async def endless() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("it")
            raise

    async def asked() -> None:
        task = asyncio.create_task(in_time(endless(), 60))
        await asyncio.sleep(0.05)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    in_a_loop(asked())
    assert ended == ["it"]


def test_who_reads_nothing_is_let_go_and_no_line_of_the_log_tells_a_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def answer(_request: Request) -> Response:
        return Response(b"an answer")

    async def trouble(_request: Request, _error: Exception) -> Response:
        return Response(b"the disk, maybe", 500)

    async def nobody_reads(message: Any) -> None:
        await asyncio.sleep(60 if message["type"] == "http.response.body" else 0)

    async def nothing() -> Any:
        raise AssertionError

    secret = "ah_agent_" + "a" * 10 + "_" + "b" * 43
    answers = Starlette(routes=[Route("/v1/{what}", answer)], exception_handlers={OSError: trouble})
    scope = {"type": "http", "method": "GET", "path": f"/v1/{secret}", "headers": []}
    monkeypatch.setattr(middleware, "SLOW_SECONDS", 0.01)

    with capture_logs() as said:
        in_a_loop(RequestIds(answers, Identities())(scope, nothing, nobody_reads))

    assert [each["event"] for each in said] == ["http.slow_reader", "http.request"]
    assert {each["path"] for each in said} == {"/v1/ah_agent_…"}


def plainly(body: bytes) -> bool:
    """Whether JSON may pass, by reading it and writing it again."""

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(found)) != len(found):
            raise ValueError
        return dict(found)

    try:
        read = json.loads(body.decode(), object_pairs_hook=pairs) if body else None
        json.dumps(read, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return False
    return True


PIECES = st.sampled_from(
    [
        *("{", "}", "[", "]", '"', ":", ",", " ", "0", "1", "a", '"a":', '"b":', '"\\u0061":'),
        *("NaN", "-Infinity", "1e999", "null", "\n", "\\n", "é", "\x00", "\ufeff"),
        *("\\ud83d\\ude00", "\\ud800", "\\uDC00", "\\uD83D", "\\\\ud800"),
    ]
)
TEXTS = st.lists(PIECES).map("".join)
VALUES = st.recursive(
    st.none() | st.floats() | st.text(st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.one_of(TEXTS.map(lambda text: text.encode()), VALUES.map(json.dumps).map(str.encode)))
def test_json_is_taken_or_refused_as_when_it_is_read_and_written_again(body: bytes) -> None:
    assert _taken(body) == plainly(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": "\\ud800"}',
        b'{"\\uDFFF": 1}',
        b'"\\ud83d \\ude00"',
        b'{"a": 1, "a": 1}',
        b'[{"b": {"a": 1, "\\u0061": 2}}]',
        b'"\xed\xa0\x80"',
        b'"\xff"',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"1" * 5000,
    ],
)
def test_what_nobody_should_mean_is_refused(body: bytes) -> None:
    assert not _taken(body)


@pytest.mark.parametrize("body", [b"", b'"\\ud83d\\ude00"', b'"\\\\ud800"', b"NaN", b"[[[[1]]]]"])
def test_what_may_be_meant_is_taken(body: bytes) -> None:
    assert _taken(body)


def _taken(body: bytes) -> bool:
    try:
        check_json(body)
    except BadJson:
        return False
    return True


class Hasty(PatientProtocol):
    """Hangs up after a second instead of ten."""

    header_seconds = 1.0


async def _hello(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


@contextmanager
def connected(protocol: type[PatientProtocol]) -> Iterator[socket.socket]:
    """A connection to a server that says hello to each request."""
    port = free_port()
    config = uvicorn.Config(_hello, port=port, http=protocol, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
        yield wire
    server.should_exit = True
    thread.join(20)


REQUEST = b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n"


def test_half_a_further_request_is_waited_for_no_longer_than_the_first() -> None:
    with connected(Hasty) as wire:
        for pause in (0, 0, 1.3):  # nothing is due between requests
            time.sleep(pause)
            wire.sendall(REQUEST)
            assert wire.recv(4096).endswith(b"ok")

        wire.sendall(REQUEST[:20])
        began, told = time.monotonic(), True
        with suppress(OSError):
            while told and time.monotonic() - began < 10:
                # A byte now and then does not set the clock anew.
                time.sleep(0.1)
                wire.sendall(b"x")
                wire.settimeout(0.01)
                with suppress(TimeoutError):
                    told = bool(wire.recv(1))
        waited = time.monotonic() - began

    assert waited < 5


@pytest.mark.parametrize("start", [b"GET /", REQUEST[:-2] + b"X: ", REQUEST + REQUEST[:-2] + b"X:"])
def test_headers_that_never_end_are_not_kept(start: bytes) -> None:
    with connected(PatientProtocol) as wire:
        wire.sendall(start)
        sent = 0
        with suppress(OSError):
            while sent < 8_000_000:
                wire.sendall(b"x" * 10_000)
                sent += 10_000

    assert sent < 8_000_000
