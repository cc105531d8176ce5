"""Holds on owners that are laid over each other, and undone in any order."""

import pytest
from fastapi.testclient import TestClient

from hub import agents, counters, reports, tokens
from hub.core import Hub
from hub.ops_tables import ValueRow
from protocol.operators import Waiting
from tests.builders import a_report, an_id
from tests.hub.operating import Curator
from tests.hub.test_moderation import flag
from tests.hub.test_scores import reads, standing
from tests.hub.volunteer import Volunteer


@pytest.fixture
def grace(hub: Hub, http: TestClient) -> Curator:
    return Curator.of(hub, http)


@pytest.mark.parametrize(
    "holds", [["owner.quarantine"], ["owner.quarantine", "owner.ban"], ["a flag"]]
)
def test_a_hold_that_was_undone_gives_nothing_back_later(
    hub: Hub, volta: Volunteer, tesla: Volunteer, grace: Curator, holds: list[str]
) -> None:
    tesla.explore(0.3, metric=0.85)
    if holds == ["a flag"]:
        flag(volta, "owner", "nikola")
        last = grace.acts(**(grace.queue().items[0].reject or {}))
    else:
        *_, last = [grace.acts(hold, owner="nikola") for hold in holds]
    grace.acts("action.undo", seq=last["seq"])
    grace.acts("agent.quarantine", agent="tesla")

    grace.acts("owner.quarantine", owner="nikola")
    grace.acts("owner.restore", owner="nikola")

    assert standing(hub)["tesla"] == ("quarantined", 0), "its device was set aside by itself"


def test_what_is_undone_under_a_hold_neither_ends_it_nor_is_one(
    hub: Hub, http: TestClient, tesla: Volunteer, grace: Curator
) -> None:
    sha = tesla.explore(0.3, metric=0.85).experiment
    before = standing(hub)
    grace.acts("owner.quarantine", owner="nikola")
    hidden = grace.acts("experiment.hide", experiment=sha)
    grace.acts("action.undo", seq=hidden["seq"])

    grace.acts("owner.restore", owner="nikola")

    assert standing(hub) == before
    assert http.get("/v1/goals/toy/tree").json()["number"] == [0, 1]


def test_an_owner_whose_restoration_was_undone_is_restored_again(
    hub: Hub, tesla: Volunteer, grace: Curator
) -> None:
    tesla.explore(0.3, metric=0.85)
    before = standing(hub)
    grace.acts("owner.quarantine", owner="nikola")
    restored = grace.acts("owner.restore", owner="nikola")
    again = grace.acts("action.undo", seq=restored["seq"])
    assert standing(hub)["tesla"] == ("quarantined", 0)

    grace.acts("action.undo", seq=again["seq"])
    assert standing(hub) == before
    grace.acts("owner.quarantine", owner="nikola")
    undone = grace.acts("owner.restore", owner="nikola")
    grace.acts("action.undo", seq=undone["seq"])
    grace.acts("owner.restore", owner="nikola")

    assert standing(hub) == before


def test_what_was_hidden_for_itself_stays_hidden_when_its_owner_is_restored(
    http: TestClient, volta: Volunteer, tesla: Volunteer, grace: Curator
) -> None:
    sha = str(volta.explore(0.3, metric=0.85).experiment)
    flag(tesla, "experiment", sha)
    grace.acts(**(grace.queue().items[0].reject or {}))
    grace.acts("owner.quarantine", owner="ada")

    grace.acts("owner.restore", owner="ada")

    assert http.get("/v1/goals/toy/tree").json()["number"] == [0]
    assert grace.queue().items == []


@pytest.mark.parametrize("kind", ["owner", "agent"])
def test_an_owner_held_back_by_a_flag_is_restored_with_their_runs(
    hub: Hub, volta: Volunteer, tesla: Volunteer, grace: Curator, kind: str
) -> None:
    tesla.explore(0.3, metric=0.85)
    before = standing(hub)
    flag(volta, kind, "nikola" if kind == "owner" else "tesla")
    grace.acts(**(grace.queue().items[0].reject or {}))
    assert standing(hub)["tesla"] == ("quarantined", 0)

    grace.acts("owner.restore", owner="nikola")

    assert standing(hub) == before


