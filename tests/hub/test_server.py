"""A real `hub serve`: it stops politely, waits for nobody, and tells its numbers."""

import asyncio
import json
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from websockets.sync.client import connect

from hub.core import open_hub
from hub.server import STOPS, Server, configuration
from hub.settings import Settings
from tests.builders import a_join
from tests.faults.hub_process import HubProcess, a_data_folder_with_the_toy

HALF_A_BODY = b"POST /v1/agents HTTP/1.1\r\nHost: hub\r\nContent-Length: 500\r\n\r\n{"


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """A hub process with the goal `toy`, logging JSON, for all who leave it running."""
    data = a_data_folder_with_the_toy(tmp_path_factory.mktemp("serving"))
    hub = HubProcess(data, settings={"AGENTHUB_LOG_JSON": "1"}, by_itself=True)
    hub.start()
    yield hub
    hub.kill()


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[HubProcess]:
    """A hub process that its test ends."""
    hub = HubProcess(a_data_folder_with_the_toy(tmp_path))
    hub.start()
    yield hub
    hub.kill()


@contextmanager
def slow_clients(port: int, count: int, words: bytes) -> Iterator[list[socket.socket]]:
    """Connections that say this and then nothing more."""
    with ExitStack() as stack:
        clients = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
            for _ in range(count)
        ]
        for each in clients:
            each.sendall(words)
        yield clients


def test_a_stop_finishes_requests_says_goodbye_to_sockets_and_ends_with_zero(
    mortal: HubProcess,
) -> None:
    async def listen() -> int | None:
        address = mortal.url.replace("http", "ws") + "/v1/live"
        async with websockets.connect(address) as live:
            await live.recv()
            listening.set()
            try:
                while True:
                    await live.recv()
            except websockets.ConnectionClosed as closed:
                return closed.rcvd.code if closed.rcvd else None

    codes: list[int | None] = []
    listening = threading.Event()
    listener = threading.Thread(target=lambda: codes.append(asyncio.run(listen())))
    listener.start()
    listening.wait(20)

    assert mortal.stop() == 0
    listener.join(20)
    assert codes == [1001]


@pytest.fixture
def a_server(tmp_path: Path) -> Iterator[Server]:
    """A hub's server in this process, whose signals are put back."""
    hub = open_hub(Settings(data=tmp_path / "hub"))
    before = {each: signal.getsignal(each) for each in STOPS}
    yield Server(configuration(hub), hub)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_stop_that_comes_before_the_loop_runs_is_heard(
    a_server: Server, number: signal.Signals
) -> None:
    deaf = threading.Timer(30, a_server.handle_exit, (signal.SIGTERM, None))
    signal.signal(number, lambda *_: None)  # deaf, but not the end of all tests

    with socket.create_server(("127.0.0.1", 0)) as listening:
        try:
            a_server.hear_signals()
            signal.raise_signal(number)
            deaf.start()
            a_server.run(sockets=[listening])
            ended_by_itself = deaf.is_alive()
        finally:
            deaf.cancel()

    assert ended_by_itself


def test_a_hub_that_nohup_started_outlives_its_terminal(a_server: Server) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    a_server.hear_signals()

    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


@pytest.mark.parametrize(
    "words",
    [b"", b"GET /healthz HT", HALF_A_BODY],
    ids=["silent", "half a header", "half a body"],
)
def test_three_hundred_slow_clients_keep_nobody_else_waiting(
    serving: HubProcess, words: bytes
) -> None:
    name = f"volta-{len(words)}"
    body = a_join(name, owner=name).model_dump(mode="json")
    with slow_clients(serving.port, 300, words) as clients:
        with httpx.Client(base_url=serving.url, timeout=10) as client:
            assert client.post("/v1/agents", json=body).status_code == 201
            assert client.get("/readyz").status_code == 200

        answer = clients[0].recv(4096)  # empty when hung up on, a refusal when no body came
    assert answer == b"" or b"408" in answer.split(b"\r\n")[0]


def test_a_client_that_has_said_all_and_still_listens_hears_every_answer(
    serving: HubProcess,
) -> None:
    ask = b"GET /v1/goals HTTP/1.1\r\nHost: hub\r\n\r\n"
    with socket.create_connection(("127.0.0.1", serving.port), timeout=20) as client:
        client.sendall(ask * 3)
        client.shutdown(socket.SHUT_WR)

        heard = client.makefile("rb").read()

    assert heard.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert heard.endswith(b"}")


