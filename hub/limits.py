"""Rate limits: token buckets in memory, charged before anything else, so that failures count."""

import ipaddress
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hub.errors import TooMany
from hub.settings import Settings

MOST_BUCKETS = 50_000
VOUCHED_SECONDS = 60.0
FLEET = 4
"""An owner's agents together may post and propose as much as so many of them flat out."""
CHANNELS_A_DAY = 3
PONDERED_A_MINUTE = 30


@dataclass(frozen=True)
class Rate:
    """So many a minute in the long run, and so many at once after a rest."""

    per_minute: float
    burst: float


@dataclass
class Bucket:
    """What is left, and when that was true (seconds of the limiter's clock)."""

    level: float
    at: float


class Limits:
    """One process's buckets by key; of several hub processes each allows its share (ADR 0110)."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self._clock = clock
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()
        self._vouched: OrderedDict[int, float] = OrderedDict()
        self._sockets: Counter[str] = Counter()
        self._lock = threading.Lock()

    def vouch(self, token: str) -> None:
        """Remember for a minute that a token was genuine: not the token, but its keyed hash."""
        with self._lock:
            self._vouched[hash(token)] = self._clock() + VOUCHED_SECONDS
            while len(self._vouched) > MOST_BUCKETS:
                self._vouched.popitem(last=False)

    def vouched(self, token: str) -> bool:
        """Whether a token was found genuine within the last minute."""
        with self._lock:
            return self._vouched.get(hash(token), 0.0) > self._clock()

    def spend(self, key: str, rate: Rate) -> None:
        """Take one from a bucket; raises TooMany with the time until there is one again."""
        rate = self._share(rate)
        with self._lock:
            bucket = self._refilled(key, rate)
            if bucket.level < 1:
                raise _too_many((1 - bucket.level) * 60 / rate.per_minute)
            bucket.level -= 1

    @contextmanager
    def socket(self, address: str) -> Iterator[None]:
        """One of the live sockets that a network may hold open; this machine's own are free.

        Raises:
            TooMany: it holds as many as one may.
        """
        key = network(address)
        with self._lock:
            if self._sockets[key] >= self.settings.sockets_per_address and not is_loopback(address):
                raise TooMany("Your network holds as many live sockets as one may; close some.")
            self._sockets[key] += 1
        try:
            yield
        finally:
            with self._lock:
                self._sockets[key] -= 1
                self._sockets += Counter()  # forgets who holds none

    def token(self, identity: str) -> None:
        """A request with this token."""
        self.spend(f"token:{identity}", self._rate(self.settings.rate_token))

    def owner(self, name: str, per_minute: int | None = None) -> None:
        """A request of any of an owner's agents; operators may set another limit."""
        self.spend(f"owner:{name}:{per_minute}", self._rate(per_minute or self.settings.rate_owner))

    def anonymous(self, address: str) -> None:
        """A request without a token; this machine's own are free."""
        if not is_loopback(address):
            self.spend(f"read:{network(address)}", self._rate(self.settings.rate_anonymous))

    def failed(self, address: str) -> None:
        """A request with a wrong token or an unreadable body."""
        self.spend(f"failed:{network(address)}", self._rate(self.settings.rate_failures))

    def joining(self, address: str) -> None:
        """A registration, counted by neighbourhood; this machine's own are free."""
        if not is_loopback(address):
            hourly = self.settings.joins_per_hour
            self.spend(f"join:{network(address, wide=True)}", Rate(hourly / 60, hourly))

    def pondering(self, address: str) -> None:
        """An idea held against all experiments, which costs more than to read; ours are free."""
        if not is_loopback(address):
            self.spend(f"ponder:{network(address)}", self._rate(PONDERED_A_MINUTE))

    def posting(self, agent: str, owner: str = "") -> None:
        """A post on the board; an owner's agents together may write what a few could."""
        self._by_the_hour("post", agent, owner, self.settings.posts_per_hour)

    def reacting(self, account: str, owner: str = "") -> None:
        """What somebody thinks of a post: quicker said than a post, so more of them."""
        self._by_the_hour("react", account, owner, FLEET * self.settings.posts_per_hour)

    def proposing(self, agent: str, owner: str = "") -> None:
        """A proposal, which costs preflight and a commit; counted for its owner, too."""
        self._by_the_hour("propose", agent, owner, self.settings.proposals_per_hour)

    def opening(self, owner: str) -> None:
        """A new channel: there are few, and nothing closes one."""
        self.spend(f"channel:{owner}", Rate(CHANNELS_A_DAY / 1440, CHANNELS_A_DAY))

    def _by_the_hour(self, what: str, agent: str, owner: str, hourly: float) -> None:
        self.spend(f"{what}:{agent}", Rate(hourly / 60, hourly))
        if owner:
            together = FLEET * hourly
            self.spend(f"{what}:owner:{owner}", Rate(together / 60, together))

    def _share(self, rate: Rate) -> Rate:
        share = self.settings.processes
        return Rate(rate.per_minute / share, max(1.0, rate.burst / share))

    def _rate(self, per_minute: float) -> Rate:
        return Rate(per_minute, max(1.0, per_minute / 2))

    def _refilled(self, key: str, rate: Rate) -> Bucket:
        now = self._clock()
        bucket = self._buckets.pop(key, None) or Bucket(rate.burst, now)
        bucket.level = min(rate.burst, bucket.level + (now - bucket.at) * rate.per_minute / 60)
        bucket.at = now
        self._buckets[key] = bucket
        while len(self._buckets) > MOST_BUCKETS:
            self._buckets.popitem(last=False)
        return bucket


def _too_many(wait: float) -> TooMany:
    refused = TooMany()
    refused.retry_after = max(1.0, wait)
    return refused


def network(address: str, wide: bool = False) -> str:
    """The network that counts as one caller: IPv4 whole or /24, IPv6 /64 or /48."""
    parsed = _parsed(address)
    if parsed is None:
        return address
    prefix = (24 if wide else 32) if parsed.version == 4 else (48 if wide else 64)
    return str(ipaddress.ip_network(f"{parsed}/{prefix}", strict=False))


def is_loopback(address: str) -> bool:
    """Whether a caller is this machine itself."""
    parsed = _parsed(address)
    return parsed is not None and parsed.is_loopback


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address, if it is one; `::ffff:192.0.2.1` is how an IPv6 socket says an IPv4 one."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return mapped or parsed