@pytest.mark.parametrize("first", ["ada", "nikola"])
@pytest.mark.parametrize("back", ["ada", "nikola"])
def test_a_run_that_two_bans_took_counts_when_both_are_lifted(
    hub: Hub, volta: Volunteer, tesla: Volunteer, grace: Curator, first: str, back: str
) -> None:
    sha = volta.explore(0.2, metric=0.8).experiment or ""
    reads(hub, tesla, sha, 0.81)
    before = standing(hub)
    second, last = ({"ada", "nikola"} - {one} for one in (first, back))
    for owner in (first, *second):
        grace.acts("owner.ban", owner=owner)

    grace.acts("owner.restore", owner=back)

    assert standing(hub)["tesla"] == ("active" if back == "nikola" else "banned", 0)
    for owner in last:
        grace.acts("owner.restore", owner=owner)
    assert standing(hub) == before


@pytest.mark.parametrize("state", ["quarantined", "banned"])
def test_a_flag_on_who_is_held_back_is_upheld_and_changes_nothing_else(
    hub: Hub, volta: Volunteer, tesla: Volunteer, grace: Curator, state: str
) -> None:
    tesla.explore(0.3, metric=0.85)
    late = flag(volta, "agent", "tesla")
    grace.acts("owner.ban" if state == "banned" else "owner.quarantine", owner="nikola")

    grace.acts("flag.uphold", flag=late)

    assert standing(hub)["tesla"] == (state, 0)
    assert [each for each in grace.queue().items if each.waiting is Waiting.FLAG] == []


def test_what_a_hold_keeps_is_not_undone_under_it(
    hub: Hub, http: TestClient, tesla: Volunteer, grace: Curator
) -> None:
    sha = tesla.explore(0.3, metric=0.85).experiment
    hidden = grace.acts("experiment.hide", experiment=sha)
    aside = grace.acts("agent.quarantine", agent="tesla")
    grace.acts("owner.ban", owner="nikola")

    refused = [grace.tries("action.undo", seq=each["seq"]) for each in (hidden, aside)]

    assert [each.json()["code"] for each in refused] == ["changed_since", "changed_since"]
    assert standing(hub)["tesla"] == ("banned", 0)
    assert http.get("/v1/goals/toy/tree").json()["number"] == [0]
    grace.acts("owner.restore", owner="nikola")
    assert standing(hub)["tesla"] == ("quarantined", 0)
    for each in (hidden, aside):
        grace.acts("action.undo", seq=each["seq"])
    assert standing(hub)["tesla"] == ("active", 2)
    assert http.get("/v1/goals/toy/tree").json()["number"] == [0, 1]


def test_a_device_is_not_put_to_work_while_its_owner_is_in_quarantine(
    hub: Hub, tesla: Volunteer, grace: Curator
) -> None:
    tesla.explore(0.3, metric=0.85)
    aside = grace.acts("agent.quarantine", agent="tesla")
    grace.acts("owner.quarantine", owner="nikola")

    refused = grace.tries("action.undo", seq=aside["seq"])

    assert refused.json()["code"] == "changed_since"
    assert standing(hub)["tesla"] == ("quarantined", 0)


def test_a_device_whose_restoration_was_undone_waits_for_an_operator(
    hub: Hub, http: TestClient, volta: Volunteer, tesla: Volunteer, grace: Curator
) -> None:
    root = http.get("/v1/goals/toy").json()["baseline"]
    volta.explore(0.2, metric=0.8)
    reads(hub, tesla, root, 0.8)
    grace.acts("agent.quarantine", agent="tesla")
    restored = grace.acts("agent.restore", agent="tesla")
    grace.acts("action.undo", seq=restored["seq"])

    grace.acts("owner.ban", owner="ada")

    assert standing(hub)["tesla"] == ("quarantined", 0)


def test_a_result_that_is_under_way_while_its_device_is_set_aside_is_not_heard(
    hub: Hub, tesla: Volunteer, grace: Curator
) -> None:
    order = tesla.claim()
    speaker = agents.Speaker("tesla", "nikola", "active")
    rule = reports.deliver(hub.database, an_id(), lambda _: speaker, a_report(order))

    grace.acts("agent.quarantine", agent="tesla")

    assert hub.database.apply(rule).sentence.endswith(reports.UNHEARD)
    assert standing(hub)["tesla"] == ("quarantined", 0)


def test_who_waited_for_approval_waits_again_when_restored(
    hub: Hub, http: TestClient, grace: Curator
) -> None:
    with hub.database.work() as work:
        work.session.add(ValueRow(name="registration", value="approval"))
    newton = Volunteer.joined(http, "newton", "isaac")
    grace.acts("owner.quarantine", owner="isaac")

    grace.acts("owner.restore", owner="isaac")

    assert standing(hub)["newton"] == ("pending", 0)
    grace.acts("owner.approve", owner="isaac")
    assert newton.claim().goal == "toy"


