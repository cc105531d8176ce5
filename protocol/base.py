"""The words that every wire model is made of: names, shas, ids, finite numbers."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

MAX_FILE_BYTES = 256 * 1024
MAX_POST_BYTES = 16 * 1024
MAX_LOG_BYTES = 64 * 1024
MAX_CURVE_POINTS = 2000

Sha = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
AnySha = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{4,40}$")]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,30}$")]
AgentName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{1,30}$")]
Line = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")
]
Finite = Annotated[float, Field(allow_inf_nan=False, strict=True)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]
Seconds = Annotated[float, Field(ge=0, le=30 * 86400, allow_inf_nan=False, strict=True)]
EXACT = 2**53
"""Whole numbers below this are the same to every reader of JSON."""
Count = Annotated[int, Field(ge=0, lt=EXACT, strict=True)]
Time = AwareDatetime


def in_utc(at: datetime) -> datetime:
    """Refuse a time that is near an end of the calendar, and beyond it in UTC."""
    try:
        at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("this moment is none in UTC: the year must be 1 to 9999 there") from error
    return at


Moment = Annotated[Time, AfterValidator(in_utc)]
"""A time that a client says."""


def _no_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("text must not hold NUL characters")
    text.encode("utf-8")  # a lone surrogate cannot be stored or shown: refuse it here
    return text


Text = Annotated[str, AfterValidator(_no_nul)]


def figure(value: float, sign: str = "") -> str:
    """A metric in words: six decimals, or four digits where those would say little.

    `sign` is `+` for differences.
    """
    kind = ".4g" if 0 < abs(value) < 0.0001 else ".6f"
    return f"{value:{sign}{kind}}"


class Wire(BaseModel):
    """What the hub says; unknown fields are ignored, so an old client survives a newer hub."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Request(BaseModel):
    """What a client says; unknown fields are refused, so a typo never passes silently."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Problem(Wire):
    """Every refusal: a stable code to act on and a sentence that says what to do (RFC 9457)."""

    code: str
    title: str
    status: int
    detail: str
    request_id: str = ""
    data: dict[str, object] = Field(default_factory=dict)


class Page(Wire):
    """The part every keyset-paged list shares; pass `next_cursor` back as `cursor`."""

    next_cursor: str | None = None
    seq: int = 0
