"""Work orders and leases."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from hub import experiments, replies, scheduling, work
from hub.agents import NotActive
from hub.api.deps import CurrentAgent, Holder, Read, TheHub, Work
from hub.api.problems import refusals
from hub.errors import Busy, NotYours, Unauthorized
from protocol.work import (
    Heard,
    Lease,
    LiveOutput,
    Output,
    Progress,
    Release,
    Renewal,
    WorkReply,
    WorkRequest,
)

router = APIRouter(prefix="/v1", tags=["work"])
SLOT_SECONDS, SLOT_TURNS = 1.0, 50


async def _slot(hub: TheHub) -> AsyncIterator[None]:
    """Claims choose and may be slow: a few at a time, so that they never starve heartbeats.

    Whoever waits here waits on the event loop: a waiting thread would be one that results lack.
    """
    if hub.heartbeats.deaf:
        raise Busy("Nobody was heard for a while; whoever holds a lease is heard first.")
    for _ in range(SLOT_TURNS):
        if hub.claim_slots.acquire(blocking=False):
            break
        await asyncio.sleep(SLOT_SECONDS / SLOT_TURNS)
    else:
        raise Busy("Too many agents ask for work at this moment; try again shortly.")
    try:
        yield
    finally:
        hub.claim_slots.release()


@router.post(
    "/leases/{lease}/renew",
    responses=refusals(Unauthorized, NotYours, experiments.StaleLease),
)
async def renew(said: Progress, holder: Holder, hub: TheHub) -> Renewal:
    """Keep a lease alive and say how far the run is."""
    return hub.renewals.renew(holder, said)


@router.post(
    "/leases/{lease}/output",
    responses=refusals(Unauthorized, NotYours, experiments.StaleLease),
)
def tell(said: Output, holder: Holder, hub: TheHub) -> Heard:
    """Let people watch what a run prints; nothing of it counts or is kept."""
    return hub.outputs.take(holder.held(said.epoch).id, said)


@router.post(
    "/work",
    dependencies=[Depends(_slot)],
    responses=refusals(Unauthorized, NotActive, Busy),
)
def claim(request: WorkRequest, agent: CurrentAgent, hub: TheHub, session: Read) -> WorkReply:
    """Ask for work; the reply is an order, or the reason why there is none."""
    # Whoever writes keeps results waiting: what takes long is thought before, and read after.
    scheduling.ponder(session, hub.mind, request)
    given = hub.database.apply(
        lambda unit: work.give(unit, hub.settings, hub.mind, hub.git, agent, request)
    )
    with hub.database.read() as fresh:
        return replies.reply(fresh, hub.settings, given)


@router.get("/leases/{lease}/output")
def watch(lease: UUID, hub: TheHub, after: Annotated[int, Query(ge=0)] = 0) -> LiveOutput:
    """What a running lease printed after a cursor, and its losses so far."""
    return hub.outputs.watch(lease, after)


@router.post("/leases/{lease}/release", status_code=204, responses=refusals(Unauthorized, NotYours))
def release(lease: UUID, said: Release, agent: CurrentAgent, unit: Work) -> None:
    """Give a lease back at once. Safe to send again."""
    work.release(unit, lease, agent, said)


@router.get("/leases")
def leases(
    session: Read, hub: TheHub, goal: str | None = None, parked: bool = False
) -> Annotated[list[Lease], "held or parked"]:
    """The leases held now, or with `parked=true` the orders that failed too often."""
    return work.leases(session, hub.clock(), goal, parked)
