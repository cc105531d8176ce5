"""Reading the tree: lineage, children, leaves, subtree, diffs between any two."""

import pytest
from fastapi.testclient import TestClient

from hub import goals, refs
from hub.core import Hub
from hub.settings import VERSION
from protocol.events import GoalChanged
from protocol.experiments import Ancestor
from tests.hub.operating import Curator
from tests.hub.volunteer import Volunteer


def numbers(page: dict[str, list[dict[str, int]]]) -> list[int]:
    return [each["number"] for each in page["experiments"]]


def test_lineage_runs_from_the_experiment_to_the_baseline(
    http: TestClient, volta: Volunteer
) -> None:
    volta.explore(0.2, metric=0.8)
    volta.explore(0.3, metric=0.7)
    last = volta.explore(0.4, metric=0.6).experiment

    assert numbers(http.get(f"/v1/experiments/{last}/lineage").json()) == [3, 2, 1, 0]
    assert numbers(http.get(f"/v1/experiments/{last}/lineage?limit=1").json()) == [3, 2]


def test_a_step_of_a_lineage_says_what_the_experiment_says(
    http: TestClient, volta: Volunteer
) -> None:
    last = volta.explore(0.2, metric=0.8).experiment

    step = http.get(f"/v1/experiments/{last}/lineage").json()["experiments"][0]

    whole = http.get(f"/v1/experiments/{last}").json()
    assert step == {name: whole[name] for name in Ancestor.model_fields}


def test_children_leaves_and_subtree_agree(http: TestClient, volta: Volunteer) -> None:
    volta.explore(0.2, metric=0.8)
    volta.explore(0.3, metric=0.85)
    volta.explore(0.4, metric=0.7)
    root = http.get("/v1/goals/toy").json()["baseline"]

    assert numbers(http.get(f"/v1/experiments/{root}/children").json()) == [1]
    assert numbers(http.get("/v1/goals/toy/leaves").json()) == [3, 2]
    assert numbers(http.get(f"/v1/experiments/{root}/subtree").json()) == [0, 1, 2, 3]


def test_what_operators_hid_is_in_no_subtree_and_has_no_label(
    hub: Hub, http: TestClient, volta: Volunteer
) -> None:
    hidden = str(volta.explore(0.2, metric=0.8).experiment)
    volta.explore(0.3, metric=0.7)
    root = http.get("/v1/goals/toy").json()["baseline"]

    Curator.of(hub, http).acts("experiment.hide", experiment=hidden)

    assert numbers(http.get(f"/v1/experiments/{root}/subtree").json()) == [0, 2]
    assert numbers(http.get(f"/v1/experiments/{hidden}/subtree").json()) == [1, 2]
    labels = http.get("/v1/goals/toy/titles", params={"numbers": "0,1,2"}).json()
    assert sorted(each["number"] for each in labels) == [0, 2]


def test_a_champion_that_came_after_a_reader_began_is_in_the_refs_that_tell_of_it(
    hub: Hub, volta: Volunteer
) -> None:
    first, second = (str(volta.explore(rate, metric=1 - rate).experiment) for rate in (0.2, 0.3))
    crown(hub, first)

    with hub.database.read() as session:
        goal = goals.find(session, "toy")
        crown(hub, second)
        refs.project(session, hub.git, goal)
    with hub.database.read() as session:
        refs.project(session, hub.git, goals.find(session, "toy"))

    said = (hub.git.path("toy") / "packed-refs").read_text()
    assert f"{second} refs/heads/champion\n" in said


def crown(hub: Hub, sha: str) -> None:
    with hub.database.work() as work:
        goals.find(work.session, "toy").champion = sha
        work.announce(GoalChanged(goal="toy", state="open", version=1, reason=""))


def test_any_two_experiments_can_be_compared(http: TestClient, volta: Volunteer) -> None:
    one = volta.explore(0.2, metric=0.8).experiment
    two = volta.explore(0.3, metric=0.7).experiment

    there = http.get(f"/v1/experiments/{two}/diff", params={"vs": one}).json()
    back = http.get(f"/v1/experiments/{one}/diff", params={"vs": two}).json()
    assert (there["files"][0]["added"], back["files"][0]["removed"]) == (1, 1)
    assert there["files"][0]["hunks"][0]["lines"][1]["text"] == "LEARNING_RATE = 0.3"


