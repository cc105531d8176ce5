"""Leases: one holder at a time, on the hub's clock, fenced by epochs."""

from concurrent.futures import ThreadPoolExecutor

from fastapi.testclient import TestClient
from sqlmodel import select

from hub import experiments, goals, scheduling, tokens
from hub.core import Hub
from hub.scheduling import Wish
from hub.tables import GoalRow, GoalVersionRow, OrderRow
from protocol.experiments import Operator
from protocol.work import Kind, Progress, Release
from tests.builders import FILES, Clock, a_spec, a_work_request, an_id
from tests.hub.operating import Curator
from tests.hub.volunteer import Volunteer


def a_replicate(hub: Hub) -> str:
    """An order to run the baseline again, waiting for anybody."""
    with hub.database.work() as unit:
        goal = unit.session.get_one(GoalRow, "toy")
        wish = Wish(Kind.REPLICATE, Operator.BASELINE, "Is it so?", experiment=goal.root)
        order = scheduling.put(unit, scheduling.new_order(unit.now, goal, wish))
        return str(order.id)


def test_a_lost_claim_reply_returns_the_same_lease(volta: Volunteer) -> None:
    first = volta.claim()

    again = volta.claim(holding=[])

    assert (again.lease, again.epoch) == (first.lease, first.epoch)


def test_an_agent_that_holds_its_lease_gets_no_second_one_and_is_told_why(
    volta: Volunteer,
) -> None:
    order = volta.claim()

    reply = volta.ask(holding=[str(order.lease)])

    assert reply.order is None
    assert reply.code == "holding"
    assert "finish one" in reply.reason


def test_prefetch_allows_a_second_lease_and_no_third(volta: Volunteer) -> None:
    first = volta.claim()
    second = volta.claim(holding=[str(first.lease)], prefetch=True)

    held = [str(first.lease), str(second.lease)]
    assert second.lease != first.lease
    assert volta.ask(holding=held, prefetch=True).order is None


def test_a_silent_holder_loses_the_lease_to_another_owner(
    hub: Hub, clock: Clock, volta: Volunteer, tesla: Volunteer
) -> None:
    a_replicate(hub)
    order = volta.claim()
    clock.forward(200)

    taken = tesla.claim()

    assert taken.lease == order.lease
    assert taken.epoch == order.epoch + 1


def test_a_renewed_lease_stays_with_its_holder(
    hub: Hub, clock: Clock, volta: Volunteer, tesla: Volunteer
) -> None:
    a_replicate(hub)
    order = volta.claim()
    clock.forward(100)
    renewed = volta.send(
        "POST", f"/v1/leases/{order.lease}/renew", Progress(epoch=order.epoch, phase="train")
    )
    hub.heartbeats.flush()
    clock.forward(100)

    assert renewed.status_code == 200
    assert tesla.claim().lease != order.lease


def test_the_stale_holder_cannot_renew_or_propose(
    hub: Hub, clock: Clock, volta: Volunteer, tesla: Volunteer
) -> None:
    a_replicate(hub)
    order = volta.claim()
    clock.forward(200)
    tesla.claim()

    answer = volta.send(
        "POST", f"/v1/leases/{order.lease}/renew", Progress(epoch=order.epoch, phase="train")
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "stale_lease")


def test_who_lost_a_lease_neither_gives_back_nor_ends_its_next_holders(
    hub: Hub, clock: Clock, volta: Volunteer, tesla: Volunteer
) -> None:
    a_replicate(hub)
    lost = volta.claim()
    clock.forward(200)
    taken = tesla.claim()
    assert taken.lease == lost.lease

    volta.release(lost)
    assert volta.report(lost).json()["late"] is True
    stranger = Release(epoch=taken.epoch, reason="not mine")
    answer = volta.send("POST", f"/v1/leases/{taken.lease}/release", stranger)

    assert (answer.status_code, answer.json()["code"]) == (403, "not_yours")
    assert renewed(tesla, taken.lease, taken.epoch) == "200"
    assert tesla.report(taken).json()["late"] is False


def test_a_lease_that_was_given_back_is_good_for_no_proposal(volta: Volunteer) -> None:
    order = volta.exploring()
    volta.release(order)

    answer = volta.propose(order)

    assert (answer.status_code, answer.json()["code"]) == (409, "stale_lease")


def test_the_same_owner_does_not_get_a_failed_order_twice(
    hub: Hub, clock: Clock, volta: Volunteer
) -> None:
    identity = a_replicate(hub)
    assert str(volta.claim().lease) == identity
    clock.forward(200)

    assert str(volta.claim().lease) != identity


def test_a_lone_owner_who_lost_the_baseline_is_asked_for_it_again(
    http: TestClient, clock: Clock, volta: Volunteer
) -> None:
    assert volta.claim().extra["kind"] == "anchor"
    clock.forward(200)

    kinds = [volta.explore(0.2 + step / 10, metric=0.8).extra["kind"] for step in range(3)]

    assert kinds == ["explore"] * 3
    root = http.get("/v1/goals/toy").json()["baseline"]
    assert http.get(f"/v1/experiments/{root}").json()["n_runs"] == 1


