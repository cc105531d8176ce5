"""What one thread of the client does while another is in the middle of something, made to happen.

The hub is a real one. Where two threads could meet, the second's part is done at that very moment.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime
from uuid import UUID, uuid4

import pytest
from rich.console import Console

from agent_client import settings
from agent_client.backoff import Stopping
from agent_client.build import kit_for
from agent_client.hub_api import Hub
from agent_client.journal import Entry, Journal
from agent_client.limits import Gate
from agent_client.loop import Loop, recover
from agent_client.mutators.base import Idea, NoIdea, Task, Usage
from agent_client.ready import Ready, Start
from agent_client.runner import NO_ROOM, Result, Runner
from agent_client.setup import Kit
from agent_client.state import Held
from protocol.experiments import Operator
from protocol.work import Release
from tests.agent_client.conftest import Volunteer
from tests.agent_client.test_claude import a_task


def nothing() -> None:
    """The other thread sleeps."""


class SlowHub(Hub):
    """A real hub, with time for something before and after it hears of a release."""

    before: Callable[[], object] = staticmethod(nothing)
    after: Callable[[], object] = staticmethod(nothing)

    def release(self, lease: UUID, said: Release) -> None:
        """Tell it."""
        self.before()
        super().release(lease, said)
        self.after()


class SlowDisk(Journal):
    """A journal, with time for something before an entry is on its disk."""

    before: Callable[[], object] = staticmethod(nothing)

    def add(self, entry: Entry) -> bool:
        """Write it down."""
        self.before()
        return super().add(entry)


class FullDisk(Runner):
    """A runner where others have filled the disk."""

    def run(self, ready: Ready) -> Result:
        """Find no room."""
        return Result(None, NO_ROOM)


@pytest.fixture
def loop(volunteer: Volunteer) -> Iterator[Loop]:
    """A client in this process, whose threads are not started."""
    said = settings.with_options(settings.load(volunteer.folder), {"mutator": "offline"})
    made = kit_for(volunteer.folder, said, Console(quiet=True), Stopping())
    kit: Kit = replace(
        made, hub=SlowHub(made.hub.http), journal=SlowDisk(volunteer.folder / "journal")
    )
    with kit.hub:
        recover(kit)
        yield Loop(kit, Gate(kit.folder, said.limits, kit.state))


def ready(loop: Loop) -> Ready:
    """What the proposer makes ready now."""
    found = loop.proposer.next(lambda _: None)
    assert found is not None
    return found


def leases(asked: list[Ready | None]) -> list[UUID]:
    """What was made ready, which nobody is going to train here."""
    found = [each for each in asked if each is not None]
    for each in found:
        each.training.abandon()
    return [each.order.lease for each in found]


def slow_hub(loop: Loop) -> SlowHub:
    """Its hub."""
    assert isinstance(loop.kit.hub, SlowHub)
    return loop.kit.hub


def slow_disk(loop: Loop) -> SlowDisk:
    """Its journal."""
    assert isinstance(loop.kit.journal, SlowDisk)
    return loop.kit.journal


def without_waiting(loop: Loop) -> None:
    """Where the hub has no work the proposer would wait to ask again."""
    loop.kit.stopping.ask_finish()


def test_work_asked_for_while_a_report_is_written_down_is_other_work(loop: Loop) -> None:
    first = ready(loop)
    asked: list[Ready | None] = []

    def ask() -> None:
        slow_disk(loop).before = nothing
        asked.append(loop.proposer.next(lambda _: None))

    slow_disk(loop).before = ask
    without_waiting(loop)
    loop._one(first)

    assert first.order.lease not in leases(asked)


def test_work_asked_for_while_a_lease_is_given_back_is_other_work(loop: Loop) -> None:
    first = ready(loop)
    first.training.abandon()
    asked: list[Ready | None] = []

    slow_hub(loop).before = lambda: asked.append(loop.proposer.next(lambda _: None))
    without_waiting(loop)
    loop.proposer.drop(first.order, "its data is broken")

    assert first.order.lease not in leases(asked)


def test_what_is_given_back_and_at_once_handed_out_again_stays_held(loop: Loop) -> None:
    first = ready(loop)
    first.training.abandon()
    again: list[Ready] = []

    slow_hub(loop).after = lambda: again.append(ready(loop))
    loop.proposer.drop(first.order, "its data is broken")

    again[0].training.abandon()
    order = again[0].order
    assert (order.lease, order.epoch) == (first.order.lease, first.order.epoch + 1)
    assert (again[0].training.plan.folder / "train.py").exists()
    assert [grip.order.epoch for grip in loop.kit.keeper.held()] == [order.epoch]
    assert [each.epoch for each in loop.kit.state.memory.held] == [order.epoch]


def test_work_whose_report_is_refused_for_good_is_given_back(loop: Loop) -> None:
    first = ready(loop)
    said = {"lease": str(first.order.lease), "epoch": first.order.epoch, "no": "report"}
    loop.kit.journal.add(Entry("run", uuid4(), said))
    loop.proposer.forget(first.order)

    loop.kit.sender.attempt()
    again = ready(loop)
    leases([first, again])

    assert list(loop.kit.journal.folder.glob("*.refused"))
    assert (again.order.lease, again.order.epoch) != (first.order.lease, first.order.epoch)


def test_the_same_work_at_another_epoch_has_a_folder_of_its_own(loop: Loop) -> None:
    first = ready(loop)
    order = first.order.model_copy(update={"epoch": first.order.epoch + 1})

    again = loop.proposer._start(replace(start_of(first), order=order), lambda _: None)
    leases([first, again])

    assert (first.training.plan.folder / "train.py").exists()
    assert first.training.plan.folder != again.training.plan.folder


def start_of(run: Ready) -> Start:
    """What was known of a run before its process was started."""
    return Start(**{each.name: getattr(run, each.name) for each in fields(Start)})


def test_a_run_that_found_no_room_is_begun_again_when_there_is_room_for_it(loop: Loop) -> None:
    """Its own files are cleared with it: there was always as much room as made it fail again."""
    first = ready(loop)
    first.training.abandon()
    loop.runner = FullDisk(loop.kit)

    loop._one(first)
    needed = loop.gate.needed_disk_mb
    loop.runner = Runner(loop.kit)
    loop._one(ready(loop))

    assert needed == first.goal.spec.limits.disk_mb
    assert loop.gate.needed_disk_mb == 0


def test_leases_that_ran_out_while_the_client_was_dead_are_forgotten(loop: Loop) -> None:
    gone = Held(lease=uuid4(), epoch=3, experiment="f" * 40)
    loop.kit.state.hold(gone)

    first = ready(loop)
    leases([first])

    assert [each.lease for each in loop.kit.state.memory.held] == [first.order.lease]


def test_a_lease_from_before_a_crash_is_kept_until_all_were_handed_out_again(loop: Loop) -> None:
    first = ready(loop)
    leases([first])
    loop.kit.keeper.let_go(first.order)
    other = Held(lease=uuid4(), epoch=1, experiment="f" * 40)
    loop.kit.state.hold(other)

    again = ready(loop)
    leases([again])

    assert again.order.lease == first.order.lease
    assert {each.lease for each in loop.kit.state.memory.held} == {again.order.lease, other.lease}


@dataclass
class Dear:
    """A language model whose every other idea is none, and costs as much."""

    heard: list[Usage] = field(default_factory=list)
    name: str = "dear"
    mends: bool = True

    def propose(self, task: Task) -> Idea:
        """Cost something."""
        self.heard.append(task.spent)
        if len(self.heard) % 2:
            raise NoIdea("Nothing.", Usage(100, 0.5))
        return Idea({}, "", "", Operator.TWEAK, usage=Usage(100, 0.5))


def test_what_a_run_costs_is_known_until_its_lease_ends(loop: Loop) -> None:
    dear, author, lease, other = Dear(), loop.proposer.author, uuid4(), uuid4()
    for each in (lease, lease, lease, other):
        with suppress(NoIdea):
            author.ask(dear, each, a_task())

    author.forget(lease)
    with suppress(NoIdea):
        author.ask(dear, lease, a_task())

    nothing = Usage()
    assert dear.heard == [nothing, Usage(100, 0.5), Usage(200, 1.0), nothing, nothing]
    assert loop.kit.state.memory.totals.dollars == 2.5


@dataclass
class Slow(Dear):
    """A language model that thinks until the lease has gone to somebody else."""

    meanwhile: Callable[[], object] = nothing

    def propose(self, task: Task) -> Idea:
        """Something that the hub would take."""
        self.heard.append(task.spent)
        self.meanwhile()
        text = task.files["train.py"].replace("WIDTH = 8", "WIDTH = 9")
        return Idea({"train.py": text}, "wider", "Why not.", Operator.TWEAK)


def test_a_proposal_for_a_lease_that_is_gone_is_followed_by_no_other(loop: Loop) -> None:
    def end_leases() -> None:
        for grip in loop.kit.keeper.held():
            said = Release(epoch=grip.order.epoch, reason="it took too long")
            loop.kit.hub.release(grip.order.lease, said)

    loop.kit.mutator = slow = Slow(meanwhile=end_leases)
    loop._one(ready(loop))
    loop.kit.sender.attempt()

    without_waiting(loop)

    assert loop.proposer.next(lambda _: None) is None
    assert len(slow.heard) == 1


def test_what_is_used_up_counts_on_the_owners_day_wherever_they_live(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted on Greenwich's, it was in no limit for the eight hours that Seattle is behind."""
    monkeypatch.setenv("TZ", "America/Los_Angeles")
    time.tzset()
    loop.kit.clock = lambda: datetime(2026, 11, 21, 2, tzinfo=UTC)
    first = ready(loop)

    loop.proposer.author._pay(first.order.lease, Usage(0, 5.0))
    loop._one(first)

    monkeypatch.undo()
    time.tzset()
    friday = loop.kit.state.used(date(2026, 11, 20))
    assert (friday.dollars, friday.runs) == (5.0, 1)
