"""What no HTTP library would send, byte for byte, to a real hub: refused, and nothing kept."""

import gzip
import http.client
import json
import socket
from collections.abc import Iterator

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from hub import tokens
from tests.builders import a_join
from tests.faults.hub_process import HubProcess, a_data_folder_with_the_toy

DEEP = b"[" * 100_000
NAN = float("nan")
TO_SOCKET = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
UPGRADE = TO_SOCKET + b"Sec-WebSocket-Version: 13\r\n" + KEY


def get(
    path: bytes, *headers: bytes, method: bytes = b"GET", host: bytes = b"Host: hub\r\n"
) -> bytes:
    return method + b" " + path + b" HTTP/1.1\r\n" + host + b"".join(headers) + b"\r\n"


def post(path: bytes, body: bytes, *headers: bytes, kind: bytes = b"application/json") -> bytes:
    said = b"Content-Type: " + kind + b"\r\nContent-Length: %d\r\n" % len(body)
    return get(path, said, *headers, method=b"POST") + body


def joining(**changes: object) -> bytes:
    return json.dumps({**a_join("eve", "eve").model_dump(mode="json"), **changes}).encode()


def acting(**what: object) -> bytes:
    return json.dumps({"reason": "a test wants it", **what}).encode()


def fetch(head: bytes, body: bytes) -> bytes:
    """What a git client asks for, packed somehow."""
    kind = b"application/x-git-upload-pack-request"
    return post(b"/git/toy.git/git-upload-pack", body, head, kind=kind)


