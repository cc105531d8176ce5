"""Several hub processes on one PostgreSQL: any of them may die, and nothing is lost."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import websockets.sync.client

from tests.builders import Order, a_join, a_proposal, a_report, a_work_request
from tests.faults.hub_process import TOY, HubProcess

pytestmark = pytest.mark.postgres


@pytest.fixture
def hubs(tmp_path: Path, postgres_url: str) -> Iterator[list[HubProcess]]:
    """Three processes, each with a data folder of its own, on one database and the same blobs."""
    settings = {"AGENTHUB_DATABASE_URL": postgres_url}
    three = [HubProcess(tmp_path / f"hub{n}", settings=settings) for n in range(3)]
    (tmp_path / "blobs").mkdir()
    for each in three:
        each.data.mkdir()
        (each.data / "blobs").symlink_to(tmp_path / "blobs")
    three[0].run("goal", "open", str(TOY))
    for each in three:
        each.start()
    yield three
    for each in three:
        each.kill()


@dataclass
class Nomad:
    """A volunteer that goes to the next hub whenever one does not answer, as a proxy would."""

    hubs: list[HubProcess]
    name: str
    at: int
    http: httpx.Client
    token: str = ""
    acknowledged: list[str] = field(default_factory=list)

    def send(self, method: str, path: str, body: Any) -> dict[str, Any]:
        """Send until somebody acknowledges."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        content = body.model_dump(mode="json")
        for _ in range(60):
            self.at += 1
            url = self.hubs[self.at % len(self.hubs)].url + path
            try:
                answer = self.http.request(method, url, json=content, headers=headers)
            except httpx.HTTPError:
                continue
            if answer.status_code < 500:
                answer.raise_for_status()
                return dict(answer.json())
        raise AssertionError("no hub answers")

    def work(self, rounds: int) -> None:
        """Claim, propose and report, each at another hub."""
        self.token = self.send("POST", "/v1/agents", a_join(self.name, self.name))["token"]
        for number in range(rounds):
            said = self.send("POST", "/v1/work", a_work_request())["order"]
            order = Order(
                **{key: said[key] for key in ("lease", "epoch", "goal", "nonce", "seed")},
                parent=said["parent"],
                experiment=said["experiment"],
                extra={"second_parent": said["second_parent"]},
            )
            if order.experiment is None:
                order.experiment = self._propose(order, number)
            report = a_report(order, metric=0.9 - number / 1000)
            receipt = self.send("PUT", f"/v1/runs/{uuid4()}", report)
            self.acknowledged.append(receipt["run"])

    def _propose(self, order: Order, number: int) -> str:
        text = f"LEARNING_RATE = {number}.{self.name[-1]}1\n"  # a number nobody else proposes
        proposal = a_proposal(order, files={"train.py": text})
        return str(self.send("PUT", f"/v1/experiments/{uuid4()}", proposal)["sha"])


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    """One client for all: each would read the machine's certificates anew."""
    with httpx.Client(timeout=10) as client:
        yield client


def test_one_of_three_is_killed_under_load_and_nothing_is_lost(
    hubs: list[HubProcess], http: httpx.Client
) -> None:
    nomads = [Nomad(hubs, f"nomad{n}", n, http) for n in range(4)]
    killer = threading.Timer(2.0, hubs[1].kill)
    killer.start()

    with ThreadPoolExecutor(len(nomads)) as pool:
        list(pool.map(lambda nomad: nomad.work(rounds=8), nomads))
    killer.join()

    acknowledged = {run for nomad in nomads for run in nomad.acknowledged}
    assert len(acknowledged) == 32
    for run in acknowledged:
        assert http.get(f"{hubs[2].url}/v1/runs/{run}").status_code == 200
    hubs[1].start()
    shas = shas_of(hubs[0], http)
    for each in hubs:
        for sha in shas:  # each process reads commits that another wrote
            files = http.get(f"{each.url}/v1/experiments/{sha}/files")
            assert files.status_code == 200, files.text
        assert "all agree" in each.run("check")
    assert events(hubs[0], http) == events(hubs[1], http) == events(hubs[2], http)


def test_an_event_at_one_hub_reaches_a_socket_at_another(
    hubs: list[HubProcess], http: httpx.Client
) -> None:
    address = hubs[2].url.replace("http", "ws") + "/v1/live"
    with websockets.sync.client.connect(address) as live:
        live.recv(timeout=10)
        nomad = Nomad(hubs[:1], "volta", 0, http)
        nomad.send("POST", "/v1/agents", a_join("volta", "ada"))

        assert '"agent.joined"' in live.recv(timeout=10)


def shas_of(hub: HubProcess, http: httpx.Client) -> list[str]:
    page = http.get(f"{hub.url}/v1/goals/toy/experiments", params={"limit": 100})
    return [each["sha"] for each in page.json()["experiments"]]


def events(hub: HubProcess, http: httpx.Client) -> list[int]:
    """Every event's number, read page by page."""
    seen: list[int] = []
    while True:
        params = {"after": seen[-1] if seen else 0}
        page = http.get(f"{hub.url}/v1/events", params=params).json()["events"]
        if not page:
            assert seen == list(range(1, len(seen) + 1))
            return seen
        seen += [each["seq"] for each in page]