def test_an_order_that_fails_three_owners_is_parked_and_listed(
    http: TestClient, hub: Hub, clock: Clock
) -> None:
    identity = a_replicate(hub)
    for owner in ("ada", "nikola", "marie"):
        assert str(Volunteer.joined(http, f"agent-{owner}", owner).claim().lease) == identity
        clock.forward(200)
    Volunteer.joined(http, "agent-last", "last").claim()

    parked = http.get("/v1/leases", params={"parked": True}).json()
    assert [each["id"] for each in parked] == [identity]


def test_a_lease_whose_agent_is_gone_is_no_run_under_way(
    http: TestClient, hub: Hub, clock: Clock, volta: Volunteer
) -> None:
    volta.claim()
    grace = Curator.of(hub, http)

    def told() -> tuple[int, int, bool]:
        held, health = http.get("/v1/leases").json(), grace.send("GET", "health").json()
        return len(held), health["leases"], "agenthub_leases 1.0" in http.get("/metrics").text

    assert told() == (1, 1, True)
    clock.forward(200)
    assert told() == (1, 1, True), "it may still come back, and nobody took the work over"
    clock.forward(24 * 3600)
    assert told() == (0, 0, False)


def test_a_released_lease_is_free_at_once_for_the_next(
    hub: Hub, volta: Volunteer, tesla: Volunteer
) -> None:
    identity = a_replicate(hub)
    order = volta.claim()
    path = f"/v1/leases/{order.lease}/release"
    said = Release(epoch=order.epoch, reason="going home")

    assert [volta.send("POST", path, said).status_code for _ in range(2)] == [204, 204]
    assert str(tesla.claim().lease) == identity


def test_a_repeat_whose_holder_is_set_aside_is_free_for_the_next(
    hub: Hub, http: TestClient, volta: Volunteer, tesla: Volunteer
) -> None:
    identity = a_replicate(hub)
    assert str(volta.claim().lease) == identity

    Curator.of(hub, http).acts("owner.quarantine", owner="ada")

    assert str(tesla.claim().lease) == identity


def test_an_abandoned_exploration_leaves_its_node_in_the_tree(
    http: TestClient, clock: Clock, volta: Volunteer, tesla: Volunteer
) -> None:
    volta.explore(learning_rate=0.2, metric=0.8)
    order = volta.claim()
    volta.propose(order, learning_rate=0.4)
    clock.forward(200)
    tesla.claim()

    shown = http.get(f"/v1/experiments/{order.experiment}").json()
    assert shown["status"] == "abandoned"
    assert "fell silent" in shown["verdict"]


def test_no_open_goal_is_said_in_words(hub: Hub, volta: Volunteer) -> None:
    with hub.database.work() as unit:
        unit.session.get_one(GoalRow, "toy").state = "paused"

    reply = volta.ask()
    assert (reply.order, reply.code) == (None, "no_goal")
    assert reply.retry_after > 0


def test_a_device_that_no_goal_can_use_is_told_what_they_need(hub: Hub, volta: Volunteer) -> None:
    with hub.database.work() as unit:
        row = unit.session.get_one(GoalVersionRow, ("toy", 1))
        row.spec = {**row.spec, "device": {"kinds": ["cuda"], "memory_mb": 24000}}

    reply = volta.ask()
    assert reply.code == "device"
    assert "toy needs cuda with 24000 MB" in reply.reason


def test_a_goal_that_operators_gave_no_share_is_not_said_to_want_another_device(
    hub: Hub, volta: Volunteer
) -> None:
    with hub.database.work() as unit:
        unit.session.get_one(GoalRow, "toy").weight = 0.0

    reply = volta.ask()

    assert (reply.order, reply.code) == (None, "no_goal")
    assert "device" not in reply.reason


def test_a_device_serves_what_fits_into_its_memory_and_everything_where_that_is_unknown() -> None:
    spec = a_spec(device={"kinds": ["cpu"], "memory_mb": 8000})
    device = a_work_request().device.model_dump()

    served = [
        scheduling._serves(a_work_request(device=device | {"memory_mb": memory}), spec)
        for memory in (0, 7999, 8000)
    ]

    assert served == [True, False, True]


def test_goals_get_leases_by_their_weights(hub: Hub, volta: Volunteer) -> None:
    with hub.database.work() as unit:
        goals.open_goal(unit, hub.git, a_spec("another"), FILES)
        goals.find(unit.session, "toy").weight = 2.0

    def first() -> str:
        with hub.database.read() as session:
            return scheduling.open_goals(session, a_work_request())[0].slug

    before, lease = first(), volta.claim()
    held = first()
    volta.report(lease)

    assert (before, lease.goal, held, first()) == ("toy", "toy", "another", "toy")


def test_sixteen_agents_at_once_get_sixteen_leases(hub: Hub, http: TestClient) -> None:
    agents = [Volunteer.joined(http, f"agent-{n}", f"owner-{n}") for n in range(16)]
    for _ in range(8):
        a_replicate(hub)

    with ThreadPoolExecutor(16) as pool:
        orders = list(pool.map(lambda agent: agent.claim(), agents))

    assert len({order.lease for order in orders}) == 16
    with hub.database.read() as session:
        held = session.exec(select(OrderRow).where(OrderRow.state == "leased")).all()
    assert len(held) == 16


