"""Owners at home: what is theirs, steered from a browser, and nobody else's."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from hub import sessions
from hub.core import Hub
from hub.errors import Unauthorized
from hub.tables import OwnerRow
from protocol.board import PostDraft
from protocol.work import Progress
from tests.builders import Clock, an_id
from tests.hub.operating import Curator
from tests.hub.volunteer import Volunteer


class AtHome:
    """An owner's browser, signed in by a link that a machine of theirs asked for."""

    def __init__(self, http: TestClient, agent: Volunteer) -> None:
        code = agent.send("POST", "/v1/me/link").json()["code"]
        self.http = http
        http.cookies.clear()
        answer = http.post("/v1/session", json={"code": code})
        assert answer.status_code == 200, answer.text
        self.said = answer.json()
        self.cookie = f"agenthub={answer.cookies['agenthub']}"
        http.cookies.clear()

    def send(self, method: str, path: str, **more: Any) -> Any:
        headers = {
            "Cookie": self.cookie,
            "X-CSRF-Token": self.said["csrf"],
            "Origin": "http://testserver",
        }
        return self.http.request(method, path, headers=headers, **more)

    def mine(self, name: str = "volta") -> dict[str, Any]:
        said = self.send("GET", "/v1/mine").json()
        return next(one for one in said["agents"] if one["agent"]["name"] == name)


@pytest.fixture
def ada(http: TestClient, volta: Volunteer) -> AtHome:
    return AtHome(http, volta)


def test_a_machine_of_theirs_signs_its_owner_in(ada: AtHome, tesla: Volunteer) -> None:
    said = ada.send("GET", "/v1/mine").json()

    assert (ada.said["owner"], ada.said["operator"]) == ("ada", None)
    assert [one["agent"]["name"] for one in said["agents"]] == ["volta"]
    assert [token["kind"] for token in said["agents"][0]["tokens"]] == ["agent"]
    assert ada.send("GET", "/v1/ops/queue").status_code == 403


def test_a_paused_agent_keeps_its_run_and_gets_no_more(ada: AtHome, volta: Volunteer) -> None:
    order = volta.claim()
    assert ada.mine()["idle"] == ""
    ada.send("POST", "/v1/mine/agents/volta/pause")
    beat = volta.send(
        "POST", f"/v1/leases/{order.lease}/renew", Progress(epoch=order.epoch, phase="train")
    ).json()
    volta.release(order)

    assert not beat["stop"]
    assert volta.ask().code == "paused"
    assert "You paused it here" in ada.mine()["idle"]
    ada.send("POST", "/v1/mine/agents/volta/resume")
    assert volta.ask().order is not None


def test_an_agent_that_has_been_gone_for_long_is_not_said_to_work(
    ada: AtHome, volta: Volunteer, clock: Clock
) -> None:
    volta.claim()
    while_at_work = ada.mine()["agent"]["working_on"]

    clock.forward(3600)

    mine = ada.mine()
    page = volta.http.get("/v1/agents/volta").json()
    assert while_at_work == "anchor in toy"
    assert (mine["agent"]["working_on"], page["working_on"]) == (None, None)
    assert "has not heard of it lately" in mine["idle"]


def test_a_stopped_agent_is_told_with_its_next_heartbeat(ada: AtHome, volta: Volunteer) -> None:
    order = volta.claim()
    ada.send("POST", "/v1/mine/agents/volta/stop")

    beat = volta.send(
        "POST", f"/v1/leases/{order.lease}/renew", Progress(epoch=order.epoch, phase="train")
    ).json()

    assert (beat["stop"], beat["reason"]) == (True, "its owner stopped it on the board")


def test_a_token_is_minted_beside_another_and_ended(ada: AtHome, volta: Volunteer) -> None:
    minted = ada.send("POST", "/v1/mine/agents/volta/token").json()["token"]
    fresh = Volunteer(volta.http, "volta", minted)
    assert fresh.send("GET", "/v1/me").status_code == 200
    (old, new) = ada.mine()["tokens"]

    assert ada.send("DELETE", f"/v1/mine/tokens/{old['id']}").status_code == 204

    assert volta.send("GET", "/v1/me").status_code == 401
    assert fresh.send("GET", "/v1/me").status_code == 200
    assert [token["id"] for token in ada.mine()["tokens"]] == [new["id"]]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/mine/agents/tesla/pause"),
        ("POST", "/v1/mine/agents/tesla/token"),
        ("DELETE", "/v1/mine/tokens/{token}"),
        ("DELETE", "/v1/mine/tokens/{session}"),
    ],
)
def test_what_is_anothers_is_not_there(
    ada: AtHome, tesla: Volunteer, hub: Hub, method: str, path: str
) -> None:
    curator = Curator.of(hub, ada.http)
    known = curator.send("GET", "tokens").json()
    session = next(row["id"] for row in known if row["kind"] == "session")
    token = tesla.token.split("_")[2]

    answer = ada.send(method, path.format(token=token, session=session))

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert tesla.ask().code != "paused"


