"""What people type into the search box: words, phrases and filters, parsed with good hints."""

import difflib
import re
import shlex
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from hub.errors import HubError
from hub.tables import ExperimentRow
from protocol.base import in_utc
from protocol.experiments import Standing, Status

FILTERS = ("goal", "agent", "owner", "status", "is", "since", "delta", "file")
_WORD = re.compile(r"[^\W_]+")
_DELTA = re.compile(r"^(<=|>=|<|>)?(-?\d+(?:\.\d+)?(?:e-?\d+)?)$")
_AGO = re.compile(r"^(\d{1,4})([hdw])$")
_HOURS = {"h": 1, "d": 24, "w": 168}
_STATUSES = ("kept", *(status.value for status in Status))
_STANDINGS = ("pinned", *(standing.value for standing in Standing if standing.value != "none"))


class BadFilter(HubError):
    """That is no filter of the search box; the detail says which there are."""

    code, status = "bad_filter", 422


@dataclass(frozen=True)
class Query:
    """Words that must all appear, filters by name, and the condition that each filter makes."""

    words: list[str] = field(default_factory=list)
    filters: dict[str, str] = field(default_factory=dict)
    since: datetime | None = None

    @property
    def for_posts(self) -> bool:
        """Whether posts can match: some filters speak of experiments only."""
        return not self.filters.keys() & {"status", "is", "delta", "file", "owner"}


def parse(text: str, now: datetime) -> Query:
    """Split what was typed.

    Raises:
        BadFilter: an unknown filter, or a value that it cannot take; the detail is a hint.
    """
    words: list[str] = []
    filters: dict[str, str] = {}
    for part in _split(text):
        name, colon, value = part.partition(":")
        if colon and re.fullmatch(r"[a-z]{2,12}", name) and not value.startswith("//"):
            filters[_known(name)] = _checked(name, value)
        else:
            words += words_of(part)
    since = _since(filters["since"], now) if "since" in filters else None
    return Query(words[:16], filters, since)


def words_of(text: str) -> list[str]:
    """The words of a text as the index knows them."""
    return [word.lower() for word in _WORD.findall(composed(text))]


def composed(text: str) -> str:
    """One form for letters that can be written as one sign or as several: an e with its accent."""
    return unicodedata.normalize("NFC", text)


def condition(name: str, value: str, query: Query) -> Any:
    """The condition on experiments that a filter makes."""
    made = ExperimentRow
    match name:
        case "goal" | "agent" | "owner":
            return col(getattr(made, name)) == value
        case "status":
            return col(made.kept) if value == "kept" else col(made.status) == value
        case "is":
            return col(made.pinned) if value == "pinned" else col(made.standing) == value
        case "since":
            return col(made.created_at) >= query.since
        case "delta":
            return _delta(value)
        case _:
            return _touches(value)


def _split(text: str) -> list[str]:
    lexer = shlex.shlex(text[:400], posix=True, punctuation_chars="")
    lexer.whitespace_split, lexer.quotes, lexer.escape, lexer.commenters = True, '"', "", ""
    try:
        return list(lexer)
    except ValueError:  # a quote that is not closed yet: somebody is still typing
        return text[:400].replace('"', " ").split()


def _known(name: str) -> str:
    if name in FILTERS:
        return name
    near = difflib.get_close_matches(name, FILTERS, n=1)
    maybe = f" Did you mean `{near[0]}:`?" if near else ""
    every = ", ".join(f"`{each}:`" for each in FILTERS)
    raise BadFilter(f"`{name}:` is no filter.{maybe} There are {every}.")


def _checked(name: str, value: str) -> str:
    choices = {"status": _STATUSES, "is": _STANDINGS}.get(name)
    if choices is not None and value not in choices:
        raise BadFilter(f"`{name}:{value}` is unknown; choose one of {', '.join(choices)}.")
    if name == "delta" and not _DELTA.match(value):
        raise BadFilter("Write `delta:<-0.0005` or `delta:>0.001`: a sign and a number.")
    if not value:
        raise BadFilter(f"`{name}:` needs a value right after the colon.")
    return value


def _since(value: str, now: datetime) -> datetime:
    if (ago := _AGO.match(value)) is not None:
        return now - timedelta(hours=int(ago[1]) * _HOURS[ago[2]])
    try:
        said = datetime.fromisoformat(value)
        return in_utc(said.replace(tzinfo=said.tzinfo or UTC))
    except ValueError as error:
        raise BadFilter(
            "Write `since:7d`, `since:12h`, `since:2w` or `since:2026-11-01`."
        ) from error


def _delta(value: str) -> Any:
    found = _DELTA.match(value)
    assert found is not None
    column, number = col(ExperimentRow.delta), float(found[2])
    compare = {"<": column < number, "<=": column <= number, ">": column > number}
    return compare.get(found[1] or "", column >= number)


class HasKey(sa.sql.functions.GenericFunction[Any]):
    """Whether a JSON object has a key, in each database's own words."""

    inherit_cache = True
    type = sa.Boolean()
    name = "agenthub_has_key"


def _touches(path: str) -> Any:
    return sa.and_(col(ExperimentRow.number) > 0, HasKey(col(ExperimentRow.patch), path))
