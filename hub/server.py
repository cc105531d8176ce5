"""The web server around the app: patient with nobody, and polite when it stops."""

import asyncio
import gc
import signal
import socket
from http import HTTPStatus
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Response
from websockets.server import ServerProtocol

from hub.app import create_app
from hub.core import Hub
from hub.errors import HubError
from hub.live import FRAMES
from protocol.base import Problem

HEADER_SECONDS = 10.0
"""A client that has not said its request's headers by then is hung up on."""
HEADER_BYTES = 256 * 1024
"""A client whose headers never end is hung up on; the app itself refuses far smaller ones."""
DRAIN_SECONDS = 20
STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""What people and service managers send, Ctrl-C, and a terminal that closes."""


class Malformed(HubError):
    """This is no HTTP request; look at its first line, its headers and its length."""

    code, status = "malformed", 400


class NoSocket(HubError):
    """This opens no socket; `/v1/live` does, by a handshake of RFC 6455, `after` being a number."""

    code, status = "no_socket", 403


def problem(kind: type[HubError], status: int, detail: str) -> bytes:
    """A refusal as all others are said, by what is below the application."""
    said = Problem(code=kind.code, title=kind.__name__, status=status, detail=detail)
    return said.model_dump_json().encode()


MALFORMED = problem(Malformed, Malformed.status, Malformed.sentence())


class PatientProtocol(HttpToolsProtocol):
    """HTTP that waits for headers only so long: uvicorn alone waits for ever (slowloris)."""

    header_seconds = HEADER_SECONDS
    _deadline: asyncio.TimerHandle | None = None
    _header_bytes = 0
    _awaiting_headers = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock with the connection."""
        super().connection_made(transport)
        self.client = _as_ipv4(self.client)
        self._start_clock()

    def data_received(self, data: bytes) -> None:
        """Count what is kept before anybody looks at it; start the clock for what is not whole."""
        if self._awaiting_headers:
            self._header_bytes += len(data)
            if self._header_bytes > HEADER_BYTES:
                self.transport.abort()
                return
        super().data_received(data)
        if self._awaiting_headers and self._deadline is None:
            self._start_clock()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._header_bytes = 0
        self._awaiting_headers = True

    def on_headers_complete(self) -> None:
        """The client kept its side."""
        self._awaiting_headers = False
        self._stop_clock()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Say it as every other refusal is said; the parser knows no more than that it failed."""
        head = [(b"content-type", b"application/problem+json"), *self.server_state.default_headers]
        head += [(b"content-length", str(len(MALFORMED)).encode()), (b"connection", b"close")]
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in head)
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n" + lines + b"\r\n" + MALFORMED)
        self.transport.close()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer a client that has said all it will and still listens; then hang up."""
        # The newest request: those before it were whole and are answered first.
        if self.cycle is None or self.cycle.response_complete or self.cycle.more_body:
            return False
        self.cycle.keep_alive = False
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing to wait for any more."""
        self._stop_clock()
        super().connection_lost(exc)

    def _start_clock(self) -> None:
        self._deadline = self.loop.call_later(self.header_seconds, self.transport.abort)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class Handshake(ServerProtocol):
    """The library's side of a socket; what it refuses it says in plain text, or not at all."""

    def reject(self, status: HTTPStatus | int, text: str) -> Response:
        """Say it as every other refusal is said."""
        refused = super().reject(status, "")
        refused.body = problem(NoSocket, refused.status_code, text.strip() or NoSocket.sentence())
        for name, value in (
            ("Content-Length", str(len(refused.body))),
            ("Content-Type", "application/problem+json"),
        ):
            del refused.headers[name]
            refused.headers[name] = value
        return refused


class TellingProtocol(WebSocketsSansIOProtocol):
    """WebSockets that take frames ready for the wire: one event is the same for all of them."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Know who it is as HTTP does."""
        super().connection_made(transport)
        self.client = _as_ipv4(self.client)
        self.conn = Handshake(max_size=self.config.ws_max_size, logger=self.logger)

    def data_received(self, data: bytes) -> None:
        """Hang up on a handshake that is none: uvicorn alone waits for the rest of it for ever."""
        super().data_received(data)
        if self.handshake_initiated or self.close_sent:
            return
        # All of it came at once, so none is on its way. What could not be read has no answer yet.
        if not (refusal := b"".join(self.conn.data_to_send())):
            self.conn.send_response(self.conn.reject(HTTPStatus.BAD_REQUEST, ""))
            refusal = b"".join(self.conn.data_to_send())
        self.close_sent = self.handshake_complete = True
        self.transport.write(refusal)
        self.transport.close()

    async def run_asgi(self) -> None:
        """Tell the application where frames may be put."""
        extensions = cast("dict[str, Any]", self.scope["extensions"])
        extensions[FRAMES] = self._push
        await super().run_asgi()

    def _push(self, frames: bytes) -> bool:
        """Write whole frames; False while the client reads too slowly, and once it is leaving."""
        if not self.writable.is_set() or self.close_sent or self.transport.is_closing():
            return False
        self.transport.write(frames)
        return True


class Server(uvicorn.Server):
    """A server that tells sockets 1001 before it closes, and ends with exit code 0."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self.hub = hub

    def hear_signals(self) -> None:
        """Stop at a signal from now on; uvicorn hears two of them, and only once its loop runs."""
        for each in STOPS:
            if each is signal.SIGHUP and signal.getsignal(each) is signal.SIG_IGN:
                continue  # by nohup, whose terminal may close
            # uvicorn raises the signal again once it has drained; a clean stop is no failure.
            signal.signal(each, self.handle_exit)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve; what is loaded by then stays, and the collector looks past it."""
        await super().startup(sockets)
        gc.collect()
        gc.freeze()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no new connections, say goodbye to sockets, let requests finish."""
        for each in self.servers:
            each.close()
        await self.hub.live.stop()
        await self.hub.live.emptied(seconds=2.0)
        await super().shutdown(sockets)


def _as_ipv4(client: tuple[str, int] | None) -> tuple[str, int] | None:
    """Who calls: a socket on all addresses (`::`) says IPv4 ones so, as no proxy is named."""
    return None if client is None else (client[0].removeprefix("::ffff:"), client[1])


def configuration(hub: Hub, **more: Any) -> uvicorn.Config:
    """How our application is served; benchmarks serve it the same way."""
    return uvicorn.Config(
        create_app(hub),
        http=PatientProtocol,
        ws=TellingProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        ws_max_size=64 * 1024,
        ws_ping_interval=20,
        ws_ping_timeout=20,
        ws_per_message_deflate=False,
        **more,
    )


def run(hub: Hub, listening: socket.socket) -> None:
    """Serve until SIGTERM or Ctrl-C; what was acknowledged is on disk before this returns."""
    server = Server(configuration(hub), hub)
    server.hear_signals()
    server.run(sockets=[listening])
