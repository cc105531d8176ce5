"""Around every request: an id for the logs, and a limit on what a body may hold."""

import json
import time
from uuid import uuid4

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger("hub.http")


class RequestIds:
    """Give each request an id, say it in the answer, and write one log line when it is done."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        identity = uuid4().hex[:16]
        scope.setdefault("state", {})["request_id"] = identity
        started, status = time.perf_counter(), 0

        async def _send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", []),
                    (b"x-request-id", identity.encode()),
                ]
            await send(message)

        try:
            await self.app(scope, receive, _send)
        finally:
            log.info(
                "http.request",
                request_id=identity,
                method=scope["method"],
                path=scope["path"],
                status=status,
                ms=round((time.perf_counter() - started) * 1000, 1),
            )


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
        read, started = 0, False

        async def _receive() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self.limit:
                raise _Flood
            return message

        async def _send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, _receive, _send)
        except _Flood:
            if not started:
                await _refuse(send, *self._too_large())

    def _at_once(self, scope: Scope) -> tuple[int, str, str] | None:
        headers = dict(scope["headers"])
        said = headers.get(b"content-length", b"0")
        if said.isdigit() and int(said) > self.limit:
            return self._too_large()
        if b"content-encoding" in headers and not scope["path"].startswith("/git/"):
            return 415, "wrong_encoding", "Send the body uncompressed."
        return None

    def _too_large(self) -> tuple[int, str, str]:
        return 413, "too_large", f"This hub takes at most {self.limit} bytes a request."


class _Flood(Exception):
    """More came than was announced."""


async def _refuse(send: Send, status: int, code: str, detail: str) -> None:
    body = json.dumps(
        {"code": code, "title": code, "status": status, "detail": detail, "data": {}}
    ).encode()
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
