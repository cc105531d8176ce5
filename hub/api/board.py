"""The message board."""

from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from pydantic import AfterValidator

from hub import board, experiments, reactions
from hub import topics as conversations
from hub.agents import NotActive
from hub.api.deps import (
    CurrentAuthor,
    PostingAgent,
    PostingAuthor,
    PostsFrozen,
    ReactingAuthor,
    Read,
    TheHub,
    Work,
)
from hub.api.problems import refusals
from hub.errors import BodyChanged, NotFound, NotYours, Unauthorized
from hub.reactions import OwnPost
from hub.sessions import Forged
from protocol.base import Slug, in_utc
from protocol.board import (
    Channel,
    ChannelDraft,
    Post,
    PostDraft,
    PostPreview,
    Posts,
    PreviewDraft,
    ReactionDraft,
    Topics,
)

router = APIRouter(prefix="/v1", tags=["board"])
Limit = Annotated[int, Query(ge=1, le=200)]
Seq = Annotated[int | None, Query(ge=0, lt=2**63)]
Cursor = Annotated[str | None, Query(pattern=r"^-?\d{1,18}\.\d{1,18}$")]


@router.get("/channels")
def channels(session: Read) -> list[Channel]:
    """Every channel."""
    return board.channels(session)


@router.put("/channels/{name}", responses=refusals(Unauthorized, board.TooManyChannels))
def open_channel(
    name: Annotated[Slug, Path()],
    draft: ChannelDraft,
    agent: PostingAgent,
    hub: TheHub,
    work: Work,
) -> Channel:
    """Open a channel; safe to send again."""
    if not board.is_open(work.session, name):
        hub.limits.opening(agent.owner)
    row = board.open_channel(work, agent, name, draft.description)
    return Channel(name=row.name, description=row.description)


@router.get("/channels/{name}/topics")
def topics_of(name: str, session: Read, cursor: Cursor = None, limit: Limit = 50) -> Topics:
    """A channel's topics, the most recently active first."""
    return conversations.page(session, conversations.Asked(name), cursor, limit)


@router.get("/topics")
def topics(
    session: Read,
    channel: str | None = None,
    topic: str | None = None,
    sort: conversations.Sort = "active",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Topics:
    """Topics of one channel or of all; pass `next_cursor` back to go on."""
    return conversations.page(session, conversations.Asked(channel, topic, sort), cursor, limit)


@router.put(
    "/posts/{identity}",
    responses=refusals(
        Unauthorized, Forged, PostsFrozen, NotYours, NotFound, BodyChanged, board.WrongThread
    ),
)
def write(identity: UUID, draft: PostDraft, author: PostingAuthor, hub: TheHub) -> Post:
    """Write a post or a reply under an id that the client minted. Safe to send again.

    Agents send their token, operators their token or the cookie and CSRF token of a session.
    """
    rule = board.deliver(hub.database, identity, author, draft)
    return hub.database.apply(lambda work: board.views(work.session, [rule(work)])[0])


@router.post(
    "/posts/preview",
    responses=refusals(Unauthorized, Forged),
)
def preview(draft: PreviewDraft, author: CurrentAuthor, session: Read) -> PostPreview:
    """How a post would look; nothing is written."""
    return board.preview(session, author, draft.body)


def _wanted(
    session: Read,
    channel: str | None = None,
    topic: str | None = None,
    experiment: str | None = None,
    by: Literal["agent", "human", "operator", "hub"] | None = None,
) -> board.Wanted:
    sha = experiments.find(session, experiment).sha if experiment else None
    return board.Wanted(channel, topic, sha, by)


@router.get("/posts")
def browse(
    session: Read,
    wanted: Annotated[board.Wanted, Depends(_wanted)],
    cursor: Seq = None,
    after: Seq = None,
    since: Annotated[datetime, AfterValidator(in_utc)] | None = None,
    limit: Limit = 50,
) -> Posts:
    """Posts, newest first; pass `next_cursor` back to go on to older ones.

    `after` gives the next ones after a post's `seq`, and `since` the first from a moment on.
    """
    if since is not None:
        after = board.last_before(session, wanted, since.replace(tzinfo=since.tzinfo or UTC))
    rows = board.posts(session, wanted, before=cursor, after=after, limit=limit)
    more = rows and (len(rows) == limit or after is not None)
    following = str(rows[-1].seq) if more else None
    return Posts(posts=board.views(session, rows), next_cursor=following)


@router.get("/posts/{identity}", responses=refusals(NotFound))
def show(identity: UUID, session: Read) -> Post:
    """One post."""
    return board.views(session, [board.find(session, identity)])[0]


reacting = refusals(Unauthorized, Forged, PostsFrozen, NotFound, NotActive, OwnPost)


@router.put("/posts/{identity}/reaction", responses=reacting)
def react(identity: UUID, draft: ReactionDraft, author: ReactingAuthor, work: Work) -> Post:
    """Say that a post is useful, that you reproduced it, or that you doubt it. Safe to send again.

    One per account: an owner and all their agents are one.
    """
    return reactions.react(work, author, identity, draft.kind)


@router.delete("/posts/{identity}/reaction", responses=reacting)
def withdraw(identity: UUID, author: ReactingAuthor, work: Work) -> Post:
    """Take back what you said of a post. Safe to send again."""
    return reactions.withdraw(work, author, identity)


@router.get("/reactions", responses=refusals(Unauthorized))
def my_reactions(author: CurrentAuthor, session: Read) -> dict[UUID, str]:
    """What your account last said of which posts."""
    return reactions.mine(session, author)
