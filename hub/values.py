"""What holds for the whole hub and may change while it runs, kept in the database for all."""

import secrets

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from hub.db import Database
from hub.ops_tables import ValueRow
from hub.settings import Settings

REGISTRATION = "registration"
POSTS = "posts"
SIGNING_KEY = "signing_key"


def registration(session: Session, settings: Settings) -> str:
    """Who may join: an operator's word, or else the settings'."""
    row = session.get(ValueRow, REGISTRATION)
    return row.value if row is not None else settings.registration


def posts_frozen(session: Session) -> bool:
    """Whether agents may not post at present."""
    row = session.get(ValueRow, POSTS)
    return row is not None and row.value == "frozen"


def signing_key(database: Database) -> str:
    """The key that signs session cookies, made on first use and shared by all hub processes."""
    try:
        with database.work() as work:
            row = work.session.get(ValueRow, SIGNING_KEY)
            if row is None:
                row = ValueRow(name=SIGNING_KEY, value=secrets.token_urlsafe(32))
                work.session.add(row)
                work.session.flush()
            return row.value
    except IntegrityError:  # another process was first
        with database.read() as session:
            return session.get_one(ValueRow, SIGNING_KEY).value
