"""A client that is up before its hub waits for it, politely and in words."""

import httpx
import pytest

from agent_client.backoff import (
    CAP_SECONDS,
    Backoff,
    Stopping,
    asked_for,
    full_jitter,
    until_answered,
)
from agent_client.errors import HubBusy, HubRefused, HubUnreachable, NotAHub
from agent_client.hub_api import Hub


class Script:
    """A hub that answers after these troubles."""

    def __init__(self, *troubles: Exception) -> None:
        self.troubles = list(troubles)

    def __call__(self) -> str:
        if self.troubles:
            raise self.troubles.pop(0)
        return "here"


def test_a_hub_that_comes_up_later_is_waited_for_and_the_wait_is_said() -> None:
    said: list[str] = []
    ask = Script(HubUnreachable(), NotAHub("A proxy answers."), HubBusy("The hub is starting."))

    answer = until_answered(ask, Stopping(), said.append, Backoff(draw=lambda: 0.0))

    assert answer == "here"
    assert [line.split(";")[0] for line in said] == [
        "Waiting: The hub cannot be reached",
        "Waiting: A proxy answers.",
        "Waiting: The hub is starting.",
    ]


def test_whoever_stops_while_waiting_is_told_why_it_waited() -> None:
    stopping = Stopping()
    stopping.ask_finish()

    with pytest.raises(HubUnreachable):
        until_answered(Script(HubUnreachable()), stopping, lambda _: None, Backoff())


def test_what_waiting_does_not_mend_is_said_at_once() -> None:
    refused = HubRefused("not_active", "This agent is not active.", 403, {})

    with pytest.raises(HubRefused):
        until_answered(Script(refused), Stopping(), lambda _: None, Backoff())


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        *[("7", 7.0), ("1.5", 1.5), ("1e9", 3600.0)],
        *[("", 0.0), ("²", 0.0), ("nan", 0.0), ("inf", 0.0), ("-3", 0.0)],
    ],
)
def test_what_a_server_asks_to_wait_is_a_number_of_reason(said: str, seconds: float) -> None:
    assert asked_for(said) == seconds


def test_a_hub_that_asks_for_time_is_given_it_while_a_client_waits_for_it_to_come_up() -> None:
    stopping, slept = Stopping(), list[float]()
    ask = Script(HubBusy(retry_after=90.0), HubUnreachable())

    class Patient(Stopping):
        def sleep(self, seconds: float) -> bool:
            slept.append(seconds)
            return stopping.sleep(0.0)

    until_answered(ask, Patient(), lambda _: None, Backoff(draw=lambda: 0.0))

    assert slept == [90.0, 0.0]


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [(429, {}, 60.0), (429, {"retry-after": "7"}, 7.0), (503, {}, 0.0)],
)
def test_who_asked_too_often_waits_a_minute_where_nobody_says_how_long(
    status: int, headers: dict[str, str], seconds: float
) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(status, headers=headers))

    with Hub.at("http://hub", transport=transport) as hub, pytest.raises(HubBusy) as busy:
        hub.send_raw("/v1/runs/1", {})

    assert busy.value.retry_after == seconds


def test_after_days_without_a_hub_a_client_still_asks_once_a_minute() -> None:
    assert full_jitter(100_000, 0.0, lambda: 1.0) == CAP_SECONDS


def test_clients_that_fail_together_do_not_come_back_together() -> None:
    assert len({Backoff().next() for _ in range(9)}) > 1


def test_who_is_to_stop_at_once_begins_nothing_new_either_and_who_finishes_is_not_cut_off() -> None:
    finishing, aborting = Stopping(), Stopping()

    finishing.ask_finish()
    aborting.ask_abort()

    asked = [(each.finish.is_set(), each.abort.is_set()) for each in (finishing, aborting)]
    assert asked == [(True, False), (True, True)]
    assert aborting.sleep(3600.0)
