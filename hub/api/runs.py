"""Runs: reported exactly once, read as metrics, curve and log."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import PlainTextResponse

from hub import reports, runs
from hub.api.deps import Read, Reporter, TheHub, Who
from hub.api.problems import refusals
from hub.blobs import BlobMissing, StoreAway
from hub.core import Hub
from hub.db import Rule
from hub.errors import BodyChanged, NotFound, NotYours, Unauthorized
from protocol.runs import Curve, Receipt, Run, RunReport

router = APIRouter(prefix="/v1/runs", tags=["runs"])


@router.put(
    "/{identity}",
    responses=refusals(
        Unauthorized,
        NotYours,
        NotFound,
        BodyChanged,
        reports.WrongExperiment,
        reports.WrongNonce,
        reports.AlreadyReported,
        reports.Implausible,
    ),
)
def report(identity: UUID, said: RunReport, who: Reporter, hub: TheHub) -> Receipt:
    """Report a run under an id that the client minted. Safe to send again."""
    return hub.database.apply(reporting(identity, said, who, hub))


def reporting(identity: UUID, said: RunReport, who: Who, hub: Hub) -> Rule[Receipt]:
    """What is left of a report once its large parts are packed."""
    return reports.deliver(hub.database, identity, who, said)


@router.get("/{identity}", responses=refusals(NotFound))
def show(identity: UUID, session: Read) -> Run:
    """One run."""
    return runs.view(runs.find(session, identity))


@router.get("/{identity}/curve", responses=refusals(NotFound, BlobMissing, StoreAway))
def curve(
    identity: UUID,
    session: Read,
    hub: TheHub,
    points: Annotated[int, Query(ge=10, le=2000)] = 2000,
) -> Curve:
    """Its learning curve, thinned to so many points by bucket minimum and maximum."""
    return runs.curve(hub.blobs, runs.find(session, identity), points)


@router.get(
    "/{identity}/log",
    response_class=PlainTextResponse,
    responses=refusals(NotFound, BlobMissing, StoreAway),
)
def log(
    identity: UUID,
    session: Read,
    hub: TheHub,
    tail: Annotated[int, Query(ge=1, le=100_000)] = 200,
    before: Annotated[int | None, Query(ge=1, lt=2**31)] = None,
) -> PlainTextResponse:
    """The last lines of its log as plain text, or the last of those before line `before`.

    `X-First-Line` says which line comes first (1 is the log's first), `X-Lines` how many there are.
    """
    part = runs.log_part(hub.blobs, runs.find(session, identity), tail, before)
    return PlainTextResponse(
        part.text, headers={"X-First-Line": str(part.first), "X-Lines": str(part.total)}
    )
