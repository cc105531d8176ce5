"""The real SDK takes our Messages API for the real one."""

import time

import anthropic
import pytest

from tests.services import anthropic_wire as wire
from tests.services.anthropic_server import AnthropicServer

QUESTION = [{"role": "user", "content": "Make it better."}]


def a_client(
    server: AnthropicServer, retries: int = 0, key: str = "any", timeout: float = 30.0
) -> anthropic.Anthropic:
    return anthropic.Anthropic(
        base_url=server.url, api_key=key, max_retries=retries, timeout=timeout
    )


def ask(client: anthropic.Anthropic) -> anthropic.types.Message:
    return client.messages.create(
        model="claude-test",
        max_tokens=500,
        messages=[{"role": "user", "content": "Make it better."}],
    )


def test_a_tool_call_arrives_with_its_arguments_and_its_tokens(
    anthropic_api: AnthropicServer,
) -> None:
    anthropic_api.then(wire.tool_use("edit", {"search": "LR = 1"}, cache_read_input_tokens=77))

    with a_client(anthropic_api) as client:
        message = ask(client)

    call = message.content[1]
    assert call.type == "tool_use"
    assert (message.stop_reason, call.name, call.input) == (
        "tool_use",
        "edit",
        {"search": "LR = 1"},
    )
    assert message.usage.cache_read_input_tokens == 77
    assert anthropic_api.requests[0]["messages"] == QUESTION


def test_a_streamed_reply_says_the_same(anthropic_api: AnthropicServer) -> None:
    anthropic_api.then(wire.tool_use("edit", {"search": "LR = 1"}))

    with (
        a_client(anthropic_api) as client,
        client.messages.stream(
            model="claude-test",
            max_tokens=500,
            messages=[{"role": "user", "content": "Make it better."}],
        ) as stream,
    ):
        message = stream.get_final_message()

    assert message.content[1].type == "tool_use"
    assert message.content[1].input == {"search": "LR = 1"}


def test_the_sdk_waits_as_long_as_a_429_says(anthropic_api: AnthropicServer) -> None:
    anthropic_api.then(wire.rate_limited(retry_after=0.3), wire.text("Now."))

    started = time.monotonic()
    with a_client(anthropic_api, retries=1) as client:
        message = ask(client)

    assert message.content[0].type == "text"
    assert time.monotonic() - started >= 0.3


@pytest.mark.parametrize(
    ("reply", "raised"),
    [
        (wire.overloaded(), anthropic.InternalServerError),
        (wire.broken(), anthropic.InternalServerError),
        (wire.rate_limited(), anthropic.RateLimitError),
        (wire.no_credit(), anthropic.BadRequestError),
        (wire.unauthorized(), anthropic.AuthenticationError),
        (wire.cut_off(wire.text("Hello"), 20), anthropic.APIConnectionError),
    ],
)
def test_each_fault_is_the_sdks_own_exception(
    anthropic_api: AnthropicServer, reply: wire.Reply, raised: type[Exception]
) -> None:
    anthropic_api.then(reply)

    with a_client(anthropic_api) as client, pytest.raises(raised):
        ask(client)


def test_a_reply_that_does_not_come_is_a_timeout(anthropic_api: AnthropicServer) -> None:
    anthropic_api.then(wire.hangs(10))

    with (
        a_client(anthropic_api, timeout=0.5) as client,
        pytest.raises(anthropic.APITimeoutError),
    ):
        ask(client)


def test_a_wrong_key_is_refused(anthropic_api: AnthropicServer) -> None:
    with (
        a_client(anthropic_api, key="wrong") as client,
        pytest.raises(anthropic.AuthenticationError),
    ):
        ask(client)


def test_a_refusal_and_a_truncation_are_told_by_the_stop_reason(
    anthropic_api: AnthropicServer,
) -> None:
    anthropic_api.then(wire.refusal(), wire.truncated())

    with a_client(anthropic_api) as client:
        reasons = [ask(client).stop_reason for _ in range(2)]

    assert reasons == ["refusal", "max_tokens"]
