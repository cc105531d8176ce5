"""Scores are a function of the counted runs, and of nothing else."""

from collections import Counter
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from sqlmodel import Session, col, select

from hub import check, claims, recount, scheduling, scores
from hub.core import Hub
from hub.minds import Thoughts
from hub.scheduling import Wish
from hub.tables import AgentRow, ExperimentRow, GoalRow, RunRow
from hub.work import OTHERS
from protocol.experiments import Operator
from protocol.work import Kind
from tests.hub.operating import Curator
from tests.hub.volunteer import Volunteer

Row = tuple[object, ...]


def believed(hub: Hub) -> list[Row]:
    """What every row says, by number."""
    names = list(claims.Told.__dataclass_fields__)
    with hub.database.read() as session:
        rows = session.exec(select(ExperimentRow).order_by(col(ExperimentRow.number))).all()
        return [tuple(_told(getattr(row, name)) for name in names) for row in rows]


def _told(value: object) -> object:
    # An unmeasured node more changes the order of sums, and so the sixteenth digit.
    return float(f"{value:.9g}") if isinstance(value, float) else value


@pytest.fixture(autouse=True)
def _still(hub: Hub, http: TestClient) -> None:
    """The believer takes the turns that a test has it take; its own come between on a busy day."""
    del http  # whose hub began to take them
    hub.believer.stop()


def grown(hub: Hub) -> None:
    """Make the goal look large, so that it is refitted in the background."""
    with hub.database.work() as work:
        work.session.get_one(GoalRow, "toy").next_number = scores.AT_ONCE + 1


def test_on_a_large_goal_the_reading_shows_at_once_and_the_belief_a_moment_later(
    hub: Hub, volta: Volunteer
) -> None:
    volta.explore(learning_rate=0.2, metric=0.8)
    grown(hub)
    sha = volta.explore(learning_rate=0.3, metric=0.7).experiment
    with hub.database.read() as session:
        fresh = session.exec(select(ExperimentRow).where(ExperimentRow.sha == sha)).one()
    assert (fresh.score, fresh.standing, fresh.kept) == (0.7, "claimed", False)

    hub.believer.turn()

    with hub.database.read() as session:
        settled = session.exec(select(ExperimentRow).where(ExperimentRow.sha == sha)).one()
    assert settled.kept
    assert settled.delta is not None
    assert settled.delta < 0


def due(hub: Hub, volta: Volunteer) -> None:
    """Give a large goal a result that waits for the background."""
    volta.explore(learning_rate=0.2, metric=0.8)
    grown(hub)
    volta.explore(learning_rate=0.3, metric=0.7)


def while_fitting(hub: Hub, monkeypatch: pytest.MonkeyPatch, *then: Callable[[], object]) -> None:
    """Let things happen between the background's reading and its writing, one each time."""
    meanwhile = iter(then)
    believe = scores.believe

    def slow(session: Session, goal: GoalRow, thoughts: Thoughts) -> scores.Fitted:
        fitted = believe(session, goal, thoughts)
        next(meanwhile, lambda: None)()
        return fitted

    monkeypatch.setattr(scores, "believe", slow)
    hub.believer.turn()


def test_a_result_that_comes_while_a_large_goal_is_fitted_keeps_its_claim(
    hub: Hub, volta: Volunteer, monkeypatch: pytest.MonkeyPatch
) -> None:
    due(hub, volta)

    while_fitting(hub, monkeypatch, lambda: volta.explore(learning_rate=0.4, metric=0.6))

    claims = [row[0] for row in believed(hub)]
    assert claims[3] == 0.6
    hub.believer.turn()
    assert believed(hub) == fitted_anew(hub)


def test_what_operators_take_back_while_a_large_goal_is_fitted_stays_taken_back(
    hub: Hub, http: TestClient, volta: Volunteer, monkeypatch: pytest.MonkeyPatch
) -> None:
    grace = Curator.of(hub, http)
    due(hub, volta)

    while_fitting(hub, monkeypatch, lambda: grace.acts("owner.ban", owner="ada"))

    assert {row[0] for row in believed(hub)} == {None}
    hub.believer.turn()
    assert believed(hub) == fitted_anew(hub)


def test_operators_who_act_all_the_time_keep_no_large_goal_from_being_fitted(
    hub: Hub, http: TestClient, volta: Volunteer, monkeypatch: pytest.MonkeyPatch
) -> None:
    grace = Curator.of(hub, http)
    due(hub, volta)

    while_fitting(hub, monkeypatch, lambda: grace.acts("notice.write", text="soon"))

    assert believed(hub) == fitted_anew(hub)


