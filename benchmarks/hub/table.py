"""What was measured of the hub, beside what it aims at, as a table."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rich.table import Table

Found = Mapping[str, Any]


@dataclass(frozen=True)
class Aim:
    """A target of `performance.md`: a number made of one part's result, and its bound."""

    part: str
    what: str
    value: Callable[[Found], float]
    bound: float
    at_least: bool = False
    unit: str = ""

    def met(self, value: float) -> bool:
        """Whether the number keeps to its bound."""
        return value >= self.bound if self.at_least else value <= self.bound


def _wall(found: Found, name: str) -> float:
    return float(found[name]["wall_ms"])


def _submit(found: Found) -> float:
    return _wall(found, "propose") + _wall(found, "report")


def _ratio(above: str, below: str) -> Callable[[Found], float]:
    return lambda found: _wall(found, above) / _wall(found, below)


def _disk(found: Found) -> float:
    of = ("git_bytes_per_experiment", "database_bytes_per_experiment")
    return float(sum(found[name] for name in of)) / 1024


def _tree(found: Found) -> float:
    return float(found["write_and_changed"]["cpu_ms"] - found["write"]["cpu_ms"])


FLOOR, GIT = 0.4, 8
BARE = 5 / 1.4
"""Where 5 ms were asked for, the bare query took 1.4."""
AIMS = (
    Aim("submit", "a proposal's rate, of the floor's", _ratio("floor", "propose"), FLOOR, True),
    Aim("submit", "a report's rate, of the floor's", _ratio("floor", "report"), FLOOR, True),
    Aim("submit", "times the peer's push", lambda of: _wall(of, "peer") / _submit(of), 10, True),
    Aim(
        "cycles",
        "10,000 agents, whole cycles",
        lambda of: 100 * of["share_of_a_core"],
        100,
        unit="%",
    ),
    Aim("lineage", "850 steps", lambda of: _wall(of, "lineage"), 5, unit="ms"),
    Aim("lineage", "850 steps, times the bare query", _ratio("lineage", "floor"), BARE),
    Aim("heartbeats", "10,000 agents", lambda of: 100 * of["share_of_a_core"], 15, unit="%"),
    Aim("fan_out", "1,000 sockets, times raw frames", lambda of: of["ratio"], 2.5),
    Aim("fan_out", "a socket", lambda of: of["kb_per_socket"], 40, unit="KB"),
    Aim("git", "a file, times a git process", _ratio("file_peer", "file"), GIT, True),
    Aim("git", "a diff, times a git process", _ratio("diff_peer", "diff"), GIT, True),
    Aim("git", "an experiment on disk", _disk, 3, unit="KB"),
    Aim("tree", "100,000 after a change, processor", _tree, 60, unit="ms"),
    Aim("tree", "100,000, packed", lambda of: of["gzip_bytes"] / 1e6, 0.75, unit="MB"),
    Aim("tree", "a delta", lambda of: _wall(of, "delta"), 5, unit="ms"),
)


def table(kept: Mapping[str, Any]) -> Table:
    """Every aim whose part was measured, with the commit that it was measured at."""
    shown = Table("path", "what", "measured", "aim", "met", "commit", title="The hub")
    for row in (*_rows(kept), *_flat(kept), *_flush(kept)):
        shown.add_row(*row)
    return shown


def _rows(kept: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for aim in AIMS:
        if aim.part in kept:
            yield _row(aim, aim.value(kept[aim.part]["found"]), str(kept[aim.part]["commit"]))


def _flat(kept: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """How much slower a hub with many experiments is than one with few."""
    if "submit" in kept and "submit_100000" in kept:
        few, many = (kept[part]["found"] for part in ("submit", "submit_100000"))
        aim = Aim("submit", "at 100,000, of the rate at 1,000", _submit, 0.8, at_least=True)
        yield _row(aim, _submit(few) / _submit(many), str(kept["submit_100000"]["commit"]))


def _flush(kept: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """What all commits wait for: the slower the disk, the nearer a submit comes to the floor."""
    if "flush" in kept.get("submit", {}).get("found", {}):
        said = f"{_wall(kept['submit']['found'], 'flush'):.3g} ms"
        yield "submit", "a page flushed to this disk", said, "", "", str(kept["submit"]["commit"])


def _row(aim: Aim, value: float, commit: str) -> tuple[str, ...]:
    bound = f"{'at least' if aim.at_least else 'at most'} {aim.bound:.2g} {aim.unit}".strip()
    measured = f"{value:.3g} {aim.unit}".strip()
    return aim.part, aim.what, measured, bound, "yes" if aim.met(value) else "no", commit
