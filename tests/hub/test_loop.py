"""The whole loop over HTTP: join, claim, propose, report, read."""

import subprocess
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from hub.core import Hub
from tests.hub.volunteer import Volunteer


def test_a_proposal_becomes_a_commit_and_a_run_becomes_a_score(
    http: TestClient, volta: Volunteer
) -> None:
    order = volta.explore(learning_rate=0.2, metric=0.8)

    shown = http.get(f"/v1/experiments/{order.experiment}").json()
    assert (shown["status"], shown["metric"], shown["kept"]) == ("finished", 0.8, True)
    assert shown["score"] == pytest.approx(0.8, abs=1e-4)
    assert shown["delta"] == pytest.approx(-0.1, abs=1e-4)
    assert shown["parent"] == http.get("/v1/goals/toy").json()["baseline"]


def test_the_diff_is_the_edit(http: TestClient, volta: Volunteer) -> None:
    order = volta.explore(learning_rate=0.25, metric=0.8)

    diff = http.get(f"/v1/experiments/{order.experiment}/diff").json()
    changed = [line for line in diff["files"][0]["hunks"][0]["lines"] if line["kind"] != " "]
    assert [(line["kind"], line["text"]) for line in changed] == [
        ("-", "LEARNING_RATE = 0.1"),
        ("+", "LEARNING_RATE = 0.25"),
    ]


def test_a_crashed_run_is_a_result_with_its_last_lines(http: TestClient, volta: Volunteer) -> None:
    order = volta.explore(learning_rate=0.3, metric=None)

    runs = http.get(f"/v1/experiments/{order.experiment}/runs").json()
    assert [run["failure"] for run in runs] == ["crash"]
    assert http.get(f"/v1/runs/{runs[0]['id']}/log").text.endswith("step 2")
    assert http.get(f"/v1/experiments/{order.experiment}").json()["status"] == "failed"


def test_the_tree_travels_as_columns_and_then_as_a_delta(
    http: TestClient, volta: Volunteer
) -> None:
    volta.explore(learning_rate=0.2, metric=0.8)
    whole = http.get("/v1/goals/toy/tree").json()
    volta.explore(learning_rate=0.3, metric=0.7)

    delta = http.get("/v1/goals/toy/tree", params={"after": whole["seq"]}).json()
    assert whole["number"] == [0, 1] and whole["score"] == pytest.approx([900000, 800000], abs=100)
    assert 2 in delta["number"] and not delta["complete"]


def test_plain_git_clones_every_leaf(
    hub: Hub, http: TestClient, volta: Volunteer, tmp_path: Path
) -> None:
    order = volta.explore(learning_rate=0.2, metric=0.8)
    http.get("/git/toy.git/info/refs", params={"service": "git-upload-pack"})

    repository = str(hub.git.path("toy"))
    subprocess.run(["git", "clone", "-q", repository, str(tmp_path / "clone")], check=True)
    log = subprocess.run(
        ["git", "-C", str(tmp_path / "clone"), "log", "--all", "--format=%H"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert order.experiment in log and len(log) == 2


def test_events_tell_the_story_in_order(http: TestClient, volta: Volunteer) -> None:
    volta.explore(learning_rate=0.2, metric=0.8)

    told = http.get("/v1/events").json()["events"]
    kinds = [each["event"]["type"] for each in told]
    assert [each["seq"] for each in told] == list(range(1, len(told) + 1))
    assert kinds[:3] == ["goal.changed", "experiment.registered", "agent.joined"]
    assert kinds[-4:] == ["lease.ended", "run.reported", "score.changed", "post.written"]
    of_the_goal = http.get("/v1/events", params={"goal": "toy"}).json()["events"]
    assert "agent.joined" in kinds
    assert of_the_goal == [each for each in told if each["event"].get("goal") == "toy"]
    assert http.get("/v1/events", params={"goal": "another"}).json()["events"] == []


def test_the_socket_resumes_anywhere(http: TestClient, volta: Volunteer) -> None:
    volta.explore(learning_rate=0.2, metric=0.8)
    newest = http.get("/v1/events").json()["seq"]

    with http.websocket_connect("/v1/live?after=3") as socket:
        assert socket.receive_json()["hello"]["after"] == 3
        seen = [socket.receive_json()["seq"] for _ in range(newest - 3)]
        volta.claim()
        seen.append(socket.receive_json()["seq"])
    assert seen == list(range(4, newest + 2))
