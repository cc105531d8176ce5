"""The sender: how it is woken, waits and ends, and what it does where the hub fails."""

import threading
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from agent_client.backoff import Backoff
from agent_client.errors import BadToken, HubBroke, HubBusy, HubUnreachable
from agent_client.hub_api import Hub
from agent_client.journal import Entry, Journal
from agent_client.sender import Sender
from tests.agent_client.test_journal import ScriptedHub, a_journal, an_entry, named

SOON, PATIENCE = 0.05, 10.0


@dataclass
class Floors(Backoff):
    """Notes how long a wait had to be at least; none of them takes any time."""

    seen: list[float] = field(default_factory=list)
    waited: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def next(self, floor: float = 0.0) -> float:
        """Wait for nothing."""
        self.seen.append(floor)
        self.waited.release()
        return 0.0


@dataclass
class Looked(Journal):
    """Tells of each pass that found nothing more to send."""

    passes: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def settle(self) -> None:
        """Note it."""
        super().settle()
        self.passes.release()


class Held(ScriptedHub):
    """A hub that answers when it is told to."""

    def __init__(self) -> None:
        super().__init__(named)
        self.asked, self.told = threading.Semaphore(0), threading.Event()

    def send_raw(self, path: str, body: object) -> dict[str, object]:
        """Wait for that."""
        self.asked.release()
        assert self.told.wait(PATIENCE)
        return super().send_raw(path, body)


def test_a_sender_that_is_woken_sends_at_once_and_else_leaves_the_disk_alone(
    tmp_path: Path,
) -> None:
    journal, entry = Looked(tmp_path / "journal"), an_entry()
    journal.open()
    sender, before = Sender(hub := ScriptedHub(named), journal), set(threading.enumerate())
    sender.start()
    own = set(threading.enumerate()) - before
    assert journal.passes.acquire(timeout=PATIENCE)

    journal.add(entry)
    sender.wake()
    assert journal.passes.acquire(timeout=PATIENCE)

    assert hub.got == [str(entry.id)]
    assert not journal.passes.acquire(timeout=SOON), "nobody woke it again"
    assert sender.stop()
    assert [each.is_alive() for each in own] == [False]


def test_a_stop_tries_once_more_and_says_whether_anything_is_left(tmp_path: Path) -> None:
    journal, entry = a_journal(tmp_path), an_entry()
    journal.add(entry)

    left = Sender(ScriptedHub(lambda *_: {}), journal).stop()
    sent = Sender(hub := ScriptedHub(named), journal).stop()

    assert (left, sent, hub.got) == (False, True, [str(entry.id)])


def test_a_stop_does_not_wait_for_a_hub_that_says_nothing(tmp_path: Path) -> None:
    journal = a_journal(tmp_path)
    journal.add(an_entry())
    sender, said = Sender(hub := Held(), journal), list[bool]()
    sender.start()
    assert hub.asked.acquire(timeout=PATIENCE)

    stopping = threading.Thread(target=lambda: said.append(sender.stop(SOON)))
    stopping.start()
    stopping.join(PATIENCE / 2)

    assert said == [False]
    hub.told.set()
    stopping.join(PATIENCE)
    assert sender.stop()


def test_two_passes_at_once_send_nothing_twice(tmp_path: Path) -> None:
    journal = a_journal(tmp_path)
    journal.add(an_entry())
    sender = Sender(hub := Held(), journal)
    passes = [threading.Thread(target=sender.attempt) for _ in range(2)]
    for each in passes:
        each.start()

    assert hub.asked.acquire(timeout=PATIENCE)
    assert not hub.asked.acquire(timeout=SOON)
    hub.told.set()
    for each in passes:
        each.join(PATIENCE)

    assert len(hub.got) == 1


REVOKED = BadToken("unauthorized", "Unknown token.", 401, {})


