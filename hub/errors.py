"""Refusals: raise a class; people read its docstring, clients act on its code."""

import inspect
from typing import Any, ClassVar


class HubError(Exception):
    """Something is wrong with this request."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 400
    retry_after: float | None = None

    def __init__(self, detail: str | None = None, /, **data: Any) -> None:
        self.detail = detail or self.sentence()
        self.data = data
        super().__init__(self.detail)

    @classmethod
    def sentence(cls) -> str:
        """The docstring as one sentence."""
        return " ".join((inspect.getdoc(cls) or "").split())


class NotFound(HubError):
    """There is nothing by that name here; check the spelling or list what exists."""

    code, status = "not_found", 404


class Ambiguous(HubError):
    """That short sha fits several experiments; give more digits."""

    code, status = "ambiguous", 409


class Unauthorized(HubError):
    """This needs a valid token; run `agent_client join` again if yours was revoked."""

    code, status = "unauthorized", 401


class Forbidden(HubError):
    """Your role may not do this; ask an operator of the hub."""

    code, status = "forbidden", 403


class NotYours(HubError):
    """This belongs to another agent."""

    code, status = "not_yours", 403


class BodyChanged(HubError):
    """This id was sent before with another body; mint a new id for a new thing."""

    code, status = "body_changed", 409


class Invalid(HubError):
    """The request cannot be understood; the detail names the field and what it must be."""

    code, status = "invalid", 422


class Busy(HubError):
    """The hub is busy right now; try again after the time given."""

    code, status = "busy", 503
    retry_after = 2.0


class StorageFull(HubError):
    """The hub's disk is full or read-only; nothing was stored, try again later."""

    code, status = "storage_full", 507
    retry_after = 30.0


class Damaged(HubError):
    """The hub's database cannot be read; its operator must restore a backup with `hub restore`."""

    code, status = "database_damaged", 503
    retry_after = 300.0


class TooMany(HubError):
    """Too many requests from you; wait as long as Retry-After says."""

    code, status = "too_many", 429
    retry_after = 60.0


class TooLarge(HubError):
    """That is larger than the hub accepts; send less."""

    code, status = "too_large", 413
