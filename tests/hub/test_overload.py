"""When too many ask for work, results and heartbeats still get through."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlmodel import Session

from hub import briefing, markdown, minds
from hub.app import create_app
from hub.blobs import FolderBlobs, Packed
from hub.blobwriter import BlobWriter
from hub.core import Hub
from hub.tables import GoalRow, OrderRow
from protocol.board import PostDraft
from tests.builders import Clock, a_work_request, an_id
from tests.hub.volunteer import Volunteer


def test_claims_over_the_limit_hear_when_to_come_back_and_take_no_thread_meanwhile(
    hub: Hub, http: TestClient, volta: Volunteer
) -> None:
    order = volta.claim()
    for _ in range(hub.settings.claim_slots):
        hub.claim_slots.acquire()

    with ThreadPoolExecutor(hub.settings.threads + 10) as pool:
        asks = [
            pool.submit(volta.send, "POST", "/v1/work", a_work_request())
            for _ in range(hub.settings.threads + 5)
        ]
        report = pool.submit(volta.report, order).result()
        answers = [ask.result() for ask in asks]

    assert report.status_code == 200
    assert {(each.status_code, each.json()["code"]) for each in answers} == {(503, "busy")}
    assert all(int(each.headers["retry-after"]) >= 1 for each in answers)


@dataclass
class Stuck(FolderBlobs):
    """A folder on a disk that hangs until it is let go."""

    root: Path
    hangs: threading.Event = field(default_factory=threading.Event)
    freed: threading.Event = field(default_factory=threading.Event)

    def keep(self, packed: Packed) -> None:
        self.hangs.set()
        assert self.freed.wait(30), "somebody waited for it"
        super().keep(packed)


def test_nobody_waits_for_the_disk_that_keeps_logs(hub: Hub) -> None:
    disk = Stuck(hub.settings.data / "blobs")
    stuck = replace(hub, blob_writer=BlobWriter(hub.database, disk, interval=0.01))
    with TestClient(create_app(stuck)) as http:
        volta = Volunteer.joined(http, "volta", "ada")
        volta.explore(0.2, 0.8)
        assert disk.hangs.wait(10)
        made = volta.explore(0.3, 0.7).experiment
        run = http.get(f"/v1/experiments/{made}/runs").json()[0]["id"]
        log = http.get(f"/v1/runs/{run}/log").text
        disk.freed.set()

    assert log == "step 1\nstep 2"


def test_a_writer_that_waited_writes_at_the_time_of_its_turn(hub: Hub, clock: Clock) -> None:
    with ThreadPoolExecutor(1) as pool:
        with hub.database.work():
            waiting = pool.submit(hub.database.apply, lambda work: work.now)
            time.sleep(0.3)  # until it waits
            clock.forward(5)

        assert waiting.result() == clock.now


def another_waits(hub: Hub) -> bool:
    """Whether a writer gets no turn at this moment."""
    other = threading.Thread(
        target=lambda: hub.database.apply(lambda work: work.next_seq), daemon=True
    )
    other.start()
    other.join(5)
    return other.is_alive()


def test_writers_do_not_wait_while_a_claim_thinks_about_a_large_goal(
    hub: Hub, volta: Volunteer, tesla: Volunteer, monkeypatch: pytest.MonkeyPatch
) -> None:
    others_waited = list[bool]()

    def think(session: Session, goal: GoalRow) -> minds.Thoughts:
        others_waited.append(another_waits(hub))
        threading.Event().wait(0.5)  # long, and so is how long it lasts
        return really(session, goal)

    really = minds.think
    monkeypatch.setattr(minds, "think", think)
    monkeypatch.setattr(minds, "FEW", 0)
    volta.claim()
    tesla.claim()

    assert others_waited == [False]


def test_writers_do_not_wait_while_a_claim_is_told_what_was_tried(
    hub: Hub, volta: Volunteer, tesla: Volunteer, monkeypatch: pytest.MonkeyPatch
) -> None:
    others_waited = list[bool]()

    def brief(session: Session, goal: GoalRow, order: OrderRow) -> str:
        others_waited.append(another_waits(hub))
        return really(session, goal, order)

    really = briefing.brief
    monkeypatch.setattr(briefing, "brief", brief)
    volta.claim()

    assert others_waited == [False]


def test_writers_do_not_wait_while_a_post_is_rendered(
    hub: Hub, volta: Volunteer, monkeypatch: pytest.MonkeyPatch
) -> None:
    others_waited = list[bool]()

    def render(*said: Any) -> str:
        others_waited.append(another_waits(hub))
        return markdown.render(*said)

    monkeypatch.setattr("hub.board.render", render)
    words = PostDraft(channel="discussion", topic="t", body="![" * 8000)
    written = volta.send("PUT", f"/v1/posts/{an_id()}", words)

    assert (written.status_code, others_waited) == (200, [False])


REFS = "/git/toy.git/info/refs?service=git-upload-pack"


def test_fetches_over_the_limit_hear_when_to_come_back(hub: Hub, http: TestClient) -> None:
    for _ in range(hub.settings.git_slots):
        hub.git_slots.acquire()

    answer = http.get(REFS)

    assert (answer.status_code, answer.json()["code"]) == (503, "git_busy")
    assert int(answer.headers["retry-after"]) >= 1


def test_a_fetch_gives_its_place_back_however_it_ends(hub: Hub, http: TestClient) -> None:
    for _ in range(hub.settings.git_slots + 1):
        assert http.get(REFS).status_code == 200
        assert http.get(REFS.replace("upload", "receive")).status_code == 403
        assert http.get(REFS.replace("toy", "nothing")).status_code == 404
        assert http.post("/git/toy.git/git-upload-pack", content=b"0000").status_code == 200

    for _ in range(hub.settings.git_slots):
        assert hub.git_slots.acquire(blocking=False)
