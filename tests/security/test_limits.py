"""Limits: what several hub processes allow together is what one would."""

import pytest

from hub.errors import TooMany
from hub.limits import Limits
from hub.settings import Settings


def allowed(limits: list[Limits], requests: int) -> int:
    """How many of so many requests get through, spread over processes as a proxy does."""
    done = 0
    for turn in range(requests):
        try:
            limits[turn % len(limits)].token("one")
        except TooMany:
            continue
        done += 1
    return done


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_processes_share_a_limit_between_them(processes: int) -> None:
    said = Settings(rate_token=120, processes=processes)
    limits = [Limits(said, clock=lambda: 0.0) for _ in range(processes)]

    assert allowed(limits, 300) == 60


def test_a_share_is_at_least_one_request() -> None:
    limits = Limits(Settings(joins_per_hour=1, processes=8), clock=lambda: 0.0)

    limits.joining("203.0.113.9")

    with pytest.raises(TooMany) as refused:
        limits.joining("203.0.113.9")
    assert refused.value.retry_after is not None and refused.value.retry_after > 3600
