"""What a run prints goes to the hub beside it: the newest lines, censored, and never in its way."""

import threading
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from agent_client.errors import HubRefused
from agent_client.progress import Transcript
from agent_client.relay import MOST, Relay
from protocol.experiments import Operator
from protocol.work import Heard, Kind, Output, WorkOrder


def an_order() -> WorkOrder:
    return WorkOrder(
        lease=uuid4(), epoch=3, kind=Kind.EXPLORE, goal="toy", goal_version=1, why="", seed=1,
        operator=Operator.TWEAK, nonce="n", lease_seconds=90, deadline=datetime.now(UTC),
    )  # fmt: skip


class Listening:
    """A hub that keeps what it is told, and may refuse after that."""

    def __init__(self, refuses: bool = False) -> None:
        self.heard: list[Output] = []
        self.told = threading.Event()
        self.refuses = refuses

    def tell(self, lease: UUID, said: Output) -> Heard:
        self.heard.append(said)
        self.told.set()
        if self.refuses:
            raise HubRefused("not_found", "There is nothing here.", 404, {})
        return Heard(again_in=1.0)


def a_transcript(lines: int) -> Transcript:
    transcript = Transcript()
    for step in range(lines):
        transcript.take(f"step {step:05d} (1.0%) | loss: 3.{step:04d} at /home/ada", step * 0.1)
    return transcript


def test_new_lines_and_points_are_told_without_the_owners_paths() -> None:
    hub = Listening()
    with Relay(
        hub.tell, an_order(), lambda line: line.replace("/home/ada", "[home]"), 0.0
    ) as relay:
        relay.take(a_transcript(3))
        assert hub.told.wait(20)

    (said,) = hub.heard
    assert said.epoch == 3 and said.skipped == 0
    assert said.lines[-1] == "step 00002 (1.0%) | loss: 3.0002 at [home]"
    assert [point.step for point in said.points] == [0, 1, 2]


def test_a_run_that_writes_over_its_one_line_has_a_curve_to_watch() -> None:
    relay = Relay(Listening().tell, an_order(), str)
    transcript = Transcript()
    for step in range(2):
        transcript.take(f"step {step:05d} (1.0%) | loss: 3.5\r", 1.0)

    relay.take(transcript)
    said = relay._drained()

    assert said is not None
    assert (said.lines, [point.step for point in said.points]) == ([], [0, 1])
    assert relay._drained() is None


def test_what_comes_too_fast_is_counted() -> None:
    hub = Listening()
    relay = Relay(hub.tell, an_order(), str)
    relay.take(a_transcript(MOST + 40))

    said = relay._drained()

    assert said is not None
    assert (len(said.lines), said.skipped) == (MOST, 40)
    assert relay._drained() is None


@pytest.mark.parametrize("more", [0, 2])
def test_nothing_new_is_nothing_to_say(more: int) -> None:
    relay = Relay(Listening().tell, an_order(), str)
    transcript = a_transcript(2)
    relay.take(transcript)
    relay._drained()
    for step in range(more):
        transcript.take(f"line {step}", 9.0)

    relay.take(transcript)
    said = relay._drained()

    assert (said.lines if said else []) == [f"line {step}" for step in range(more)]


def test_an_older_hub_that_refuses_is_told_no_more() -> None:
    hub = Listening(refuses=True)
    with Relay(hub.tell, an_order(), str, first=0.0) as relay:
        relay.take(a_transcript(1))
        assert hub.told.wait(20)
        assert relay.thread is not None
        relay.thread.join(20)

        assert not relay.thread.is_alive()
    assert len(hub.heard) == 1
