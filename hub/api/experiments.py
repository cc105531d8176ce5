"""Experiments: propose, read, compare."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from fastapi.responses import PlainTextResponse

from hub import containment, experiments, leaks, preflight, prior, proposals, runs
from hub.api.deps import Proposing, Read, TheHub, Who
from hub.api.problems import refusals
from hub.core import Hub
from hub.db import Rule
from hub.errors import Ambiguous, BodyChanged, NotFound, NotYours, Unauthorized
from protocol.experiments import (
    Diff,
    Experiment,
    Experiments,
    Lineage,
    Proposal,
    Registered,
    Spread,
)
from protocol.runs import Run

router = APIRouter(prefix="/v1/experiments", tags=["experiments"])
Limit = Annotated[int, Query(ge=1, le=1000)]


@router.put(
    "/{identity}",
    responses=refusals(
        Unauthorized,
        NotYours,
        BodyChanged,
        experiments.StaleLease,
        prior.TriedBefore,
        preflight.ProtectedFile,
        preflight.FileTooLarge,
        preflight.UnsafeText,
        preflight.SyntaxBroken,
        preflight.NothingChanged,
        proposals.WrongParent,
        leaks.SecretFound,
        containment.PolicyRefused,
    ),
)
def propose(identity: UUID, proposal: Proposal, who: Proposing, hub: TheHub) -> Registered:
    """Register a proposal under an id that the client minted. Safe to send again."""
    return hub.database.apply(proposing(identity, proposal, who, hub))


def proposing(identity: UUID, proposal: Proposal, who: Who, hub: Hub) -> Rule[Registered]:
    """What is left of a proposal once its text was checked."""
    trusted_after = hub.settings.trusted_after
    return proposals.propose(
        hub.database, hub.git, hub.families, identity, who, proposal, trusted_after=trusted_after
    )


@router.get("/{sha}", responses=refusals(NotFound, Ambiguous))
def show(sha: str, session: Read, goal: str | None = None) -> Experiment:
    """One experiment by full or short sha, or by `%23number` within a goal."""
    return experiments.view(experiments.look_up(session, sha, goal))


@router.get("/{sha}/lineage", response_model=Lineage, responses=refusals(NotFound))
def lineage(sha: str, session: Read, limit: Limit = 1000) -> Response:
    """The experiment and its first parents up to the baseline."""
    steps = experiments.lineage(session, sha, limit)
    if not steps:  # a short sha, most likely
        steps = experiments.lineage(session, experiments.find(session, sha).sha, limit)
    return Response(experiments.lineage_json(steps), media_type="application/json")


@router.get("/{sha}/children", responses=refusals(NotFound))
def children(
    sha: str,
    session: Read,
    cursor: Annotated[int | None, Query(ge=0)] = None,
    limit: Limit = 100,
    sort: Literal["number", "best"] = "number",
) -> Experiments:
    """Its children by number or the best first, those of which it is the second parent included."""
    row = experiments.find(session, sha)
    order = {"number": experiments.children, "best": experiments.best_children}
    found = order[sort](session, row, cursor, limit)
    following = str(found[-1].number) if len(found) == limit else None
    return Experiments(experiments=experiments.views(found), next_cursor=following)


@router.get("/{sha}/spread", responses=refusals(NotFound))
def spread(sha: str, session: Read) -> Spread:
    """How its children scored, as a histogram."""
    return experiments.spread(session, experiments.find(session, sha))


@router.get("/{sha}/runs", responses=refusals(NotFound))
def runs_of(sha: str, session: Read) -> list[Run]:
    """Its runs, oldest first."""
    row = experiments.find(session, sha)
    return [runs.view(run) for run in runs.of(session, row.sha)]


@router.get("/{sha}/diff", responses=refusals(NotFound))
def diff(
    sha: str,
    session: Read,
    hub: TheHub,
    vs: str | None = None,
    context: Annotated[int, Query(ge=0, le=10_000)] = 3,
    ignore_space: bool = False,
) -> Diff:
    """What it changed from its parent, or from any other experiment of its goal (`vs`).

    `context` is how many unchanged lines stand around a change; `ignore_space` leaves out
    changes of white space alone.
    """
    row = experiments.find(session, sha)
    base = experiments.find(session, vs, row.goal).sha if vs else row.parent
    return hub.git.diff(row.goal, base, row.sha, context, ignore_space)


@router.get("/{sha}/files", responses=refusals(NotFound))
def files(sha: str, session: Read, hub: TheHub) -> dict[str, str]:
    """Every file of the experiment as text."""
    row = experiments.find(session, sha)
    return hub.git.files(row.goal, row.sha)


@router.get(
    "/{sha}/files/{path:path}",
    response_class=PlainTextResponse,
    responses=refusals(NotFound),
)
def file(sha: str, path: str, session: Read, hub: TheHub) -> PlainTextResponse:
    """One file of the experiment as plain text."""
    row = experiments.find(session, sha)
    text = hub.git.file(row.goal, row.sha, path)
    if text is None:
        raise NotFound(f"{path!r} is not a file of this experiment.")
    return PlainTextResponse(text)


@router.get("/{sha}/subtree", responses=refusals(NotFound))
def subtree(sha: str, session: Read, limit: Limit = 200) -> Experiments:
    """The experiment and its descendants, nearest first."""
    row = experiments.find(session, sha)
    return Experiments(experiments=experiments.views(experiments.subtree(session, row, limit)))
