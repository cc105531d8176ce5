"""`python -m benchmarks.ui.letters`: how soon letters typed are answered at 100,000 titles.

A hub process on this machine, asked over HTTP one request after another, as a browser would while
somebody types. Beginnings that nearly every title holds are the worst for an index of words.
"""

import json
import re
import statistics
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import sqlalchemy as sa
from sqlmodel import SQLModel

from benchmarks.ui import trees
from benchmarks.ui.measure import machine, serving
from hub import copying, suggest, tried
from hub.clock import utc_now
from hub.core import Hub, open_hub
from hub.db import Database
from hub.settings import Settings
from protocol.search import Idea
from tests.services.postgres import PostgresServer, postgres_server

OUT = Path("benchmarks/results/letters.json")
COUNT = 100_000
TURNS = 15
ASKED = ("le", "learning rate", "w", "warm dec", "zebra", "embedding 0.7", "@agent", "#4711", "00")
IDEAS = ("Would a longer warm up of the embedding learning rate help?", "quantum foam zebra")
WORDS = re.findall(
    r"\w+",
    "learning rate warmup decay embedding matrix depth width batch clip softcap rotary window "
    "attention norm residual init seed dropout bias head layer value key query schedule cosine",
)


def titles(count: int) -> list[str]:
    """Titles as agents write them: a few words of a small vocabulary, and a number."""
    dice = Random(3)
    weights = [1 / (rank + 1) for rank in range(len(WORDS))]
    return [
        " ".join(dice.choices(WORDS, weights, k=5)) + f" {dice.random():.2f}" for _ in range(count)
    ]


def timed(ask: Any, asked: Sequence[str]) -> dict[str, dict[str, float]]:
    """Milliseconds for each question: the median and the slowest of some turns, warm."""
    found = {}
    for text in asked:
        ask(text)
        spent = []
        for _ in range(TURNS):
            started = time.perf_counter()
            ask(text)
            spent.append((time.perf_counter() - started) * 1000)
        found[text] = {
            "median_ms": round(statistics.median(spent), 1), "slowest_ms": round(max(spent), 1)
        }  # fmt: skip
    return found


def over_http(folder: Path) -> dict[str, Any]:
    """Suggestions as a browser gets them from a hub on SQLite."""
    with serving(folder) as url:

        def _ask(text: str) -> None:
            address = f"{url}/v1/suggest?{urllib.parse.urlencode({'q': text})}"
            with urllib.request.urlopen(address, timeout=30) as answer:
                answer.read()

        return timed(_ask, ASKED)


def within(hub: Hub) -> dict[str, Any]:
    """Suggestions and ideas by the hub's own rules, without HTTP."""

    def _suggest(text: str) -> None:
        with hub.database.read() as session:
            suggest.suggest(session, text)

    def _tried(text: str) -> None:
        with hub.database.read() as session:
            tried.look(session, hub.git, Idea(text=text))

    return {"suggest": timed(_suggest, ASKED), "tried before": timed(_tried, IDEAS)}


@contextmanager
def on_postgres(source: Hub, server: PostgresServer) -> Iterator[Hub]:
    """The same rows on PostgreSQL, their statistics taken."""
    url = server.fresh_database()
    target = Database(url, utc_now, pool=2)
    copying.copy(source.database, target)
    with target.writer.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in SQLModel.metadata.sorted_tables:
            connection.execute(sa.text(f"ANALYZE {table.name}"))
    target.dispose()
    hub = open_hub(Settings(data=source.settings.data, database_url=url))
    try:
        yield hub
    finally:
        hub.database.dispose()
        server.drop(url)


def main() -> None:
    """Measure, print and keep."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "hub"
        trees.fill(data, trees.synthetic(COUNT), titles(COUNT))
        found: dict[str, Any] = {"machine": machine(), "titles": COUNT}
        found["sqlite, over HTTP"] = over_http(data)
        hub = open_hub(Settings(data=data))
        found["sqlite"] = within(hub)
        with postgres_server() as server, on_postgres(hub, server) as other:
            found["postgresql"] = within(other)
        hub.database.dispose()
    OUT.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
