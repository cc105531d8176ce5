"""A client that is up before its hub waits for it, politely and in words."""

import pytest

from agent_client.backoff import Backoff, Stopping, asked_for, until_answered
from agent_client.errors import HubBusy, HubRefused, HubUnreachable, NotAHub


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
    [("7", 7.0), ("1.5", 1.5), ("", 0.0), ("²", 0.0), ("nan", 0.0), ("-3", 0.0), ("1e9", 3600.0)],
)
def test_what_a_server_asks_to_wait_is_a_number_of_reason(said: str, seconds: float) -> None:
    assert asked_for(said) == seconds
