"""Trust as rows: each goal keeps its own, and an owner's is the same whichever was fitted last."""

from itertools import permutations

from sqlmodel import select

from hub import goals, scores, trust_records
from hub.core import Hub
from hub.tables import GoalRow, OwnerRow, RunRow, TrustRow
from hub.trust import Record
from tests.builders import FILES, NOON, a_spec
from tests.hub.test_scores import reads
from tests.hub.volunteer import Volunteer

GPU, LAPTOP = ("ada", "gpu"), ("ada", "laptop")
EARNED = {
    "toy": {GPU: Record(12), ("nikola", "gpu"): Record(3)},
    "two": {GPU: Record(4), LAPTOP: Record(2, broken=True)},
    "three": {GPU: Record(7)},
}


def a_hub_with_three_goals(hub: Hub) -> None:
    with hub.database.work() as work:
        for name in ("two", "three"):
            goals.open_goal(work, hub.git, a_spec(name), FILES)
        for name in ("ada", "nikola"):
            work.session.add(OwnerRow(name=name, created_at=NOON))


def told(hub: Hub) -> tuple[dict[str, int], list[tuple[str, str, str, int, bool]]]:
    """Every owner's trust, and every row that it comes from."""
    with hub.database.read() as session:
        owners = {row.name: row.trust for row in session.exec(select(OwnerRow))}
        found = session.exec(select(TrustRow))
        rows = [(row.goal, row.owner, row.device_class, row.valid, row.broken) for row in found]
        return owners, sorted(rows)


def test_trust_is_the_same_in_whatever_order_goals_are_fitted(hub: Hub) -> None:
    a_hub_with_three_goals(hub)
    seen = []

    for order in permutations(EARNED):
        with hub.database.work() as work:
            for goal in order:
                trust_records.write(work, goal, {})
            for goal in order:
                trust_records.write(work, goal, EARNED[goal])
        seen.append(told(hub))

    assert all(each == seen[0] for each in seen)
    assert seen[0][0] == {"ada": 2, "nikola": 3}, "ada lied on her laptop"


def test_a_goal_writes_its_own_rows_and_forgets_who_reads_no_more(hub: Hub) -> None:
    a_hub_with_three_goals(hub)
    with hub.database.work() as work:
        for goal, earned in EARNED.items():
            trust_records.write(work, goal, earned)

    with hub.database.work() as work:
        trust_records.write(work, "two", {GPU: Record(5)})
        trust_records.write(work, "toy", {GPU: Record(12)})

    owners, rows = told(hub)
    assert owners == {"ada": 24, "nikola": 0}
    assert ("two", "ada", "laptop", 2, True) not in rows
    assert len(rows) == 3


def test_trust_grows_with_runs_and_goes_when_they_count_no_more(
    hub: Hub, volta: Volunteer, tesla: Volunteer
) -> None:
    sha = volta.explore(learning_rate=0.2, metric=0.8).experiment or ""
    assert told(hub) == ({"ada": 0, "nikola": 0}, [])
    reads(hub, tesla, sha, 0.8)
    assert told(hub)[0] == {"ada": 1, "nikola": 1}

    with hub.database.work() as work:
        for run in work.session.exec(select(RunRow).where(RunRow.owner == "nikola")):
            run.counted = False
        work.session.flush()
        scores.refit(work, work.session.get_one(GoalRow, "toy"))

    assert told(hub) == ({"ada": 0, "nikola": 0}, [])
