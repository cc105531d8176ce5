"""F12: a language model that is away, overloaded, endless, babbling or too dear."""

import json
import re
from collections.abc import Callable
from random import Random

import pytest

from agent_client import settings
from agent_client.mutators.claude import TOOL
from agent_client.settings import OwnerLimits
from tests.faults.client_process import ClientProcess, eventually
from tests.faults.hub_process import HubProcess
from tests.faults.seeds import every_seed
from tests.faults.watching import Clients, assert_all_is_well, failures, runs_of
from tests.services import anthropic_wire as wire
from tests.services.anthropic_server import AnthropicServer, Request

pytestmark = pytest.mark.faults


def another_rate(random: Random) -> Callable[[Request], wire.Reply]:
    """A model in good health: it proposes a learning rate that was never tried."""

    def propose(request: Request) -> wire.Reply:
        # A line of the file itself: titles of what was tried before read the same.
        line = r"\\n(LEARNING_RATE = [0-9.e-]+)\\"
        found = re.search(line, json.dumps(request["messages"]))
        assert found is not None
        rate = f"LEARNING_RATE = {random.uniform(0.001, 0.1):.9f}"
        edit = {"path": "train.py", "search": found[1], "replace": rate}
        said = {"title": rate, "hypothesis": "Another step.", "edits": [edit]}
        return wire.tool_use(TOOL, said)

    return propose


def nonsense() -> wire.Reply:
    """A change of a line that is not there."""
    edit = {"path": "train.py", "search": "no such line", "replace": ""}
    return wire.tool_use(TOOL, {"title": "x", "hypothesis": "y", "edits": [edit]})


FAULTS = (
    wire.rate_limited(1),
    wire.overloaded(),
    wire.broken(),
    wire.garbage(),
    wire.text("Let me think about this."),
    wire.truncated(),
    wire.refusal(),
    wire.hangs(5),
    wire.endless(),
    wire.cut_off(wire.text("half"), 20),
    nonsense(),
)


def asks(client: ClientProcess, server: AnthropicServer) -> None:
    """Let a client ask this model, with little patience."""
    client.options = ("--mutator", "claude")
    client.environment = {
        "ANTHROPIC_API_KEY": "key",
        "AGENTHUB_CLIENT_LLM__BASE_URL": server.url,
        "AGENTHUB_CLIENT_LLM__TIMEOUT_SECONDS": "2",
    }


@every_seed
def test_f12_a_model_that_fails_costs_time_and_tokens_but_no_run(
    hub: HubProcess, clients: Clients, anthropic_api: AnthropicServer, seed: int
) -> None:
    random = Random(seed)
    anthropic_api.then(*random.sample(FAULTS, 2))
    anthropic_api.otherwise = another_rate(random)
    (client,) = clients(1)
    asks(client, anthropic_api)

    client.start()
    eventually(lambda: runs_of(hub, client) >= 3)

    assert client.running
    assert_all_is_well(hub, [client])
    assert failures(hub) == set()


@every_seed
def test_f12_a_day_that_is_paid_for_ends_politely(
    hub: HubProcess, clients: Clients, anthropic_api: AnthropicServer, seed: int
) -> None:
    anthropic_api.otherwise = another_rate(Random(seed))
    (client,) = clients(1)
    asks(client, anthropic_api)
    chosen = settings.load(client.folder)
    poor = OwnerLimits(dollars_per_day=0.00001)
    settings.save(client.folder, chosen.model_copy(update={"limits": poor}))

    client.start()
    eventually(lambda: "a day is spent" in client.log.read_text())

    assert client.running
    assert len(anthropic_api.requests) <= 2
    assert_all_is_well(hub, [client])
    assert failures(hub) == set()
