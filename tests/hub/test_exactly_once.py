"""A result counts once, whatever the network does."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as some
from sqlmodel import func, select

from hub import experiments, proposals
from hub.core import Hub
from hub.tables import OwnerRow, RunRow, WaitingBlobRow
from protocol.experiments import Proposal
from tests.builders import NOON, Clock, Order, a_proposal, a_report, an_id
from tests.hub.volunteer import Volunteer


def runs_and_credit(hub: Hub) -> tuple[int, float]:
    """How many runs there are, and all owners' credit."""
    with hub.database.read() as session:
        count = session.exec(select(func.count()).select_from(RunRow)).one()
        credit = session.exec(select(func.sum(OwnerRow.credit))).one()
    return count, credit


def test_the_same_report_ten_times_at_once_is_one_run_and_one_credit(
    hub: Hub, volta: Volunteer
) -> None:
    order, identity = volta.claim(), an_id()
    body = a_report(order)

    with ThreadPoolExecutor(10) as pool:
        answers = list(
            pool.map(lambda _: volta.send("PUT", f"/v1/runs/{identity}", body), range(10))
        )

    assert {answer.status_code for answer in answers} == {200}
    assert sum(answer.json()["duplicate"] for answer in answers) == 9
    assert runs_and_credit(hub) == (1, 0.5)


def test_another_body_under_the_same_id_is_refused_and_written_down(
    hub: Hub, http: TestClient, volta: Volunteer
) -> None:
    order, identity = volta.claim(), an_id()
    volta.report(order, identity, metric=0.9)

    answer = volta.report(order, identity, metric=0.5)

    assert (answer.status_code, answer.json()["code"]) == (409, "body_changed")
    told = [each["event"]["type"] for each in http.get("/v1/events").json()["events"]]
    assert told[-1] == "conflict.refused"
    assert runs_and_credit(hub)[0] == 1


def test_a_stale_holder_s_result_is_kept_and_marked_late(
    hub: Hub, clock: Clock, volta: Volunteer, tesla: Volunteer
) -> None:
    volta.explore(learning_rate=0.2, metric=0.8)
    order = volta.claim()
    volta.propose(order, learning_rate=0.4)
    clock.forward(200)
    tesla.claim()

    answer = volta.report(order, metric=0.7)

    assert answer.status_code == 200
    assert answer.json()["late"] is True
    assert answer.json()["credit"] > 0
    shown = volta.http.get(f"/v1/experiments/{order.experiment}").json()
    assert (shown["status"], shown["metric"]) == ("finished", 0.7)


def test_registering_twice_gives_the_same_commit(volta: Volunteer) -> None:
    order, identity = volta.exploring(), an_id()
    body = a_proposal(order)

    answers = [volta.send("PUT", f"/v1/experiments/{identity}", body).json() for _ in range(2)]

    assert answers[0]["sha"] == answers[1]["sha"]
    assert [answer["duplicate"] for answer in answers] == [False, True]


def test_somebody_else_s_lease_cannot_be_reported(volta: Volunteer, tesla: Volunteer) -> None:
    order = volta.claim()

    answer = tesla.report(order)

    assert (answer.status_code, answer.json()["code"]) == (403, "not_yours")


def test_somebody_else_s_lease_takes_no_proposal_and_their_ids_tell_nothing(
    volta: Volunteer, tesla: Volunteer
) -> None:
    order, proposed, reported = volta.exploring(), an_id(), an_id()
    strange = tesla.propose(order, learning_rate=0.3)
    assert volta.propose(order, proposed).status_code == 200
    assert volta.report(order, reported).status_code == 200

    copied = (tesla.propose(order, proposed), tesla.report(order, reported))

    for answer in (strange, *copied):
        assert (answer.status_code, answer.json()["code"]) == (403, "not_yours")


def test_a_result_cannot_be_replayed_with_another_nonce(volta: Volunteer) -> None:
    answer = volta.report(volta.claim(), nonce="feed")

    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_nonce")


def test_a_result_is_of_the_experiment_that_its_lease_is_for(
    hub: Hub, http: TestClient, volta: Volunteer, tesla: Volunteer
) -> None:
    claim, root = volta.explore(0.2, metric=0.5).experiment, http.get("/v1/goals/toy").json()
    order = tesla.claim()
    other = claim if order.experiment != claim else root["baseline"]
    before = runs_and_credit(hub)

    answer = tesla.report(order, experiment=other, metric=0.5)

    assert (answer.status_code, answer.json()["code"]) == (422, "wrong_experiment")
    assert runs_and_credit(hub) == before


def test_a_claim_stays_what_its_author_measured_whatever_others_read(
    http: TestClient, volta: Volunteer, tesla: Volunteer
) -> None:
    first = volta.claim()
    volta.report(first, metric=0.9)
    again = tesla.claim()
    assert again.experiment == first.experiment

    assert tesla.report(again, metric=0.5).status_code == 200

    shown = http.get(f"/v1/experiments/{first.experiment}").json()
    assert (shown["metric"], shown["status"], shown["n_runs"]) == (0.9, "finished", 2)


def test_credit_and_start_are_what_a_run_can_have_had(hub: Hub, volta: Volunteer) -> None:
    order = volta.claim()

    answer = volta.report(order, seconds=1e6, started_at=NOON + timedelta(days=9))

    assert answer.json()["credit"] == 1.0
    with hub.database.read() as session:
        assert session.exec(select(RunRow.started_at)).one() == NOON + timedelta(minutes=5)


def test_one_lease_is_one_reading_whatever_its_id(hub: Hub, volta: Volunteer) -> None:
    order = volta.claim()
    volta.report(order, metric=0.9)
    before = runs_and_credit(hub)

    answers = [volta.report(order, metric=0.5 + n / 100) for n in range(3)]

    assert {(one.status_code, one.json()["code"]) for one in answers} == {(409, "already_reported")}
    assert runs_and_credit(hub) == before


def test_what_answers_no_order_leaves_nothing_on_disk(
    hub: Hub, volta: Volunteer, tesla: Volunteer
) -> None:
    order = volta.claim()

    assert tesla.report(order, log="a log that nobody asked for").status_code == 403
    assert volta.report(order, log="another such log", nonce="feed").status_code == 409

    with hub.database.read() as session:
        assert session.exec(select(WaitingBlobRow)).all() == []
    assert [path for path in (hub.settings.data / "blobs").rglob("*") if path.is_file()] == []


TEXT = some.text(some.characters(exclude_categories=["Cs"]))
NUMBER = some.floats(allow_nan=False, allow_infinity=False)


@given(TEXT, NUMBER, some.integers(0, 2**80))
def test_a_retry_is_told_by_the_bytes_that_older_hubs_wrote(
    text: str, number: float, tokens: int
) -> None:
    order = Order(an_id(), 1, "toy", "n", 1, parent="0" * 40)
    proposal = Proposal.model_construct(
        **a_proposal(order).model_dump()
        | {"files": {"train.py": text}, "expected_delta": number, "tokens_used": tokens}
    )

    assert proposals.body_of(proposal) == experiments.digest(proposal.model_dump_json().encode())
