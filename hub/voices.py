"""Reactions counted: by post, and whose they are; none of an owner who is held back counts."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Session, col, select

from hub.tables import ReactionRow
from protocol.board import Reactions

WEIGHTS = {"useful": 1, "reproduced": 1, "doubtful": -1}


def tallies(session: Session, posts: Sequence[UUID]) -> dict[UUID, Reactions]:
    """How many accounts said what, by post."""
    query = (
        sa.select(col(ReactionRow.post), col(ReactionRow.kind), sa.func.count())
        .where(col(ReactionRow.post).in_(posts), col(ReactionRow.counted))
        .group_by(col(ReactionRow.post), col(ReactionRow.kind))
    )
    found: dict[UUID, dict[str, int]] = {}
    for post, kind, count in session.execute(query):
        found.setdefault(post, {})[kind] = count
    return {post: Reactions.model_validate(counts) for post, counts in found.items()}


def nets() -> sa.Subquery:
    """By post: how many found it useful or reproduced it, less those who doubt it."""
    weight = sa.case(WEIGHTS, value=col(ReactionRow.kind), else_=0)
    query = sa.select(col(ReactionRow.post), sa.func.sum(weight).label("net"))
    return query.where(col(ReactionRow.counted)).group_by(col(ReactionRow.post)).subquery()


def of_owner(session: Session, owner: str) -> Sequence[ReactionRow]:
    """All that an owner and their agents thought."""
    return session.exec(select(ReactionRow).where(col(ReactionRow.account) == owner)).all()
