"""Submits take a shorter road and share transactions, and nobody can tell by the answer."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from sqlmodel import col, select

from benchmarks.hub.world import leased
from hub import hot, proposals
from hub.agents import Speaker
from hub.api.quick import Road
from hub.core import Hub
from hub.db import Rule, Work
from hub.errors import StorageFull
from hub.tables import AgentRow, EventRow, ExperimentRow, GoalRow, OrderRow
from protocol.experiments import Registered
from tests.builders import TRAIN, Order, a_proposal, a_report, an_id
from tests.hub.volunteer import Volunteer

SHORT, WHOLE = "application/json", "application/json; charset=utf-8"
"""Content types: only a plain one takes the shorter road."""
Said = dict[str, Any]


def _with(**changes: Any) -> Callable[[Said], Said]:
    return lambda said: {**said, **changes}


PROPOSALS: dict[str, Callable[[Said], Any]] = {
    "a stranger's lease": _with(lease=str(an_id())),
    "another epoch": _with(epoch=7),
    "another parent": _with(parent="0" * 40),
    "another goal": _with(goal="nowhere"),
    "a protected file": _with(files={"prepare.py": "x = 1\n"}),
    "no Python": _with(files={"train.py": "def (:\n"}),
    "nothing new": _with(files={"train.py": TRAIN}),
    "a secret": _with(files={"train.py": TRAIN + "KEY = 'hf_" + "c" * 34 + "'\n"}),
    "a field too many": _with(more=1),
    "no number": _with(expected_delta="NaN"),
    "a key twice": lambda said: json.dumps(said)[:-1] + ', "epoch": 1}',
    "half a character": lambda said: json.dumps({**said, "title": "\ud800"}),
    "no JSON": lambda said: "{",
    "nothing": lambda said: "",
}
REPORTS: dict[str, Callable[[Said], Any]] = {
    "a stranger's lease": _with(lease=str(an_id())),
    "another experiment": _with(experiment="0" * 40),
    "another nonce": _with(nonce="x"),
    "neither metric nor failure": _with(metric=None),
    "an impossible metric": _with(metric=1e300),
}


def _answered(volunteer: Volunteer, kind: str, path: str, body: Any, token: str = "") -> Any:
    """Status and problem; what differs from request to request left out."""
    headers = {"Authorization": f"Bearer {token or volunteer.token}", "Content-Type": kind}
    content = body if isinstance(body, str) else json.dumps(body)
    answer = volunteer.http.put(path, content=content.encode(), headers=headers)
    assert len(answer.headers["x-request-id"]) == 16
    told = answer.json()
    told.pop("request_id", None)
    return answer.status_code, told


@pytest.mark.parametrize("which", PROPOSALS)
def test_a_proposal_is_refused_as_its_endpoint_would(which: str, volta: Volunteer) -> None:
    said = PROPOSALS[which](a_proposal(volta.exploring()).model_dump(mode="json"))
    path = f"/v1/experiments/{an_id()}"

    short, whole = (_answered(volta, kind, path, said) for kind in (SHORT, WHOLE))

    assert short == whole
    assert short[0] >= 400


@pytest.mark.parametrize("which", REPORTS)
def test_a_report_is_refused_as_its_endpoint_would(which: str, volta: Volunteer) -> None:
    said = REPORTS[which](a_report(volta.claim()).model_dump(mode="json"))
    path = f"/v1/runs/{an_id()}"

    short, whole = (_answered(volta, kind, path, said) for kind in (SHORT, WHOLE))

    assert short == whole
    assert short[0] >= 400


@pytest.mark.parametrize("token", ["nonsense", "ah_agent_aaaaaaaaaa_" + "b" * 43])
def test_a_strange_token_is_refused_on_either_road(token: str, volta: Volunteer) -> None:
    said = a_report(volta.claim()).model_dump(mode="json")
    path = f"/v1/runs/{an_id()}"

    for kind in (SHORT, WHOLE):
        assert _answered(volta, kind, path, said, token)[0] == 401


def test_either_road_knows_what_the_other_took(volta: Volunteer) -> None:
    order, path = volta.exploring(), f"/v1/experiments/{an_id()}"
    said = a_proposal(order).model_dump(mode="json")

    first, again = (_answered(volta, kind, path, said) for kind in (SHORT, WHOLE))
    other = _answered(volta, SHORT, path, {**said, "title": "another"})

    assert (first[0], again[0], other[0]) == (200, 200, 409)
    assert again[1] == {**first[1], "duplicate": True}


def test_a_plain_submit_takes_the_shorter_road_and_is_counted_by_its_route(
    http: TestClient, volta: Volunteer, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = volta.exploring()
    taken: list[bytes] = []
    say = Road.say

    async def noted(self: Road, scope: Any, send: Any, body: bytes) -> None:
        taken.append(body)
        await say(self, scope, send, body)

    monkeypatch.setattr(Road, "say", noted)

    assert volta.propose(order).status_code == 200

    assert len(taken) == 1
    counted = 'route="/v1/experiments/{identity}",status="200"} '
    assert http.get("/metrics").text.partition(counted)[2].startswith("1.0\n")


def _rules(hub: Hub, rates: list[float]) -> tuple[list[Rule[Registered]], list[UUID]]:
    """A proposal of volta's under a lease of its own for each rate, and these leases."""
    with hub.database.read() as session:
        root = str(session.get_one(GoalRow, "toy").root)
    rows = leased(hub, root, len(rates))
    rules = []
    for row, rate in zip(rows, rates, strict=True):
        order = Order(row.id, 1, "toy", "n", 1, parent=root)
        said = a_proposal(order, learning_rate=rate)
        rules.append(proposals.propose(hub.database, hub.git, hub.families, an_id(), _volta, said))
    return rules, [row.id for row in rows]


