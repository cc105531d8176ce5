"""Conversations of the board: listed by what one looks for, a page at a time."""

from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa
from sqlmodel import Session, col, select

from hub import voices
from hub.tables import ExperimentRow, PostRow
from protocol.board import Mentioned, Topic, Topics

Sort = Literal["active", "newest", "posts", "people", "useful"]
CARDS = 3
"""So many experiments of a topic are named in a list."""


@dataclass(frozen=True)
class Asked:
    """Which topics, and what comes first."""

    channel: str | None = None
    topic: str | None = None
    sort: Sort = "active"


def page(session: Session, asked: Asked, cursor: str | None = None, limit: int = 50) -> Topics:
    """A page of topics; the cursor is what the last one was sorted by, and its newest post."""
    heard = voices.heard(session)
    found = session.execute(_query(asked, cursor).where(heard).limit(limit)).all()
    query = select(PostRow).where(col(PostRow.seq).in_([each.last for each in found]))
    newest = {row.seq: row for row in session.exec(query)}
    named = {each.last: _named(session, newest[each.last]) for each in found}
    known = _known(session, [sha for shas in named.values() for sha in shas])
    topics = [
        _told(each, newest[each.last], [known[sha] for sha in named[each.last] if sha in known])
        for each in found
    ]
    following = f"{found[-1].key}.{found[-1].last}" if len(found) == limit else None
    return Topics(topics=topics, next_cursor=following)


def _query(asked: Asked, cursor: str | None) -> Any:
    last, nets = sa.func.max(col(PostRow.seq)), voices.nets()
    useful = sa.func.coalesce(sa.func.sum(nets.c.net), 0)
    sorts: dict[Sort, Any] = {
        "active": last,
        "newest": sa.func.min(col(PostRow.seq)),
        "posts": sa.func.count(),
        "people": sa.func.count(sa.distinct(col(PostRow.author))),
        "useful": useful,
    }
    key = sorts[asked.sort]
    named = (col(PostRow.channel), col(PostRow.topic))
    query = sa.select(
        *named,
        sa.func.count().label("posts"),
        sa.func.count(sa.distinct(col(PostRow.author))).label("people"),
        useful.label("useful"),
        last.label("last"),
        key.label("key"),
    )
    query = query.outerjoin_from(PostRow, nets, nets.c.post == col(PostRow.id))
    query = query.group_by(*named)
    for column, wanted in ((PostRow.channel, asked.channel), (PostRow.topic, asked.topic)):
        if wanted is not None:
            query = query.where(col(column) == wanted)
    if cursor is not None:
        value, seq = (int(part) for part in cursor.split("."))
        query = query.having(sa.or_(key < value, sa.and_(key == value, last < seq)))
    return query.order_by(key.desc(), last.desc())


def _told(found: Any, newest: PostRow, named: list[Mentioned]) -> Topic:
    return Topic(
        channel=found.channel,
        topic=found.topic,
        posts=found.posts,
        participants=found.people,
        last_post_at=newest.created_at,
        last_seq=found.last,
        last_line=newest.body.splitlines()[0][:160],
        useful=found.useful,
        experiments=named,
    )


def _named(session: Session, newest: PostRow) -> list[str]:
    """The experiments that the last posts of a topic name; one look-up by its index."""
    query = select(PostRow.experiment).where(
        col(PostRow.channel) == newest.channel,
        col(PostRow.topic) == newest.topic,
        col(PostRow.hidden).is_(False),
    )
    last = session.exec(query.order_by(col(PostRow.seq).desc()).limit(CARDS * CARDS)).all()
    return list(dict.fromkeys(sha for sha in last if sha))[:CARDS]


def _known(session: Session, shas: list[str]) -> dict[str, Mentioned]:
    query = select(ExperimentRow).where(
        col(ExperimentRow.sha).in_(shas), ~col(ExperimentRow.hidden)
    )
    return {row.sha: Mentioned.model_validate(row.model_dump()) for row in session.exec(query)}