def fitted_anew(hub: Hub) -> list[Row]:
    """What every row says once the goal was fitted in one transaction."""
    with hub.database.work() as work:
        scores.refit(work, work.session.get_one(GoalRow, "toy"))
    return believed(hub)


def test_scores_that_move_a_little_on_a_large_goal_reach_who_has_the_tree(
    hub: Hub, http: TestClient, volta: Volunteer, tesla: Volunteer
) -> None:
    due(hub, volta)
    hub.believer.turn()
    reads(hub, tesla, volta.explore(learning_rate=0.4, metric=0.75).experiment or "", 0.74)
    hub.believer.turn()
    reads(hub, volta, http.get("/v1/goals/toy").json()["baseline"], 0.89)
    old = http.get("/v1/goals/toy/tree")

    hub.believer.turn()

    tag = {"If-None-Match": old.headers["etag"]}
    new = http.get("/v1/goals/toy/tree", headers=tag)
    assert new.status_code == 200
    assert new.json()["score"] == [round(float(str(row[0])) * 1e6) for row in believed(hub)]
    assert [each for each in check.check(hub).findings if "changed_seq" in each.sentence] == []


def test_a_huge_goal_is_refitted_less_often_so_that_requests_have_the_processor(hub: Hub) -> None:
    pauses = [hub.believer.pause(took) for took in (0.0, 0.1, 5.0)]

    assert pauses == [1.0, 1.0, 20.0]


def test_a_second_refit_changes_nothing_and_says_nothing(
    hub: Hub, http: TestClient, volta: Volunteer
) -> None:
    volta.explore(learning_rate=0.2, metric=0.8)
    volta.explore(learning_rate=0.3, metric=0.85)
    before, newest = believed(hub), http.get("/v1/events").json()["seq"]

    with hub.database.work() as work:
        scores.refit(work, work.session.get_one(GoalRow, "toy"))

    assert believed(hub) == before
    assert http.get("/v1/events").json()["seq"] == newest


def test_a_run_that_no_longer_counts_leaves_no_trace_in_any_score(
    hub: Hub, volta: Volunteer, tesla: Volunteer
) -> None:
    volta.explore(learning_rate=0.2, metric=0.8)
    volta.explore(learning_rate=0.3, metric=0.85)
    before = believed(hub)
    lucky = tesla.explore(learning_rate=0.4, metric=0.5)
    assert believed(hub)[: len(before)] != before

    with hub.database.work() as work:
        for run in work.session.exec(select(RunRow).where(RunRow.owner == "nikola")):
            run.counted = False
        work.session.flush()
        scores.refit(work, work.session.get_one(GoalRow, "toy"))

    assert believed(hub)[: len(before)] == before
    with hub.database.read() as session:
        row = session.exec(select(ExperimentRow).where(ExperimentRow.sha == lucky.experiment)).one()
    assert (row.score, row.kept, row.standing) == (None, False, "none")


def test_an_improvement_is_verified_when_another_owner_repeats_it(
    http: TestClient, volta: Volunteer, tesla: Volunteer
) -> None:
    sha = volta.explore(learning_rate=0.2, metric=0.8).experiment
    for _ in range(6):
        order = tesla.claim()
        if order.parent is not None:
            tesla.release(order)
            break
        tesla.report(order, metric=0.8 if order.experiment == sha else 0.9)

    shown = http.get(f"/v1/experiments/{sha}").json()
    assert (shown["standing"], shown["n_owners"]) == ("verified", 2)
    assert http.get("/v1/goals/toy").json()["champion"] == sha


def test_a_device_that_scatters_wildly_is_set_aside_and_its_readings_with_it(
    hub: Hub, http: TestClient, volta: Volunteer
) -> None:
    sha = volta.explore(learning_rate=0.2, metric=0.8).experiment or ""
    scatters(hub, http, sha, Volunteer.joined(http, "wild", "wilde"))

    assert http.get("/v1/agents/wild").json()["state"] == "quarantined"
    score = http.get(f"/v1/experiments/{sha}").json()
    assert abs(score["score"] - 0.8) < 0.01
    told = [each["event"] for each in http.get("/v1/events").json()["events"]]
    acts = [each["object"] for each in told if each["type"] == "operator.acted"]
    assert acts == ["wild"]


