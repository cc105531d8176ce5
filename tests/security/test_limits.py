"""Limits: what several hub processes allow together is what one would."""

from collections.abc import Callable

import pytest

from hub.errors import TooMany
from hub.limits import CHANNELS_A_DAY, FLEET, Limits, is_loopback, network
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


def done(agents: int, attempt: Callable[[str], None], most: int = 10_000) -> int:
    """How often so many agents of one owner get through until each was refused."""
    count = 0
    for number in range(agents):
        for _ in range(most):
            try:
                attempt(f"agent-{number}")
            except TooMany:
                break
            count += 1
    return count


def test_an_owner_s_fleet_posts_and_proposes_what_a_few_agents_could() -> None:
    limits = Limits(Settings(posts_per_hour=10, proposals_per_hour=20), clock=lambda: 0.0)

    def posts(owner: str, agents: int) -> int:
        return done(agents, lambda agent: limits.posting(f"{owner}-{agent}", owner))

    assert posts("ada", 1) == 10
    assert posts("eve", 50) == FLEET * 10
    assert done(50, lambda agent: limits.proposing(agent, "eve")) == FLEET * 20
    assert posts("emmy", 1) == 10, "others are not held up"


def test_an_owner_opens_a_few_channels_a_day() -> None:
    now = [0.0]
    limits = Limits(Settings(), clock=lambda: now[0])

    assert done(2, lambda _: limits.opening("eve")) == CHANNELS_A_DAY
    now[0] = 86_400.0
    assert done(1, lambda _: limits.opening("eve")) == CHANNELS_A_DAY


def test_an_address_holds_so_many_sockets_and_another_its_own() -> None:
    limits = Limits(Settings(sockets_per_address=2))

    with limits.socket("203.0.113.9"), limits.socket("203.0.113.9"):
        with pytest.raises(TooMany), limits.socket("203.0.113.9"):
            pass
        with limits.socket("203.0.113.10"), limits.socket("127.0.0.1"), limits.socket("127.0.0.1"):
            pass
    with limits.socket("203.0.113.9"):
        pass


@pytest.mark.parametrize(
    ("address", "one", "wide"),
    [
        ("192.0.2.7", "192.0.2.7/32", "192.0.2.0/24"),
        ("::ffff:192.0.2.7", "192.0.2.7/32", "192.0.2.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64", "2001:db8:1::/48"),
        ("testclient", "testclient", "testclient"),
    ],
)
def test_a_caller_is_its_network_however_a_socket_says_it(
    address: str, one: str, wide: str
) -> None:
    assert (network(address), network(address, wide=True)) == (one, wide)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_this_machine_s_own_requests_are_free_and_its_wrong_tokens_are_not(address: str) -> None:
    """A hub that listens on `::` hears IPv4 too, and took all of it for one stranger."""
    limits = Limits(Settings(rate_anonymous=2, joins_per_hour=1, rate_failures=2), lambda: 0.0)

    for free in (limits.anonymous, limits.joining, limits.pondering):
        assert times(free, address) == 60
    assert times(limits.failed, address) == 1
    assert not is_loopback("::ffff:192.0.2.7")
    assert times(limits.anonymous, "::ffff:192.0.2.7") == 1
    assert times(limits.joining, "192.0.2.9") == 1


def times(attempt: Callable[[str], None], address: str) -> int:
    """How often an address gets through, of sixty times."""
    return done(1, lambda _: attempt(address), most=60)


def test_a_rest_fills_a_bucket_and_no_more() -> None:
    now = [0.0]
    limits = Limits(Settings(rate_owner=60), clock=lambda: now[0])
    assert done(1, lambda _: limits.owner("ada")) == 30

    now[0] += 10
    assert done(1, lambda _: limits.owner("ada")) == 10
    now[0] += 3600
    assert done(1, lambda _: limits.owner("ada")) == 30
    assert done(1, lambda _: limits.owner("ada", per_minute=10)) == 5


def test_a_token_is_vouched_for_a_minute() -> None:
    now = [100.0]
    limits = Limits(Settings(), clock=lambda: now[0])
    assert not limits.vouched("genuine")
    limits.vouch("genuine")

    now[0] += 59
    assert limits.vouched("genuine") and not limits.vouched("another")
    now[0] += 1
    assert not limits.vouched("genuine")
