"""What leaves this machine can be read before it does."""

import json
import re
from typing import Any

from agent_client import settings
from tests.agent_client.conftest import Volunteer
from tests.agent_client.test_llm_loop import better, run
from tests.services.anthropic_server import AnthropicServer


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