def test_what_only_a_device_ran_that_was_set_aside_may_be_tried_again(
    hub: Hub, http: TestClient, volta: Volunteer
) -> None:
    sha = volta.explore(learning_rate=0.2, metric=0.8).experiment or ""
    wild = Volunteer.joined(http, "wild", "wilde")
    alone = wild.explore(learning_rate=0.4, metric=0.8).experiment
    scatters(hub, http, sha, wild)
    assert standing(hub)["wild"] == ("quarantined", 0)

    shown = http.get(f"/v1/experiments/{alone}").json()

    assert (shown["status"], shown["metric"], shown["n_runs"]) == ("abandoned", None, 0)
    assert volta.propose(volta.exploring(), learning_rate=0.4).status_code == 200


def scatters(hub: Hub, http: TestClient, sha: str, wild: Volunteer, among: int = 2) -> None:
    """Have a device read far off, now above and now below, what some others read alike."""
    others = [Volunteer.joined(http, f"agent-{n}", f"owner-{n}") for n in range(among)]
    for turn in range(6):
        for each in others:
            reads(hub, each, sha, 0.8 + 0.0001 * turn)
        reads(hub, wild, sha, 0.8 + (0.2 if turn % 2 else -0.2))


def reads(hub: Hub, agent: Volunteer, sha: str, metric: float) -> None:
    """Have an agent run an experiment again, unless the hub has set it aside."""
    with hub.database.work() as work:
        goal = work.session.get_one(GoalRow, "toy")
        wish = Wish(Kind.REPLICATE, Operator.TWEAK, "again", experiment=sha)
        long_since = work.now - OTHERS  # whoever had it before has waited for others long enough
        order = scheduling.put(work, scheduling.new_order(long_since, goal, wish))
        if work.session.get_one(AgentRow, agent.name).state != "active":
            order.state = "parked"
            return
    agent.report(agent.claim(), metric=metric)


def test_a_ban_hears_devices_again_that_the_hub_set_aside_and_undoing_it_does_not(
    hub: Hub, http: TestClient, volta: Volunteer
) -> None:
    sha = volta.explore(learning_rate=0.2, metric=0.8).experiment or ""
    wild, mild = (Volunteer.joined(http, name, f"{name}-owner") for name in ("wild", "mild"))
    scatters(hub, http, sha, wild, among=3)
    for turn in range(6):
        reads(hub, mild, sha, 0.8 + 0.0001 * turn)
    set_aside(hub, "mild")
    before = standing(hub)
    assert (before["wild"], before["mild"]) == (("quarantined", 0), ("quarantined", 0))
    grace = Curator.of(hub, http)

    grace.acts("owner.ban", owner="owner-0")

    after = standing(hub)
    assert after["mild"] == ("active", 6), "it reads as the others do"
    assert after["wild"] == ("quarantined", 0), "it still reads oddly"
    grace.acts("owner.restore", owner="owner-0")
    assert standing(hub) == before


def test_a_device_that_an_operator_set_aside_waits_for_an_operator(
    hub: Hub, http: TestClient, volta: Volunteer, tesla: Volunteer
) -> None:
    sha = volta.explore(learning_rate=0.2, metric=0.8).experiment or ""
    root = http.get("/v1/goals/toy").json()["baseline"]
    for each in (sha, root):
        reads(hub, tesla, each, 0.8)
    grace = Curator.of(hub, http)
    grace.acts("agent.quarantine", agent="tesla")

    grace.acts("owner.ban", owner="ada")
    assert standing(hub)["tesla"][0] == "quarantined"
    grace.acts("owner.restore", owner="ada")

    assert standing(hub)["tesla"][0] == "quarantined"


def set_aside(hub: Hub, agent: str) -> None:
    """As the hub does by itself when the numbers of others make a device look odd."""
    with hub.database.work() as work:
        work.session.get_one(AgentRow, agent).state = "quarantined"
        out = sa.update(RunRow).where(col(RunRow.agent) == agent)
        work.session.execute(out.values(counted=False))
        recount.goal(work, "toy")


def standing(hub: Hub) -> dict[str, tuple[str, int]]:
    """Every device's state, and how many of its runs count."""
    with hub.database.read() as session:
        agents = session.exec(select(AgentRow)).all()
        counted = Counter(session.exec(select(RunRow.agent).where(col(RunRow.counted))).all())
        return {agent.name: (agent.state, counted[agent.name]) for agent in agents}
