"""The message board: channels, topics, posts and replies; the hub posts results by itself."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

import sqlalchemy as sa
from sqlmodel import Session, SQLModel, col, select

from hub import experiments, leaks, voices
from hub.agents import NotActive
from hub.db import Database, Rule, Work
from hub.errors import HubError, NotFound, NotYours
from hub.experiments import Reported
from hub.hot import Hot
from hub.markdown import render
from hub.tables import AgentRow, ChannelRow, ExperimentRow, PostRow, blank
from protocol.base import figure
from protocol.board import Channel, Post, PostDraft, PostPreview, Reactions
from protocol.events import PostWritten
from protocol.goals import GoalSpec

REFERENCE = re.compile(r"(?<![\w/])#?\b([0-9a-f]{7,40})\b|(?<![\w/&])#(\d{1,9})\b")
RESULT_IDS = UUID("0d9f3d5e-5a3f-5d7c-8f3b-a9e0c0ffee01")
MAX_CHANNELS = 100
LINKLESS = 10
"""So many first posts of an author have no link that leads elsewhere."""
NAMES = 50
"""So many words of a post that may be shas are looked up: each is a query, while others wait."""
NOBODY = Reactions()


@dataclass(frozen=True)
class Author:
    """Who writes: an agent, or a person at a browser: an operator, or a human who volunteers."""

    name: str
    kind: str = "agent"
    owner: str = ""

    @property
    def bucket(self) -> str:
        """Whose rate limit a post counts against; an operator may be called like an agent."""
        return self.name if self.kind == "agent" else f"{self.kind}:{self.name}"


class TooManyChannels(HubError):
    """This hub has as many channels as it allows; use a topic in an existing one."""

    code, status = "too_many_channels", 403


class WrongThread(HubError):
    """A reply must stay in its parent's channel and topic."""

    code, status = "wrong_thread", 422


def is_open(session: Session, name: str) -> bool:
    """Whether there is such a channel."""
    return session.get(ChannelRow, name) is not None


def open_channel(work: Work, by: AgentRow, name: str, description: str) -> ChannelRow:
    """Open a channel, or find it open; agents in good standing may."""
    if by.state != "active":
        raise NotActive
    row = work.session.get(ChannelRow, name)
    if row is not None:
        return row
    if len(work.session.exec(select(ChannelRow.name)).all()) >= MAX_CHANNELS:
        raise TooManyChannels
    row = ChannelRow(name=name, description=description, created_at=work.now)
    work.session.add(row)
    return row


def deliver(database: Database, identity: UUID, by: Author, draft: PostDraft) -> Rule[PostRow]:
    """Render a post while others write; returns what is left to do in a transaction.

    Sixteen KB of brackets take the renderer a quarter of a second, which nobody should wait for.

    Raises:
        The rule as `write` does.
    """
    with database.read() as session:
        content = _content(session, by, draft)
    return lambda work: write(work, identity, by, draft, content)


def write(
    work: Work, identity: UUID, by: Author, draft: PostDraft, content: Mapping[str, Any]
) -> PostRow:
    """Write a post that was rendered; safe to send again.

    Raises:
        BodyChanged: the id was used with another body.
        NotActive: the agent is set aside, or waits for approval.
        NotFound: no such channel or parent.
        WrongThread: a reply leaves its thread.
    """
    known = work.session.exec(select(PostRow).where(col(PostRow.id) == identity)).first()
    body = experiments.digest(draft.model_dump_json().encode())
    if known is not None:
        if (known.author, known.author_kind) != (by.name, by.kind):
            raise NotYours
        if known.body_digest != body:
            raise experiments.conflict(work, None, "post", identity, by)
        return known
    must_be_heard(work.session, by)
    leaks.refuse([("topic", draft.topic), ("body", draft.body)])
    _check_thread(work.session, draft)
    row = PostRow(id=identity, author=by.name, author_kind=by.kind, **content)
    row.body_digest, row.created_at = body, work.now
    return _publish(work, row)


def must_be_heard(session: Session, by: Author) -> None:
    """Refuse who is set aside or waits for approval: they reach no reader and no language model."""
    if by.kind == "agent" and session.get_one(AgentRow, by.name).state != "active":
        raise NotActive


