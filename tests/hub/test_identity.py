"""Who may join under which name, and what a token is worth."""

from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlmodel import select

from hub import agents, invites, tokens
from hub.core import Hub
from hub.ops_tables import ValueRow
from hub.tables import AgentRow, TokenRow
from tests.builders import Clock, a_join, a_work_request
from tests.hub.operating import Curator
from tests.hub.volunteer import Volunteer


def join(http: TestClient, name: str, owner: str, token: str = "", **more: Any) -> Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    body = a_join(name, owner, **more).model_dump(mode="json")
    return http.post("/v1/agents", json=body, headers=headers)


def said(answer: Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


def set_registration(hub: Hub, policy: str) -> None:
    with hub.database.work() as work:
        work.session.merge(ValueRow(name="registration", value=policy))


def an_invite(hub: Hub, owner: str | None = None, uses: int = 1) -> str:
    with hub.database.work() as work:
        return invites.create(work, owner, "console", uses, timedelta(days=1))


def test_nobody_joins_under_anothers_name(http: TestClient, volta: Volunteer) -> None:
    assert said(join(http, "stranger", "ada")) == (403, "owner_taken")
    assert http.get("/v1/agents/stranger").status_code == 404


def test_no_two_agents_have_one_name(http: TestClient, volta: Volunteer) -> None:
    assert said(join(http, "volta", "marie")) == (409, "name_taken")
    assert said(join(http, "volta", "ada", token=volta.token)) == (409, "name_taken")
    assert http.get("/v1/agents/volta").json()["owner"] == "ada"


def test_who_is_set_aside_brings_no_further_machine(
    hub: Hub, http: TestClient, volta: Volunteer
) -> None:
    invite = volta.send("POST", "/v1/invites").json()["code"]
    Curator.of(hub, http).acts("owner.quarantine", owner="ada")

    assert said(join(http, "volta-2", "ada", invite=invite)) == (403, "not_active")
    assert said(join(http, "volta-2", "ada", token=volta.token)) == (403, "not_active")


def test_the_first_agents_invite_brings_the_second_machine(http: TestClient) -> None:
    first = join(http, "volta", "ada").json()

    second = join(http, "volta-2", "ada", invite=first["invite"])

    assert second.status_code == 201
    assert (second.json()["owner"], second.json()["invite"]) == ("ada", None)


def test_a_machine_that_has_a_token_needs_no_invite(http: TestClient, volta: Volunteer) -> None:
    assert join(http, "volta-2", "ada", token=volta.token).status_code == 201


def test_anothers_token_or_invite_does_not_help(http: TestClient, volta: Volunteer) -> None:
    theirs = join(http, "tesla", "nikola").json()

    assert said(join(http, "spy", "ada", token=theirs["token"])) == (403, "owner_taken")
    assert said(join(http, "spy", "ada", invite=theirs["invite"])) == (403, "bad_invite")


def test_an_open_invite_does_not_open_an_owner_who_is_here(
    hub: Hub, http: TestClient, volta: Volunteer
) -> None:
    assert said(join(http, "spy", "ada", invite=an_invite(hub))) == (403, "bad_invite")


def test_unknown_wrong_used_up_and_expired_invites_answer_alike(
    hub: Hub, http: TestClient, clock: Clock
) -> None:
    set_registration(hub, "invite")
    used, old, revoked = (an_invite(hub) for _ in range(3))
    assert join(http, "first", "one", invite=used).status_code == 201
    with hub.database.work() as work:
        invites.find(work.session, tokens.parse(revoked, "invite")).revoked_at = work.now
    for ended in (used, revoked):
        assert said(join(http, "second", "two", invite=ended)) == (403, "bad_invite")
    clock.forward(86401)

    tried = [
        used,
        old,
        an_invite(hub)[:-1] + "!",
        "ah_invite_aaaaaaaaaa_" + "x" * 43,
        "nonsense",
        "",
    ]
    answers = [join(http, "second", "two", invite=each).json() for each in tried]

    assert {(each["code"], each["detail"]) for each in answers} == {
        ("bad_invite", invites.BadInvite.sentence())
    }


@pytest.mark.parametrize(
    ("policy", "code"), [("invite", "invite_needed"), ("closed", "registration_closed")]
)
def test_a_hub_that_is_not_open_says_so(hub: Hub, http: TestClient, policy: str, code: str) -> None:
    set_registration(hub, policy)

    assert said(join(http, "volta", "ada")) == (403, code)
    assert http.get("/v1/hub").json()["registration"] == policy


def test_under_approval_a_newcomer_waits_without_work(hub: Hub, http: TestClient) -> None:
    set_registration(hub, "approval")

    joined = join(http, "volta", "ada").json()

    waiting = Volunteer(http, "volta", joined["token"])
    assert joined["state"] == "pending"
    assert waiting.send("GET", "/v1/me").status_code == 200
    assert said(waiting.send("POST", "/v1/work", a_work_request())) == (403, "not_active")


@pytest.mark.parametrize("owner", ["hub", "operator", "policy"])
def test_the_hubs_own_names_are_kept(http: TestClient, owner: str) -> None:
    assert said(join(http, "volta", owner)) == (409, "looks_alike")


def test_a_look_alike_of_an_owner_is_refused(http: TestClient) -> None:
    join(http, "volta", "marlon")

    assert said(join(http, "fake", "rnar1on")) == (409, "looks_alike")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"),
        lambda token: token.replace("ah_agent", "ah_operator"),
        lambda token: token.replace("ah_", "ag_"),
        lambda token: token.upper(),
        lambda token: "",
        lambda token: "ah_agent_",
        lambda token: token + "\u00e9",
    ],
)
def test_a_token_that_is_nearly_right_is_as_wrong_as_any(
    http: TestClient, volta: Volunteer, spoil: Any
) -> None:
    spoilt = spoil(volta.token).encode()

    answer = http.get("/v1/me", headers={b"Authorization": b"Bearer " + spoilt})

    assert said(answer) == (401, "unauthorized")
    assert (
        answer.json()["detail"]
        == "This needs a valid token; run `agent_client join` again if yours was revoked."
    )


