"""People sign in, by a one-time link or by OpenID Connect, and out again."""

from collections.abc import Callable, Coroutine
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from sqlmodel import Session as Reader

from hub import openid, review, sessions, tokens
from hub.api.deps import Read, TheHub, Visitor, Work, cookie_name, signing_in, trying
from hub.api.problems import refusals
from hub.core import Hub
from hub.errors import HubError, TooMany, Unauthorized
from hub.openid import BadIdentity, NoProvider, ProviderAway, SignInDeclined, SignInLost
from hub.sessions import Forged, NotAnOperator, SignedIn
from protocol.operators import Session, SignIn, SignInWays

if TYPE_CHECKING:
    from hub.openid_provider import Provider

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
WAY = (NoProvider, ProviderAway, SignInLost, SignInDeclined, BadIdentity, NotAnOperator, TooMany)
"""What may go wrong on the way through a sign-in provider."""
Word = Annotated[str, Query(max_length=4096)]


class _SendsBack(APIRoute):
    """A walk through another site that goes wrong ends at the sign-in page, which says why."""

    def get_route_handler(self) -> Handler:
        handler = super().get_route_handler()

        async def _handle(request: Request) -> Response:
            try:
                return await handler(request)
            except HubError as refused:
                return RedirectResponse(f"/signin#refused={refused.code}", 303)

        return _handle


router = APIRouter(prefix="/v1/session", tags=["sessions"])
walk = APIRouter(
    prefix="/v1/session/openid", tags=["sessions"], route_class=_SendsBack, dependencies=[trying]
)


@router.post("", responses=refusals(Unauthorized, Forged, TooMany), dependencies=[signing_in])
def sign_in(said: SignIn, hub: TheHub, work: Work, response: Response) -> Session:
    """Trade the code of a one-time link for a session cookie; the code is used up."""
    who, token = sessions.sign_in(work, said.code)
    set_cookie(hub, response, token)
    return _told(hub, work.session, who)


@router.get("", responses=refusals(Unauthorized))
def show(hub: TheHub, who: Visitor, session: Read, response: Response) -> Session:
    """Who is signed in, and the CSRF token to send with every change."""
    response.headers["Cache-Control"] = "no-store"
    return _told(hub, session, who)


@router.delete("", status_code=204, responses=refusals(Unauthorized, Forged))
def sign_out(hub: TheHub, who: Visitor, work: Work, response: Response) -> None:
    """End this session at once."""
    tokens.revoke(work, who.identity)
    response.delete_cookie(cookie_name(hub), path="/")


@router.get("/ways")
def ways(hub: TheHub) -> SignInWays:
    """How operators may sign in here, and what each refusal on the way means."""
    return SignInWays(
        provider=hub.settings.openid_name if hub.provider else None,
        refusals={each.code: each.sentence() for each in WAY},
    )


@walk.get("", status_code=303, response_class=RedirectResponse)
def leave(hub: TheHub) -> RedirectResponse:
    """Go to the sign-in provider; the browser keeps what must come back."""
    address, attempt = _provider(hub).begin(hub.clock())
    response = RedirectResponse(address, 303)
    sealed = openid.seal(hub.signing_key, attempt)
    _keep(response, _attempt_name(hub), sealed, openid.ATTEMPT_LIFETIME, "lax")
    return response


def _answer(state: Word = "", code: Word = "", error: Word = "", iss: Word = "") -> openid.Answer:
    return openid.Answer(state, code, error, iss)


def _vouched_for(
    request: Request, hub: TheHub, answer: Annotated[openid.Answer, Depends(_answer)]
) -> openid.Identity:
    """Who comes back; the provider is asked before a transaction begins."""
    provider = _provider(hub)
    cookie = request.cookies.get(_attempt_name(hub), "")
    return provider.finish(openid.opened(hub.signing_key, cookie), answer, hub.clock())


@walk.get("/callback", status_code=303, response_class=RedirectResponse)
def arrive(
    hub: TheHub, who: Annotated[openid.Identity, Depends(_vouched_for)], work: Work
) -> RedirectResponse:
    """Come back from the sign-in provider, with a session cookie if it vouches for an operator."""
    known = hub.settings.openid_operators
    _, token = sessions.vouched(work, **asdict(who), known=known)
    response = RedirectResponse("/signin#signed-in", 303)
    set_cookie(hub, response, token)
    response.delete_cookie(_attempt_name(hub), path="/")
    return response


def set_cookie(hub: Hub, response: Response, token: str) -> None:
    """Give the browser a cookie that scripts cannot read and other sites cannot send."""
    sealed = sessions.seal(hub.signing_key, token)
    _keep(response, cookie_name(hub), sealed, sessions.SESSION_LIFETIME, "strict")


def _attempt_name(hub: Hub) -> str:
    return f"{cookie_name(hub)}-openid"


def _keep(
    response: Response,
    name: str,
    value: str,
    lifetime: timedelta,
    samesite: Literal["lax", "strict"],
) -> None:
    response.headers["Cache-Control"] = "no-store"
    response.set_cookie(
        name,
        value,
        max_age=int(lifetime.total_seconds()),
        path="/",
        secure=name.startswith("__Host-"),
        httponly=True,
        samesite=samesite,
    )


def _provider(hub: Hub) -> "Provider":
    if hub.provider is None:
        raise NoProvider
    return hub.provider


def _told(hub: Hub, session: Reader, who: SignedIn) -> Session:
    return Session(
        operator=who.actor.name if who.actor else None,
        owner=who.owner,
        csrf=sessions.csrf(hub.signing_key, who.identity),
        expires_at=who.expires_at,
        waiting=review.waiting(session) if who.actor else 0,
    )