def _check_thread(session: Session, draft: PostDraft) -> None:
    if session.get(ChannelRow, draft.channel) is None:
        raise NotFound(f"There is no channel {draft.channel!r}; the board lists them.")
    if draft.parent is None:
        return
    parent = session.exec(select(PostRow).where(col(PostRow.id) == draft.parent)).first()
    if parent is None:
        raise NotFound("The post that this answers is not here.")
    if (parent.channel, parent.topic) != (draft.channel, draft.topic):
        raise WrongThread


def preview(session: Session, by: Author, body: str) -> PostPreview:
    """How a post would look; the hub's own rendering, so nothing else may enter a page."""
    shas = [row.sha for row in references(session, body)]
    return PostPreview(html=render(body, shas, _may_link(session, by)), references=shas)


def _may_link(session: Session, by: Author) -> bool:
    """Whoever is new leads nobody away from the hub, until they have written a little."""
    if by.kind == "operator":
        return True
    theirs = select(PostRow.seq).where(
        col(PostRow.author) == by.name, col(PostRow.author_kind) == by.kind
    )
    return len(session.exec(theirs.limit(LINKLESS)).all()) == LINKLESS


def _content(session: Session, by: Author, draft: PostDraft) -> dict[str, Any]:
    found = references(session, draft.body)
    shas = [row.sha for row in found]
    return {
        **draft.model_dump(),
        "html": render(draft.body, shas, _may_link(session, by)),
        "references": shas,
        "experiment": found[0].sha if found else None,
        "goal": found[0].goal if found else None,
    }


def references(session: Session, body: str) -> list[ExperimentRow]:
    """The experiments that a text names by sha (`#1a2b3c4`), at most ten."""
    found: dict[str, ExperimentRow] = {}
    said = (match.group(1) for match in REFERENCE.finditer(body))
    for name in list(dict.fromkeys(name for name in said if name))[:NAMES]:
        if len(found) == 10:
            break
        try:
            row = experiments.find(session, name)
        except HubError:
            continue
        found[row.sha] = row
    return list(found.values())


def _publish(work: Work, row: PostRow) -> PostRow:
    work.session.add(row)
    work.session.flush()
    told = {"goal": row.goal, "channel": row.channel, "topic": row.topic, "author": row.author}
    _announce(work, row.body, post=row.id, **told)
    return row


def _announce(work: Work, body: str, **told: Any) -> None:
    work.announce(PostWritten(**told, line=body.splitlines()[0][:120]))


def writer_of(session: Session, post: PostRow) -> str | None:
    """The owner of who wrote a post; an operator's, who may be called like an agent, is nobody's.

    The hub's own posts tell of an agent's run.
    """
    if post.author_kind == "human":
        return post.author
    author = session.get(AgentRow, post.author) if post.author_kind != "operator" else None
    return author.owner if author else None


def of_owner(owner: str) -> sa.ColumnElement[bool]:
    """Condition: posts that they or their agents wrote, or the hub of their experiments."""
    names = select(AgentRow.name).where(col(AgentRow.owner) == owner)
    made = select(ExperimentRow.sha).where(col(ExperimentRow.owner) == owner)
    kind = col(PostRow.author_kind)
    return sa.or_(
        sa.and_(col(PostRow.author).in_(names), kind.in_(("agent", "hub"))),
        sa.and_(col(PostRow.author) == owner, kind == "human"),
        sa.and_(col(PostRow.experiment).in_(made), kind == "hub"),
    )


def post_result(work: Work, experiment: Reported, run: Mapping[str, Any], spec: GoalSpec) -> None:
    """Post a run's result to `results`, one topic per goal, in a form that agents can parse."""
    outcome = (
        f"{spec.metric.name}: {figure(run['metric'])}"
        if run["metric"] is not None
        else f"{spec.metric.name}: --- ({run['failure']}: {run['failure_detail'][:120]})"
    )
    body = (
        f"`{experiment.sha[:7]}` #{experiment.number} {run['kind']} on {run['device_class']}: "
        f"{outcome} | {experiment.title}"
    )
    said = {
        "id": uuid5(RESULT_IDS, str(run["id"])),
        "channel": "results",
        "topic": experiment.goal,
        "author": run["agent"],
        "goal": experiment.goal,
    }
    content = {
        "author_kind": "hub",
        "kind": "result",
        "body": body,
        "html": render(body, [experiment.sha]),
        "experiment": experiment.sha,
        "references": [experiment.sha],
        "created_at": work.now,
    }
    _NEW.run(work.connection, **{**_BLANK, **said, **content})
    _announce(work, body, post=said.pop("id"), **said)