OPERATOR = b"Authorization: Bearer {operator}\r\n"
AS_AGENT = b"Authorization: Bearer {agent}\r\n"
HOSTILE: dict[str, tuple[bytes, int]] = {
    "up and out": (get(b"/../../etc/passwd"), 404),
    "up and out, encoded": (get(b"/assets/..%2f..%2f..%2fetc%2fpasswd"), 404),
    "up and out, twice encoded": (get(b"/assets/%252e%252e%252fetc"), 404),
    "backslashes": (get(b"/assets/..\\..\\hub.sqlite3"), 404),
    "overlong dots": (get(b"/v1/goals/%c0%ae%c0%ae"), 404),
    "a NUL": (get(b"/v1/goals/toy%00"), 400),
    "a NUL in a query": (get(b"/v1/ops/actions?about=%00", OPERATOR), 400),
    "a repository above": (get(b"/git/..%2f..%2f/info/refs?service=git-upload-pack"), 404),
    "an option as a repository": (get(b"/git/--x.git/info/refs?service=git-upload-pack"), 404),
    "a push": (get(b"/git/toy.git/info/refs?service=git-receive-pack"), 403),
    "two lengths": (get(b"/v1/agents", b"Content-Length: 4\r\nContent-Length: 9\r\n"), 400),
    "a length of thousands of digits": (
        get(b"/v1/agents", b"Content-Length: " + b"0" * 5000 + b"2\r\n", method=b"POST"),
        413,
    ),
    "such a length on a quick road": (
        get(
            b"/v1/runs/6a1cfa0c-7f4e-4d30-9f0c-55ad2ddcbd0a",
            b"Authorization: Bearer x\r\nContent-Type: application/json\r\n"
            b"Content-Length: " + b"0" * 5000 + b"2\r\n",
            method=b"PUT",
        ),
        413,
    ),
    "what is not gzip": (fetch(b"Content-Encoding: gzip\r\n", b"no gzip at all"), 400),
    "half of a gzip": (fetch(b"Content-Encoding: gzip\r\n", gzip.compress(b"0000" * 9)[:20]), 400),
    "a gzip bomb": (fetch(b"Content-Encoding: gzip\r\n", gzip.compress(bytes(9 << 20))), 413),
    "a packing that git does not use": (fetch(b"Content-Encoding: br\r\n", b"0000"), 415),
    "a length and chunks": (
        get(b"/v1/agents", b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", method=b"POST"),
        400,
    ),
    "a negative length": (get(b"/v1/agents", b"Content-Length: -1\r\n", method=b"POST"), 400),
    "two hosts": (get(b"/v1/goals", b"Host: evil.example\r\n"), 400),
    "no host": (get(b"/v1/goals", host=b""), 400),
    "a header in a header": (get(b"/v1/goals", b"X: a\nSet-Cookie: b=c\r\n"), 400),
    "a huge header": (get(b"/v1/goals", b"X: " + b"a" * 100_000 + b"\r\n"), 431),
    "many headers": (get(b"/v1/goals", b"".join(b"X-%d: a\r\n" % n for n in range(4000))), 431),
    "another method by header": (get(b"/v1/session", b"X-HTTP-Method-Override: DELETE\r\n"), 401),
    "TRACE": (get(b"/", method=b"TRACE"), 405),
    "CONNECT": (get(b"evil.example:443", method=b"CONNECT"), 400),
    "JSON said to be text": (
        post(b"/v1/ops/actions", acting(action="hub.posts"), OPERATOR, kind=b"text/plain"),
        422,
    ),
    "JSON said to be a form": (
        post(b"/v1/ops/actions", acting(action="hub.posts"), OPERATOR, kind=b"multipart/form-data"),
        422,
    ),
    "a pit said to be text": (post(b"/v1/agents", DEEP, kind=b"text/plain"), 422),
    "a pit of another kind": (post(b"/v1/agents", DEEP, kind=b"application/vnd.x+json"), 400),
    "UTF-16": (post(b"/v1/agents", joining().decode().encode("utf-16")), 400),
    "a line in a name": (post(b"/v1/agents", joining(name="eve\r\nSet-Cookie: a=b")), 422),
    "a name that turns round": (post(b"/v1/agents", joining(name="ev\u202ee")), 422),
    "an escape in a device": (
        post(b"/v1/agents", joining(device={"name": "\x1b]52;", "kind": "cpu"})),
        422,
    ),
    "a cookie of one's own": (
        get(b"/v1/session", b"Cookie: agenthub=ah_session_aaaaaaaaaa_" + b"x" * 43 + b".y\r\n"),
        401,
    ),
    "a cookie of garbage": (get(b"/v1/session", b"Cookie: agenthub=\xff\xfe.\x80\r\n"), 401),
    "a bearer of garbage": (get(b"/v1/me", b"Authorization: Bearer \xff\xfe\r\n"), 401),
    "a bearer of nothing": (get(b"/v1/me", b"Authorization: Bearer\r\n"), 401),
    "an agent as an operator": (
        post(b"/v1/ops/actions", acting(action="hub.posts"), AS_AGENT),
        403,
    ),
    "a socket from elsewhere": (get(b"/v1/live", UPGRADE, b"Origin: http://evil.example\r\n"), 403),
    "a socket from nowhere": (get(b"/v1/live", UPGRADE, b"Origin: null\r\n"), 403),
    "a socket without a key": (get(b"/v1/live", TO_SOCKET, b"Sec-WebSocket-Version: 13\r\n"), 400),
    "a socket of another version": (
        get(b"/v1/live", TO_SOCKET, KEY, b"Sec-WebSocket-Version: 8\r\n"),
        400,
    ),
    "a socket by POST": (get(b"/v1/live", UPGRADE, method=b"POST"), 405),
    "a socket, a huge header": (get(b"/v1/live", UPGRADE, b"X: " + b"a" * 9000 + b"\r\n"), 431),
    "a socket, many headers": (
        get(b"/v1/live", UPGRADE, b"".join(b"X-%d: a\r\n" % n for n in range(200))),
        431,
    ),
    "a socket at a long address": (get(b"/v1/live?after=" + b"1" * 9000, UPGRADE), 414),
    "a socket at no address": (get(b"/v1/live?after=\xe9", UPGRADE), 400),
    "a socket where none is": (get(b"/v1/goals", UPGRADE), 403),
    "a socket after no number": (get(b"/v1/live?after=x", UPGRADE), 403),
    "a number beyond all": (
        post(b"/v1/ops/actions", acting(action="action.undo", seq=10**30), OPERATOR),
        422,
    ),
    "no number at all": (
        post(b"/v1/ops/actions", acting(action="goal.weigh", goal="toy", weight=NAN), OPERATOR),
        422,
    ),
    "a ban above": (
        post(b"/v1/ops/actions", acting(action="owner.ban", owner="../.."), OPERATOR),
        422,
    ),
    "a long way back": (get(b"/v1/session/openid/callback?state=" + b"a" * 5000), 422),
}  # fmt: skip


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """A hub process that writes its log as in production."""
    data = a_data_folder_with_the_toy(tmp_path_factory.mktemp("raw"))
    hub = HubProcess(data, settings={"AGENTHUB_LOG_JSON": "1"})
    hub.run("operator", "add", "grace", "-r", "she is good at this")
    hub.start()
    yield hub
    hub.kill()


def answer(port: int, request: bytes) -> tuple[int, str]:
    """The status of the answer to these bytes, and what kind it is of."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as wire:
        wire.sendall(request)
        with wire.makefile("rb") as said:
            status = int(said.readline().split(b" ")[1])
            return status, str(http.client.parse_headers(said)["content-type"])


def test_fifty_hostile_requests_are_refused_as_problems_and_leave_no_trace(
    serving: HubProcess,
) -> None:
    operator = serving.run("operator", "token", "grace", "-r", "for tests").splitlines()[-1]
    joined = httpx.post(
        f"{serving.url}/v1/agents", json=a_join().model_dump(mode="json"), timeout=60
    )
    agent = joined.json()["token"]
    before = httpx.get(f"{serving.url}/v1/events", timeout=60).text
    known = {b"{operator}": operator.encode(), b"{agent}": agent.encode()}

    got = {}
    for name, (request, expected) in HOSTILE.items():
        for place, token in known.items():
            request = request.replace(place, token)
        if (refused := answer(serving.port, request)) != (expected, "application/problem+json"):
            got[name] = refused

    assert got == {}
    assert httpx.get(f"{serving.url}/v1/events", timeout=60).text == before
    assert httpx.get(f"{serving.url}/healthz", timeout=60).status_code == 200
    log = serving.log.read_text()
    assert '"path": "/v1/ops/actions"' in log
    assert not tokens.PATTERN.search(log) and "Traceback" not in log
    # A secret may hold underscores of its own: what follows the last one may be a single letter.
    assert agent[-43:] not in log and operator[-43:] not in log


def test_hostile_sockets_are_refused_and_leave_neither_token_nor_traceback_in_the_log(
    serving: HubProcess,
) -> None:
    live = f"ws://127.0.0.1:{serving.port}/v1/live"
    token = f"ah_agent_{'a' * 10}_{'B' * 43}"

    for query in (f"token={token}", f"token={token.replace('_', '%5F')}", f"after={10**30}"):
        with pytest.raises(InvalidStatus), connect(f"{live}?{query}"):
            pass
    for frame in (b"\x00\xff", "words that nobody asked for"):
        with connect(live) as socket:
            socket.send(frame)
            assert "hello" in str(socket.recv(timeout=60))
    with connect(live) as socket:
        socket.send("a" * 100_000)
        with pytest.raises(ConnectionClosed):
            list(socket)

    assert httpx.get(f"{serving.url}/healthz", timeout=60).status_code == 200
    log = serving.log.read_text()
    assert "WebSocket /v1/live?token=" in log and "B" * 43 not in log
    assert "Traceback" not in log