def test_a_lease_older_than_four_runs_is_told_to_stop(
    hub: Hub, clock: Clock, volta: Volunteer
) -> None:
    order = volta.claim()
    clock.forward(241)

    answer = volta.send(
        "POST", f"/v1/leases/{order.lease}/renew", Progress(epoch=order.epoch, phase="train")
    )
    assert answer.json()["stop"] is True


def test_whoever_runs_what_an_operator_takes_out_is_told_to_stop(
    http: TestClient, hub: Hub, volta: Volunteer
) -> None:
    order = volta.exploring()
    beat = Progress(epoch=order.epoch, phase="train")
    assert volta.propose(order).status_code == 200
    assert not volta.send("POST", f"/v1/leases/{order.lease}/renew", beat).json()["stop"]

    Curator.of(hub, http).acts("experiment.hide", experiment=order.experiment)

    told = volta.send("POST", f"/v1/leases/{order.lease}/renew", beat).json()
    assert (told["stop"], told["reason"]) == (True, "an operator took this experiment out")


def test_a_crash_is_given_up_once_it_is_mended_until_its_report_comes(
    http: TestClient, volta: Volunteer
) -> None:
    order = volta.exploring()
    assert volta.propose(order, learning_rate=0.2).status_code == 200
    crash = str(order.experiment)

    assert volta.propose(order, learning_rate=0.3).status_code == 200
    given_up = http.get(f"/v1/experiments/{crash}").json()["status"]
    mend, order.experiment = str(order.experiment), crash
    assert volta.report(order, metric=None).status_code == 200
    reported = http.get(f"/v1/experiments/{crash}").json()

    assert given_up == "abandoned"
    assert (reported["status"], reported["verdict"][:14]) == ("failed", "Failed: crash.")
    assert http.get(f"/v1/experiments/{mend}").json()["status"] == "running"
    assert volta.ask(holding=[]).order is not None  # the lease is at work on the mend
    volta.release(order)
    then = [http.get(f"/v1/experiments/{sha}").json()["status"] for sha in (crash, mend)]
    assert then == ["failed", "abandoned"]


def renewed(who: Volunteer, lease: object, epoch: int) -> str:
    """What a renewal is answered: 200, or a refusal's code."""
    beat = Progress(epoch=epoch, phase="train")
    answer = who.send("POST", f"/v1/leases/{lease}/renew", beat)
    return "200" if answer.status_code == 200 else str(answer.json()["code"])


def test_renewals_at_once_are_answered_each_by_its_own_right(
    hub: Hub, clock: Clock, volta: Volunteer, tesla: Volunteer
) -> None:
    a_replicate(hub)
    lost = volta.claim()
    clock.forward(200)
    taken, mine = tesla.claim(), volta.claim(holding=[str(lost.lease)])
    wrong = Volunteer(volta.http, "volta", volta.token[:-3] + "xyz")
    asks = [
        (volta, mine.lease, mine.epoch, "200"),
        (tesla, taken.lease, taken.epoch, "200"),
        (volta, lost.lease, lost.epoch, "stale_lease"),
        (volta, taken.lease, taken.epoch, "not_yours"),
        (tesla, mine.lease, mine.epoch, "not_yours"),
        (volta, an_id(), 1, "stale_lease"),
        (volta, mine.lease, mine.epoch + 1, "stale_lease"),
        (wrong, mine.lease, mine.epoch, "unauthorized"),
    ]

    with ThreadPoolExecutor(len(asks)) as pool:
        answers = list(pool.map(lambda ask: renewed(*ask[:3]), asks))

    assert answers == [expected for *_, expected in asks]


def test_a_renewal_heeds_what_has_changed_since_the_last(hub: Hub, volta: Volunteer) -> None:
    order = volta.claim()
    assert renewed(volta, order.lease, order.epoch) == "200"
    with hub.database.work() as unit:
        unit.session.get_one(GoalRow, "toy").state = "closed"
    beat = Progress(epoch=order.epoch, phase="train")
    assert volta.send("POST", f"/v1/leases/{order.lease}/renew", beat).json()["stop"] is True

    with hub.database.work() as unit:
        tokens.revoke(unit, volta.token.split("_")[2])

    assert renewed(volta, order.lease, order.epoch) == "unauthorized"


def test_a_late_beat_never_reopens_a_finished_lease(hub: Hub, volta: Volunteer) -> None:
    order = volta.claim()
    beat = Progress(epoch=order.epoch, phase="train")
    volta.send("POST", f"/v1/leases/{order.lease}/renew", beat)
    volta.report(order)
    hub.heartbeats.flush()

    answer = volta.send("POST", f"/v1/leases/{order.lease}/renew", beat)
    assert answer.json()["code"] == experiments.StaleLease.code
    with hub.database.read() as session:
        assert session.get_one(OrderRow, order.lease).state == "done"
