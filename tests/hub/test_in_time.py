"""A disk or a database that hangs: whoever asks hears so while still listening."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from fastapi.testclient import TestClient
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub import middleware
from hub.api import health
from hub.app import create_app
from hub.core import Hub
from tests.builders import an_id
from tests.faults.client_process import eventually
from tests.hub.volunteer import Volunteer


@dataclass
class Heard:
    """The application, and whether somebody was refused by it."""

    app: ASGIApp
    refused: threading.Event = field(default_factory=threading.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def _send(message: Message) -> None:
            await send(message)
            if message.get("status") == 503:
                self.refused.set()

        await self.app(scope, receive, _send)


@pytest.fixture
def heard(hub: Hub) -> Heard:
    return Heard(create_app(hub))


@pytest.fixture
def http(heard: Heard) -> Iterator[TestClient]:
    with TestClient(heard) as client:
        yield client


def test_a_result_that_a_disk_holds_up_is_refused_in_time_and_taken_once(
    hub: Hub, heard: Heard, http: TestClient, volta: Volunteer, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, identity = volta.exploring(), an_id()
    assert volta.propose(order).status_code == 200
    monkeypatch.setattr(middleware, "ANSWER_SECONDS", 0.2)

    with ThreadPoolExecutor(1) as thread:
        with hub.database.work():  # whose commit waits for the disk
            sent = thread.submit(volta.report, order, identity)
            assert heard.refused.wait(20)
        refused = sent.result()
    monkeypatch.setattr(middleware, "ANSWER_SECONDS", 20)
    again = volta.report(order, identity)

    assert (refused.status_code, refused.json()["code"]) == (503, "not_in_time")
    assert int(refused.headers["retry-after"]) >= 1
    assert (again.status_code, again.json()["run"]) == (200, str(identity))
    assert http.get(f"/v1/experiments/{order.experiment}").json()["n_runs"] == 1


def test_a_hub_whose_writes_do_not_end_says_that_it_cannot_work(
    hub: Hub, http: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "STUCK_SECONDS", 0.3)

    with hub.database.work():
        eventually(lambda: http.get("/readyz").status_code == 503, patience=20)
        said = http.get("/readyz").json()["detail"]

    assert "does not come to its end" in said
    eventually(lambda: http.get("/readyz").status_code == 200, patience=20)
