"""A goal's columns over HTTP: nothing to who has them already, and gzip to who unpacks it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Response

from hub.api.static import unpacks
from hub.columns import Told
from hub.settings import VERSION

JSON = "application/json"


@dataclass(frozen=True)
class Asking:
    """What a reader of columns has of them already, and what they unpack."""

    if_none_match: Annotated[str | None, Header()] = None
    accept_encoding: Annotated[str, Header(include_in_schema=False)] = ""

    def answer(self, of: str, seq: int, tell: Callable[[], Told | bytes]) -> Response:
        """What `tell` has to say, unless its reader has it; `of` and `seq` name it and its time."""
        tag = f'"{VERSION}-{of}-{seq}"'
        headers = {"ETag": tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if _is_known(tag, self.if_none_match or ""):
            return Response(status_code=304, headers=headers)
        told = tell()
        if isinstance(told, bytes):
            return Response(told, media_type=JSON, headers=headers)
        if not unpacks(self.accept_encoding):
            return Response(told.body, media_type=JSON, headers=headers)
        packed = {**headers, "Content-Encoding": "gzip"}
        return Response(told.packed, media_type=JSON, headers=packed)


Reader = Annotated[Asking, Depends()]


def _is_known(tag: str, said: str) -> bool:
    """Whether one of the tags that a reader says, weak or not, is this (RFC 9110, 13.1.2)."""
    known = [each.strip().removeprefix("W/") for each in said.split(",")]
    return tag in known or known == ["*"]