def test_commands_know_which_hub_serves_their_folder(mortal: HubProcess, tmp_path: Path) -> None:
    copied = f"sqlite:///{tmp_path / 'copy.sqlite3'}"

    link = mortal.run("operator", "add", "grace", "-r", "she asked")
    with pytest.raises(RuntimeError, match=f"{mortal.url} goes on writing.*still_served"):
        mortal.run("copy-to", copied)
    with pytest.raises(RuntimeError, match=f"at {mortal.url}; stop it first.*already_served"):
        mortal.run("serve", "--port", "0")
    meanwhile = mortal.run("copy-to", copied, "--while-serving")
    mortal.kill()
    elsewhere = mortal.run("operator", "link", "grace", "-r", "she lost it")

    assert f"{mortal.url}/" in link
    assert "Copied" in meanwhile
    assert "http://127.0.0.1:8000/" in elsewhere


@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="no IPv6 here")
def test_a_proxy_beside_a_hub_on_every_address_tells_who_asks(tmp_path: Path) -> None:
    strict = {"AGENTHUB_RATE_ANONYMOUS": "4", "AGENTHUB_SOCKETS_PER_ADDRESS": "1"}
    hub = HubProcess(tmp_path / "hub", settings=strict, host="::")
    sent_by = {"X-Forwarded-For": "203.0.113.9"}

    try:
        hub.start()
        statuses = [httpx.get(f"{hub.url}/v1/goals", headers=sent_by).status_code for _ in "123"]
        live = f"ws://127.0.0.1:{hub.port}/v1/live"
        with connect(live, additional_headers=sent_by) as first:
            first.recv()
            with pytest.raises(websockets.InvalidStatus, match="429") as refused:
                connect(live, additional_headers=sent_by)
    finally:
        hub.kill()

    assert statuses == [200, 200, 429]
    assert b'"code":"too_many"' in refused.value.response.body
    assert b"close some" in refused.value.response.body


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("::1", "http://[::1]:80"),
        ("hub.example.org", "http://hub.example.org:80"),
    ],
)
def test_a_hub_says_where_a_browser_beside_it_finds_it(host: str, url: str) -> None:
    assert Settings(host=host, port=80).address == url


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("https://Hub.Example.org:443/", "https://hub.example.org"),
        ("http://hub.example.org:80", "http://hub.example.org"),
        ("https://[2001:DB8::1]:8443", "https://[2001:db8::1]:8443"),
        ("", "http://127.0.0.1:8000"),
    ],
)
def test_the_public_address_is_what_browsers_say_in_origin(typed: str, said: str) -> None:
    assert Settings(public_url=typed).address == said


def test_numbers_are_told_by_route(serving: HubProcess) -> None:
    with httpx.Client(base_url=serving.url) as client:
        client.get("/v1/goals/toy")
        client.get("/v1/goals/nothing")
        client.head("/v1/goals/toy")
        text = client.get("/metrics").text

    route = 'method="GET",route="/v1/goals/{slug}"'
    assert f'agenthub_requests_total{{{route},status="200"}} 1.0' in text
    assert f'agenthub_requests_total{{{route},status="404"}} 1.0' in text
    heads = route.replace("GET", "HEAD")
    assert f'agenthub_requests_total{{{heads},status="200"}} 1.0' in text
    assert "agenthub_experiments 1.0" in text and "agenthub_event_lag 0.0" in text
    assert "agenthub_blobs_waiting 0.0" in text


def test_every_line_of_the_log_is_json_with_the_request_s_id(serving: HubProcess) -> None:
    identity = httpx.get(f"{serving.url}/v1/goals").headers["x-request-id"]

    deadline = time.monotonic() + 10
    lines: list[dict[str, Any]] = []
    while not any(line.get("request_id") == identity for line in lines):
        assert time.monotonic() < deadline
        text = serving.log.read_text().splitlines()
        lines = [json.loads(line) for line in text if line.startswith("{")]
    told = next(line for line in lines if line.get("request_id") == identity)
    assert (told["event"], told["path"], told["status"]) == ("http.request", "/v1/goals", 200)


def test_plain_git_shows_why_a_push_or_a_clone_is_refused(
    serving: HubProcess, tmp_path: Path
) -> None:
    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
        return done.stderr

    git("clone", "-q", f"{serving.url}/git/toy.git", str(tmp_path / "clone"))

    pushed = git("-C", str(tmp_path / "clone"), "push", "origin", "HEAD:refs/heads/mine")
    cloned = git("clone", f"{serving.url}/git/nothing.git", str(tmp_path / "nothing"))

    assert "remote: This repository is read-only: propose experiments with agent_client." in pushed
    assert "remote: There is no goal 'nothing' on this hub" in cloned
