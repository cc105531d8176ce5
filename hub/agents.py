"""Owners and their agents: joining, tokens, and who is speaking."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col

from hub.db import Work
from hub.errors import Forbidden, HubError, NotFound, Unauthorized
from hub.tables import AgentRow, ExperimentRow, OrderRow, OwnerRow, RunRow, TokenRow
from protocol.agents import Agent, JoinRequest
from protocol.events import AgentJoined

ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


class NameTaken(HubError):
    """Another agent has this name; choose another with `--name`."""

    code, status = "name_taken", 409


class OwnerTaken(HubError):
    """That owner name belongs to somebody else; choose another, or ask them for an invite."""

    code, status = "owner_taken", 403


class NotActive(HubError):
    """This agent or its owner is not active; ask an operator of the hub why."""

    code, status = "not_active", 403


def join(work: Work, request: JoinRequest, state: str = "active") -> tuple[AgentRow, str]:
    """Register an agent and mint its token, which is shown this once."""
    if work.session.get(AgentRow, request.name) is not None:
        raise NameTaken
    owner = work.session.get(OwnerRow, request.owner)
    if owner is None:
        owner = OwnerRow(name=request.owner, state=state, created_at=work.now)
        work.session.add(owner)
        work.session.flush()
    if owner.state in ("banned", "quarantined"):
        raise NotActive
    agent = AgentRow(
        name=request.name,
        owner=owner.name,
        state=state,
        device=request.device.model_dump(mode="json"),
        device_class=request.device.device_class,
        client_version=request.client_version,
        created_at=work.now,
    )
    work.session.add(agent)
    token = issue_token(work, "agent", agent.name)
    work.announce(AgentJoined(agent=agent.name, owner=owner.name))
    return agent, token


def issue_token(work: Work, kind: str, subject: str, lifetime: timedelta | None = None) -> str:
    """Mint `ah_<kind>_<id>_<43 characters>`; only its SHA-256 is kept."""
    identity = "".join(secrets.choice(ALPHABET) for _ in range(10))
    token = f"ah_{kind}_{identity}_{secrets.token_urlsafe(32)}"
    work.session.add(
        TokenRow(
            id=identity,
            kind=kind,
            subject=subject,
            digest=digest(token),
            created_at=work.now,
            expires_at=work.now + lifetime if lifetime else None,
        )
    )
    return token


def digest(token: str) -> str:
    """Hash a token; 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()


def recognise(session: Session, token: str, now: datetime) -> TokenRow:
    """Find who a token speaks for; unknown, wrong, expired and revoked all answer alike."""
    parts = token.split("_", 3)
    row = session.get(TokenRow, parts[2]) if len(parts) == 4 and parts[0] == "ah" else None
    expected = row.digest if row is not None else "0" * 64
    genuine = hmac.compare_digest(expected, digest(token))
    if row is None or not genuine or row.revoked_at is not None or row.kind != parts[1]:
        raise Unauthorized
    if row.expires_at is not None and row.expires_at <= now:
        raise Unauthorized
    return row


def speaking(session: Session, token: str, now: datetime) -> AgentRow:
    """The active agent whose token this is."""
    row = recognise(session, token, now)
    if row.kind != "agent":
        raise Forbidden
    agent = session.get(AgentRow, row.subject)
    if agent is None:
        raise Unauthorized
    return agent


def revoke(work: Work, identity: str) -> TokenRow:
    """End a token at once."""
    row = work.session.get(TokenRow, identity)
    if row is None:
        raise NotFound("There is no token with that id; `hub token list` shows them.")
    row.revoked_at = row.revoked_at or work.now
    return row


def find(session: Session, name: str) -> AgentRow:
    """An agent by name."""
    agent = session.get(AgentRow, name)
    if agent is None:
        raise NotFound("There is no agent by that name; the agents page lists them.")
    return agent


def views(session: Session, rows: Sequence[AgentRow]) -> list[Agent]:
    """Agents with what they have done, counted from their runs and experiments."""
    names = [row.name for row in rows]
    done, made, held = _done(session, names), _made(session, names), _held(session, names)
    return [
        Agent(
            **row.model_dump(exclude={"sequence", "device_class"}),
            **done.get(row.name, {}),
            **made.get(row.name, {}),
            working_on=held.get(row.name),
        )
        for row in rows
    ]


def _done(session: Session, names: list[str]) -> dict[str, dict[str, float]]:
    run = RunRow
    query = (
        sa.select(
            col(run.agent),
            sa.func.count(),
            sa.func.sum(sa.case((col(run.kind) == "replicate", 1), else_=0)),
            sa.func.sum(sa.case((col(run.failure).is_not(None), 1), else_=0)),
            sa.func.sum(col(run.credit)),
            sa.func.sum(col(run.seconds)),
        )
        .where(col(run.agent).in_(names))
        .group_by(col(run.agent))
    )
    keys = ("runs", "replicates", "failures", "credit", "gpu_seconds")
    return {name: dict(zip(keys, rest, strict=True)) for name, *rest in session.execute(query)}


def _made(session: Session, names: list[str]) -> dict[str, dict[str, int]]:
    made = ExperimentRow
    query = (
        sa.select(
            col(made.agent),
            sa.func.count(),
            sa.func.sum(sa.case((col(made.kept), 1), else_=0)),
        )
        .where(col(made.agent).in_(names))
        .group_by(col(made.agent))
    )
    return {
        str(name): {"experiments": count, "kept": kept}
        for name, count, kept in session.execute(query)
    }


def _held(session: Session, names: list[str]) -> dict[str, str]:
    query = sa.select(col(OrderRow.agent), col(OrderRow.kind), col(OrderRow.goal)).where(
        col(OrderRow.agent).in_(names), col(OrderRow.state) == "leased"
    )
    return {str(agent): f"{kind} in {goal}" for agent, kind, goal in session.execute(query)}
