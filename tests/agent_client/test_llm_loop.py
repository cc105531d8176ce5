"""The installed client with a model that answers, babbles, is overloaded, or is gone."""

import csv
import json
import re
from pathlib import Path

import httpx
import pytest

from agent_client.mutators.claude import TOOL
from agent_client.state import Pledge, State
from protocol.experiments import Experiment, Operator, Status
from tests.agent_client.conftest import Volunteer
from tests.agent_client.hub_process import a_hub
from tests.services import anthropic_wire as wire
from tests.services.anthropic_server import AnthropicServer, Request


def better(request: Request) -> wire.Reply:
    """Propose the learning rate one hundredth up from where it is."""
    words = json.dumps(request["messages"])
    found = re.search(r"LEARNING_RATE = ([0-9.]+)", words)
    assert found is not None
    now = float(found[1])
    edit = {
        "path": "train.py",
        "search": f"LEARNING_RATE = {found[1]}",
        "replace": f"LEARNING_RATE = {now + 0.01:.2f}",
    }
    said = {
        "title": f"learning rate {now + 0.01:.2f}",
        "hypothesis": "A little faster.",
        "edits": [edit],
    }
    return wire.tool_use(TOOL, said)


def run(volunteer: Volunteer, server: AnthropicServer, most: int = 2) -> str:
    done = volunteer.do(
        *("run", "--mutator", "claude", "--max-experiments", str(most)),
        ANTHROPIC_API_KEY="key",
        AGENTHUB_CLIENT_LLM__BASE_URL=server.url,
        AGENTHUB_CLIENT_LLM__TIMEOUT_SECONDS="5",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def made(volunteer: Volunteer) -> list[Experiment]:
    return [each for each in volunteer.experiments() if each.operator is not Operator.BASELINE]


def the_diff(volunteer: Volunteer, experiment: Experiment) -> list[str]:
    with volunteer.api() as hub:
        assert experiment.parent is not None
        after, before = hub.files(experiment.sha), hub.files(experiment.parent)
    return sorted(set(after["train.py"].splitlines()) - set(before["train.py"].splitlines()))


def test_two_experiments_land_whose_diffs_are_the_models_edits(
    volunteer: Volunteer, anthropic_api: AnthropicServer
) -> None:
    pledged: list[Pledge | None] = []

    def answer(request: Request) -> wire.Reply:
        pledged.append(State.open(volunteer.folder).memory.pledged)
        return better(request)

    anthropic_api.otherwise = answer
    State.open(volunteer.folder).pledge(dollars=1.0, tokens=70_000)  # and it was killed

    run(volunteer, anthropic_api)

    found = made(volunteer)
    left = State.open(volunteer.folder).memory
    assert pledged and all(each is not None and each.dollars < 1.0 for each in pledged)
    assert left.pledged is None
    assert 1.0 < left.totals.dollars < 1.1 and left.totals.tokens > 70_000
    assert [each.status for each in found] == [Status.FINISHED] * 2
    for each in found:
        rate = each.title.removeprefix("learning rate ")
        assert the_diff(volunteer, each) == [f"LEARNING_RATE = {rate}"]
        assert (each.mutator, each.model) == ("claude", "claude-test")


@pytest.mark.parametrize(
    "fault",
    [
        wire.text("Let me think about this."),
        wire.rate_limited(1),
        wire.overloaded(),
        wire.Reply(body=b"<html>bad gateway</html>", headers=wire.JSON),
    ],
    ids=["garbage", "429", "529", "no JSON"],
)
def test_a_fault_costs_no_training_and_no_crash(
    volunteer: Volunteer, anthropic_api: AnthropicServer, fault: wire.Reply
) -> None:
    anthropic_api.otherwise = better
    anthropic_api.then(fault)

    said = run(volunteer, anthropic_api)

    found = made(volunteer)
    assert "Traceback" not in said
    assert [each.n_runs for each in found] == [1, 1]


def test_asking_for_claude_without_a_key_says_what_to_do(volunteer: Volunteer) -> None:
    done = volunteer.do("run", "--mutator", "claude")

    assert done.returncode == 3
    assert done.stderr == (
        "No API key: set ANTHROPIC_API_KEY, or run with --mutator offline, which needs none.\n"
    )


def test_a_key_that_is_refused_ends_the_client_and_frees_the_lease(
    volunteer: Volunteer, anthropic_api: AnthropicServer
) -> None:
    done = volunteer.do(
        *("run", "--mutator", "claude"),
        ANTHROPIC_API_KEY="wrong",
        AGENTHUB_CLIENT_LLM__BASE_URL=anthropic_api.url,
    )

    assert done.returncode == 3
    assert "401" in done.stderr
    with volunteer.api() as hub:
        assert hub.me().working_on is None


def broken(request: Request) -> wire.Reply:
    """Propose a training that cannot begin."""
    edit = {
        "path": "train.py",
        "search": "import os\n",
        "replace": "import os\nimport nothing_such\n",
    }
    return wire.tool_use(TOOL, {"title": "more imports", "hypothesis": "Why not.", "edits": [edit]})


def mended(request: Request) -> wire.Reply:
    """Take out the import that the last lines complain about."""
    words = json.dumps(request["messages"])
    assert "No module named 'nothing_such'" in words
    assert "It was to be: more imports" in words
    edits = [
        {"path": "train.py", "search": "import nothing_such\n", "replace": ""},
        {"path": "train.py", "search": "WIDTH = 8", "replace": "WIDTH = 9"},
    ]
    return wire.tool_use(TOOL, {"title": "mended", "hypothesis": "No import.", "edits": edits})


def test_a_crash_is_fed_back_once_and_both_are_on_the_record(
    volunteer: Volunteer, anthropic_api: AnthropicServer
) -> None:
    anthropic_api.then(broken, mended)

    run(volunteer, anthropic_api, most=1)

    crash, mend = made(volunteer)
    assert (crash.status, crash.failure, crash.n_runs) == (Status.FAILED, "crash", 1)
    assert (mend.status, mend.operator, mend.n_runs) == (Status.FINISHED, Operator.FIX, 1)
    assert mend.parent == crash.parent
    assert the_diff(volunteer, mend) == ["WIDTH = 9"]
    assert len(anthropic_api.requests) == 2


def absurd(request: Request) -> wire.Reply:
    """Propose a training that prints what the goal's author thinks impossible."""
    edit = {"path": "train.py", "search": "{best:.6f}", "replace": "1000000"}
    return wire.tool_use(TOOL, {"title": "absurd", "hypothesis": "Hm.", "edits": [edit]})


def test_a_metric_beyond_the_goals_bounds_is_trained_once_and_on_the_record(
    tmp_path: Path, anthropic_api: AnthropicServer
) -> None:
    with a_hub(tmp_path / "hub", goal="bounded") as hub:
        volunteer = Volunteer(tmp_path / "agent", hub)
        volunteer.join()
        anthropic_api.otherwise = better
        anthropic_api.then(absurd)

        run(volunteer, anthropic_api, most=2)

        found = {each.title: each for each in volunteer.experiments("bounded")}
        runs = httpx.get(f"{hub.url}/v1/goals/bounded/runs.csv").text.splitlines()
    assert {run["seed"] for run in csv.DictReader(runs)} == {"7"}, "the goal's own seed"
    assert State.open(volunteer.folder).memory.totals.runs == 3
    assert (found["absurd"].status, found["absurd"].n_runs) == (Status.FAILED, 1)
    assert not list((volunteer.folder / "journal").glob("*.refused"))


def test_work_that_is_asked_for_while_a_mend_trains_is_other_work(
    volunteer: Volunteer, anthropic_api: AnthropicServer
) -> None:
    def thinks(request: Request) -> wire.Reply:
        if "No module named 'nothing_such'" not in json.dumps(request["messages"]):
            return better(request)
        slow = {"search": "import nothing_such\n", "replace": "import time\ntime.sleep(3)\n"}
        edits = [{"path": "train.py", **slow}]
        return wire.tool_use(TOOL, {"title": "a slow mend", "hypothesis": "Hm.", "edits": edits})

    anthropic_api.otherwise = thinks
    anthropic_api.then(broken)

    run(volunteer, anthropic_api, most=3)

    found = [(each.status, each.n_runs) for each in made(volunteer)]
    assert "a slow mend" in [each.title for each in made(volunteer)]
    assert sorted(found) == [(Status.FAILED, 1), *[(Status.FINISHED, 1)] * 3]


def test_a_mend_that_crashes_too_is_not_mended_again(
    volunteer: Volunteer, anthropic_api: AnthropicServer
) -> None:
    def worse(request: Request) -> wire.Reply:
        edit = {"path": "train.py", "search": "nothing_such", "replace": "nothing_else"}
        return wire.tool_use(TOOL, {"title": "other", "hypothesis": "Hm.", "edits": [edit]})

    anthropic_api.then(broken, worse)

    run(volunteer, anthropic_api, most=1)

    assert [(each.status, each.n_runs) for each in made(volunteer)] == [(Status.FAILED, 1)] * 2


def test_a_crash_that_nobody_mends_is_reported_as_it_is(
    volunteer: Volunteer, anthropic_api: AnthropicServer
) -> None:
    anthropic_api.then(broken, *[wire.text("I would rather not.")] * 4)

    run(volunteer, anthropic_api, most=1)

    assert [(each.status, each.n_runs) for each in made(volunteer)] == [(Status.FAILED, 1)]
    with volunteer.api() as hub:
        assert hub.me().working_on is None