def test_waits_are_as_long_as_the_hub_asks_and_a_minute_where_it_knows_us_no_more(
    tmp_path: Path,
) -> None:
    journal = a_journal(tmp_path)
    journal.add(an_entry())
    troubles: list[Exception] = [HubBusy(retry_after=7.0), HubUnreachable(), REVOKED]

    def answer(path: str, body: dict[str, object]) -> dict[str, object]:
        if troubles:
            raise troubles.pop(0)
        return named(path, body)

    backoff = Floors()
    sender = Sender(ScriptedHub(answer), journal, backoff)
    sender.start()
    for _ in range(3):
        assert backoff.waited.acquire(timeout=PATIENCE)

    assert sender.stop()
    assert backoff.seen == [7.0, 0.0, 60.0]
    assert sender.trouble == ""


def test_a_revoked_token_is_told_and_what_it_could_not_send_is_kept(tmp_path: Path) -> None:
    journal, entry = a_journal(tmp_path), an_entry()
    journal.add(entry)

    def revoked(path: str, body: dict[str, object]) -> dict[str, object]:
        raise REVOKED

    sender = Sender(ScriptedHub(revoked), journal)

    assert not sender.attempt()
    assert sender.revoked.is_set()
    assert sender.trouble == "Unknown token."
    assert [each for _, each in a_journal(tmp_path).entries()] == [entry]


@pytest.mark.parametrize("entries", [0, 2])
def test_what_went_well_starts_the_waits_from_the_beginning(tmp_path: Path, entries: int) -> None:
    """Though one entry fails at the hub: the next are sent, and so it is there."""
    journal = a_journal(tmp_path)
    for number in range(entries):
        journal.add(an_entry(number))

    def answer(path: str, body: dict[str, object]) -> dict[str, object]:
        if body["number"] == 0:
            raise HubBroke("HTTP 500")
        return named(path, body)

    sender = Sender(ScriptedHub(answer), journal, Backoff(failures=5))

    assert sender.attempt() is (entries == 0)
    assert sender.backoff.failures == 0


def test_a_post_goes_to_its_own_address_and_is_acknowledged_by_its_own_name(
    tmp_path: Path,
) -> None:
    journal, entry, asked = a_journal(tmp_path), Entry("post", uuid4(), {}), list[str]()
    journal.add(entry)

    def answer(path: str, body: dict[str, object]) -> dict[str, object]:
        asked.append(path)
        return {"id": str(entry.id)}

    assert Sender(ScriptedHub(answer), journal).attempt()
    assert asked == [f"/v1/posts/{entry.id}"]


def test_a_pass_takes_the_reserve_back_that_a_full_disk_had_cost(tmp_path: Path) -> None:
    journal = a_journal(tmp_path)
    (journal.folder / "reserve").unlink()

    assert Sender(ScriptedHub(named), journal).attempt()
    assert (journal.folder / "reserve").exists()


def test_an_entry_at_which_the_hub_fails_does_not_hold_up_the_rest(tmp_path: Path) -> None:
    """A bug of the hub's kept all that a volunteer trained after it from being sent, for ever."""
    journal = a_journal(tmp_path)
    entries = [an_entry(number) for number in range(5)]
    for entry in entries:
        journal.add(entry)
    bad, asked = {str(entries[1].id)}, list[str]()

    def answer(request: httpx.Request) -> httpx.Response:
        name = request.url.path.rsplit("/", 1)[1]
        asked.append(name)
        return httpx.Response(500) if name in bad else httpx.Response(200, json={"run": name})

    with Hub.at("http://hub", transport=httpx.MockTransport(answer)) as hub:
        sender = Sender(hub, journal)
        assert not sender.attempt()
        assert sender.trouble == "HTTP 500"
        assert [entry for _, entry in journal.entries()] == [entries[1]]

        for entry in entries[2:]:
            journal.add(entry)
        bad.update(str(entry.id) for entry in entries)
        asked.clear()
        assert not sender.attempt()
        assert asked == [str(entries[1].id), str(entries[2].id)], "it fails at everything"

        bad.clear()
        assert sender.attempt()
