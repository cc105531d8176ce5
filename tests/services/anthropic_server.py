"""A local server that speaks the Anthropic Messages wire format and follows a script."""

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.services.anthropic_stream import as_stream
from tests.services.anthropic_wire import Reply, error, unauthorized

Request = dict[str, Any]
Responder = Callable[[Request], Reply]


class AnthropicServer:
    """Answers `POST /v1/messages`: first the scripted replies in order, then `otherwise`.

    `requests` keeps every body that was received, `headers` the headers that came with it.
    Use it with `base_url=server.url` and any key but "wrong".
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.headers: list[dict[str, str]] = []
        self.otherwise: Responder = lambda request: error(
            500, "api_error", "The test's script is over."
        )
        self._script: deque[Reply | Responder] = deque()
        self._lock = threading.Lock()
        self._http = _Server(self)
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        """The base URL, without a trailing slash."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def then(self, *replies: Reply | Responder) -> None:
        """Append replies, or functions of the request that make one, to the script."""
        self._script.extend(replies)

    def answer(self, request: Request, headers: dict[str, str]) -> Reply:
        """The next reply to this request, after the checks that the real API makes."""
        with self._lock:
            self.requests.append(request)
            self.headers.append(headers)
            refused = _refused(request, headers)
            if refused:
                return refused
            planned = self._script.popleft() if self._script else self.otherwise
        reply = planned if isinstance(planned, Reply) else planned(request)
        return as_stream(reply) if request.get("stream") else reply

    def start(self) -> None:
        """Serve in a thread until `stop`."""
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Close the port and let hanging replies go."""
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()


@contextmanager
def anthropic_server() -> Iterator[AnthropicServer]:
    """A running server, stopped on exit."""
    server = AnthropicServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _refused(request: Request, headers: dict[str, str]) -> Reply | None:
    """What the real API refuses before any model sees the request."""
    key = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
    if key in {"", "wrong"}:
        return unauthorized()
    if "anthropic-version" not in headers:
        return _invalid("anthropic-version: header is required")
    for name in ("model", "max_tokens", "messages"):
        if not request.get(name):
            return _invalid(f"{name}: Field required")
    return _refused_messages(request["messages"])


def _refused_messages(messages: list[dict[str, Any]]) -> Reply | None:
    if messages[0]["role"] != "user":
        return _invalid("messages: first message must use the user role")
    called = {block["id"] for block in _blocks(messages, "tool_use")}
    for result in _blocks(messages, "tool_result"):
        if result["tool_use_id"] not in called:
            return _invalid("messages: unexpected `tool_use_id` found in `tool_result` blocks")
    return None


def _blocks(messages: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    lists = [message["content"] for message in messages if isinstance(message["content"], list)]
    return [block for blocks in lists for block in blocks if block["type"] == kind]


def _invalid(sentence: str) -> Reply:
    return error(400, "invalid_request_error", sentence)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, api: AnthropicServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.api = api


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        """Answer one request."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        if self.path.split("?")[0] != "/v1/messages":
            self._send(error(404, "not_found_error", "Not Found"))
        elif not body.startswith(b"{"):
            self._send(_invalid("The request body is not valid JSON"))
        else:
            self._send(self.server.api.answer(json.loads(body), headers))

    def _send(self, reply: Reply) -> None:
        self.server.api.closing.wait(reply.wait)
        if reply.endless or reply.cut_after is not None:
            self.close_connection = True
        if reply.cut_after != 0:
            with suppress(OSError):
                self._write(reply)

    def _write(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if not reply.endless:
            self.send_header("content-length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body[: reply.cut_after])
        while reply.endless and not self.server.api.closing.wait(0.001):
            self.wfile.write(reply.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep the test's output clean."""
