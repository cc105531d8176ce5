"""Operators sign in, by a one-time link or by OpenID Connect, and out again."""

from fastapi import APIRouter, Response

from hub import sessions, tokens
from hub.api.deps import TheHub, Visitor, Work, cookie_name, signing_in
from hub.api.problems import refusals
from hub.core import Hub
from hub.errors import TooMany, Unauthorized
from hub.sessions import Forged, SignedIn
from protocol.operators import Session, SignIn

router = APIRouter(prefix="/v1/session", tags=["sessions"])


@router.post("", responses=refusals(Unauthorized, Forged, TooMany), dependencies=[signing_in])
def sign_in(said: SignIn, hub: TheHub, work: Work, response: Response) -> Session:
    """Trade the code of a one-time link for a session cookie; the code is used up."""
    who, token = sessions.sign_in(work, said.code)
    set_cookie(hub, response, token)
    return _told(hub, who)


@router.get("", responses=refusals(Unauthorized))
def show(hub: TheHub, who: Visitor, response: Response) -> Session:
    """Who is signed in, and the CSRF token to send with every change."""
    response.headers["Cache-Control"] = "no-store"
    return _told(hub, who)


@router.delete("", status_code=204, responses=refusals(Unauthorized, Forged))
def sign_out(hub: TheHub, who: Visitor, work: Work, response: Response) -> None:
    """End this session at once."""
    tokens.revoke(work, who.identity)
    response.delete_cookie(cookie_name(hub), path="/")


def set_cookie(hub: Hub, response: Response, token: str) -> None:
    """Give the browser a cookie that scripts cannot read and other sites cannot send."""
    name = cookie_name(hub)
    response.headers["Cache-Control"] = "no-store"
    response.set_cookie(
        name,
        sessions.seal(hub.signing_key, token),
        max_age=int(sessions.SESSION_LIFETIME.total_seconds()),
        path="/",
        secure=name.startswith("__Host-"),
        httponly=True,
        samesite="strict",
    )


def _told(hub: Hub, who: SignedIn) -> Session:
    return Session(
        operator=who.actor.name,
        csrf=sessions.csrf(hub.signing_key, who.identity),
        expires_at=who.expires_at,
    )
