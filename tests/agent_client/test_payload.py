"""What leaves this machine can be read before it does."""

import json
import re
from types import SimpleNamespace
from typing import Any, cast

from agent_client import settings
from agent_client.hub_api import Hub
from agent_client.mutators.prompting import task_part
from agent_client.orders import history, task_on
from agent_client.setup import KnownGoal
from protocol.experiments import Experiment, Operator, Status
from protocol.goals import Goal, GoalFile, GoalState
from tests.agent_client.conftest import Volunteer
from tests.agent_client.test_llm_loop import better, run
from tests.builders import FILES, NOON, a_device, a_spec, an_id
from tests.services.anthropic_server import AnthropicServer


def test_the_brief_is_the_goals_as_it_is_now_and_not_that_of_the_parents_day() -> None:
    file = GoalFile(path="program.md", sha256="0", size=3, editable=False, text="New words.")
    goal = Goal(
        name="toy", version=2, state=GoalState.OPEN, spec=a_spec(), files=[file],
        created_at=NOON, updated_at=NOON,
    )  # fmt: skip

    task = task_on(KnownGoal.of(goal), FILES, a_device(), ())

    assert task.brief == "New words."
    assert task.files == {"train.py": FILES["train.py"]}


def test_of_what_was_tried_elsewhere_the_model_hears_the_newest() -> None:
    made = [
        Experiment(
            id=an_id(), sha=f"{number:040x}", number=number, goal="toy", title=f"idea {number}.",
            operator=Operator.TWEAK, status=Status.RUNNING, created_at=NOON,
        )
        for number in range(1, 61)
    ]  # fmt: skip
    hub = SimpleNamespace(children=lambda _: [made[0]], newest=lambda _: made[::-1])

    known = history(cast(Hub, hub), "toy", "0" * 40)

    said = task_part(task_on(KnownGoal(a_spec(), 1, None), FILES, a_device(), known))
    assert "- idea 60.: being tried now\n</data>" in said
    assert "- idea 1.: being tried now\n</data>" in said, "a sibling"
    assert "- idea 20." not in said


def shown(volunteer: Volunteer, **env: Any) -> dict[str, Any]:
    """What `show-payload` says, by the address that it goes to."""
    done = volunteer.do("show-payload", **env)
    assert done.returncode == 0, done.stderr
    assert settings.load(volunteer.folder).token not in done.stdout
    parts = re.split(r"(?m)^# (.*)\n", done.stdout)[1:]
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return {address: json.loads(said) if said[0] in "{[" else said for address, said in pairs}


def test_without_a_model_only_the_hub_hears_of_this_machine(volunteer: Volunteer) -> None:
    said = shown(volunteer)

    assert said["language model"] == "Nothing: proposals are written by offline.\n"
    (asked,) = (body for address, body in said.items() if "/v1/work" in address)
    assert set(asked["device"]) >= {"name", "kind", "memory_mb", "torch"}
    assert asked["client_version"]
    (run_fields,) = (body for address, body in said.items() if "/v1/runs" in address)
    assert {"log", "metrics"} <= set(run_fields)
    assert run_fields["metric"] == "number or null"
    assert run_fields["curve"] == "list of {step, loss, seconds}"
    assert run_fields["device"].startswith("{name, kind, ")
    assert said["in the journal, not sent yet"] == []


def test_what_is_shown_for_the_model_is_what_it_is_sent(
    volunteer: Volunteer, anthropic_api: AnthropicServer
) -> None:
    anthropic_api.otherwise = better
    env = {
        "ANTHROPIC_API_KEY": "secret-key",
        "AGENTHUB_CLIENT_LLM__BASE_URL": anthropic_api.url,
    }

    (said,) = (body for address, body in shown(volunteer, **env).items() if "messages" in address)
    assert anthropic_api.requests == []
    run(volunteer, anthropic_api, most=1)

    sent = anthropic_api.requests[0]
    assert set(said) == set(sent)
    assert (said["system"], said["tools"], said["model"]) == (
        sent["system"],
        sent["tools"],
        sent["model"],
    )
    assert "LEARNING_RATE = 0.1" in said["messages"][0]["content"]
