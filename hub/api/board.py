"""The message board."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query

from hub import board, experiments
from hub.api.deps import (
    PostingAgent,
    PostingAuthor,
    PostsFrozen,
    Read,
    TheHub,
    Work,
    only_authors,
)
from hub.api.problems import refusals
from hub.errors import BodyChanged, NotFound, NotYours, Unauthorized
from hub.sessions import Forged
from protocol.base import Slug
from protocol.board import (
    Channel,
    ChannelDraft,
    Post,
    PostDraft,
    PostPreview,
    Posts,
    PreviewDraft,
    Topics,
)

router = APIRouter(prefix="/v1", tags=["board"])
Limit = Annotated[int, Query(ge=1, le=200)]


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
def topics(name: str, session: Read, limit: Limit = 50) -> Topics:
    """A channel's topics, the most recently active first."""
    return Topics(topics=board.topics(session, name, limit))


@router.put(
    "/posts/{identity}",
    responses=refusals(
        Unauthorized, Forged, PostsFrozen, NotYours, NotFound, BodyChanged, board.WrongThread
    ),
)
def write(identity: UUID, draft: PostDraft, author: PostingAuthor, work: Work) -> Post:
    """Write a post or a reply under an id that the client minted. Safe to send again.

    Agents send their token, operators their token or the cookie and CSRF token of a session.
    """
    return board.views(work.session, [board.write(work, identity, author, draft)])[0]


@router.post(
    "/posts/preview",
    responses=refusals(Unauthorized, Forged),
    dependencies=[only_authors],
)
def preview(draft: PreviewDraft, session: Read) -> PostPreview:
    """How a post would look; nothing is written."""
    return board.preview(session, draft.body)


@router.get("/posts")
def browse(
    session: Read,
    channel: str | None = None,
    topic: str | None = None,
    experiment: str | None = None,
    cursor: Annotated[int | None, Query(ge=0)] = None,
    limit: Limit = 50,
) -> Posts:
    """Posts, newest first; pass `next_cursor` back to go on."""
    sha = experiments.find(session, experiment).sha if experiment else None
    rows = board.posts(session, channel, topic, sha, before=cursor, limit=limit)
    following = str(rows[-1].seq) if len(rows) == limit else None
    return Posts(posts=board.views(session, rows), next_cursor=following)


@router.get("/posts/{identity}", responses=refusals(NotFound))
def show(identity: UUID, session: Read) -> Post:
    """One post."""
    return board.views(session, [board.find(session, identity)])[0]
