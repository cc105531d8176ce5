"""The words that every wire model is made of: what they take, and how figures are written."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from protocol.base import (
    EXACT,
    Count,
    Finite,
    Moment,
    Positive,
    Problem,
    Request,
    Seconds,
    Text,
    figure,
    in_utc,
)
from protocol.goals import Seeds

TYPES: dict[str, Any] = {
    "finite": Finite, "positive": Positive, "seconds": Seconds, "count": Count, "text": Text,
    "moment": Moment,
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("finite", -1e300), ("finite", 0), ("positive", 1e-300), ("positive", 2),
        ("seconds", 0.0), ("seconds", 30 * 86400.0), ("count", 0), ("count", EXACT - 1),
        ("text", "é\n\t😀"), ("moment", "0001-01-01T12:00:00+11:00"),
    ],
)  # fmt: skip
def test_what_may_be_meant_is_taken(name: str, value: object) -> None:
    assert TypeAdapter(TYPES[name]).validate_python(value) is not None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("finite", each) for each in (float("nan"), float("inf"), "1.0", True)],
        *[("positive", each) for each in (0.0, -1.0, float("nan"), float("inf"), "1.0")],
        *[("seconds", each) for each in (-0.1, 30 * 86400.1, float("nan"), "1.0")],
        *[("count", each) for each in (-1, EXACT, 1.0, "1", True)],
        *[("text", each) for each in ("a\x00b", "half \ud800")],
        *[("moment", each) for each in ("0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00")],
    ],
)
def test_what_no_reader_would_take_alike_is_refused(name: str, value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(TYPES[name]).validate_python(value)


def test_whole_numbers_of_the_wire_are_the_same_to_every_reader_of_json() -> None:
    assert float(EXACT - 1) != float(EXACT)
    assert float(EXACT) == float(EXACT + 1)


def test_a_moment_keeps_its_own_time_zone_and_one_without_is_taken_as_utc() -> None:
    first = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=-11)))

    assert in_utc(first) is first
    assert in_utc(first.replace(tzinfo=None)) == first.replace(tzinfo=None)
    assert in_utc(first.replace(tzinfo=UTC)).tzinfo is UTC


def test_a_client_that_is_older_than_its_hub_reads_on_and_a_typo_of_one_is_named() -> None:
    said = {"code": "a", "title": "A", "status": 400, "detail": "d", "colour": "red"}

    assert Problem.model_validate(said).code == "a"
    with pytest.raises(ValidationError, match="colour"):
        Seeds.model_validate({"colour": "red"})


@pytest.mark.parametrize("model", [Problem(code="a", title="A", status=400, detail="d"), Seeds()])
def test_what_was_said_is_not_changed_afterwards(model: Problem | Request) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(model, next(iter(type(model).model_fields)), "other")


@pytest.mark.parametrize(
    ("value", "sign", "said"),
    [
        (0.9979, "", "0.997900"), (0.0, "", "0.000000"), (0.0001, "", "0.000100"),
        (0.00001234, "", "1.234e-05"), (-0.00001234, "", "-1.234e-05"),
        (0.5, "+", "+0.500000"), (-0.5, "+", "-0.500000"),
    ],
)  # fmt: skip
def test_a_figure_is_written_so_that_it_says_something(value: float, sign: str, said: str) -> None:
    assert figure(value, sign) == said


@pytest.mark.parametrize(("policy", "seed"), [("per-run", 7), ("fixed", 3)])
def test_a_seed_is_the_hubs_unless_the_goal_fixes_it(policy: str, seed: int) -> None:
    assert Seeds.model_validate({"policy": policy, "fixed": 3}).chosen(7) == seed