@pytest.mark.parametrize("first", ["the device", "the ban"])
@pytest.mark.parametrize("back", ["the device", "the ban"])
def test_a_run_that_a_ban_and_its_devices_quarantine_took_counts_when_both_are_over(
    hub: Hub, volta: Volunteer, tesla: Volunteer, grace: Curator, first: str, back: str
) -> None:
    reads(hub, tesla, volta.explore(0.2, metric=0.8).experiment or "", 0.81)
    before = standing(hub)
    acts = {
        "the device": ("agent.quarantine", {"agent": "tesla"}),
        "the ban": ("owner.ban", {"owner": "ada"}),
    }
    done = {}
    for which in sorted(acts, key=lambda each: each != first):
        action, whom = acts[which]
        done[which] = grace.acts(action, **whom)["seq"]

    grace.acts("action.undo", seq=done.pop(back))

    assert standing(hub)["tesla"][1] == 0
    for seq in done.values():
        grace.acts("action.undo", seq=seq)
    assert standing(hub) == before


def test_a_post_that_a_ban_and_an_operator_took_is_shown_when_both_are_over(
    hub: Hub, http: TestClient, volta: Volunteer, tesla: Volunteer, grace: Curator
) -> None:
    reads(hub, tesla, volta.explore(0.2, metric=0.8).experiment or "", 0.81)
    posts = http.get("/v1/posts").json()["posts"]
    post = next(each["id"] for each in posts if each["author"] == "tesla")
    hidden = grace.acts("post.hide", post=post)
    grace.acts("owner.ban", owner="ada")

    grace.acts("action.undo", seq=hidden["seq"])

    assert post not in http.get("/v1/posts").text
    grace.acts("owner.restore", owner="ada")
    assert post in http.get("/v1/posts").text
    grace.acts("post.hide", post=post)
    grace.acts("post.hide", post=post, off=True)
    grace.acts("owner.ban", owner="ada")
    grace.acts("owner.restore", owner="ada")
    assert post in http.get("/v1/posts").text, "the last word was to show it"


def test_a_device_that_joined_since_waits_with_its_owner_when_their_approval_is_undone(
    hub: Hub, http: TestClient, grace: Curator
) -> None:
    grace.acts("hub.registration", policy="approval")
    volta = Volunteer.joined(http, "volta", "ada")
    approved = grace.acts("owner.approve", owner="ada")
    galvani = volta.brings("galvani", "ada")
    galvani.claim()

    undone = grace.acts("action.undo", seq=approved["seq"])

    assert standing(hub) == {"volta": ("pending", 0), "galvani": ("pending", 0)}
    assert http.get("/v1/leases").json() == []
    grace.acts("action.undo", seq=undone["seq"])
    assert galvani.claim().goal == "toy"


@pytest.mark.parametrize("hold", ["owner.quarantine", "owner.ban"])
def test_what_came_since_a_restoration_goes_when_that_is_undone_and_comes_back_with_the_rest(
    hub: Hub, http: TestClient, tesla: Volunteer, grace: Curator, hold: str
) -> None:
    tesla.explore(0.3, metric=0.85)
    grace.acts(hold, owner="nikola")
    restored = grace.acts("owner.restore", owner="nikola")
    with hub.database.work() as work:
        tesla.token = tokens.issue(work, "agent", "tesla")
    edison = tesla.brings("edison", "nikola")
    edison.explore(0.2, metric=0.8)
    before = standing(hub)
    assert before["edison"] == ("active", 1)

    grace.acts("action.undo", seq=restored["seq"])

    banned = hold == "owner.ban"
    held = ("banned" if banned else "quarantined", 0)
    assert standing(hub) == {"tesla": held, "edison": held}
    assert http.get("/v1/goals/toy/tree").json()["number"] == ([0] if banned else [0, 1, 2])
    assert edison.send("GET", "/v1/me").status_code == (401 if banned else 200)
    grace.acts("owner.restore", owner="nikola")
    assert standing(hub) == before
    assert http.get("/v1/goals/toy/tree").json()["number"] == [0, 1, 2]


def test_an_owner_of_whom_nothing_counted_loses_and_regains_their_credit(
    hub: Hub, tesla: Volunteer, grace: Curator
) -> None:
    tesla.explore(0.3, metric=0.85)
    grace.acts("agent.quarantine", agent="tesla")

    for action in ("owner.quarantine", "owner.restore"):
        grace.acts(action, owner="nikola")

        with hub.database.read() as session:
            assert list(counters.wrong(session)) == []