def test_a_revoked_token_ends_at_once(hub: Hub, volta: Volunteer) -> None:
    assert volta.send("GET", "/v1/me").status_code == 200
    with hub.database.work() as work:
        tokens.revoke(work, volta.token.split("_")[2])

    assert said(volta.send("GET", "/v1/me")) == (401, "unauthorized")


def test_only_hashes_are_kept(hub: Hub, volta: Volunteer) -> None:
    with hub.database.read() as session:
        rows = [row.model_dump() for row in session.exec(select(TokenRow)).all()]

    assert volta.token.split("_", 3)[3] not in str(rows)
    assert tokens.digest(volta.token) in str(rows)


def test_a_verifiers_token_may_replicate_and_not_propose(
    hub: Hub, http: TestClient, volta: Volunteer
) -> None:
    with hub.database.work() as work:
        token = tokens.issue(work, "verifier", "volta")
    verifier = Volunteer(volta.http, "volta", token)
    order = verifier.claim()
    assert verifier.report(order).status_code == 200

    order = volta.exploring()

    assert said(verifier.propose(order)) == (403, "forbidden")
    assert volta.propose(order).status_code == 200
    # With one it could join under its owner's name, and so come to an agent's token.
    assert said(verifier.send("POST", "/v1/invites")) == (403, "forbidden")
    assert said(join(http, "volta-2", "ada", token=token)) == (403, "forbidden")


def test_who_waits_or_is_set_aside_invites_nobody(hub: Hub, volta: Volunteer) -> None:
    assert volta.send("POST", "/v1/invites").status_code == 201

    for state in ("pending", "quarantined"):
        with hub.database.work() as work:
            work.session.get_one(AgentRow, "volta").state = state

        assert said(volta.send("POST", "/v1/invites")) == (403, "not_active")


def test_names_look_alike_by_shape() -> None:
    assert agents.looks_like("rnar1on") == agents.looks_like("marlon")
    assert agents.looks_like("b0b") == agents.looks_like("bob")
    assert agents.looks_like("ada") != agents.looks_like("bda")


@pytest.mark.parametrize(
    ("name", "owner", "invited", "status"),
    [
        ("grace", "mallory", True, 409),
        ("grace-1", "grace", False, 409),
        ("qrace", "mallory", False, 201),
        ("graceful", "mallory", False, 201),
        ("volta", "hopper", False, 201),
        ("grace", "hopper", False, 201),
        ("grace-1", "grace", True, 201),
    ],
)
def test_nobody_joins_under_an_operators_name_but_they_themselves(
    hub: Hub, http: TestClient, name: str, owner: str, invited: bool, status: int
) -> None:
    Curator.of(hub, http, "grace", owner="hopper")
    invite = an_invite(hub) if invited else None

    assert join(http, name, owner, invite=invite).status_code == status