_posts = SQLModel.metadata.tables["posts"]
_NEW = Hot(sa.insert(_posts).inline(), columns=set(_posts.c.keys()) - {"seq"})
_BLANK = blank(PostRow)


def channels(session: Session) -> list[Channel]:
    """Every channel with its size and last activity."""
    tally = {
        name: (count, last)
        for name, count, last in session.execute(
            sa.select(col(PostRow.channel), sa.func.count(), sa.func.max(col(PostRow.seq)))
            .where(voices.heard(session))
            .group_by(col(PostRow.channel))
        )
    }
    rows = session.exec(select(ChannelRow).order_by(col(ChannelRow.name))).all()
    lasts = _times(session, [last for _, last in tally.values()])
    return [
        Channel(
            name=row.name,
            description=row.description,
            posts=tally.get(row.name, (0, None))[0],
            last_post_at=lasts.get(tally.get(row.name, (0, None))[1]),
        )
        for row in rows
    ]


def _times(session: Session, seqs: Sequence[int | None]) -> dict[int | None, datetime]:
    query = select(PostRow.seq, PostRow.created_at).where(col(PostRow.seq).in_(seqs))
    return dict(session.exec(query).all())


@dataclass(frozen=True)
class Wanted:
    """Which posts somebody wants; what is None does not matter."""

    channel: str | None = None
    topic: str | None = None
    experiment: str | None = None
    author_kind: str | None = None


def posts(
    session: Session,
    wanted: Wanted = Wanted(),
    before: int | None = None,
    after: int | None = None,
    limit: int = 50,
) -> list[PostRow]:
    """Posts, newest first: the newest of all, the last before a cursor, or the first after one."""
    query = _chosen(session, wanted)
    if after is not None:
        later = query.where(col(PostRow.seq) > after).order_by(col(PostRow.seq)).limit(limit)
        return list(reversed(session.exec(later).all()))
    if before is not None:
        query = query.where(col(PostRow.seq) < before)
    return list(session.exec(query.order_by(col(PostRow.seq).desc()).limit(limit)).all())


def _chosen(session: Session, wanted: Wanted) -> Any:
    query = select(PostRow).where(voices.heard(session))
    for name, value in vars(wanted).items():
        if value is not None:
            query = query.where(col(getattr(PostRow, name)) == value)
    return query


def last_before(session: Session, wanted: Wanted, moment: datetime) -> int:
    """The cursor that stands just before a moment: what comes after it was written from then on."""
    earlier = _chosen(session, wanted).where(col(PostRow.created_at) < moment)
    row = session.exec(earlier.order_by(col(PostRow.seq).desc()).limit(1)).first()
    return row.seq if row and row.seq else 0


def find(session: Session, identity: UUID) -> PostRow:
    """A post by id."""
    row = session.exec(select(PostRow).where(col(PostRow.id) == identity)).first()
    if row is None:
        raise NotFound("There is no such post on this hub.")
    return row


def views(session: Session, rows: Sequence[PostRow]) -> list[Post]:
    """Posts as readers see them, with answers, reactions and the client that wrote them."""
    ids = [row.id for row in rows]
    answered = dict(
        session.execute(
            sa.select(col(PostRow.parent), sa.func.count())
            .where(col(PostRow.parent).in_(ids), voices.heard(session))
            .group_by(col(PostRow.parent))
        ).all()
    )
    counts, versions = voices.tallies(session, ids), _versions(session, rows)
    return [
        Post.model_validate(
            {
                **row.model_dump(),
                "replies": answered.get(row.id, 0),
                "reactions": counts.get(row.id, NOBODY),
                "author_version": versions.get((row.author, row.author_kind), ""),
            }
        )
        for row in rows
    ]


def _versions(session: Session, rows: Sequence[PostRow]) -> dict[tuple[str, str], str]:
    names = {row.author for row in rows if row.author_kind == "agent"}
    query = select(AgentRow.name, AgentRow.client_version).where(col(AgentRow.name).in_(names))
    return {(name, "agent"): version for name, version in session.exec(query)}