def _volta(_connection: sa.Connection) -> Speaker:
    return Speaker("volta", "ada", "active")


def _titles(hub: Hub) -> list[str]:
    with hub.database.read() as session:
        query = select(ExperimentRow.title).where(col(ExperimentRow.number) > 0)
        return list(session.exec(query.order_by(col(ExperimentRow.number))).all())


def test_what_fails_among_many_takes_nothing_of_its_own_and_nobody_with_it(
    hub: Hub, volta: Volunteer
) -> None:
    (first, again, last), leases = _rules(hub, [0.2, 0.2, 0.3])

    def broken(work: Work) -> Registered:
        first_half = _rules_title(work)
        raise RuntimeError(first_half)

    found = hub.database.apply_all([first, broken, again, last])

    kinds = [type(each).__name__ for each in found]
    assert kinds == ["Registered", "RuntimeError", "TriedBefore", "Registered"]
    assert _titles(hub) == ["Learning rate to 0.2", "Learning rate to 0.3"]
    with hub.database.read() as session:
        seqs = session.exec(select(EventRow.seq).order_by(col(EventRow.seq))).all()
        refused = [session.get_one(OrderRow, lease).refused for lease in leases]
        title = session.get_one(GoalRow, "toy").title
    assert seqs == list(range(1, len(seqs) + 1))
    assert refused == [0, 1, 0]
    assert title != "half done"


def _rules_title(work: Work) -> str:
    work.session.get_one(GoalRow, "toy").title = "half done"
    work.session.flush()
    return "a bug"


def test_nobody_is_answered_when_the_transaction_as_a_whole_fails(
    hub: Hub, volta: Volunteer
) -> None:
    rules, _ = _rules(hub, [0.2, 0.3])

    def full(work: Work) -> Registered:
        @sa.event.listens_for(work.connection, "commit")
        def _refuse(_connection: sa.Connection) -> None:
            raise StorageFull

        return Registered(id=an_id(), sha="0" * 40, number=1)

    found = hub.database.apply_all([*rules, full])

    assert [type(each).__name__ for each in found] == ["StorageFull"] * 3
    for _ in range(20):  # more than the connections that the pool has by now
        assert _titles(hub) == []
    again = hub.database.apply_all(rules)
    assert [type(each).__name__ for each in again] == ["Registered"] * 2
    assert _titles(hub) == ["Learning rate to 0.2", "Learning rate to 0.3"]


