"""Reads of a big goal: tree, delta, lineage, file and diff, beside a git process per read."""

import sqlite3
import subprocess
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlmodel import col, select

from benchmarks.hub.world import a_hub, in_turns, timed
from hub import check, experiments, refs, trees
from hub.columns import Told
from hub.core import Hub
from hub.maintenance import repack
from hub.tables import ExperimentRow, GoalRow
from protocol.events import GoalChanged
from tests.hub.forest import grow


def tree(size: int, repeats: int) -> dict[str, Any]:
    """The whole tree as it is read first, after a hundred changes, and unchanged; and one delta."""
    with a_hub(train="rate = 1\n") as hub:  # a tree holds no files
        grow(hub, size)

        def changed() -> None:
            """What a reader waits for when a hundred experiments were just scored."""
            _change(hub, size - 100)
            read()

        def read() -> Told:
            with hub.database.read() as session:
                return hub.trees.get(session, session.get_one(GoalRow, "toy"))

        told = read()
        write = timed(lambda: _change(hub, size - 100), repeats)
        found = {"write": write, "write_and_changed": timed(changed, repeats)}
        found["kept"] = timed(read, repeats)
        newest = read().seq - 1
        with hub.database.read() as session:
            goal = session.get_one(GoalRow, "toy")
            found["first"] = timed(lambda: trees.tree(session, goal), repeats)
            found["delta"] = timed(lambda: trees.news(session, goal, after=newest), repeats * 5)
    return {**found, "bytes": len(told.body), "gzip_bytes": len(told.packed)}


def _change(hub: Hub, above: int) -> None:
    with hub.database.work() as work:
        seq = work.announce(GoalChanged(goal="toy", state="open", version=1, reason="bench"))
        change = sa.update(ExperimentRow).where(col(ExperimentRow.number) > above)
        work.session.execute(change.values(changed_seq=seq))


def lineage(depth: int, repeats: int) -> dict[str, Any]:
    """From a leaf of a single line up to the baseline, as the JSON that a reader gets.

    The floor only finds the line, in one recursive query by the bare driver. The peer is the
    published hub's way, a query a hop, and makes nothing of what it finds either.
    """
    with a_hub(train="rate = 1\n") as hub:
        last = grow(hub, depth, fan=1)[-1]
        raw = sqlite3.connect(hub.settings.data / "hub.sqlite3", isolation_level=None)

        def ours() -> bytes:
            with hub.database.read() as session:
                return experiments.lineage_json(experiments.lineage(session, last))

        def floor() -> None:
            raw.execute(_LINE, (last,)).fetchall()

        def peer() -> None:
            found = (last,)
            while found[0] is not None:
                found = raw.execute(_PARENT, found).fetchone()

        calls: dict[str, Callable[[], object]] = {"floor": floor, "lineage": ours, "peer": peer}
        found = in_turns(calls, repeats * 5)
        raw.close()
        return {**found, "bytes": len(ours())}


_PARENT = "SELECT parent FROM experiments WHERE sha = ?"
_LINE = """WITH RECURSIVE line(sha, parent) AS (
  SELECT sha, parent FROM experiments WHERE sha = ?
  UNION ALL SELECT made.sha, made.parent FROM experiments made JOIN line ON made.sha = line.parent
) SELECT sha FROM line"""


def git_reads(size: int, repeats: int) -> dict[str, Any]:
    """A file and a diff of a packed repository, in this process and by a git process each."""
    with a_hub() as hub:
        shas = grow(hub, size)
        check.recreate(hub, "toy")
        repack(hub.git.path("toy"))
        sha, parent = shas[-1], _parent(hub, shas[-1])
        others = iter(shas)
        path = str(hub.git.path("toy"))
        show = ["git", "-C", path, "show", f"{sha}:train.py"]
        compare = ["git", "-C", path, "diff", parent, sha]
        return {
            # Another commit each time: the files of the last few are kept in memory.
            "file": timed(lambda: hub.git.file("toy", next(others), "train.py"), repeats),
            "file_peer": timed(lambda: _run(show), repeats),
            "diff": timed(lambda: hub.git.diff("toy", parent, sha), repeats),
            "diff_peer": timed(lambda: _run(compare), repeats),
            "git_bytes_per_experiment": _bytes(hub) / size,
            "database_bytes_per_experiment": _database(hub) / size,
        }


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _parent(hub: Hub, sha: str) -> str:
    with hub.database.read() as session:
        query = select(ExperimentRow.parent).where(col(ExperimentRow.sha) == sha)
        return str(session.exec(query).one())


def _bytes(hub: Hub) -> int:
    with hub.database.read() as session:
        refs.project(session, hub.git, session.get_one(GoalRow, "toy"))
    files = hub.git.path("toy").rglob("*")
    return sum(path.stat().st_blocks * 512 for path in files if path.is_file())


def _database(hub: Hub) -> int:
    with hub.database.writer.connect() as connection:
        raw: Any = connection.connection.driver_connection
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return int((hub.settings.data / "hub.sqlite3").stat().st_size)
