"""A dump of the public record's shape: re-rolls become replicates, a lucky one wins nothing."""

import numpy as np

from benchmarks.swarm.replay import Result, gathered, label, table
from hub import belief


def a_dump(rerolls: int = 300) -> list[Result]:
    """A short line of improvements, then one patch rolled again and again."""
    random = np.random.default_rng(7)
    line = [
        Result(f"h{at}", f"h{at - 1}" if at else "", "a", f"step {at}", 0.998 - at * 1e-3, "d1")
        for at in range(6)
    ]
    rolls = [
        Result(f"r{at}", "h5", "b", f"best64 rep{at}", 0.9925 + random.normal(0, 3.7e-4), "d2")
        for at in range(rerolls)
    ]
    return [*line, *rolls]


def test_labels_lose_their_counter_and_nothing_else() -> None:
    assert label("best64 rep5484") == label("best64_rep7") == "best64"
    assert label("FIX_best57_repeat3") == "FIX_best57"
    assert label("WD 0.2") == "WD 0.2"


def test_rerolls_become_replicates_of_one_entry() -> None:
    snapshot, repeated = gathered(a_dump())

    assert repeated == 299
    assert len(snapshot.nodes) == 7
    assert belief.fit(snapshot).n[6] == 300


def test_the_luckiest_reroll_is_not_what_the_hub_believes() -> None:
    dump = a_dump()
    snapshot, _ = gathered(dump)

    found = belief.fit(snapshot)

    assert found.score[6] > min(one.value for one in dump) + 5e-4
    assert "nobody yet" in table(dump)
