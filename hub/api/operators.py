"""Operators: one address to act, one to preview, and what they need to see."""

import csv
import io
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Query
from fastapi.responses import PlainTextResponse

from hub import (
    experiments,
    goal_drafts,
    goals,
    invites,
    moderation,
    operators,
    review,
    revisions,
    rolls,
    sessions,
    sheets,
    tokens,
)
from hub.agents import NotActive
from hub.api.deps import (
    ActingDesk,
    CurrentOperator,
    Foreseen,
    PostingAuthor,
    Read,
    RehearsalDesk,
    TheHub,
    Work,
)
from hub.api.problems import refusals
from hub.desk import ChangedSince, NoChange, OwnThing
from hub.errors import BodyChanged, Forbidden, NotFound, TooMany, Unauthorized
from hub.sessions import Forged
from protocol.acts import ActRequest
from protocol.operators import (
    Acted,
    ActionEntry,
    Actions,
    Findings,
    Flag,
    FlagDraft,
    FolderName,
    GoalCheck,
    GoalDiff,
    GoalDraft,
    GoalTexts,
    GoalVersion,
    Health,
    InviteInfo,
    NoticeInfo,
    OperatorInfo,
    OwnerInfo,
    Planned,
    Preview,
    Queue,
    TokenInfo,
)

MOST_SEQ = 2**63 - 1
Said = Annotated[ActRequest, Body()]
Cursor = Annotated[int | None, Query(ge=1, le=MOST_SEQ)]
Name = Annotated[str | None, Query(max_length=64)]
refused = refusals(
    Unauthorized, Forbidden, Forged, NotFound, OwnThing, NoChange, ChangedSince, TooMany
)


def _known(operator: CurrentOperator) -> None:
    """Everything here is for operators."""


router = APIRouter(prefix="/v1/ops", tags=["operators"], dependencies=[Depends(_known)])
flags = APIRouter(prefix="/v1/flags", tags=["operators"])


@router.post("/actions", responses=refused)
def act(said: Said, desk: ActingDesk) -> Acted:
    """Do something; the log keeps who, what and why."""
    return operators.act(desk, said)


@router.post("/preview", responses=refused)
def preview(said: Said, mind: Foreseen, desk: RehearsalDesk) -> Preview:
    """What an action would do, cascade and next ten work orders included, without doing it."""
    return operators.preview(desk, said, mind)


@router.get("/plan", responses=refused)
def plan(mind: Foreseen, desk: RehearsalDesk) -> list[Planned]:
    """The next ten work orders as things stand."""
    return operators.next_orders(desk, mind)


def _asked(
    operator: Name = None, action: Name = None, about: Name = None, goal: Name = None
) -> operators.Asked:
    return operators.Asked(operator, action, about, goal)


@router.get("/actions", responses=refused)
def actions(
    session: Read,
    asked: Annotated[operators.Asked, Depends(_asked)],
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Actions:
    """The append-only log, the newest first."""
    found = operators.log(session, asked, before=cursor, limit=limit)
    following = str(found[-1].seq) if len(found) == limit else None
    return Actions(actions=found, next_cursor=following)


@router.get("/actions.csv", response_class=PlainTextResponse, responses=refused)
def actions_csv(
    session: Read, asked: Annotated[operators.Asked, Depends(_asked)]
) -> PlainTextResponse:
    """The newest 10,000 lines of the log as CSV, of those asked for."""
    found = operators.log(session, asked, limit=10_000)
    return PlainTextResponse(_csv(found), media_type="text/csv")


def _csv(entries: list[ActionEntry]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    columns = ["seq", "at", "operator", "action", "object", "goal", "reason", "sentence"]
    writer.writerow(columns)
    for entry in entries:
        cells = entry.model_dump(mode="json", include=set(columns))
        writer.writerow([sheets.inert(cells[column]) for column in columns])
    return out.getvalue()


@router.get("/queue", responses=refused)
def queue(session: Read) -> Queue:
    """What waits for a decision, the oldest first."""
    return review.queue(session)


@router.get("/tokens", responses=refused)
def list_tokens(session: Read, subject: Name = None) -> list[TokenInfo]:
    """Tokens with their last use; never the secrets."""
    rows = tokens.browse(session, subject)
    return [TokenInfo.model_validate(row.model_dump()) for row in rows]


@router.get("/invites", responses=refused)
def list_invites(session: Read, hub: TheHub, every: bool = False) -> list[InviteInfo]:
    """Invites that still admit somebody, or every one."""
    rows = invites.browse(session, hub.clock(), every)
    return [InviteInfo.model_validate(row.model_dump()) for row in rows]


@router.get("/owners", responses=refused)
def list_owners(session: Read, cursor: Name = None) -> list[OwnerInfo]:
    """Owners by name, 200 at a time after a cursor."""
    return rolls.owners(session, cursor or "")


@router.get("/operators", responses=refused)
def list_operators(session: Read) -> list[OperatorInfo]:
    """Who curates this hub."""
    return [OperatorInfo.model_validate(row.model_dump()) for row in sessions.browse(session)]


@router.get("/notices", responses=refused)
def list_notices(session: Read) -> list[NoticeInfo]:
    """Notices, withdrawn ones included."""
    return rolls.notices(session)


@router.get("/health", responses=refused)
def health(session: Read, hub: TheHub) -> Health:
    """How the hub is."""
    return rolls.health(session, hub.settings, hub.clock())


@router.get("/goals/{slug}/versions", responses=refused)
def versions(slug: str, session: Read) -> list[GoalVersion]:
    """A goal's versions, the newest first."""
    return revisions.versions(session, goals.find(session, slug))


@router.get("/goals/{slug}/diff", responses=refused)
def diff(
    slug: str,
    session: Read,
    base: Annotated[int, Query(ge=1, lt=2**31)],
    version: Annotated[int, Query(ge=1, lt=2**31)],
) -> GoalDiff:
    """What changed between two versions of a goal."""
    return revisions.unified(session, goals.find(session, slug), version, base)


@router.get("/folders", responses=refused)
def folders(session: Read) -> list[FolderName]:
    """Goals whose files one may begin with: of this hub, or of the library."""
    return goal_drafts.names(session)


@router.get("/folders/{name}", responses=refused)
def folder(name: str, session: Read, of: Literal["hub", "library"] = "library") -> GoalTexts:
    """A goal's folder as texts, `goal.toml` included."""
    return goal_drafts.texts(session, name, of)


@router.post("/folders/check", responses=refused)
def check_folder(draft: GoalDraft) -> GoalCheck:
    """Look at a goal's folder as `hub goal validate` does; nothing is opened."""
    return goal_drafts.check(draft.files)


@router.get("/experiments/{sha}/findings", responses=refused)
def findings(sha: str, session: Read) -> Findings:
    """What the policy saw in an experiment's code."""
    return review.findings(session, experiments.find(session, sha).sha)


@flags.put(
    "/{identity}", responses=refusals(Unauthorized, Forbidden, NotFound, NotActive, BodyChanged)
)
def flag(identity: UUID, draft: FlagDraft, author: PostingAuthor, work: Work) -> Flag:
    """Point the operators at something, as an agent or as a person; safe to send again."""
    return moderation.view(moderation.raise_flag(work, identity, author, draft))
