"""Around every request: an id for the logs, and a limit on what a body may hold."""

import asyncio
import json
import time
import types
from collections.abc import Awaitable, Coroutine, Generator
from itertools import count
from typing import Any, TypeVar, cast
from uuid import uuid4

import structlog
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub.errors import HubError
from hub.tokens import redact

Result = TypeVar("Result")
log = structlog.get_logger("hub.http")
SLOW_SECONDS = 20.0
"""How long a client may take to send its body, or to read the next part of an answer."""
ANSWER_SECONDS = 25.0
"""How long an answer may be in the making: our clients hang up after thirty."""
UNHURRIED = ("/git/", "/v1/ops/")
"""A clone, and what an operator does to thousands of rows, take what they take."""
MOST_DIGITS = 18
"""Digits of a length that are read at all: Python itself refuses thousands of them."""
TOO_SLOW = (408, "too_slow", "The body did not come; send it again.")


class Identities:
    """Names for requests: numbers behind what tells this process from others."""

    def __init__(self) -> None:
        self._process = uuid4().hex[:8]
        self._numbers = count(1)

    def __call__(self) -> str:
        """A name that no request had before."""
        return f"{self._process}{next(self._numbers):08x}"


class NotInTime(HubError):
    """The hub's disk or database hangs; what was asked may yet be done, so ask the same again."""

    code, status = "not_in_time", 503
    retry_after = 10.0


class InTime:
    """Answer 503 when nothing else was answered in time; threads wait for a disk that hangs."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._refusing: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and not what it answers later."""
        if scope["type"] != "http" or scope["path"].startswith(UNHURRIED):
            await self.app(scope, receive, send)
            return
        answered = late = False

        async def _send(message: Message) -> None:
            nonlocal answered
            answered = True
            if not late:
                await send(message)

        def _give_up() -> None:
            nonlocal late
            if not answered:
                late = True
                log.warning("http.late", path=redact(scope["path"]), seconds=ANSWER_SECONDS)
                self._refuse(send)

        timer = asyncio.get_running_loop().call_later(ANSWER_SECONDS, _give_up)
        try:
            await self.app(scope, receive, _send)
        finally:
            timer.cancel()

    def _refuse(self, send: Send) -> None:
        # By its own task: the request's waits for a thread, which nobody can wake.
        said = (NotInTime.status, NotInTime.code, NotInTime.sentence(), NotInTime.retry_after)
        refusing = asyncio.create_task(_refuse(send, *said))
        self._refusing.add(refusing)
        refusing.add_done_callback(self._refusing.discard)


class RequestIds:
    """Give each request an id, say it in the answer, and write one log line when it is done."""

    def __init__(self, app: ASGIApp, identities: Identities) -> None:
        self.app = app
        self.identities = identities

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        identity = self.identities()
        scope.setdefault("state", {})["request_id"] = identity
        structlog.contextvars.bind_contextvars(request_id=identity)
        started, status = begun(scope), 0

        async def _send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", []),
                    (b"x-request-id", identity.encode()),
                ]
            try:
                await in_time(send(message), SLOW_SECONDS)
            except TimeoutError as error:
                raise _Unread from error

        try:
            await self.app(scope, receive, _send)
        except _Unread:
            log.info("http.slow_reader", path=redact(scope["path"]))
        finally:
            log.info(
                "http.request",
                request_id=identity,
                method=scope["method"],
                path=redact(scope["path"]),
                status=status,
                ms=round((time.perf_counter() - started) * 1000, 1),
            )


class _Unread(Exception):
    """A reader who reads nothing is let go; no OSError, for which another answer would be made."""


def begun(scope: Scope) -> float:
    """When a request came, on the clock of `perf_counter`."""
    started: float = scope.setdefault("agenthub.begun", time.perf_counter())
    return started


async def in_time(step: Awaitable[Result], seconds: float) -> Result:
    """Await what hardly ever has to wait: only if it does is a clock set, which costs more.

    Raises:
        TimeoutError: it waited longer.
    """
    steps = cast("Coroutine[Any, Any, Result]", step)
    try:
        waits_for = steps.send(None)
    except StopIteration as done:
        return cast("Result", done.value)
    async with asyncio.timeout(seconds):
        return await _resumed(steps, waits_for)


@types.coroutine
def _resumed(steps: Coroutine[Any, Any, Result], waits_for: Any) -> Generator[Any, Any, Result]:
    """Go on with a coroutine that was begun by hand, as `await` would have."""
    try:
        while True:
            try:
                heard = yield waits_for
            except BaseException as error:
                waits_for = steps.throw(error)
            else:
                waits_for = steps.send(heard)
    except StopIteration as done:
        return cast("Result", done.value)


class Heads:
    """Answer a HEAD as the GET that it asks about: monitors and previews of links send them.

    The server leaves the body out.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        asked = {**scope, "method": "GET"}
        try:
            await self.app(asked, receive, send)
        finally:
            scope["route"] = asked.get("route")  # by which requests are counted


class BodyLimit:
    """Refuse a body over the limit before it is read whole, chunked ones counted as they come."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 413 at once."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if (refused := self._at_once(scope)) is not None:
            await _refuse(send, *refused)
            return
        started = False

        async def _send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, _Body(receive, self.limit), _send)
        except (_Flood, _TooSlow) as error:
            if not started:
                await _refuse(send, *(self._too_large() if isinstance(error, _Flood) else TOO_SLOW))

    def _at_once(self, scope: Scope) -> tuple[int, str, str] | None:
        headers = dict(scope["headers"])
        said = headers.get(b"content-length", b"0")
        if said.isdigit() and (len(said) > MOST_DIGITS or int(said) > self.limit):
            return self._too_large()
        if b"content-encoding" in headers and not scope["path"].startswith("/git/"):
            return 415, "wrong_encoding", "Send the body uncompressed."
        return None

    def _too_large(self) -> tuple[int, str, str]:
        return 413, "too_large", f"This hub takes at most {self.limit} bytes a request."


class _Body:
    """A request's body as it comes: counted, and all of it within a limit of time."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self.receive = receive
        self.left = limit
        self.deadline = asyncio.get_running_loop().time() + SLOW_SECONDS
        self.whole = False

    async def __call__(self) -> Message:
        """The next part; once the body is whole this only waits for the client to leave."""
        if self.whole:
            return await self.receive()
        left = self.deadline - asyncio.get_running_loop().time()
        try:
            message = await in_time(self.receive(), left)
        except TimeoutError as error:
            raise _TooSlow(408, TOO_SLOW[2]) from error
        self.whole = not message.get("more_body", False)
        self.left -= len(message.get("body", b""))
        if self.left < 0:
            raise _Flood
        return message


class _TooSlow(HTTPException):
    """The body did not come in time; FastAPI passes this one on unchanged."""


class _Flood(Exception):
    """More came than was announced."""


async def _refuse(
    send: Send, status: int, code: str, detail: str, retry_after: float | None = None
) -> None:
    body = json.dumps(
        {"code": code, "title": code, "status": status, "detail": detail, "data": {}}
    ).encode()
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    if retry_after is not None:
        headers.append((b"retry-after", str(round(retry_after)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
