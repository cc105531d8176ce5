"""Tokens: `ah_<kind>_<id>_<43 characters>`, shown once, kept as hashes, ended at once."""

import hashlib
import hmac
import re
import secrets
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from sqlmodel import Session, col, select

from hub.db import Work
from hub.errors import NotFound, Unauthorized
from hub.tables import TokenRow

ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
KINDS = ("agent", "verifier", "operator", "session", "signin", "invite")
PATTERN = re.compile(rf"ah_(?:{'|'.join(KINDS)})_[a-z2-7]{{10}}_[A-Za-z0-9_-]{{43}}")
"""Finds a token in any text, so that logs never hold one."""


def mint(kind: str) -> tuple[str, str]:
    """A fresh id and its token: 32 random bytes behind a prefix that scanners recognise."""
    identity = "".join(secrets.choice(ALPHABET) for _ in range(10))
    return identity, f"ah_{kind}_{identity}_{secrets.token_urlsafe(32)}"


def issue(work: Work, kind: str, subject: str, lifetime: timedelta | None = None) -> str:
    """Mint a token for somebody; only its SHA-256 is kept."""
    identity, token = mint(kind)
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
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def parse(token: str, *kinds: str) -> str:
    """The id inside a token of one of these kinds, or an id that nobody has."""
    parts = token.split("_", 3)
    fits = len(parts) == 4 and parts[0] == "ah" and parts[1] in kinds and parts[2].isalnum()
    return parts[2] if fits else ""


def genuine(kept: str | None, token: str) -> bool:
    """Compare in constant time; a missing row costs the same as a wrong secret."""
    return hmac.compare_digest(kept or "0" * 64, digest(token)) and kept is not None


def recognise(session: Session, token: str, now: datetime, *kinds: str) -> TokenRow:
    """Find who a token speaks for.

    Raises:
        Unauthorized: unknown, wrong, expired, revoked and of another kind all answer alike.
    """
    return vet(session.get(TokenRow, parse(token, *kinds)), token, now, *kinds)


class Kept(Protocol):
    """What is kept of a token."""

    @property
    def id(self) -> str:
        """Its public part."""

    @property
    def kind(self) -> str:
        """What it is for."""

    @property
    def digest(self) -> str:
        """Its hash."""

    @property
    def expires_at(self) -> datetime | None:
        """When it ends by itself."""

    @property
    def revoked_at(self) -> datetime | None:
        """When it was ended."""


Row = TypeVar("Row", bound=Kept)


def vet(row: Row | None, token: str, now: datetime, *kinds: str) -> Row:
    """The row that a token named, if the token is genuine and valid now; raises as `recognise`."""
    if not genuine(row.digest if row else None, token) or row is None:
        raise Unauthorized
    expired = row.expires_at is not None and row.expires_at <= now
    if row.revoked_at is not None or expired or row.kind not in kinds:
        raise Unauthorized
    return row


def find(session: Session, identity: str) -> TokenRow:
    """A token's row by id."""
    row = session.get(TokenRow, identity)
    if row is None:
        raise NotFound("There is no token with that id; `hub token list` shows them.")
    return row


def revoke(work: Work, identity: str) -> TokenRow:
    """End a token at once."""
    row = find(work.session, identity)
    row.revoked_at = row.revoked_at or work.now
    return row


def browse(session: Session, subject: str | None = None, limit: int = 500) -> list[TokenRow]:
    """Tokens, the newest first; links and sessions of operators included."""
    query = select(TokenRow).order_by(col(TokenRow.created_at).desc(), col(TokenRow.id))
    if subject is not None:
        query = query.where(col(TokenRow.subject) == subject)
    return list(session.exec(query.limit(limit)).all())


def redact(text: str) -> str:
    """The text with every token replaced by its kind."""
    return PATTERN.sub(lambda found: "_".join(found.group().split("_", 2)[:2]) + "_…", text)
