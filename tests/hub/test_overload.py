"""When too many ask for work, results and heartbeats still get through."""

from concurrent.futures import ThreadPoolExecutor

from fastapi.testclient import TestClient

from hub.core import Hub
from tests.builders import a_work_request
from tests.hub.volunteer import Volunteer


def test_claims_over_the_limit_hear_when_to_come_back_and_take_no_thread_meanwhile(
    hub: Hub, http: TestClient, volta: Volunteer
) -> None:
    order = volta.claim()
    for _ in range(hub.settings.claim_slots):
        hub.claim_slots.acquire()

    with ThreadPoolExecutor(hub.settings.threads + 10) as pool:
        asks = [
            pool.submit(volta.send, "POST", "/v1/work", a_work_request())
            for _ in range(hub.settings.threads + 5)
        ]
        report = pool.submit(volta.report, order).result()
        answers = [ask.result() for ask in asks]

    assert report.status_code == 200
    assert {(each.status_code, each.json()["code"]) for each in answers} == {(503, "busy")}
    assert all(int(each.headers["retry-after"]) >= 1 for each in answers)