def test_a_volunteer_writes_as_a_human_and_a_ban_takes_it_back(
    ada: AtHome, hub: Hub, http: TestClient, volta: Volunteer
) -> None:
    draft = {"channel": "discussion", "topic": "Seeds", "body": "Is it luck?"}
    post = ada.send("PUT", f"/v1/posts/{an_id()}", json=draft).json()
    assert (post["author"], post["author_kind"]) == ("ada", "human")
    said = an_id()
    assert volta.send("PUT", f"/v1/posts/{said}", PostDraft(**draft)).status_code == 200
    praise = ada.send("PUT", f"/v1/posts/{said}/reaction", json={"kind": "useful"})
    assert praise.json()["code"] == "own_post"

    Curator.of(hub, http).acts("owner.ban", owner="ada")

    assert http.get("/v1/posts?channel=discussion").json()["posts"] == []
    assert ada.send("GET", "/v1/mine").status_code == 401
    with pytest.raises(Unauthorized), hub.database.work() as work:
        sessions.begin(work, sessions.OWNERS + "ada")


def test_an_owner_who_waits_for_approval_sees_why_and_writes_nothing(ada: AtHome, hub: Hub) -> None:
    with hub.database.work() as work:
        work.session.get_one(OwnerRow, "ada").state = "pending"

    draft = {"channel": "discussion", "topic": "Seeds", "body": "Is it luck?"}

    assert "approve you first" in ada.mine()["idle"]
    assert ada.send("PUT", f"/v1/posts/{an_id()}", json=draft).json()["code"] == "not_active"
    assert ada.send("POST", "/v1/mine/invites").json()["code"] == "not_active"
    assert ada.send("POST", "/v1/mine/agents/volta/token").json()["code"] == "not_active"


def test_the_newest_runs_are_listed_first(ada: AtHome, volta: Volunteer, tesla: Volunteer) -> None:
    volta.explore(0.2, metric=0.9)
    volta.explore(0.3, metric=0.8)
    tesla.explore(0.4, metric=0.7)

    said = ada.send("GET", "/v1/mine/runs?limit=2").json()

    assert {run["owner"] for run in said["runs"]} == {"ada"} and len(said["runs"]) == 2
    assert said["runs"][0]["created_at"] >= said["runs"][1]["created_at"]


def test_runs_are_gone_through_page_by_page_and_none_twice(
    ada: AtHome, volta: Volunteer, tesla: Volunteer
) -> None:
    for rate in (0.2, 0.3, 0.4):
        volta.explore(rate, metric=0.9)
    foreign = tesla.explore(0.5, metric=0.7)
    whole = ada.send("GET", "/v1/mine/runs").json()
    assert whole["next_cursor"] is None

    found, cursor = [], ""
    for _ in whole["runs"]:
        page = ada.send("GET", f"/v1/mine/runs?limit=1{cursor}").json()
        found += page["runs"]
        cursor = f"&cursor={page['next_cursor']}"

    assert found == whole["runs"] and len(found) >= 3
    run = tesla.http.get(f"/v1/experiments/{foreign.experiment}/runs").json()[0]["id"]
    assert ada.send("GET", f"/v1/mine/runs?cursor={run}").status_code == 404


def test_an_operator_who_volunteers_is_at_home_too(
    http: TestClient, hub: Hub, volta: Volunteer
) -> None:
    curator = Curator.of(hub, http, owner="ada")
    link = curator.acts("operator.link", operator="grace")["secret"]

    answer = http.post("/v1/session", json={"code": link.partition("code=")[2]})

    assert (answer.json()["operator"], answer.json()["owner"]) == ("grace", "ada")
    assert http.get("/v1/mine").json()["owner"] == "ada"
