"""What proposals cost their volunteer, and where the limits of money and tokens end them."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from agent_client.limits import Gate
from agent_client.mutators.base import (
    Misconfigured,
    NoIdea,
    OverBudget,
    Unavailable,
    Usage,
)
from agent_client.mutators.claude import Claude
from agent_client.settings import OwnerLimits
from agent_client.state import State
from tests.agent_client.conftest import an_author
from tests.agent_client.test_claude import EDIT, a_task, proposing
from tests.builders import TRAIN, an_id
from tests.services import anthropic_wire as wire
from tests.services.anthropic_server import AnthropicServer, Request


def test_a_proposal_that_may_take_more_tokens_than_allowed_is_not_asked_for(
    anthropic_api: AnthropicServer, a_claude: Callable[..., Claude]
) -> None:
    with pytest.raises(OverBudget, match="tokens, over 3,000 a run"):
        a_claude(tokens=3000).propose(a_task())

    assert anthropic_api.requests == []


def test_repairs_end_where_the_tokens_of_a_run_end(
    anthropic_api: AnthropicServer, a_claude: Callable[..., Claude]
) -> None:
    wrong = {**EDIT, "search": "no such line"}
    anthropic_api.then(proposing(wrong, input_tokens=9000, output_tokens=100))

    with pytest.raises(NoIdea, match="over 10,000 a run") as given_up:
        a_claude(tokens=10_000).propose(a_task())

    assert given_up.value.usage.tokens == 9100
    assert len(anthropic_api.requests) == 1


def test_an_edit_becomes_a_proposal_with_its_cost(
    anthropic_api: AnthropicServer, a_claude: Callable[..., Claude]
) -> None:
    anthropic_api.then(proposing(EDIT, input_tokens=1000, output_tokens=100))

    idea = a_claude().propose(a_task())

    assert idea.files == {"train.py": TRAIN.replace("= 0.1", "= 0.2")}
    assert (idea.title, idea.hypothesis) == ("faster", "It learns sooner.")
    assert idea.usage.tokens == 1100
    assert idea.usage.dollars == pytest.approx((1000 * 3 + 100 * 15) / 1e6)


def test_what_a_cache_keeps_and_gives_is_paid_as_well(
    anthropic_api: AnthropicServer, a_claude: Callable[..., Claude]
) -> None:
    anthropic_api.then(
        proposing(
            EDIT,
            input_tokens=1000,
            output_tokens=100,
            cache_creation_input_tokens=200,
            cache_read_input_tokens=500,
        )
    )

    usage = a_claude().propose(a_task()).usage

    assert usage.tokens == 1800
    assert usage.dollars == pytest.approx(((1000 + 2 * 200 + 0.1 * 500) * 3 + 100 * 15) / 1e6)


def test_a_server_that_knows_no_cache_is_paid_for_what_it_counts(
    anthropic_api: AnthropicServer, a_claude: Callable[..., Claude]
) -> None:
    said = proposing(EDIT, input_tokens=1000, output_tokens=100)
    body = re.sub(rb'("cache_\w+_input_tokens"): 0', rb"\1: null", said.body)
    anthropic_api.then(replace(said, body=body))

    assert a_claude().propose(a_task()).usage.tokens == 1100


def test_a_longer_reply_is_paid_for_before_it_is_asked_for(
    anthropic_api: AnthropicServer, a_claude: Callable[..., Claude]
) -> None:
    """A reply that was cut off is asked for again at twice the length, which costs twice."""
    anthropic_api.otherwise = lambda _: wire.message(stop_reason="max_tokens")

    with pytest.raises(NoIdea, match=r"over \$0\.50 a run"):
        a_claude(max_tokens=12_000).propose(a_task())

    assert [request["max_tokens"] for request in anthropic_api.requests] == [12_000, 24_000]


def test_after_three_repairs_the_parent_is_given_up(
    anthropic_api: AnthropicServer, a_claude: Callable[..., Claude]
) -> None:
    anthropic_api.otherwise = lambda _: wire.text("no")

    with pytest.raises(NoIdea) as caught:
        a_claude().propose(a_task())

    assert len(anthropic_api.requests) == 4
    assert caught.value.usage.tokens == 4 * 1350


def test_a_key_that_is_revoked_in_the_middle_leaves_what_was_spent_before_counted(
    anthropic_api: AnthropicServer, a_claude: Callable[..., Claude]
) -> None:
    anthropic_api.then(wire.text("no"), wire.unauthorized())

    with pytest.raises(Misconfigured) as ended:
        a_claude().propose(a_task())

    assert ended.value.usage.tokens == 1350


@pytest.mark.parametrize(
    ("fault", "requests"),
    [
        (wire.cut_off(wire.text("half of it"), 200), 1),
        (wire.Reply(200, b'{"usage": {"input_tokens": 7}}', wire.JSON), 1),
        (wire.hangs(60), 3),
        (wire.garbage(), 0),
        (wire.cut_off(wire.text("nothing of it"), 0), 0),
    ],
    ids=["cut", "another API", "too late", "a portal", "hung up"],
)
def test_a_reply_that_was_not_read_counts_as_the_dearest_and_an_outage_as_nothing(
    anthropic_api: AnthropicServer,
    a_claude: Callable[..., Claude],
    fault: wire.Reply,
    requests: int,
) -> None:
    """The model's provider wrote it, and is paid; with a bad line no limit of dollars held."""
    anthropic_api.then(wire.text("no"))
    anthropic_api.otherwise = lambda _: fault

    with pytest.raises(Unavailable) as away:
        a_claude(timeout_seconds=0.4).propose(a_task())

    sent = json.dumps([anthropic_api.requests[1][part] for part in ("system", "messages")])
    dearest = (len(sent) / 4 * 3 * 2 + 4096 * 15) / 1e6
    assert away.value.usage.tokens == 1350 + requests * (len(sent) // 4 + 4096)
    first = (1200 * 3 + 150 * 15) / 1e6
    assert away.value.usage.dollars == pytest.approx(first + requests * dearest)


def test_nothing_is_asked_once_the_money_is_spent(
    anthropic_api: AnthropicServer, a_claude: Callable[..., Claude]
) -> None:
    with pytest.raises(OverBudget, match="a day"):
        a_claude(money="$5.00 of $5.00 a day is spent.").propose(a_task())

    assert not anthropic_api.requests


def test_a_conversation_counts_against_the_day_while_it_goes_on(
    anthropic_api: AnthropicServer, a_claude: Callable[..., Claude]
) -> None:
    """Its repairs went on when the first reply had used up the day."""
    heard: list[tuple[float, int]] = []
    anthropic_api.otherwise = lambda _: wire.text("no")

    def money(dollars: float, tokens: int) -> str:
        heard.append((dollars, tokens))
        return "The day is over." if len(heard) > 1 else ""

    with pytest.raises(OverBudget) as over:
        replace(a_claude(), money=money).propose(a_task())

    (first, few), (second, more) = heard
    assert over.value.usage == Usage(1350, (1200 * 3 + 150 * 15) / 1e6)
    assert few > 4096 and first > 4096 * 15 / 1e6
    assert more > few + 1350 and second > first + over.value.usage.dollars


def test_an_end_while_the_model_writes_counts_what_that_may_cost(
    anthropic_api: AnthropicServer, a_claude: Callable[..., Claude], tmp_path: Path
) -> None:
    """A stop and a kill alike: the reply is paid, whether or not anybody is there to read it."""
    gate = Gate(tmp_path, OwnerLimits(), State(tmp_path))
    file, today = tmp_path / "state.json", date(2026, 11, 21)
    under_way: list[bytes] = []

    def answer(_: Request) -> wire.Reply:
        under_way.append(file.read_bytes())
        return proposing(EDIT, input_tokens=1000, output_tokens=100)

    anthropic_api.otherwise = answer
    claude = replace(a_claude(), money=gate.pledge)
    an_author(tmp_path, claude, gate.state).ask(claude, an_id(), a_task())
    assert State.open(tmp_path).memory.totals.tokens == 1100
    assert State.open(tmp_path).memory.pledged is None

    file.write_bytes(under_way[0])
    for _ in range(2):
        State.open(tmp_path).redeem(today)

    counted = State.open(tmp_path)
    assert counted.used(today).tokens == counted.memory.totals.tokens > 4096
    assert counted.used(today).dollars > 4096 * 15 / 1e6
    assert counted.used(today).tokens < 2 * 4096


def test_a_proposal_too_dear_for_one_run_is_not_asked_for(
    anthropic_api: AnthropicServer, a_claude: Callable[..., Claude]
) -> None:
    with pytest.raises(OverBudget, match="a run"):
        a_claude(price_out=1000.0).propose(a_task())

    assert not anthropic_api.requests


@pytest.mark.parametrize("spent", [Usage(9000, 0.45), Usage(49_000, 0.0)], ids=["money", "tokens"])
def test_what_a_runs_other_proposals_cost_counts_as_its_own(
    anthropic_api: AnthropicServer, a_claude: Callable[..., Claude], spent: Usage
) -> None:
    """Three that the hub refuses and a mend could cost four times what a run may."""
    with pytest.raises(NoIdea, match="a run") as given_up:
        a_claude(tokens=50_000).propose(a_task(spent=spent))

    assert given_up.value.usage == Usage()
    assert anthropic_api.requests == []
