"""The installed client with a model that answers, babbles, is overloaded, or is gone."""

import json
import re

import pytest

from agent_client.mutators.claude import TOOL
from protocol.experiments import Experiment, Operator, Status
from tests.agent_client.conftest import Volunteer
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
    anthropic_api.otherwise = better

    run(volunteer, anthropic_api)

    found = made(volunteer)
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
