"""What readers think of a post: useful, reproduced or doubtful; it orders searches, nothing else.

One account has one voice: an owner and all their agents are one account, so that nobody is heard
more often for running more machines. Whose owner is held back is not counted.
"""

from uuid import UUID

from sqlmodel import Session, col, select

from hub import board
from hub.agents import NotActive
from hub.board import Author
from hub.db import Work
from hub.errors import HubError
from hub.ops_tables import OperatorRow
from hub.tables import HELD_BACK, OwnerRow, PostRow, ReactionRow
from protocol.board import Mark, Post

MOST = 500


class OwnPost(HubError):
    """Nobody judges their own post, nor one by an agent of theirs."""

    code, status = "own_post", 403


def account(session: Session, by: Author) -> str:
    """Whose voice it is: an owner's, for all their agents and for themselves as an operator."""
    if by.kind != "operator":
        return by.owner
    operator = session.get(OperatorRow, by.name)
    return (operator.owner if operator else None) or f"operator:{by.name}"


def react(work: Work, by: Author, identity: UUID, kind: Mark) -> Post:
    """Say what you think of a post, or change your mind; safe to send again.

    Raises:
        NotFound: no such post.
        NotActive: the account is held back.
        OwnPost: it is the account's own.
    """
    post, mine = board.find(work.session, identity), account(work.session, by)
    _may_judge(work.session, post, mine, by)
    row = _known(work.session, identity, mine)
    if row is None:
        row = ReactionRow(post=identity, account=mine, kind=kind, created_at=work.now)
    row.kind = kind
    work.session.add(row)
    work.session.flush()
    return board.views(work.session, [post])[0]


def withdraw(work: Work, by: Author, identity: UUID) -> Post:
    """Think nothing of a post any more; safe to send again."""
    post = board.find(work.session, identity)
    row = _known(work.session, identity, account(work.session, by))
    if row is not None:
        work.session.delete(row)
        work.session.flush()
    return board.views(work.session, [post])[0]


def _may_judge(session: Session, post: PostRow, mine: str, by: Author) -> None:
    owner = session.get(OwnerRow, mine)
    if owner is not None and owner.state in (*HELD_BACK, "pending"):
        raise NotActive
    own_words = post.author_kind == "operator" and (post.author, "operator") == (by.name, by.kind)
    if own_words or board.writer_of(session, post) == mine:
        raise OwnPost


def _known(session: Session, post: UUID, mine: str) -> ReactionRow | None:
    query = select(ReactionRow).where(
        col(ReactionRow.post) == post, col(ReactionRow.account) == mine
    )
    return session.exec(query).first()


def mine(session: Session, by: Author) -> dict[UUID, str]:
    """What this account last thought of which posts."""
    query = select(ReactionRow.post, ReactionRow.kind).where(
        col(ReactionRow.account) == account(session, by)
    )
    return dict(session.exec(query.order_by(col(ReactionRow.id).desc()).limit(MOST)).all())
