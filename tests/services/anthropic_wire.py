"""What the Messages API may answer: good replies, refusals, faults, as values."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

MESSAGES = count(1)
CALLS = count(1)
JSON = {"content-type": "application/json"}
DEFAULT_USAGE = {
    "input_tokens": 1_200,
    "output_tokens": 150,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
}


@dataclass(frozen=True)
class Reply:
    """One answer: status, headers and body, and how the connection misbehaves meanwhile.

    `wait` is in seconds before the first byte, `cut_after` closes the connection after so many
    bytes of the body, `endless` repeats the body until the client gives up.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    wait: float = 0.0
    cut_after: int | None = None
    endless: bool = False


def message(
    *content: Mapping[str, Any],
    stop_reason: str = "end_turn",
    usage: Mapping[str, int] | None = None,
) -> Reply:
    """A complete message with these content blocks."""
    body = {
        "id": f"msg_{next(MESSAGES):024d}",
        "type": "message",
        "role": "assistant",
        "model": "claude-test",
        "content": list(content),
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {**DEFAULT_USAGE, **(usage or {})},
    }
    return as_json(200, body)


def text(words: str, **usage: int) -> Reply:
    """A reply in words, where the client may have hoped for a tool call."""
    return message({"type": "text", "text": words}, usage=usage)


def tool_use(name: str, arguments: Mapping[str, Any], **usage: int) -> Reply:
    """A call of the client's tool `name`, with a sentence before it as models tend to write."""
    call = {
        "type": "tool_use",
        "id": f"toolu_{next(CALLS):024d}",
        "name": name,
        "input": dict(arguments),
    }
    lead = {"type": "text", "text": "I will try one change."}
    return message(lead, call, stop_reason="tool_use", usage=usage)


def refusal() -> Reply:
    """The model declines; the message has no content."""
    return message(stop_reason="refusal")


def truncated(words: str = "I would change the learn") -> Reply:
    """The reply was cut at max_tokens in the middle of a word."""
    return message({"type": "text", "text": words}, stop_reason="max_tokens")


def error(status: int, kind: str, sentence: str, **headers: str) -> Reply:
    """An error in the API's own shape; a header `retry_after` is sent as `retry-after`."""
    body = {
        "type": "error",
        "error": {"type": kind, "message": sentence},
        "request_id": f"req_{next(MESSAGES):024d}",
    }
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return as_json(status, body, sent)


def rate_limited(retry_after: float = 1) -> Reply:
    """429 with the seconds to wait."""
    sentence = "This request would exceed your organization's rate limit."
    return error(429, "rate_limit_error", sentence, retry_after=f"{retry_after:g}")


def overloaded() -> Reply:
    """529, the API's way to say that everybody should come back later."""
    return error(529, "overloaded_error", "Overloaded")


def broken() -> Reply:
    """500, a fault of the API itself."""
    return error(500, "api_error", "Internal server error")


def unauthorized() -> Reply:
    """401, the key is wrong."""
    return error(401, "authentication_error", "invalid x-api-key")


def no_credit() -> Reply:
    """400, the account is empty; retrying does not help."""
    return error(400, "invalid_request_error", "Your credit balance is too low to access the API.")


def garbage() -> Reply:
    """200 with a body that is not JSON, as a broken proxy sends it."""
    return Reply(200, b"<html>It works!</html>", JSON)


def endless() -> Reply:
    """200 with a body that never ends."""
    return Reply(200, b" " * 65_536, {"content-type": "application/json"}, endless=True)


def hangs(seconds: float) -> Reply:
    """Silence for this long, then the connection closes."""
    return Reply(wait=seconds, cut_after=0)


def cut_off(reply: Reply, after: int) -> Reply:
    """The same reply, but the connection breaks after so many bytes of it."""
    return Reply(reply.status, reply.body, reply.headers, reply.wait, cut_after=after)


def as_json(
    status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> Reply:
    """A JSON reply."""
    return Reply(
        status, json.dumps(body).encode(), {"content-type": "application/json", **(headers or {})}
    )