def test_a_file_at_a_commit_is_plain_text(http: TestClient, volta: Volunteer) -> None:
    sha = volta.explore(0.2, metric=0.8).experiment

    answer = http.get(f"/v1/experiments/{sha}/files/train.py")
    assert answer.text.startswith("LEARNING_RATE = 0.2")
    assert answer.headers["content-type"].startswith("text/plain")
    assert http.get(f"/v1/experiments/{sha}/files/nothing.py").status_code == 404


def test_short_shas_and_numbers_find_the_same_experiment(
    http: TestClient, volta: Volunteer
) -> None:
    sha = volta.explore(0.2, metric=0.8).experiment or ""

    by_sha = http.get(f"/v1/experiments/{sha[:10]}").json()
    by_number = http.get("/v1/experiments/%231", params={"goal": "toy"}).json()
    assert by_sha == by_number


def test_an_unchanged_tree_costs_a_304(http: TestClient, volta: Volunteer) -> None:
    volta.explore(0.2, metric=0.8)
    tag = http.get("/v1/goals/toy/tree").headers["etag"]

    # A proxy that packs an answer weakens its tag; a browser may hold several.
    for known in (tag, f"W/{tag}", f'"other", W/{tag}', "*"):
        again = http.get("/v1/goals/toy/tree", headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
    assert http.get("/v1/goals/toy/tree", headers={"If-None-Match": '"other"'}).status_code == 200
    assert VERSION in tag  # what another version of the hub told may have other columns


@pytest.mark.parametrize("act", ["hide", "set aside", "ban"])
def test_whoever_reads_changes_learns_what_operators_took_away(
    hub: Hub, http: TestClient, volta: Volunteer, tesla: Volunteer, act: str
) -> None:
    grace = Curator.of(hub, http)
    volta.explore(0.2, metric=0.8)
    failed = str(tesla.explore(0.3, metric=None).experiment)
    seq = http.get("/v1/goals/toy/tree").json()["seq"]

    if act == "hide":
        grace.acts("experiment.hide", experiment=failed)
    elif act == "ban":
        grace.acts("owner.ban", owner="nikola")
    else:
        grace.acts("agent.quarantine", agent="tesla")

    news = http.get("/v1/goals/toy/tree", params={"after": seq}).json()
    assert news["complete"]
    assert news == http.get("/v1/goals/toy/tree").json()
    later = http.get("/v1/goals/toy/tree", params={"after": news["seq"]}).json()
    assert not later["complete"] and later["number"] == []


def test_a_tree_is_packed_for_who_can_unpack(http: TestClient, volta: Volunteer) -> None:
    volta.explore(0.2, metric=0.8)

    plain = http.get("/v1/goals/toy/tree", headers={"Accept-Encoding": "identity"})
    packed = http.get("/v1/goals/toy/tree", headers={"Accept-Encoding": "gzip"})

    refusing = http.get("/v1/goals/toy/tree", headers={"Accept-Encoding": "gzip;q=0, *;q=0.5"})

    assert "content-encoding" not in plain.headers
    assert "content-encoding" not in refusing.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.json() == plain.json()


@pytest.mark.parametrize(
    ("score", "told"), [(0.99790012, 997900), (1.25e-7, 0.125), (-4.2e-12, -4.2e-6), (0.0, 0.0)]
)
def test_a_tree_tells_scores_of_any_size(
    http: TestClient, volta: Volunteer, score: float, told: float
) -> None:
    volta.report(volta.claim(), metric=score)

    assert http.get("/v1/goals/toy/tree").json()["score"] == [pytest.approx(told, rel=1e-5)]


def test_a_score_beyond_64_bits_breaks_no_tree(http: TestClient, volta: Volunteer) -> None:
    volta.report(volta.claim(), metric=-1e30)

    assert http.get("/v1/goals/toy/tree").json()["score"] == [pytest.approx(-1e36)]
