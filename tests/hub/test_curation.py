"""Operators shape goals and the tree; every act is in the log with its reason."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy.exc import DatabaseError

from hub import goals
from hub.core import Hub
from hub.tables import GoalRow
from protocol.events import Curated
from tests.builders import FILES, Clock, a_spec
from tests.hub.operating import Curator
from tests.hub.volunteer import Volunteer


@pytest.fixture
def grace(hub: Hub, http: TestClient) -> Curator:
    return Curator.of(hub, http)


def said(answer: Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_goal_is_opened_edited_and_compared(http: TestClient, grace: Curator) -> None:
    spec = a_spec("other").model_dump(mode="json")
    grace.acts("goal.create", spec=spec, files=FILES)

    grace.acts("goal.edit", goal="other", spec={**spec, "title": "A better toy"}, files={})

    assert http.get("/v1/goals/other").json()["spec"]["title"] == "A better toy"
    versions = grace.send("GET", "goals/other/versions").json()
    assert [(each["version"], each["by"]) for each in versions] == [(2, "grace"), (1, "grace")]
    changes = grace.send("GET", "goals/other/diff?base=1&version=2").json()["files"]
    assert list(changes) == ["goal.json"]
    assert '+ "title": "A better toy"' in "\n".join(changes["goal.json"])


def test_agents_read_a_new_brief_with_their_next_order(
    http: TestClient, volta: Volunteer, grace: Curator
) -> None:
    grace.acts("goal.brief", goal="toy", text="# Only try small models\n")
    assert volta.ask().order is not None

    goal = http.get("/v1/goals/toy?files=true").json()

    assert goal["version"] == 2
    assert {file["path"]: file["text"] for file in goal["files"]}["program.md"].startswith("# Only")


@pytest.mark.parametrize("limit", ["memory_mb", "disk_mb"])
def test_a_limit_that_no_reader_understands_is_refused(grace: Curator, limit: str) -> None:
    spec = a_spec().model_dump(mode="json")
    spec["limits"][limit] = 2**64

    refused = grace.tries("goal.edit", goal="toy", spec=spec, files=FILES)

    assert (refused.status_code, limit in refused.json()["detail"]) == (422, True)
    better = a_spec(title="Anew").model_dump(mode="json")
    grace.acts("goal.edit", goal="toy", spec=better, files=FILES)


@pytest.mark.parametrize("rule", ["commands", "data"])
def test_rules_that_postgres_cannot_read_again_are_refused(grace: Curator, rule: str) -> None:
    """Not even a list of goals could be shown: it looks into the rules of each."""
    spec = a_spec().model_dump(mode="json")
    spec["commands"]["train"] += ["\0"] if rule == "commands" else []
    file = {"path": "x", "url": "https://x/\0", "size": 1, "sha256": "0" * 64, "licence": "MIT"}
    spec["data"]["files"] = [file] if rule == "data" else []

    refused = grace.tries("goal.edit", goal="toy", spec=spec, files=FILES)

    assert (refused.status_code, "NUL" in refused.json()["detail"]) == (422, True)
    assert grace.http.get("/v1/overview").status_code == 200


def test_a_goals_metric_and_direction_stay(grace: Curator) -> None:
    spec = a_spec(metric={"name": "score", "direction": "max"}).model_dump(mode="json")

    assert said(grace.tries("goal.edit", goal="toy", spec=spec)) == (409, "direction_fixed")


def test_a_goal_without_a_file_is_refused(grace: Curator) -> None:
    spec = a_spec("other").model_dump(mode="json")

    answer = grace.tries("goal.create", spec=spec, files={"train.py": "x = 1\n"})

    assert said(answer) == (422, "files_missing")
    assert "prepare.py" in answer.json()["detail"]


@pytest.mark.parametrize(("action", "state"), [("goal.pause", "paused"), ("goal.close", "closed")])
def test_a_goal_that_is_not_open_hands_out_nothing_until_undone(
    http: TestClient, volta: Volunteer, grace: Curator, action: str, state: str
) -> None:
    done = grace.acts(action, goal="toy")
    assert http.get("/v1/goals/toy").json()["state"] == state
    assert volta.ask().order is None

    grace.acts("action.undo", seq=done["seq"])

    assert volta.ask().order is not None


def test_marks_reach_the_experiment_and_are_undone(
    http: TestClient, volta: Volunteer, grace: Curator
) -> None:
    sha = volta.explore(learning_rate=0.2, metric=0.8).experiment
    pinned = grace.acts("experiment.pin", experiment=sha)
    grace.acts("experiment.freeze", experiment=sha)
    assert http.get(f"/v1/experiments/{sha}").json()["pinned"]

    grace.acts("action.undo", seq=pinned["seq"])

    shown = http.get(f"/v1/experiments/{sha}").json()
    assert (shown["pinned"], shown["frozen"]) == (False, True)
    assert said(grace.tries("action.undo", seq=pinned["seq"])) == (409, "already_undone")


def test_what_changed_since_is_not_undone(volta: Volunteer, grace: Curator) -> None:
    sha = volta.explore(learning_rate=0.2, metric=0.8).experiment
    first = grace.acts("experiment.boost", experiment=sha, factor=2.0)
    grace.acts("experiment.boost", experiment=sha, factor=3.0)

    assert said(grace.tries("action.undo", seq=first["seq"])) == (409, "changed_since")


def test_what_is_so_already_is_no_action(
    http: TestClient, volta: Volunteer, grace: Curator
) -> None:
    root = http.get("/v1/goals/toy").json()["baseline"]
    assert said(grace.tries("goal.resume", goal="toy")) == (409, "no_change")
    assert said(grace.tries("owner.restore", owner="ada")) == (409, "not_held_back")
    assert said(grace.tries("experiment.clear", experiment=root)) == (409, "not_held")
    assert grace.send("GET", "actions").json()["actions"] == []


def test_replications_go_to_others(volta: Volunteer, tesla: Volunteer, grace: Curator) -> None:
    sha = volta.explore(learning_rate=0.2, metric=0.8).experiment
    grace.acts("experiment.replicate", experiment=sha, times=1)

    assert volta.claim().experiment != sha
    order = tesla.claim()
    assert (order.extra["kind"], order.experiment) == ("replicate", sha)
    assert "operators ask" in order.extra["why"]


def test_nobody_is_asked_to_run_what_was_taken_out_since(
    volta: Volunteer, tesla: Volunteer, grace: Curator, clock: Clock
) -> None:
    sha = volta.explore(learning_rate=0.2, metric=0.8).experiment
    grace.acts("experiment.replicate", experiment=sha, times=2)
    run_by_tesla = tesla.claim()
    assert run_by_tesla.experiment == sha

    grace.acts("owner.ban", owner="ada")
    clock.forward(1.0)  # what is ordered from here on comes after what was ordered before

    tesla.release(run_by_tesla)
    another = tesla.claim()
    assert another.experiment != sha
    grace.acts("owner.restore", owner="ada")
    tesla.release(another)
    assert tesla.claim().experiment == sha


def test_what_is_hidden_is_in_no_list_and_is_not_the_goals_best(
    http: TestClient, volta: Volunteer, grace: Curator
) -> None:
    volta.explore(learning_rate=0.2, metric=0.8)
    best = volta.explore(learning_rate=0.3, metric=0.1).experiment

    grace.acts("experiment.hide", experiment=best)

    lists = [http.get(f"/v1/goals/toy/{name}").json() for name in ("experiments", "leaves")]
    assert [[each["number"] for each in one["experiments"]] for one in lists] == [[1, 0], [1]]
    goal, card = http.get("/v1/goals/toy").json(), http.get("/v1/goals/toy/card").json()
    assert goal["best"] == card["best"] > 0.7
    assert volta.exploring().parent != best
    told = http.get("/v1/posts", params={"channel": "results"}).json()["posts"]
    assert [each["experiment"] == best for each in told] == [False, False]
    grace.acts("experiment.hide", experiment=best, off=True)
    assert len(http.get("/v1/posts", params={"channel": "results"}).json()["posts"]) == 3


def test_git_names_nothing_hidden_champion_or_leaf(
    hub: Hub, http: TestClient, volta: Volunteer, grace: Curator
) -> None:
    volta.explore(learning_rate=0.2, metric=0.8)
    best = volta.explore(learning_rate=0.3, metric=0.1).experiment

    grace.acts("experiment.hide", experiment=best)

    http.get("/git/toy.git/info/refs", params={"service": "git-upload-pack"})
    packed = (hub.git.path("toy") / "packed-refs").read_text().splitlines()
    assert [line for line in packed if line.startswith(f"{best} refs/heads/")] == []
    assert f"{best} refs/experiments/2" in packed


def test_a_duplicate_gives_its_runs_to_the_original(
    http: TestClient, volta: Volunteer, tesla: Volunteer, grace: Curator
) -> None:
    one = volta.explore(learning_rate=0.2, metric=0.8).experiment
    two = tesla.explore(learning_rate=0.21, metric=0.82).experiment

    before = http.get(f"/v1/experiments/{one}").json()["n_runs"]

    done = grace.acts("experiment.merge", experiment=two, into=one)

    shown = http.get(f"/v1/experiments/{one}").json()
    assert (shown["n_runs"], shown["n_owners"]) == (before + 1, 2)
    assert http.get("/v1/goals/toy/leaderboard").text.count(str(two)) == 0
    grace.acts("action.undo", seq=done["seq"])
    assert http.get(f"/v1/experiments/{two}").json()["n_runs"] == 1


def test_runs_are_given_to_an_experiment_of_the_same_goal_only(
    hub: Hub, volta: Volunteer, grace: Curator
) -> None:
    sha = volta.explore(learning_rate=0.2, metric=0.8).experiment
    with hub.database.work() as work:
        goals.open_goal(work, hub.git, a_spec("other"), FILES)
        other = work.session.get_one(GoalRow, "other").root

    for into in (other, sha):
        answer = grace.tries("experiment.merge", experiment=sha, into=into)
        assert said(answer) == (422, "not_one_goal")


def test_a_run_that_was_given_to_another_experiment_is_not_taken_a_second_time(
    http: TestClient, volta: Volunteer, tesla: Volunteer, grace: Curator
) -> None:
    one = volta.explore(learning_rate=0.2, metric=0.8).experiment
    order = tesla.exploring()
    assert tesla.propose(order, learning_rate=0.21).status_code == 200
    crashed = replace(order)
    assert tesla.propose(order, learning_rate=0.22).status_code == 200
    assert tesla.report(crashed, metric=None).status_code == 200
    before = http.get("/v1/agents/tesla").json()["runs"]
    grace.acts("experiment.merge", experiment=crashed.experiment, into=one)

    again, mended = tesla.report(crashed, metric=0.82), tesla.report(order, metric=0.83)

    assert (again.status_code, again.json()["code"]) == (409, "already_reported")
    assert mended.status_code == 200, "the same lease's other experiment was not run yet"
    assert http.get("/v1/agents/tesla").json()["runs"] == before + 1


def test_notices_reach_agents_as_the_operators_words(volta: Volunteer, grace: Curator) -> None:
    done = grace.acts("notice.write", text="Only small changes today.", goal="toy")
    order = volta.ask().order
    assert order is not None and [each.text for each in order.notices] == [
        "Only small changes today."
    ]

    grace.acts("notice.withdraw", notice=int(done["object"]))

    order = volta.ask().order
    assert order is not None and order.notices == []


def test_a_preview_shows_ten_orders_and_changes_nothing(
    hub: Hub, http: TestClient, volta: Volunteer, grace: Curator
) -> None:
    volta.explore(learning_rate=0.2, metric=0.8)
    events = http.get("/v1/events").text

    seen = grace.previews("goal.pause", goal="toy")

    assert len(seen.orders_before) == 10 and seen.orders_after == []
    assert all(order.why for order in seen.orders_before)
    assert (seen.changes[0].what, seen.changes[0].after) == ("state of goal toy", "paused")
    assert http.get("/v1/events").text == events
    assert http.get("/v1/goals/toy").json()["state"] == "open"


def test_a_preview_waits_for_who_writes(hub: Hub, volta: Volunteer, grace: Curator) -> None:
    volta.explore(learning_rate=0.2, metric=0.8)
    noticed = Curated(operator="grace", action="a", object="o", reason="it takes a while")
    with ThreadPoolExecutor(1) as pool:
        with hub.database.work() as work:
            work.announce(noticed)
            work.flush()
            preview = pool.submit(grace.previews, "owner.ban", owner="ada")
            time.sleep(0.3)

        assert preview.result(timeout=20).cascade["runs"] == 2


def test_the_log_says_who_what_and_why_and_cannot_be_changed(
    hub: Hub, http: TestClient, grace: Curator
) -> None:
    grace.acts("goal.pause", goal="toy")

    entry = grace.send("GET", "actions", params={"operator": "grace"}).json()["actions"][0]
    assert (entry["action"], entry["object"], entry["reason"]) == (
        "goal.pause",
        "toy",
        "a test wants it",
    )
    told = http.get("/v1/events").json()["events"][-1]["event"]
    assert (told["type"], told["operator"]) == ("operator.acted", "grace")
    assert "goal.pause" in grace.send("GET", "actions.csv").text
    for statement in ("update actions set reason = 'other'", "delete from actions"):
        with pytest.raises(DatabaseError), hub.database.work() as work:
            work.session.execute(sa.text(statement))


@pytest.mark.parametrize("reason", ["", "x", "a\nb", "y" * 401])
def test_every_action_needs_a_reason(grace: Curator, reason: str) -> None:
    assert grace.tries("goal.pause", goal="toy", reason=reason).status_code == 422


def test_a_goals_edit_is_undone_by_another_version(http: TestClient, grace: Curator) -> None:
    done = grace.acts("goal.brief", goal="toy", text="# Wrong\n")

    grace.acts("action.undo", seq=done["seq"])

    goal = http.get("/v1/goals/toy?files=true").json()
    assert goal["version"] == 3
    assert {file["path"]: file["text"] for file in goal["files"]}["program.md"] == FILES[
        "program.md"
    ]


def test_a_pause_that_is_undone_is_told(http: TestClient, grace: Curator) -> None:
    done = grace.acts("goal.pause", goal="toy")

    grace.acts("action.undo", seq=done["seq"])

    told = [each["event"] for each in http.get("/v1/events").json()["events"]]
    states = [each["state"] for each in told if each["type"] == "goal.changed"]
    assert states == ["open", "paused", "open"]


def test_an_edit_is_not_undone_over_a_later_one(http: TestClient, grace: Curator) -> None:
    first, second = (
        grace.acts("goal.brief", goal="toy", text=text) for text in ("# One\n", "# Two\n")
    )

    early = grace.tries("action.undo", seq=first["seq"])

    assert said(early) == (409, "changed_since")
    for each in (second, first):
        grace.acts("action.undo", seq=each["seq"])
    files = http.get("/v1/goals/toy", params={"files": True}).json()["files"]
    assert {each["path"]: each["text"] for each in files} == FILES


def test_a_spreadsheet_runs_nothing_of_the_log(grace: Curator) -> None:
    grace.acts("goal.pause", goal="toy", reason="=HYPERLINK(1)")

    assert ",'=HYPERLINK(1)," in grace.send("GET", "actions.csv").text
