"""Every refusal has one shape on the wire: a code, a status and a sentence that says what to do."""

import errno
import logging
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException

from hub.errors import HubError, Invalid, NotFound, StorageFull
from protocol.base import Problem

log = logging.getLogger(__name__)
_CODES = {405: "method_not_allowed", 413: "too_large", 415: "wrong_type"}


def refusals(*classes: type[HubError]) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of an endpoint: what it may refuse, by status."""
    said: dict[int, list[str]] = {}
    for each in classes:
        said.setdefault(each.status, []).append(f"`{each.code}`: {each.sentence()}")
    return {
        status: {"model": Problem, "description": "\n\n".join(sentences)}
        for status, sentences in said.items()
    }


def install(app: FastAPI, lost: Callable[[Request], Response]) -> None:
    """Answer every refusal, validation error and bug as a problem.

    `lost` makes the page that a person at a browser gets at an address that is nowhere.
    """

    async def _http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 404 and _from_a_person(request):
            return lost(request)
        return _plain(request, error)

    app.add_exception_handler(HubError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(OSError, disk)
    app.add_exception_handler(Exception, bug)


def answer(request: Request, error: HubError, data: dict[str, Any] | None = None) -> Response:
    """A refusal as a response."""
    problem = Problem(
        code=error.code,
        title=type(error).__name__,
        status=error.status,
        detail=error.detail,
        request_id=getattr(request.state, "request_id", ""),
        data=data if data is not None else error.data,
    )
    headers = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(1, round(error.retry_after)))
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if request.headers.get("user-agent", "").startswith("git/"):
        return PlainTextResponse(error.detail, error.status, headers)  # which is all that git shows
    return JSONResponse(
        problem.model_dump(mode="json"),
        status_code=error.status,
        headers=headers,
        media_type="application/problem+json",
    )


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HubError)
    return answer(request, error)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # The input itself is left out: it may hold a secret, and it may be huge.
    places = [
        {"field": ".".join(str(part) for part in each["loc"]), "message": each["msg"]}
        for each in error.errors()[:20]
    ]
    first = places[0] if places else {"field": "body", "message": "unreadable"}
    refused = Invalid(f"{first['field']}: {first['message']}")
    return answer(request, refused, {"errors": places})


def _from_a_person(request: Request) -> bool:
    """Whether a browser asks for a page: programs get a problem, and so does all below /v1."""
    page = "text/html" in request.headers.get("accept", "")
    return page and request.method == "GET" and not request.url.path.startswith(("/v1/", "/git/"))


def _plain(request: Request, error: HTTPException) -> Response:
    if error.status_code == 404:
        return answer(request, NotFound("Nothing is here; /v1/openapi.json lists what is where."))
    takes = (error.headers or {}).get("Allow", "")
    detail = f"{request.method} is nothing that this address does; it takes {takes}."
    refused = HubError(detail if takes else str(error.detail))
    refused.__class__ = type(
        "HttpRefusal",
        (HubError,),
        {"code": _CODES.get(error.status_code, "http_error"), "status": error.status_code},
    )
    answered = answer(request, refused)
    answered.headers.update(error.headers or {})
    return answered


async def disk(request: Request, error: Exception) -> Response:
    """What found no room on the disk; anything else that a file says is a bug."""
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return answer(request, StorageFull())
    return await bug(request, error)


async def bug(request: Request, error: Exception) -> Response:
    """What nobody thought of: the log says all, the answer only where to look."""
    log.error("request.failed", exc_info=error, extra={"path": request.url.path})
    return answer(request, InternalError())


class InternalError(HubError):
    """Something broke in the hub; its operator finds the request id in the log."""

    code, status = "internal_error", 500
