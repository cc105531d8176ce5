"""One bounded exchange with the Messages API: time, size, retries, and what it cost."""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import anthropic
from anthropic.types import Message
from pydantic import ValidationError

from agent_client.backoff import asked_for
from agent_client.mutators.base import Misconfigured, MutatorError, NoIdea, Unavailable, Usage
from agent_client.settings import Llm

# Bad requests that are bad by what a parent's files hold, or by what the model made of them.
_OF_ITS_WORDS = re.compile(r"prompt is too long|context (?:window|limit)|content filter", re.I)
_TOO_LARGE = 413
MAX_REPLY_BYTES = 4 * 1024 * 1024
SDK_RETRIES = 2
# Dollars per million tokens (input, output) by family; the dearest where a name is unknown.
PRICES = (("haiku", 1.0, 5.0), ("sonnet", 3.0, 15.0), ("opus", 5.0, 25.0), ("", 25.0, 125.0))
CACHE_WRITE, CACHE_READ = 2.0, 0.1
"""Multiples of the input price: the one-hour cache that our rhythm needs, and reading it."""


def connect(settings: Llm, key: str) -> anthropic.Anthropic:
    """A client for the API; its own retries honour Retry-After, ours begin where they end."""
    return anthropic.Anthropic(
        api_key=key,
        base_url=settings.base_url,
        timeout=settings.timeout_seconds,
        max_retries=SDK_RETRIES,
    )


def price(settings: Llm) -> tuple[float, float]:
    """Dollars per million input and output tokens of the chosen model."""
    known = next((row for row in PRICES if row[0] in settings.model.lower()), PRICES[-1])
    into = known[1] if settings.price_in is None else settings.price_in
    out = known[2] if settings.price_out is None else settings.price_out
    return into, out


def cost(settings: Llm, message: Message) -> Usage:
    """Tokens and dollars of a reply, from its own usage fields."""
    into, out = price(settings)
    said = message.usage
    written, read = said.cache_creation_input_tokens or 0, said.cache_read_input_tokens or 0
    weighted = said.input_tokens + written * CACHE_WRITE + read * CACHE_READ
    tokens = said.input_tokens + written + read + said.output_tokens
    return Usage(tokens, (weighted * into + said.output_tokens * out) / 1e6)


def estimate(settings: Llm, characters: int, max_tokens: int) -> Usage:
    """What a request may cost at most: four characters a token, and a full reply."""
    into, out = price(settings)
    dollars = (characters / 4 * into * CACHE_WRITE + max_tokens * out) / 1e6
    return Usage(characters // 4 + max_tokens, dollars)


class Unread(Unavailable):
    """The language model's reply was not read to its end; it may have to be paid all the same."""

    code = "llm_unread"

    def __init__(self, detail: str, requests: int = 1) -> None:
        """Say how many requests may have been answered."""
        self.requests = requests
        super().__init__(detail)


class BadRequest(Misconfigured):
    """The language model's API refuses a request; its settings are the first to look at."""

    code = "llm_bad_request"


@dataclass(frozen=True)
class Request:
    """What is sent: system blocks, messages, and the one tool that must be called."""

    system: Sequence[dict[str, Any]]
    messages: Sequence[dict[str, Any]]
    tool: dict[str, Any]
    max_tokens: int


def body(settings: Llm, request: Request) -> dict[str, Any]:
    """Exactly what is sent to the language model's provider, besides the key."""
    said: dict[str, Any] = {
        "model": settings.model,
        "max_tokens": request.max_tokens,
        "system": list(request.system),
        "messages": list(request.messages),
        "tools": [request.tool],
        "tool_choice": {"type": "tool", "name": request.tool["name"]},
    }
    if settings.temperature is not None:
        said["temperature"] = settings.temperature
    return said


def ask(
    client: anthropic.Anthropic,
    settings: Llm,
    request: Request,
    clock: Callable[[], float] = time.monotonic,
) -> Message:
    """One reply. An endless or huge one is cut off; it costs its tokens and nothing else.

    Raises:
        Unavailable: no connection, overload, rate limit, server error, or no message.
        Unread: a reply without end, one that broke off, or one that did not come in time.
        NoIdea: these words are refused, as too many for the model or as none that it may say.
        BadRequest: the request is refused in another way.
        Misconfigured: the key or the model is refused.
    """
    try:
        return _bounded(client, settings, body(settings, request), clock)
    except (anthropic.RateLimitError, anthropic.InternalServerError) as problem:
        raise Unavailable(_sentence(problem), _retry_after(problem)) from None
    except anthropic.APIStatusError as problem:
        if problem.status_code in (408, 409, 425):
            raise Unavailable(_sentence(problem), _retry_after(problem)) from None
        raise _refusal(problem) from None
    except anthropic.APIError as problem:
        said = f"{Unavailable.sentence()} ({problem})"
        if type(problem.__cause__).__name__ == "ReadTimeout":  # a class of the SDK's own transport
            raise Unread(said, 1 + SDK_RETRIES) from None
        raise Unavailable(said) from None


def _refusal(problem: anthropic.APIStatusError) -> MutatorError:
    sentence = _sentence(problem)
    if problem.status_code == _TOO_LARGE:
        return NoIdea(sentence)
    if not isinstance(problem, anthropic.BadRequestError):
        return Misconfigured(sentence)
    return NoIdea(sentence) if _OF_ITS_WORDS.search(sentence) else BadRequest(sentence)


def _bounded(
    client: anthropic.Anthropic, settings: Llm, said: dict[str, Any], clock: Callable[[], float]
) -> Message:
    ends = clock() + settings.timeout_seconds
    content = bytearray()
    with client.messages.with_streaming_response.create(**said) as reply:
        try:
            for piece in reply.iter_bytes():
                content += piece
                if len(content) > MAX_REPLY_BYTES or clock() > ends:
                    raise Unread("The language model's reply has no end; it was cut off.")
        except OSError as problem:
            raise Unread(f"The reply broke off: {problem}") from None
        except Exception as problem:
            if isinstance(problem, Unread):
                raise
            raise Unread(f"The reply broke off: {type(problem).__name__}") from None
    try:
        return Message.model_validate_json(bytes(content))
    except ValidationError:
        # A portal or a broken proxy takes no money; what counts tokens is a model's own reply.
        kind = Unread if b'"usage"' in content else Unavailable
        raise kind("The language model answered something that is no message.") from None


def _sentence(problem: anthropic.APIStatusError) -> str:
    body = problem.body
    inner = body.get("error") if isinstance(body, dict) else None
    said = inner.get("message") if isinstance(inner, dict) else str(problem.message)
    return f"The language model's API answered {problem.status_code}: {str(said)[:200]}"


def _retry_after(problem: anthropic.APIStatusError) -> float:
    return asked_for(problem.response.headers.get("retry-after", ""))
