"""A submit: floor, peer and hub, one durable commit each, in turns and without HTTP.

The floor is one SQLite row of the same text, synchronous FULL. The peer is what the published hub
does: `git bundle unbundle` in a process of its own, and a row. The hub takes the proposal (checks,
git objects, row, event) and the run (row, blobs, credit, score, event, post). All of them wait for
the disk once, as `flush` does: the slower the disk, the nearer to the floor. What the hub does a
moment later for many at once (git's pack, blob files, full text) is `behind`. `benchmarks.hub.load`
has the same over HTTP, many at once, with all of that beside it.
"""

import gc
import hashlib
import os
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import orjson
import sqlalchemy as sa

from benchmarks.hub.world import (
    TRAIN,
    TURNS,
    Timed,
    a_hub,
    in_turns,
    leased,
    outputs,
    rounds,
    variant,
)
from hub import proposals, reports
from hub.agents import Speaker
from hub.core import Hub
from hub.tables import GoalRow
from tests.builders import Order, a_proposal, a_report
from tests.hub.forest import grow

BEHIND = 60


@contextmanager
def a_floor() -> Iterator[Callable[[], None]]:
    """Parse the body and commit one row of it."""
    log = outputs(0)["log"]
    body = orjson.dumps({"file": TRAIN, "log": log, "numbers": list(range(30))})
    with TemporaryDirectory() as folder:
        database = sqlite3.connect(Path(folder) / "floor.sqlite3", isolation_level=None)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("CREATE TABLE results (id TEXT PRIMARY KEY, body BLOB)")

        def one() -> None:
            orjson.loads(body)
            database.execute("INSERT INTO results VALUES (?, ?)", (uuid4().hex, body))

        yield one
        database.close()


@contextmanager
def a_flush() -> Iterator[Callable[[], None]]:
    """Append a page and flush it: what a commit costs at least, on this disk."""
    with TemporaryDirectory() as folder, (Path(folder) / "log").open("ab", buffering=0) as file:

        def one() -> None:
            file.write(bytes(4096))
            os.fsync(file.fileno())

        yield one


@contextmanager
def a_peer(before: int, more: int) -> Iterator[Callable[[], None]]:
    """Unbundle a push into a bare repository that has `before` packs already, and write a row."""
    with TemporaryDirectory() as folder:
        bare, bundles = _pushes(Path(folder), before + more)
        database = sqlite3.connect(Path(folder) / "peer.sqlite3", isolation_level=None)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE commits (sha TEXT PRIMARY KEY)")

        def one() -> None:
            bundle = next(bundles)
            _git(bare, "bundle", "unbundle", str(bundle))
            sha = hashlib.sha1(bundle.name.encode(), usedforsecurity=False).hexdigest()
            database.execute("INSERT INTO commits VALUES (?)", (sha,))

        for _ in range(before):
            one()
        yield one
        database.close()


def _pushes(folder: Path, how_many: int) -> tuple[Path, Iterator[Path]]:
    """A bare repository, and bundles of one commit each on its root."""
    work, bare = folder / "work", folder / "bare.git"
    subprocess.run(["git", "init", "-q", "-b", "main", str(work)], check=True)
    _git(work, "config", "user.name", "ada")
    _git(work, "config", "user.email", "ada@example.invalid")
    (work / "train.py").write_text(TRAIN)
    _git(work, "add", "-A")
    _git(work, "commit", "-q", "-m", "root")
    subprocess.run(["git", "clone", "-q", "--bare", str(work), str(bare)], check=True)
    return bare, iter([_bundle(work, folder, number) for number in range(how_many)])


def _bundle(work: Path, folder: Path, number: int) -> Path:
    _git(work, "checkout", "-q", "-f", "-B", "push", "main")
    (work / "train.py").write_text(variant(number))
    _git(work, "commit", "-q", "-a", "-m", str(number))
    path = folder / f"{number}.bundle"
    _git(work, "bundle", "create", "-q", str(path), "main..push")
    return path


def _git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True)


def side_by_side(before: int, packs: int, repeats: int) -> dict[str, Timed]:
    """Floor, peer and hub in turns."""
    many = TURNS * rounds(repeats)
    with (
        a_flush() as flush,
        a_floor() as floor,
        a_peer(packs, many) as peer,
        a_served_hub(before) as hub,
    ):
        steps = _Steps(hub, many + BEHIND)
        calls = {"flush": flush, "floor": floor, "peer": peer}
        calls |= {"propose": steps.propose, "report": steps.report}
        return in_turns(calls, repeats) | {"behind": _behind(hub, steps)}


def _behind(hub: Hub, steps: "_Steps") -> Timed:
    """What is written later, for each of as many submits as a busy hub has in half a second."""
    _catch_up(hub)
    for _ in range(BEHIND):
        steps.propose()
        steps.report()
    started, used = time.perf_counter(), time.process_time()
    _catch_up(hub)
    wall, cpu = time.perf_counter() - started, time.process_time() - used
    return Timed(round(wall / BEHIND * 1000, 3), round(cpu / BEHIND * 1000, 3))


def _catch_up(hub: Hub) -> None:
    hub.git.settle()
    hub.blob_writer.turn()
    hub.text_writer.follow()


def submit(before: int, repeats: int) -> dict[str, Timed]:
    """The hub's proposal and run in a goal that has `before` experiments already."""
    with a_served_hub(before) as hub:
        steps = _Steps(hub, TURNS * rounds(repeats))
        return in_turns({"propose": steps.propose, "report": steps.report}, repeats)


@contextmanager
def a_served_hub(before: int) -> Iterator[Hub]:
    """A hub that has `before` experiments, and whose objects are frozen as a server's are."""
    with a_hub() as hub:
        if before:
            grow(hub, before)
        gc.collect()
        gc.freeze()
        yield hub
        gc.unfreeze()


class _Steps:
    """Proposals by one agent, then their runs."""

    def __init__(self, hub: Hub, how_many: int) -> None:
        self.hub = hub
        with hub.database.read() as session:
            self.root = str(session.get_one(GoalRow, "toy").root)
        self.waiting = iter(leased(hub, self.root, how_many))
        self.proposed: list[Order] = []
        self.outputs = iter([outputs(number) for number in range(how_many)])
        self.number = count(1)

    def who(self, _connection: sa.Connection) -> Speaker:
        """Volta, as her token would be found to say."""
        return Speaker("volta", "ada", "active")

    def propose(self) -> None:
        """One changed line of 700."""
        row = next(self.waiting)
        order = Order(row.id, 1, "toy", "n", 1, parent=self.root)
        text = variant(next(self.number))
        proposal = a_proposal(order, files={"train.py": text}, title=f"Try {next(self.number)}")
        hub = self.hub
        rule = proposals.propose(hub.database, hub.git, hub.families, uuid4(), self.who, proposal)
        made = hub.database.apply(rule)
        order.experiment = made.sha
        self.proposed.append(order)

    def report(self) -> None:
        """Thirty numbers, a curve of 100 points, a log."""
        numbers: dict[str, Any] = {f"m{n}": float(n) for n in range(30)}
        order = self.proposed.pop()
        said = a_report(order, metric=0.9, metrics=numbers, **next(self.outputs))
        hub = self.hub
        hub.database.apply(reports.deliver(hub.database, uuid4(), self.who, said))
