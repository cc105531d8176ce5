"""Sessions: a one-time link becomes a signed cookie; each session has a CSRF token."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from itsdangerous import BadSignature, Signer
from sqlmodel import Session, col, select

from hub import tokens
from hub.db import Work
from hub.errors import HubError, NotFound, Unauthorized
from hub.ops_tables import OperatorRow
from hub.tables import OwnerRow, TokenRow

LINK_LIFETIME = timedelta(minutes=15)
SESSION_LIFETIME = timedelta(hours=12)
OWNERS = "owner:"
"""Before the subject of an owner's tokens; no operator's name holds a colon."""


class Forged(HubError):
    """This request did not come from the hub's own pages; reload the page and try again."""

    code, status = "forged_request", 403


class NoOwner(HubError):
    """This page is for volunteers; on a machine of yours, `agent_client signin` prints a link."""

    code, status = "no_owner", 403


class NotAnOperator(HubError):
    """You are who you say, but no operator here; ask one to add you with your e-mail address."""

    code, status = "not_an_operator", 403


@dataclass(frozen=True)
class Actor:
    """Who acts: an operator, or the console of the hub's own machine.

    `owner` is the same person as a volunteer; nobody decides on what is their own.
    """

    name: str
    owner: str | None = None


CONSOLE = Actor("console")


@dataclass(frozen=True)
class SignedIn:
    """Somebody at a browser: an operator, or an owner, who has no right but over what is theirs."""

    actor: Actor | None
    owner: str | None
    identity: str
    expires_at: datetime


def find(session: Session, name: str) -> OperatorRow:
    """An operator by name."""
    row = session.get(OperatorRow, name)
    if row is None:
        raise NotFound("There is no operator by that name; `hub operator list` shows them.")
    return row


def browse(session: Session) -> list[OperatorRow]:
    """Every operator by name."""
    return list(session.exec(select(OperatorRow).order_by(col(OperatorRow.name))).all())


def link(work: Work, name: str) -> str:
    """A code that signs an operator in once, within 15 minutes."""
    return tokens.issue(work, "signin", find(work.session, name).name, LINK_LIFETIME)


def link_owner(work: Work, name: str) -> str:
    """A code that signs a volunteer in once, within 15 minutes."""
    return tokens.issue(work, "signin", OWNERS + name, LINK_LIFETIME)


def sign_in(work: Work, code: str) -> tuple[SignedIn, str]:
    """Trade a one-time code for a session; the code is used up."""
    row = tokens.recognise(work.session, code, work.now, "signin")
    tokens.revoke(work, row.id)
    return begin(work, row.subject)


def vouched(
    work: Work, subject: str, email: str | None, known: Mapping[str, str]
) -> tuple[SignedIn, str]:
    """Open a session for whom the sign-in provider vouched.

    `known` maps a subject, or (with an @) a verified e-mail address, to an operator's name; an
    operator's own address counts beside it.

    Raises:
        NotAnOperator: nobody's, a removed operator's, or more than one operator's identity.
    """
    said = {} if email is None else {name.casefold(): known[name] for name in known if "@" in name}
    names = {known[subject]} if subject in known and "@" not in subject else set()
    if email is not None:
        names |= {said[email.casefold()]} if email.casefold() in said else set()
        mine = select(OperatorRow.name).where(sa.func.lower(OperatorRow.email) == email.lower())
        names |= set(work.session.exec(mine))
    if len(names) != 1:
        raise NotAnOperator
    try:
        return begin(work, names.pop())
    except Unauthorized as error:
        raise NotAnOperator from error


def begin(work: Work, subject: str) -> tuple[SignedIn, str]:
    """Open a session for an operator, or an `owner:`, whom somebody has vouched for."""
    actor, owner = _behind(work.session, subject)
    token = tokens.issue(work, "session", subject, SESSION_LIFETIME)
    identity = tokens.parse(token, "session")
    return SignedIn(actor, owner, identity, work.now + SESSION_LIFETIME), token


def _behind(session: Session, subject: str) -> tuple[Actor | None, str | None]:
    if not subject.startswith(OWNERS):
        actor = active(session, subject)
        return actor, actor.owner
    owner = session.get(OwnerRow, subject.removeprefix(OWNERS))
    if owner is None or owner.state == "banned":
        raise Unauthorized
    return None, owner.name


def active(session: Session, name: str) -> Actor:
    """An operator who may act; a removed one is as unknown as any."""
    row = session.get(OperatorRow, name)
    if row is None or row.state != "active":
        raise Unauthorized
    return Actor(row.name, row.owner)


def seal(key: str, token: str) -> str:
    """What the cookie holds: the session's token, signed."""
    return Signer(key, salt="session").sign(token).decode()


def opened(session: Session, key: str, cookie: str, now: datetime) -> SignedIn:
    """Who a cookie speaks for; a forged one is refused before the database is asked."""
    try:
        token = Signer(key, salt="session").unsign(cookie).decode()
    except (BadSignature, UnicodeError) as error:
        raise Unauthorized from error
    row = tokens.recognise(session, token, now, "session")
    assert row.expires_at is not None
    return SignedIn(*_behind(session, row.subject), row.id, row.expires_at)


def csrf(key: str, identity: str) -> str:
    """The token that proves that a request comes from a page which could read our answers."""
    return Signer(key, salt="csrf").get_signature(identity.encode()).decode()


def must_be_ours(key: str, identity: str, said: str, origin: str | None, ours: set[str]) -> None:
    """Refuse what another site's page made the browser send."""
    genuine = hmac.compare_digest(csrf(key, identity).encode(), said.encode())
    if origin not in ours or not genuine:
        raise Forged


def end_all(work: Work, name: str) -> list[TokenRow]:
    """The tokens, links and sessions of an operator that are still alive, all ended."""
    alive = select(TokenRow).where(
        col(TokenRow.subject) == name,
        col(TokenRow.kind).in_(("operator", "session", "signin")),
        col(TokenRow.revoked_at).is_(None),
    )
    rows = list(work.session.exec(alive).all())
    for row in rows:
        row.revoked_at = work.now
    return rows
