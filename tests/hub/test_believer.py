"""What operators do to a large goal shows at once, and nobody waits for it to be believed anew."""

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from sqlmodel import Session, select

from hub import believer, db, minds
from hub.core import Hub
from hub.tables import ExperimentRow, GoalRow
from protocol.events import Envelope
from tests.hub.operating import Curator
from tests.hub.test_moderation import flag
from tests.hub.test_scores import believed, fitted_anew, grown, reads, standing, while_fitting
from tests.hub.volunteer import Volunteer

Row = tuple[float | None, str, bool]


@pytest.fixture
def grace(hub: Hub, http: TestClient) -> Curator:
    return Curator.of(hub, http)


@pytest.fixture(autouse=True)
def _still(hub: Hub, http: TestClient) -> None:
    """The believer takes the turns that a test has it take."""
    del http  # whose hub began to take them
    hub.believer.stop()


@pytest.fixture
def titles(hub: Hub, volta: Volunteer, tesla: Volunteer) -> tuple[str, str]:
    """An honest claim and a better one of mallory's on a large goal, both verified, by sha."""
    mallory = Volunteer.joined(volta.http, "mallet", "mallory")
    honest = volta.explore(learning_rate=0.2, metric=0.8).experiment or ""
    false = mallory.explore(learning_rate=0.3, metric=0.5).experiment or ""
    for sha, metric in ((honest, 0.8), (false, 0.5)):
        for agent in (tesla, mallory if sha == honest else volta):
            reads(hub, agent, sha, metric)
    grown(hub)
    hub.believer.turn()
    assert champion(hub) == false
    return honest, false


def champion(hub: Hub) -> str | None:
    with hub.database.read() as session:
        return session.get_one(GoalRow, "toy").champion


