"""What a run prints can be watched while it runs: by cursor, bounded, without secrets."""

from typing import Any

from fastapi.testclient import TestClient

from hub.outputs import LINES, POINTS, SOON
from protocol.runs import CurvePoint
from protocol.work import Output
from tests.builders import Clock, Order
from tests.hub.volunteer import Volunteer

TOKEN = "sk-ant-" + "x" * 30


def tell(agent: Volunteer, order: Order, *lines: str, **more: Any) -> Any:
    said = Output(epoch=order.epoch, lines=list(lines), **more)
    return agent.send("POST", f"/v1/leases/{order.lease}/output", said)


def watch(http: TestClient, order: Order, after: int = 0) -> Any:
    return http.get(f"/v1/leases/{order.lease}/output?after={after}").json()


def test_a_watcher_gets_each_line_once_by_its_cursor(http: TestClient, volta: Volunteer) -> None:
    order = volta.claim()
    tell(volta, order, "step 1", "step 2", points=[CurvePoint(step=1, loss=2.0)])
    first = watch(http, order)
    tell(volta, order, "step 3", points=[CurvePoint(step=3, loss=1.5)])

    second = watch(http, order, after=first["next"])

    assert (first["lines"], second["lines"]) == (["step 1", "step 2"], ["step 3"])
    assert [point["step"] for point in second["points"]] == [1, 3]
    assert not second["lost"]


def test_more_is_welcome_sooner_while_somebody_watches(
    http: TestClient, volta: Volunteer, clock: Clock
) -> None:
    order = volta.claim()
    alone = tell(volta, order, "a").json()["again_in"]
    watch(http, order)
    watched = tell(volta, order, "b").json()["again_in"]
    clock.forward(60)

    assert (watched, alone > watched) == (SOON, True)
    assert tell(volta, order, "c").json()["again_in"] == alone


def test_a_flood_is_bounded_and_the_gap_is_said(http: TestClient, volta: Volunteer) -> None:
    order = volta.claim()
    for start in range(0, 2 * LINES, 100):
        points = [CurvePoint(step=start * 9 + at, loss=1.0) for at in range(100)]
        tell(volta, order, *map(str, range(start, start + 100)), skipped=5, points=points)

    said = watch(http, order, after=1)

    assert len(said["lines"]) == LINES and said["lines"][-1] == str(2 * LINES - 1)
    assert "[... 5 lines left out ...]" in said["lines"]
    assert said["lost"] and len(said["points"]) <= POINTS


def test_secrets_are_taken_out(http: TestClient, volta: Volunteer) -> None:
    order = volta.claim()

    tell(volta, order, f"key={TOKEN}")

    assert TOKEN not in watch(http, order)["lines"][0]


def test_only_the_holder_is_heard(
    http: TestClient, volta: Volunteer, tesla: Volunteer, clock: Clock
) -> None:
    order = volta.claim()

    assert tell(tesla, order, "lies").status_code == 403
    volta.release(order)
    assert tell(volta, order, "late").json()["code"] == "stale_lease"
    assert watch(http, order) == {"lines": [], "next": 0, "lost": False, "points": []}
