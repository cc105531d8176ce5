"""Invites: who holds one may join, under a new owner's name or under the one that it names."""

from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from hub import tokens
from hub.db import Work
from hub.errors import HubError, NotFound
from hub.ops_tables import InviteRow

OWNERS_USES = 20
OWNERS_LIFETIME = timedelta(days=90)


class BadInvite(HubError):
    """This invite does not admit you: it is unknown, used up, expired or for another owner."""

    code, status = "bad_invite", 403


def create(work: Work, owner: str | None, by: str, uses: int, lifetime: timedelta) -> str:
    """Mint an invite; only its hash is kept."""
    identity, code = tokens.mint("invite")
    work.session.add(
        InviteRow(
            id=identity,
            owner=owner,
            by=by,
            digest=tokens.digest(code),
            uses_left=uses,
            created_at=work.now,
            expires_at=work.now + lifetime,
        )
    )
    return code


def for_own_machines(work: Work, owner: str) -> str:
    """The invite that an owner's first agent is given, for their other machines."""
    return create(work, owner, by=owner, uses=OWNERS_USES, lifetime=OWNERS_LIFETIME)


def use(work: Work, code: str, owner: str, named: bool = False) -> InviteRow:
    """Take one use of an invite; an owner who is here needs one that names them.

    Raises:
        BadInvite: unknown, wrong, used up, expired, revoked and somebody else's answer alike.
    """
    row = work.session.get(InviteRow, tokens.parse(code, "invite"), with_for_update=True)
    if not tokens.genuine(row.digest if row else None, code) or row is None:
        raise BadInvite
    ended = row.revoked_at is not None or row.expires_at <= work.now or row.uses_left < 1
    fits = row.owner == owner or (row.owner is None and not named)
    if ended or not fits:
        raise BadInvite
    row.uses_left -= 1
    return row


def find(session: Session, identity: str) -> InviteRow:
    """An invite by id."""
    row = session.get(InviteRow, identity)
    if row is None:
        raise NotFound("There is no invite with that id; `hub invite list` shows them.")
    return row


def browse(session: Session, now: datetime, every: bool = False) -> list[InviteRow]:
    """Invites that still admit somebody, or every one, the newest first."""
    query = select(InviteRow).order_by(col(InviteRow.created_at).desc(), col(InviteRow.id))
    if not every:
        query = query.where(
            col(InviteRow.revoked_at).is_(None),
            col(InviteRow.uses_left) > 0,
            col(InviteRow.expires_at) > now,
        )
    return list(session.exec(query.limit(500)).all())
