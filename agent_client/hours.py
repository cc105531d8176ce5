"""Hours per weekday in which the owner lets the machine work."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTES_A_DAY = 24 * 60


@dataclass(frozen=True)
class Span:
    """Minutes of one weekday in which work is allowed, `start` included, `end` not."""

    day: int
    start: int
    end: int


def parse_hours(said: Mapping[str, str]) -> list[Span]:
    """Read {"mon-fri": "18:00-08:00"}; a span past midnight belongs to the day it begins on.

    Raises ValueError naming the entry that cannot be read.
    """
    spans: list[Span] = []
    for days, hours in said.items():
        for part in hours.split(","):
            start, end = _minutes(part)
            for day in _days(days):
                spans += _spans(day, start, end)
    return spans


def _days(text: str) -> list[int]:
    first, _, last = text.strip().lower().partition("-")
    if first not in DAYS or (last or first) not in DAYS:
        raise ValueError(f"{text!r} is not a day such as 'mon' or 'mon-fri'")
    start, end = DAYS.index(first), DAYS.index(last or first)
    return [(start + step) % 7 for step in range((end - start) % 7 + 1)]


def _minutes(text: str) -> tuple[int, int]:
    try:
        first, last = (_minute(each) for each in text.strip().split("-"))
    except ValueError:
        raise ValueError(f"{text!r} is not a span such as '18:00-08:00'") from None
    return first, last


def _minute(text: str) -> int:
    hour, minute = (int(each) for each in text.split(":"))
    if not (0 <= hour <= 24 and 0 <= minute < 60 and hour * 60 + minute <= MINUTES_A_DAY):
        raise ValueError(text)
    return hour * 60 + minute


def _spans(day: int, start: int, end: int) -> list[Span]:
    if start < end:
        return [Span(day, start, end)]
    return [Span(day, start, MINUTES_A_DAY), Span((day + 1) % 7, 0, end)]


def allowed(spans: list[Span], now: datetime) -> bool:
    """Whether `now` (local time) lies in a span; no spans at all means always."""
    minute = now.hour * 60 + now.minute
    return not spans or any(
        span.day == now.weekday() and span.start <= minute < span.end for span in spans
    )


def opens_in(spans: list[Span], now: datetime) -> timedelta:
    """How long until work is allowed again; zero when it is, a week at most."""
    here = now.replace(second=0, microsecond=0)
    for minute in range(7 * MINUTES_A_DAY + 1):
        if allowed(spans, here + timedelta(minutes=minute)):
            return max(here + timedelta(minutes=minute) - now, timedelta())
    return timedelta(days=7)