def test_a_row_that_cannot_be_written_breaks_the_transaction_for_all_and_keeps_nothing(
    hub: Hub, volta: Volunteer
) -> None:
    (first, last), _ = _rules(hub, [0.2, 0.3])

    def twice(work: Work) -> Registered:
        work.session.add(
            AgentRow(
                name="volta", owner="nobody", device={}, device_class="cpu", created_at=work.now
            )
        )
        work.flush()
        raise AssertionError("an agent was written twice")

    found = hub.database.apply_all([first, twice, last])

    assert [type(each).__name__ for each in found] == ["Busy"] * 3
    assert _titles(hub) == []
    again = hub.database.apply_all([first, last])
    assert [type(each).__name__ for each in again] == ["Registered"] * 2


@pytest.mark.parametrize("past_the_session", [True, False])
def test_a_database_without_room_that_ends_the_transaction_itself_ends_it_for_all(
    hub: Hub, volta: Volunteer, past_the_session: bool
) -> None:
    if not hub.database.is_sqlite:
        pytest.skip("PostgreSQL ends no transaction by itself")
    (first, last), _ = _rules(hub, [0.2, 0.3])

    def large(work: Work) -> Registered:
        raw = work.connection.connection.driver_connection
        assert raw is not None
        pages = raw.execute("PRAGMA page_count").fetchone()[0]
        raw.execute(f"PRAGMA max_page_count = {pages + 2}")
        try:
            text = "INSERT INTO waiting_blobs VALUES ('large', zeroblob(1000000))"
            if past_the_session:
                hot.say(work.connection, text)
            else:
                work.session.execute(sa.text(text))
        finally:
            raw.execute("PRAGMA max_page_count = 1000000")
        raise AssertionError("there was room")

    found = hub.database.apply_all([first, large, last])

    assert [type(each).__name__ for each in found] == ["Busy"] * 3
    assert _titles(hub) == []
    again = hub.database.apply_all([first, last])
    assert [type(each).__name__ for each in again] == ["Registered"] * 2


@pytest.mark.parametrize("past_the_session", [True, False])
def test_a_connection_that_is_lost_among_many_is_everybodys_trouble(
    hub: Hub, volta: Volunteer, past_the_session: bool
) -> None:
    if hub.database.is_sqlite:
        pytest.skip("SQLite has no connections to lose")
    (first, last), _ = _rules(hub, [0.2, 0.3])

    def cut(work: Work) -> Registered:
        pid = work.session.execute(sa.text("select pg_backend_pid()")).scalar_one()
        with hub.database.reader.connect() as other:
            other.execute(sa.text("select pg_terminate_backend(:pid, 5000)"), {"pid": pid})
        if past_the_session:
            return first(work)
        _rules_title(work)
        raise AssertionError("nothing is written by a connection that was cut")

    found = hub.database.apply_all([first, cut, last])

    assert [type(each).__name__ for each in found] == ["Busy"] * 3
    assert _titles(hub) == []
    again = hub.database.apply_all([first, last])
    assert [type(each).__name__ for each in again] == ["Registered"] * 2


def test_commits_of_one_transaction_share_a_pack_that_git_reads(hub: Hub, volta: Volunteer) -> None:
    rules, _ = _rules(hub, [0.2, 0.3, 0.4, 0.5, 0.6])

    made = [each for each in hub.database.apply_all(rules) if isinstance(each, Registered)]
    hub.git.settle()

    packs = hub.git.path("toy") / "objects" / "pack"
    assert (len(made), len(list(packs.glob("*.pack")))) == (5, 1)
    rates = [hub.git.files("toy", each.sha)["train.py"] for each in made]
    assert rates == [TRAIN.replace("0.1", rate) for rate in ("0.2", "0.3", "0.4", "0.5", "0.6")]