def says(hub: Hub, sha: str) -> Row:
    """What is shown of an experiment."""
    with hub.database.read() as session:
        row = session.exec(select(ExperimentRow).where(ExperimentRow.sha == sha)).one()
    return row.score, row.standing, row.kept


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The goals that were thought about while others waited for the writer."""
    seen: list[str] = []
    think = minds.think

    def _watched(session: Session, goal: GoalRow) -> minds.Thoughts:
        if isinstance(session, db.Writing):
            seen.append(goal.slug)
        return think(session, goal)

    monkeypatch.setattr(minds, "think", _watched)
    return seen


@pytest.mark.parametrize("action", ["owner.ban", "owner.quarantine"])
def test_what_was_taken_out_of_a_large_goal_is_neither_champion_nor_claim_from_then_on(
    hub: Hub, grace: Curator, titles: tuple[str, str], waited: list[str], action: str
) -> None:
    honest, false = titles

    grace.acts(action, owner="mallory")

    left = (None, "none", False) if action == "owner.ban" else (0.5, "claimed", False)
    assert (champion(hub), says(hub, false), waited) == (None, left, [])
    assert says(hub, honest) == (0.8, "claimed", False), "mallory was one of those who bore it out"
    hub.believer.turn()
    assert (champion(hub), waited) == (honest if action == "owner.ban" else false, [])
    assert believed(hub) == fitted_anew(hub)
    grace.acts("owner.restore", owner="mallory")
    hub.believer.turn()
    assert champion(hub) == false
    assert believed(hub) == fitted_anew(hub)


def test_what_a_fit_changes_of_many_experiments_is_written_in_parts(
    hub: Hub, grace: Curator, titles: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(believer, "ROWS", 1)
    grace.acts("owner.quarantine", owner="mallory")
    at_once, publish = list[list[str]](), hub.database.publish

    def _watched(envelopes: list[Envelope]) -> None:
        at_once.append([each.event.type for each in envelopes])
        publish(envelopes)

    monkeypatch.setattr(hub.database, "publish", _watched)
    believer.Believer(hub.database).turn()

    scored = [count for told in at_once if (count := told.count("score.changed"))]
    assert scored == [1, 1, 1]
    assert at_once[-1][-1] == "champion.changed", "nobody is crowned before the last"
    assert believed(hub) == fitted_anew(hub)


def test_what_a_stop_left_of_a_fit_is_written_after_the_next(
    hub: Hub, grace: Curator, titles: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(believer, "ROWS", 1)
    grace.acts("owner.quarantine", owner="mallory")
    stopped = believer.Believer(hub.database)
    stopped.stop()

    stopped.turn()

    assert champion(hub) is None
    believer.Believer(hub.database).turn()
    assert champion(hub) == titles[1]
    assert believed(hub) == fitted_anew(hub)


HIDING: dict[str, Callable[[Curator, str, str], object]] = {
    "hidden": lambda grace, sha, _: grace.acts("experiment.hide", experiment=sha),
    "merged": lambda grace, sha, into: grace.acts("experiment.merge", experiment=sha, into=into),
}


@pytest.mark.parametrize("how", HIDING)
def test_a_champion_of_a_large_goal_that_goes_out_of_sight_loses_the_title_at_once(
    hub: Hub, grace: Curator, titles: tuple[str, str], waited: list[str], how: str
) -> None:
    honest, false = titles

    HIDING[how](grace, false, honest)

    with hub.database.read() as session:
        children = sum(session.exec(select(ExperimentRow.n_children)))
    assert (champion(hub), children, waited) == (None, 1, [])
    undone = grace.acts("action.undo", seq=grace.send("GET", "actions").json()["actions"][0]["seq"])
    hub.believer.turn()
    assert (undone["undoable"], champion(hub)) == (True, false)


def test_a_fit_that_heard_what_was_banned_meanwhile_crowns_and_shows_nobody(
    hub: Hub,
    http: TestClient,
    grace: Curator,
    titles: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest, false = titles
    late = Volunteer.joined(http, "late", "marie").explore(0.4, metric=0.85).experiment or ""

    while_fitting(hub, monkeypatch, lambda: grace.acts("owner.ban", owner="mallory"))

    assert (champion(hub), says(hub, false)) == (None, (None, "none", False))
    assert says(hub, late)[0] == pytest.approx(0.85, abs=0.01)
    hub.believer.turn()
    assert champion(hub) == honest
    assert believed(hub) == fitted_anew(hub)


def test_a_device_of_a_large_goal_is_set_aside_while_nobody_waits(
    hub: Hub, http: TestClient, volta: Volunteer, waited: list[str]
) -> None:
    sha = odd(hub, http, volta)
    waited.clear()

    hub.believer.turn()

    assert (standing(hub)["wild"], waited) == (("quarantined", 0), [])
    assert says(hub, sha)[1] == "claimed"
    hub.believer.turn()
    assert believed(hub) == fitted_anew(hub)
    assert hub.believer.turn() == []


def odd(hub: Hub, http: TestClient, volta: Volunteer) -> str:
    """A large goal of which one device reads oddly; what they all ran."""
    sha = volta.explore(learning_rate=0.2, metric=0.8).experiment or ""
    others = [Volunteer.joined(http, f"agent-{n}", f"owner-{n}") for n in range(4)]
    wild = Volunteer.joined(http, "wild", "wilde")
    grown(hub)
    for turn in range(6):
        for each in others:
            reads(hub, each, sha, 0.8 + 0.0001 * turn)
        reads(hub, wild, sha, 0.8 + (0.2 if turn % 2 else -0.2))
    return sha


def test_a_flag_on_an_owner_of_a_large_goal_is_undone_though_the_hub_set_a_device_aside_again(
    hub: Hub, http: TestClient, volta: Volunteer, grace: Curator
) -> None:
    odd(hub, http, volta)
    hub.believer.turn()
    before = standing(hub)
    flag(volta, "owner", "owner-0")
    upheld = grace.acts(**(grace.queue().items[0].reject or {}))
    hub.believer.turn()
    assert standing(hub)["wild"] == ("quarantined", 0), "it still reads oddly"

    grace.acts("action.undo", seq=upheld["seq"])

    hub.believer.turn()
    assert standing(hub) == before


@pytest.fixture
def lasting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each thought takes long, and is used for as long as anybody asks."""
    for name, value in {"FEW": 0, "LONG": 0.0, "PATIENCE": 1e9}.items():
        monkeypatch.setattr(minds, name, value)


@pytest.mark.usefixtures("lasting")
def test_a_preview_of_a_ban_from_a_large_goal_has_nobody_wait(
    grace: Curator, titles: tuple[str, str], waited: list[str]
) -> None:
    assert titles

    seen = grace.previews("owner.ban", owner="mallory")

    assert (seen.cascade["experiments"], seen.cascade["champions"], waited) == (1, 1, [])


@pytest.mark.usefixtures("lasting")
def test_nobody_is_sent_where_operators_forbade_it_since_a_long_thought(
    http: TestClient, volta: Volunteer, grace: Curator, titles: tuple[str, str]
) -> None:
    root = http.get("/v1/goals/toy").json()["baseline"]
    volta.release(volta.claim())

    for each in (root, *titles):
        grace.acts("experiment.forbid", experiment=each)

    order = volta.ask(holding=[]).order
    assert order is None or order.kind.value in ("anchor", "replicate")
