"""Live events: one socket that resumes anywhere, and the same log by plain HTTP."""

import asyncio
import contextlib
import json
from typing import Annotated

from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect
from fastapi.responses import Response

from hub.api.deps import TheHub
from hub.core import Hub
from hub.live import FRAMES, TooSlow

router = APIRouter(tags=["live"])
TRY_AGAIN = 1013
GOING_AWAY = 1001
MOST_SEQ = 2**63 - 1


@router.get("/v1/events")
def events(
    hub: TheHub, after: Annotated[int, Query(ge=0)] = 0, goal: str | None = None
) -> Response:
    """Up to 500 events after a cursor, with the cursor to go on from."""
    batch = hub.live.read_after(after, goal)
    last = batch[-1][0] if batch else after
    body = f'{{"seq":{last},"events":[{",".join(text for _, text in batch)}]}}'
    return Response(body, media_type="application/json")


@router.websocket("/v1/live")
async def live(socket: WebSocket, after: Annotated[int, Query(le=MOST_SEQ)] = -1) -> None:
    """Every event after a cursor, then new ones as they happen; without a cursor, from now on.

    Closed with 1013 when the reader is too slow and with 1001 when the hub stops: both mean
    connect again with `after` set to the last number seen.
    """
    hub: Hub = socket.app.state.hub
    await socket.accept()
    start = hub.live.last if after < 0 else after
    sender = asyncio.create_task(_send(socket, hub, start))
    try:
        # Nothing is expected, in words or in bytes; this notices the goodbye.
        while (await socket.receive())["type"] != "websocket.disconnect":
            pass
    finally:
        sender.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sender


async def _send(socket: WebSocket, hub: Hub, after: int) -> None:
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # gone before it was told
        await socket.send_text(json.dumps({"hello": {"seq": hub.live.last, "after": after}}))
        try:
            push = socket.scope.get("extensions", {}).get(FRAMES)
            async for text in hub.live.events(after, push):
                await socket.send_text(text)
        except TooSlow:
            await socket.close(TRY_AGAIN, "too slow; connect again with after=")
        else:
            await socket.close(GOING_AWAY, "the hub is stopping; connect again with after=")
