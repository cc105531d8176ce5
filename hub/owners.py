"""Owners at home: they see what is theirs, pause, stop and resume it, and end its tokens."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Session, col, select

from hub import agents, scheduling, tokens
from hub.agents import NotActive
from hub.db import Work
from hub.errors import NotFound
from hub.tables import AgentRow, OwnerRow, RunRow, TokenRow
from protocol.agents import Agent, Device
from protocol.owners import Mine, OwnAgent, OwnToken
from protocol.work import WorkRequest

KINDS = ("agent", "verifier")
WISHES = {"resume": "", "pause": "pause", "stop": "stop"}
PAUSED = "You paused it here: it finishes its run and gets no more work."
STOPPED = "You stopped it here: its run ends and it gets no more work."


def mine(session: Session, owner: OwnerRow, now: datetime) -> Mine:
    """Everything of an owner's."""
    rows = session.exec(
        select(AgentRow).where(col(AgentRow.owner) == owner.name).order_by(col(AgentRow.name))
    ).all()
    held = _tokens(session, [row.name for row in rows], now)
    views = zip(rows, agents.views(session, rows, now), strict=True)
    return Mine(
        **owner.model_dump(exclude={"name"}),
        owner=owner.name,
        agents=[
            OwnAgent(
                agent=view,
                idle=why_idle(session, owner, row, view, now),
                tokens=[OwnToken.model_validate(token.model_dump()) for token in held[row.name]],
            )
            for row, view in views
        ],
    )


def _tokens(session: Session, names: list[str], now: datetime) -> dict[str, list[TokenRow]]:
    query = select(TokenRow).where(
        col(TokenRow.subject).in_(names),
        col(TokenRow.kind).in_(KINDS),
        col(TokenRow.revoked_at).is_(None),
    )
    found: dict[str, list[TokenRow]] = {name: [] for name in names}
    for row in session.exec(query.order_by(col(TokenRow.created_at))):
        if row.expires_at is None or row.expires_at > now:
            found[row.subject].append(row)
    return found


def why_idle(session: Session, owner: OwnerRow, row: AgentRow, view: Agent, now: datetime) -> str:
    """Why an agent has no work, in words; empty while it has some."""
    if row.wish:
        return STOPPED if row.wish == "stop" else PAUSED
    if view.working_on is not None:
        return ""
    if owner.state != "active" or row.state != "active":
        return _held_back(owner, row)
    if row.last_seen_at is None or row.last_seen_at < now - agents.ONLINE:
        return "The hub has not heard of it lately: its client is stopped or cannot reach the hub."
    asked = WorkRequest(device=Device.model_validate(row.device))
    if not scheduling.open_goals(session, asked):
        return scheduling.why_none(session, asked)[1]
    return "It is between two runs, or the hub had nothing for it; it asks again by itself."


def _held_back(owner: OwnerRow, row: AgentRow) -> str:
    if owner.state == "pending":
        return "An operator of the hub has to approve you first."
    return f"It is {row.state}; an operator of the hub can say why."


def wish(work: Work, owner: OwnerRow, name: str, deed: str) -> Agent:
    """Pause an agent after its run, stop it at once, or let it go on."""
    row = own(work.session, owner, name)
    row.wish = WISHES[deed]
    work.session.flush()
    return agents.views(work.session, [row], work.now)[0]


def mint(work: Work, owner: OwnerRow, name: str) -> str:
    """A further token for an agent that is in good standing."""
    row = own(work.session, owner, name)
    if row.state != "active" or owner.state != "active":
        raise NotActive
    return tokens.issue(work, "agent", row.name)


def revoke(work: Work, owner: OwnerRow, identity: str) -> None:
    """End a token of one of the owner's agents; safe to send again."""
    row = tokens.find(work.session, identity)
    if row.kind not in KINDS:
        raise _nothing()
    own(work.session, owner, row.subject)
    tokens.revoke(work, identity)


def own(session: Session, owner: OwnerRow, name: str) -> AgentRow:
    """An agent of this owner; somebody else's is answered as if it were not there."""
    row = session.get(AgentRow, name)
    if row is None or row.owner != owner.name:
        raise _nothing()
    return row


def _nothing() -> NotFound:
    return NotFound("There is nothing of yours by that name.")


def runs(
    session: Session, owner: OwnerRow, limit: int, after: UUID | None = None
) -> Sequence[RunRow]:
    """The owner's runs, the newest first; those that follow a run of theirs."""
    query = select(RunRow).where(col(RunRow.owner) == owner.name)
    if after is not None:
        last = session.get(RunRow, after)
        if last is None or last.owner != owner.name:
            raise _nothing()
        at, identity = col(RunRow.created_at), col(RunRow.id)
        same = sa.and_(at == last.created_at, identity < last.id)
        query = query.where(sa.or_(at < last.created_at, same))
    newest = query.order_by(col(RunRow.created_at).desc(), col(RunRow.id).desc())
    return session.exec(newest.limit(limit)).all()
