"""A complete message told again as the server-sent events of a streamed one."""

import json
from collections.abc import Iterator
from typing import Any

from tests.services.anthropic_wire import Reply


def as_stream(reply: Reply) -> Reply:
    """The same message as an event stream; errors and broken bodies stay as they are."""
    if reply.status != 200 or reply.endless or not reply.body.startswith(b'{"id"'):
        return reply
    body = b"".join(_event(event) for event in _events(json.loads(reply.body)))
    headers = {"content-type": "text/event-stream"}
    return Reply(200, body, headers, reply.wait, reply.cut_after)


def _events(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    start = {**message, "content": [], "stop_reason": None}
    yield {"type": "message_start", "message": start}
    for index, block in enumerate(message["content"]):
        yield from _block(index, block)
    ending = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    yield {"type": "message_delta", "delta": ending, "usage": message["usage"]}
    yield {"type": "message_stop"}


def _block(index: int, block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if block["type"] == "text":
        empty: dict[str, Any] = {"type": "text", "text": ""}
        delta = {"type": "text_delta", "text": block["text"]}
    else:
        empty = {**block, "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
    yield {"type": "content_block_start", "index": index, "content_block": empty}
    yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def _event(event: dict[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
