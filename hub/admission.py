"""Who may come in: a token is checked, and whoever sent it is charged for the request."""

from datetime import datetime

from hub import tokens
from hub.errors import Forbidden, Unauthorized
from hub.limits import Limits
from hub.tokens import Row


def admit(
    limits: Limits, row: Row | None, token: str, address: str, now: datetime, *scopes: str
) -> Row:
    """The row, if it is this token's and of one of these kinds.

    Raises:
        Unauthorized: it is not; wrong tokens are counted against the address they come from.
        Forbidden: it is genuine, but of another kind.
        TooMany: it, or the address, has spoken too often.
    """
    try:
        found = tokens.vet(row, token, now, *tokens.KINDS)
    except Unauthorized:
        limits.failed(address)
        raise
    limits.token(found.id)
    limits.vouch(token)
    if found.kind not in scopes:
        raise Forbidden
    return found
