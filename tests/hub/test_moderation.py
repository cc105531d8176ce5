"""Flags, queue, quarantine and ban; nobody decides on what is their own."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from hub import counters, experiments, operators
from hub.core import Hub
from hub.desk import Desk
from hub.errors import NotFound
from hub.ops_tables import ValueRow
from hub.sessions import CONSOLE
from hub.tables import AgentRow
from protocol import acts
from protocol.board import PostDraft
from protocol.operators import FlagDraft, Waiting
from tests.builders import Clock, a_work_request, an_id
from tests.hub.operating import Curator
from tests.hub.volunteer import Volunteer


@pytest.fixture
def grace(hub: Hub, http: TestClient) -> Curator:
    return Curator.of(hub, http)


def code(answer: Response) -> str:
    return str(answer.json().get("code"))


def flag(by: Volunteer, kind: str, what: str) -> str:
    identity = str(an_id())
    body = {"kind": kind, "object": what, "reason": "this looks wrong"}
    headers = {"Authorization": f"Bearer {by.token}"}
    answer = by.http.put(f"/v1/flags/{identity}", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    again = by.http.put(f"/v1/flags/{identity}", json=body, headers=headers)
    assert again.json() == answer.json()
    return identity


def test_a_flag_waits_is_upheld_and_undone(
    http: TestClient, volta: Volunteer, tesla: Volunteer, grace: Curator
) -> None:
    sha = str(volta.explore(learning_rate=0.2, metric=0.8).experiment)
    flag(tesla, "experiment", sha[:8])
    item = grace.queue().items[0]
    assert (item.waiting, item.by, item.title.split(":")[0]) == (Waiting.FLAG, "tesla", "toy #1")
    assert item.object == sha

    done = grace.acts(**(item.reject or {}))

    assert grace.queue().items == []
    assert http.get("/v1/goals/toy/tree").json()["number"] == [0]
    assert code(grace.tries(**(item.approve or {}))) == "already_decided"
    grace.acts("action.undo", seq=done["seq"])
    assert len(grace.queue().items) == 1
    assert http.get("/v1/goals/toy/tree").json()["number"] == [0, 1]


def test_a_flag_s_id_is_its_own(volta: Volunteer, tesla: Volunteer) -> None:
    identity = flag(tesla, "owner", "ada")
    others: list[tuple[Volunteer, Any, str]] = [
        *((volta, "owner", "ada"), (tesla, "owner", "nikola"), (tesla, "agent", "ada"))
    ]

    for by, kind, what in others:
        said = FlagDraft(kind=kind, object=what, reason="this looks wrong")
        answer = by.send("PUT", f"/v1/flags/{identity}", said)

        assert (answer.status_code, code(answer)) == (409, "body_changed")


def test_what_an_operator_forbade_stays_so_when_somebodys_flag_on_it_is_dismissed(
    hub: Hub, volta: Volunteer, tesla: Volunteer, grace: Curator
) -> None:
    sha = str(volta.explore(learning_rate=0.2, metric=0.8).experiment)
    grace.acts("experiment.forbid", experiment=sha)
    identity = flag(tesla, "experiment", sha)

    grace.acts("flag.dismiss", flag=identity)

    with hub.database.read() as session:
        assert experiments.find(session, sha).forbidden


def test_a_flag_on_nothing_is_refused(tesla: Volunteer) -> None:
    body = {"kind": "owner", "object": "nobody", "reason": "not here"}
    headers = {"Authorization": f"Bearer {tesla.token}"}

    answer = tesla.http.put(f"/v1/flags/{an_id()}", json=body, headers=headers)

    assert answer.status_code == 404


def test_nobody_decides_on_their_own(
    hub: Hub, http: TestClient, volta: Volunteer, tesla: Volunteer
) -> None:
    ada = Curator.of(hub, http, "lovelace", owner="ada")
    sha = str(volta.explore(learning_rate=0.2, metric=0.8).experiment)
    identity = flag(tesla, "experiment", sha)
    post = str(an_id())
    body = {"channel": "discussion", "topic": "t", "kind": "insight", "body": "mine is best"}
    headers = {"Authorization": f"Bearer {volta.token}"}
    assert http.put(f"/v1/posts/{post}", json=body, headers=headers).status_code == 200
    theirs = str(tesla.explore(learning_rate=0.3, metric=0.85).experiment)
    done = Curator.of(hub, http).acts("experiment.forbid", experiment=sha)

    own = [
        ada.tries("post.feature", post=post),
        ada.tries("flag.dismiss", flag=identity),
        ada.tries("experiment.pin", experiment=sha),
        ada.tries("experiment.replicate", experiment=sha),
        ada.tries("owner.limit", owner="ada", per_minute=100_000),
        ada.tries("owner.ban", owner="ada"),
        ada.tries("token.issue", agent="volta", scope="verifier"),
        ada.tries("token.rotate", token=volta.token.split("_")[2]),
        ada.tries("invite.create", owner="ada", uses=1),
        ada.tries("experiment.boost", experiment=sha, factor=9.0),
        ada.tries("experiment.freeze", experiment=sha, off=True),
        ada.tries("experiment.hide", experiment=sha, off=True),
        ada.tries("experiment.clear", experiment=sha),
        ada.tries("experiment.merge", experiment=theirs, into=sha),
        ada.tries("post.hide", post=post, off=True),
        ada.tries("agent.quarantine", agent="volta"),
        ada.tries("agent.restore", agent="volta"),
        ada.tries("owner.restore", owner="ada"),
        ada.tries("owner.quarantine", owner="ada"),
        ada.tries("action.undo", seq=done["seq"]),
    ]

    assert {code(each) for each in own} == {"own_thing"}
    assert ada.tries("experiment.freeze", experiment=sha).status_code == 200


def test_an_owner_waits_for_approval_by_somebody_else(hub: Hub, http: TestClient) -> None:
    with hub.database.work() as work:
        work.session.merge(ValueRow(name="registration", value="approval"))
    volta = Volunteer.joined(http, "volta", "ada")
    ada, grace = Curator.of(hub, http, "lovelace", owner="ada"), Curator.of(hub, http)
    item = grace.queue().items[0]
    assert (item.waiting, item.object) == (Waiting.OWNER, "ada")

    assert code(ada.tries("owner.approve", owner="ada")) == "own_thing"
    grace.acts(**(item.approve or {}))

    assert volta.ask().order is not None


def test_a_quarantined_owner_gets_no_work_and_counts_again_when_restored(
    http: TestClient, volta: Volunteer, grace: Curator
) -> None:
    sha = volta.explore(learning_rate=0.2, metric=0.8).experiment
    score = http.get(f"/v1/experiments/{sha}").json()["score"]
    grace.acts("owner.quarantine", owner="ada")

    assert code(volta.send("POST", "/v1/work", a_work_request())) == "not_active"
    told = http.get(f"/v1/experiments/{sha}").json()
    assert (told["score"], told["status"]) == (None, "abandoned")  # nobody is at it any more
    grace.acts("owner.restore", owner="ada")

    told = http.get(f"/v1/experiments/{sha}").json()
    assert (told["score"], told["status"]) == (pytest.approx(score), "finished")
    assert volta.ask().order is not None


def test_one_device_is_set_aside_while_its_owner_works_on(
    http: TestClient, volta: Volunteer, grace: Curator
) -> None:
    sha = volta.explore(learning_rate=0.2, metric=0.8).experiment
    grace.acts("agent.quarantine", agent="volta")
    assert code(volta.send("POST", "/v1/work", a_work_request())) == "not_active"
    item = grace.queue().items[0]
    assert (item.kind, item.object) == ("agent", "volta")

    grace.acts(**(item.approve or {}))

    assert volta.ask().order is not None
    assert http.get(f"/v1/experiments/{sha}").json()["score"] is None


def test_a_banned_owners_tokens_and_leases_end_at_once(
    hub: Hub, http: TestClient, volta: Volunteer, tesla: Volunteer, grace: Curator
) -> None:
    lease = volta.claim()

    grace.acts("owner.ban", owner="ada")

    assert volta.send("GET", "/v1/me").status_code == 401
    assert str(lease.lease) not in http.get("/v1/leases").text
    assert volta.report(lease).status_code == 401
    with hub.database.read() as session:
        assert list(counters.wrong(session)) == []


def test_a_preview_of_a_ban_counts_the_cascade(
    http: TestClient, volta: Volunteer, grace: Curator
) -> None:
    volta.explore(learning_rate=0.2, metric=0.8)

    (ada,) = grace.send("GET", "owners").json()  # the hub may ask for the baseline again

    seen = grace.previews("owner.ban", owner="ada")

    assert seen.cascade["runs"] == ada["runs"] >= 2 and seen.cascade["experiments"] == 1
    assert seen.cascade["tokens"] == 1 and seen.cascade["owners"] == 1
    assert seen.sentence == f"ada is banned: {ada['runs']} runs and 1 experiment taken out."
    told = {change.what: (change.before, change.after) for change in seen.changes}
    assert told["experiment #1 hidden"] == ("no", "yes")
    assert told[f"{ada['runs']} runs counted"] == ("yes", "no")
    assert volta.send("GET", "/v1/me").status_code == 200
    assert http.get("/v1/goals/toy").json()["experiments"] == 2


def test_a_limit_slows_an_owner_over_all_agents(volta: Volunteer, grace: Curator) -> None:
    grace.acts("owner.limit", owner="ada", per_minute=2)

    answers = [volta.send("GET", "/v1/me") for _ in range(4)]

    assert [each.status_code for each in answers].count(429) >= 2
    assert int(answers[-1].headers["Retry-After"]) >= 1


def test_the_board_is_closed_and_opened(volta: Volunteer, grace: Curator) -> None:
    body = {"channel": "discussion", "topic": "t", "body": "hello"}
    headers = {"Authorization": f"Bearer {volta.token}"}
    grace.acts("hub.posts")

    assert volta.http.put(f"/v1/posts/{an_id()}", json=body, headers=headers).status_code == 403
    grace.acts("hub.posts", off=True)

    assert volta.http.put(f"/v1/posts/{an_id()}", json=body, headers=headers).status_code == 200


def test_registration_is_closed_at_once(http: TestClient, grace: Curator) -> None:
    grace.acts("hub.registration", policy="invite")
    told = grace.acts("invite.create", uses=1)

    assert http.get("/v1/hub").json()["registration"] == "invite"
    assert told["secret"].startswith("ah_invite_")
    assert [each["id"] for each in grace.send("GET", "invites").json()] == [told["object"]]
    assert told["secret"] not in grace.send("GET", "actions").text


def test_tokens_are_listed_rotated_and_revoked(volta: Volunteer, grace: Curator) -> None:
    identity = volta.token.split("_")[2]
    listed = grace.send("GET", "tokens", params={"subject": "volta"}).json()
    assert [each["id"] for each in listed] == [identity] and "digest" not in listed[0]

    fresh = grace.acts("token.rotate", token=identity, overlap_minutes=0)["secret"]

    assert volta.send("GET", "/v1/me").status_code == 401
    volta.token = fresh
    assert volta.send("GET", "/v1/me").status_code == 200
    grace.acts("token.revoke", token=fresh.split("_")[2])
    assert volta.send("GET", "/v1/me").status_code == 401


def test_a_token_made_anew_lasts_no_longer_and_an_ended_one_is_not_made_anew(
    hub: Hub, clock: Clock, volta: Volunteer, grace: Curator
) -> None:
    first = grace.acts("token.issue", agent="volta", scope="verifier", days=1)["secret"]
    fresh = grace.acts("token.rotate", token=first.split("_")[2], overlap_minutes=0)["secret"]
    verifier = Volunteer(volta.http, "volta", fresh)
    assert verifier.send("GET", "/v1/me").status_code == 200
    clock.forward(86401)

    assert verifier.send("GET", "/v1/me").status_code == 401
    for ended in (first, fresh):
        assert grace.tries("token.rotate", token=ended.split("_")[2]).status_code == 404
    mine = grace.token.split("_")[2]
    assert code(grace.tries("token.rotate", token=mine)) == "only_agents"


def test_no_operator_mints_anothers_key(hub: Hub, http: TestClient, grace: Curator) -> None:
    told = grace.acts("operator.add", operator="hopper")
    assert "/signin#code=ah_signin_" in told["secret"]

    assert code(grace.tries("operator.add", operator="hopper")) == "operator_exists"
    assert code(grace.tries("operator.add", operator="console")) == "operator_exists"
    assert grace.tries("operator.token", operator="hopper").status_code == 403
    assert grace.tries("operator.link", operator="hopper").status_code == 403
    grace.acts("operator.remove", operator="hopper")
    signing_in = http.post("/v1/session", json={"code": told["secret"].split("code=")[1]})
    assert signing_in.status_code == 401


@pytest.mark.parametrize("act", [acts.KeyOperator, acts.LinkOperator])
def test_nothing_is_minted_for_who_is_no_operator_any_more(
    hub: Hub, grace: Curator, act: type[acts.KeyOperator | acts.LinkOperator]
) -> None:
    grace.acts("operator.add", operator="hopper")
    grace.acts("operator.remove", operator="hopper")

    with hub.database.work() as work:
        console = Desk(work, hub.settings, hub.git, CONSOLE)
        with pytest.raises(NotFound, match="operator add"):
            operators.act(console, act(operator="hopper", reason="a mistake"))


def test_a_ban_leaves_an_operator_signed_in_who_is_called_like_a_device(
    hub: Hub, http: TestClient, volta: Volunteer, grace: Curator
) -> None:
    volta.brings("hopper", "ada")
    secret = grace.acts("operator.add", operator="hopper")["secret"]
    assert http.post("/v1/session", json={"code": secret.split("code=")[1]}).status_code == 200

    grace.acts("owner.ban", owner="ada")

    assert http.get("/v1/session").json()["operator"] == "hopper"


@pytest.mark.parametrize("state", ["pending", "quarantined"])
def test_who_waits_or_is_set_aside_fills_no_queue(
    hub: Hub, volta: Volunteer, tesla: Volunteer, grace: Curator, state: str
) -> None:
    with hub.database.work() as work:
        work.session.get_one(AgentRow, "tesla").state = state

    said = FlagDraft(kind="owner", object="ada", reason="this looks wrong")
    refused = tesla.send("PUT", f"/v1/flags/{an_id()}", said)

    assert (refused.status_code, code(refused)) == (403, "not_active")
    assert [each for each in grace.queue().items if each.waiting is Waiting.FLAG] == []


def test_a_post_is_hidden_and_put_back(http: TestClient, volta: Volunteer, grace: Curator) -> None:
    identity = str(an_id())
    body = {"channel": "discussion", "topic": "t", "body": "spam"}
    headers = {"Authorization": f"Bearer {volta.token}"}
    http.put(f"/v1/posts/{identity}", json=body, headers=headers)
    done = grace.acts("post.hide", post=identity)
    assert http.get("/v1/posts", params={"channel": "discussion"}).json()["posts"] == []

    grace.acts("action.undo", seq=done["seq"])

    assert len(http.get("/v1/posts", params={"channel": "discussion"}).json()["posts"]) == 1


def test_a_hidden_post_is_counted_nowhere(
    http: TestClient, volta: Volunteer, grace: Curator
) -> None:
    question, reply = str(an_id()), str(an_id())
    headers = {"Authorization": f"Bearer {volta.token}"}
    for identity, parent in ((question, None), (reply, question)):
        body = {"channel": "discussion", "topic": "t", "body": "spam", "parent": parent}
        assert http.put(f"/v1/posts/{identity}", json=body, headers=headers).status_code == 200

    grace.acts("post.hide", post=reply)

    assert http.get(f"/v1/posts/{question}").json()["replies"] == 0
    counts = {each["name"]: each["posts"] for each in http.get("/v1/channels").json()}
    assert counts["discussion"] == 1


def test_health_is_for_operators(volta: Volunteer, grace: Curator) -> None:
    volta.claim()

    told = grace.send("GET", "health").json()

    assert (told["leases"], told["registration"]) == (1, "open")
    assert told["database_bytes"] > 0 and told["schema_revision"]


@pytest.mark.parametrize("action", ["owner.quarantine", "agent.quarantine"])
def test_what_comes_from_somebody_set_aside_is_kept_and_not_heard(
    hub: Hub, http: TestClient, volta: Volunteer, grace: Curator, action: str
) -> None:
    order = volta.exploring()
    volta.propose(order, learning_rate=0.3)
    grace.acts(action, **({"owner": "ada"} if action.startswith("owner") else {"agent": "volta"}))

    receipt = volta.report(order, metric=0.1).json()
    draft = PostDraft(channel="insights", topic="t", body="Trust me.", kind="insight")
    post = volta.send("PUT", f"/v1/posts/{an_id()}", draft)

    assert receipt["late"] and "does not count" in receipt["sentence"]
    shown = http.get(f"/v1/experiments/{order.experiment}").json()
    assert (shown["status"], shown["n_runs"], shown["score"]) == ("abandoned", 0, None)
    assert (post.status_code, post.json()["code"]) == (403, "not_active")
    with hub.database.read() as session:
        assert list(counters.wrong(session)) == []


def test_a_ban_ends_an_owner_s_sessions_and_links_for_good(
    http: TestClient, volta: Volunteer, grace: Curator
) -> None:
    unused, used = (volta.send("POST", "/v1/me/link").json()["code"] for _ in range(2))
    assert http.post("/v1/session", json={"code": used}).status_code == 200
    assert http.get("/v1/mine").status_code == 200

    grace.acts("owner.ban", owner="ada")
    grace.acts("owner.restore", owner="ada")

    assert http.get("/v1/mine").status_code == 401
    assert http.post("/v1/session", json={"code": unused}).status_code == 401
