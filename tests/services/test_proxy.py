"""The proxy breaks connections in the ways it promises."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from tests.services.proxy import Fault, FaultProxy

ProxyTo = Callable[[int], FaultProxy]


@pytest.fixture
def heard() -> list[str]:
    """What the server behind the proxy was asked."""
    return []


@pytest.fixture
def proxy(heard: list[str], proxy_to: ProxyTo) -> Iterator[FaultProxy]:
    class Echo(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            heard.append(body.decode())
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield proxy_to(server.server_address[1])
    server.shutdown()
    server.server_close()


def say(proxy: FaultProxy, words: str) -> str:
    return httpx.post(proxy.url, content=words, timeout=30).text


def test_without_a_fault_everything_goes_through(proxy: FaultProxy) -> None:
    words = "hello " * 100_000

    assert say(proxy, words) == words


def test_a_lost_reply_means_that_the_server_has_heard(proxy: FaultProxy, heard: list[str]) -> None:
    proxy.plan(Fault(lose_reply=True))

    with pytest.raises(httpx.TransportError):
        say(proxy, "once")

    assert heard == ["once"]
    assert say(proxy, "again") == "again"


def test_a_dropped_request_means_that_the_server_has_not(
    proxy: FaultProxy, heard: list[str]
) -> None:
    proxy.plan(Fault(drop_request_after=60), Fault(refuse=True, reset=True))

    for _ in range(2):
        with pytest.raises(httpx.TransportError):
            say(proxy, "never")

    assert heard == []


def test_a_cut_in_the_middle_of_the_answer_is_noticed(proxy: FaultProxy) -> None:
    proxy.plan(Fault(drop_reply_after=10, reset=True))

    with pytest.raises(httpx.TransportError):
        say(proxy, "words")


def test_a_trickle_is_too_slow_for_an_impatient_client(proxy: FaultProxy) -> None:
    proxy.plan(Fault(trickle=20))

    with httpx.Client(timeout=0.02) as client, pytest.raises(httpx.ReadTimeout):
        client.post(proxy.url, content="words")


def test_a_partition_lasts_until_it_heals(proxy: FaultProxy) -> None:
    proxy.partition()
    with pytest.raises(httpx.TransportError):
        say(proxy, "lost")

    proxy.heal()

    assert say(proxy, "found") == "found"
