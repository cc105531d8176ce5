"""What a hub measures of itself, in Prometheus' words."""

import time
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlmodel import col
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub import agents
from hub.core import Hub
from hub.middleware import begun
from hub.tables import AgentRow, ExperimentRow, OrderRow, RunRow

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics(Collector):
    """One hub process's numbers; those of the database are counted when somebody asks."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "agenthub_requests_total",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "agenthub_request_seconds",
            "Seconds from a request's headers to its answer's end.",
            ("route",),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.registry.register(self)

    def text(self) -> bytes:
        """The page that Prometheus reads."""
        return generate_latest(self.registry)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """What is true at this moment."""
        hub = self.hub
        yield _gauge("sockets", "Open live sockets.", hub.live.sockets)
        yield _gauge(
            "event_lag", "Events not yet told to sockets.", hub.live.head() - hub.live.last
        )
        yield _gauge("heartbeats_waiting", "Renewals not yet written.", hub.heartbeats.waiting)
        yield _gauge("blobs_waiting", "Logs and curves not yet stored.", hub.blob_writer.waiting())
        yield _gauge("database_bytes", "Size of the SQLite file.", _size(hub))
        for name, count in self._counts().items():
            yield _gauge(name, f"{name.capitalize()} in the database.", count)

    def _counts(self) -> dict[str, int]:
        held = agents.under_way(self.hub.clock())
        leased = sa.select(sa.func.count()).select_from(OrderRow).where(*held)
        parked = sa.select(sa.func.count()).where(col(OrderRow.state) == "parked")
        running = sa.select(sa.func.count()).where(col(ExperimentRow.status) == "running")
        queries = {
            "experiments": sa.select(sa.func.count()).select_from(ExperimentRow),
            "running": running,
            "runs": sa.select(sa.func.count()).select_from(RunRow),
            "agents": sa.select(sa.func.count()).select_from(AgentRow),
            "leases": leased,
            "parked": parked,
        }
        with self.hub.database.read() as session:
            return {name: session.execute(each).scalar_one() for name, each in queries.items()}


class Measured:
    """Count each request and how long it took, by route and never by address or name."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = begun(scope), 500

        async def _send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, _send)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self.metrics.requests.labels(scope["method"], route, str(status)).inc()
            self.metrics.seconds.labels(route).observe(time.perf_counter() - started)


def _gauge(name: str, words: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"agenthub_{name}", words, value=value)


def _size(hub: Hub) -> int:
    file = hub.database.writer.url.database if hub.database.is_sqlite else None
    return Path(file).stat().st_size if file and Path(file).exists() else 0
