"""The journal: on disk before it is sent, whole or not at all, in order, never lost."""

import errno
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from agent_client import files
from agent_client.errors import HubBusy, HubRefused, HubUnreachable
from agent_client.hub_api import Hub
from agent_client.journal import RESERVE_BYTES, Entry, Journal
from agent_client.sender import Sender
from protocol.base import MAX_CURVE_POINTS, MAX_LOG_BYTES
from protocol.work import Release

Answer = Callable[[str, dict[str, object]], dict[str, object]]


class ScriptedHub(Hub):
    """A hub that answers PUTs by a function."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.got: list[str] = []
        self.given_back: list[tuple[UUID, int]] = []

    def send_raw(self, path: str, body: object) -> dict[str, object]:
        """Answer one journalled body."""
        assert isinstance(body, dict)
        reply = self.answer(path, body)
        self.got.append(path.rsplit("/", 1)[1])
        return reply

    def release(self, lease: UUID, said: Release) -> None:
        """Note it."""
        self.given_back.append((lease, said.epoch))


def named(path: str, body: dict[str, object]) -> dict[str, object]:
    """Acknowledge by name."""
    return {"run": path.rsplit("/", 1)[1]}


def a_journal(folder: Path) -> Journal:
    journal = Journal(folder / "journal")
    journal.open()
    return journal


def an_entry(number: int = 0) -> Entry:
    return Entry("run", uuid4(), {"number": number, "log": "ä" * 100})


def full(path: Path, content: bytes, mode: int = 0o600) -> None:
    """A disk without room."""
    raise OSError(errno.ENOSPC, "No space left on device")


def test_what_a_volunteer_ran_is_for_them_alone_to_read(tmp_path: Path) -> None:
    assert a_journal(tmp_path).folder.stat().st_mode & 0o777 == 0o700


def test_entries_come_back_in_order_after_a_restart(tmp_path: Path) -> None:
    journal = a_journal(tmp_path)
    entries = [an_entry(number) for number in range(12)]
    for entry in entries:
        journal.add(entry)

    found = [entry for _, entry in a_journal(tmp_path).entries()]

    assert found == entries


def test_the_same_entry_written_twice_is_one(tmp_path: Path) -> None:
    journal, entry = a_journal(tmp_path), an_entry()

    journal.add(entry)
    journal.add(entry)

    assert len(journal) == 1


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b'{"sha256": "0", "said": "{}"}', b"\xff\xfe"]
)
def test_a_corrupt_entry_is_set_aside_and_the_rest_is_sent(tmp_path: Path, damage: bytes) -> None:
    journal = a_journal(tmp_path)
    first, second = an_entry(1), an_entry(2)
    journal.add(first)
    journal.add(second)
    next(journal.folder.glob(f"*{first.id}.json")).write_bytes(damage)
    hub = ScriptedHub(named)

    done = Sender(hub, journal).attempt()

    assert done
    assert hub.got == [str(second.id)]
    assert len(list(journal.folder.glob("*.corrupt"))) == 1


def test_a_changed_digit_is_noticed_and_not_sent(tmp_path: Path) -> None:
    journal, entry = a_journal(tmp_path), an_entry(4711)
    journal.add(entry)
    path = next(journal.folder.glob(f"*{entry.id}.json"))
    path.write_bytes(path.read_bytes().replace(b"4711", b"4712"))

    assert list(journal.entries()) == []
    assert len(list(journal.folder.glob("*.corrupt"))) == journal.set_aside == 1


def test_a_torn_temporary_file_is_ignored(tmp_path: Path) -> None:
    journal, entry = a_journal(tmp_path), an_entry()
    journal.add(entry)
    (journal.folder / "00000002-x.json.7.tmp").write_text('{"sha')

    found = [each for _, each in a_journal(tmp_path).entries()]

    assert found == [entry]
    assert not list(journal.folder.glob("*.tmp"))


def test_an_entry_stays_until_the_hub_names_it(tmp_path: Path) -> None:
    journal = a_journal(tmp_path)
    journal.add(an_entry())
    hub = ScriptedHub(lambda path, body: {"run": str(UUID(int=0))})

    done = Sender(hub, journal).attempt()

    assert not done
    assert len(journal) == 1


@pytest.mark.parametrize("problem", [HubUnreachable(), HubBusy(retry_after=7.0)])
def test_a_hub_that_is_away_changes_nothing(tmp_path: Path, problem: Exception) -> None:
    journal = a_journal(tmp_path)
    for number in range(3):
        journal.add(an_entry(number))

    def away(path: str, body: dict[str, object]) -> dict[str, object]:
        raise problem

    sender = Sender(ScriptedHub(away), journal)

    assert not sender.attempt()
    assert len(journal) == 3
    assert sender.trouble


def test_what_the_hub_never_takes_is_kept_aside_with_the_reason(tmp_path: Path) -> None:
    journal = a_journal(tmp_path)
    refused, good = an_entry(1), an_entry(2)
    journal.add(refused)
    journal.add(good)

    def strict(path: str, body: dict[str, object]) -> dict[str, object]:
        if body["number"] == 1:
            raise HubRefused("body_changed", "Another body.", 409, {})
        return named(path, body)

    hub = ScriptedHub(strict)

    assert Sender(hub, journal).attempt()
    assert hub.got == [str(good.id)]
    kept = list(journal.folder.glob("*.refused"))
    assert "body_changed" in kept[0].read_text()


def test_a_run_that_the_hub_never_takes_gives_its_lease_back_and_a_post_has_none(
    tmp_path: Path,
) -> None:
    journal, lease = a_journal(tmp_path), uuid4()
    for kind in ("run", "post"):
        journal.add(Entry(kind, uuid4(), {"lease": str(lease), "epoch": 3}))

    def strict(path: str, body: dict[str, object]) -> dict[str, object]:
        raise HubRefused("implausible_metric", "Not stored.", 422, {})

    hub = ScriptedHub(strict)

    assert Sender(hub, journal).attempt()
    assert hub.given_back == [(lease, 3)]


def test_what_is_sent_by_another_pass_meanwhile_is_no_damage(tmp_path: Path) -> None:
    journal, first = a_journal(tmp_path), an_entry(1)
    journal.add(first)
    journal.add(an_entry(2))

    left = journal.entries()
    assert next(left)[1] == first
    for name, _ in list(journal.entries()):
        journal.remove(name)

    assert list(left) == []
    assert journal.set_aside == 0


@pytest.mark.parametrize("said", ['{"kind": "run", "body": {}}', "[]", "null"])
def test_a_whole_entry_of_another_shape_is_set_aside(tmp_path: Path, said: str) -> None:
    journal, known = a_journal(tmp_path), an_entry()
    sha256 = hashlib.sha256(said.encode()).hexdigest()
    odd = json.dumps({"said": said, "sha256": sha256})
    (journal.folder / f"00000001-{uuid4()}.json").write_text(odd)
    journal.add(known)

    assert [entry for _, entry in journal.entries()] == [known]
    assert journal.set_aside == 1


def test_what_another_version_wrote_is_kept_aside_and_the_rest_is_sent(tmp_path: Path) -> None:
    journal, known = a_journal(tmp_path), an_entry()
    journal.add(Entry("dream", uuid4(), {}))
    journal.add(known)
    hub = ScriptedHub(named)

    assert Sender(hub, journal).attempt()
    assert hub.got == [str(known.id)]
    assert "dream" in next(journal.folder.glob("*.refused")).read_text()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_gives_up_the_reserve_for_a_finished_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    journal, reserve = a_journal(tmp_path), tmp_path / "journal" / "reserve"
    real = files.write_durably
    curve = [{"step": 2**53, "loss": 0.1 + 0.2, "seconds": 1e6 + 0.1}] * MAX_CURVE_POINTS
    largest = Entry("run", uuid4(), {"log": "ä" * MAX_LOG_BYTES, "curve": curve})

    def nearly_full(path: Path, content: bytes, mode: int = 0o600) -> None:
        if reserve.exists():
            raise OSError(number, "No space left on device")
        real(path, content, mode)

    monkeypatch.setattr(files, "write_durably", nearly_full)
    assert reserve.stat().st_size > len(largest.encode())

    assert journal.add(largest)
    assert journal.safe


def test_a_reserve_for_which_there_is_no_room_is_none_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(path: Path, content: bytes) -> None:
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", half)
        journal = a_journal(tmp_path)
    left = [path.name for path in journal.folder.iterdir()]
    journal.settle()

    assert (left, (journal.folder / "reserve").stat().st_size) == ([], RESERVE_BYTES)


def test_without_any_room_the_entry_waits_in_memory_and_is_still_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, entry = a_journal(tmp_path), an_entry()

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_durably", full)
        more = [entry, *(an_entry(number) for number in range(9))]
        assert not any(journal.add(each) for each in [*more, entry])
        assert not journal.safe
        assert len(journal) == len(more)
    hub = ScriptedHub(named)

    assert Sender(hub, journal).attempt()
    assert hub.got == [str(each.id) for each in more]
    assert len(journal) == 0


def test_what_waited_in_memory_is_written_down_when_there_is_room_and_gone_when_it_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, entry = a_journal(tmp_path), an_entry()

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_durably", full)
        journal.add(entry)
        journal.settle()
        assert not journal.safe
        assert not (journal.folder / "reserve").exists()
    journal.settle()

    assert journal.safe
    assert [each for _, each in a_journal(tmp_path).entries()] == [entry]
    assert Sender(ScriptedHub(named), journal).attempt()
    assert len(journal) == len(a_journal(tmp_path)) == 0


def test_what_the_hub_never_takes_is_kept_while_there_is_no_room_to_set_it_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, refused, good = a_journal(tmp_path), an_entry(1), an_entry(2)

    def strict(path: str, body: dict[str, object]) -> dict[str, object]:
        if body["number"] == 1:
            raise HubRefused("body_changed", "Another body.", 409, {})
        return named(path, body)

    hub = ScriptedHub(strict)
    sender = Sender(hub, journal)
    with monkeypatch.context() as patch:
        patch.setattr(files, "write_durably", full)
        journal.add(refused)
        journal.add(good)
        assert not sender.attempt()
    assert hub.got == [str(good.id)]
    assert [entry for _, entry in journal.entries()] == [refused]

    assert sender.attempt()
    assert len(journal) == 0
    assert [path.stem[9:] for path in journal.folder.glob("*.refused")] == [str(refused.id)]


def test_a_disk_that_turned_read_only_keeps_nothing_from_being_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, first, second = a_journal(tmp_path), an_entry(1), an_entry(2)
    journal.add(first)
    journal.add(second)

    def read_only(path: Path) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(files, "remove_durably", read_only)
    hub = ScriptedHub(named)
    sender = Sender(hub, journal)
    assert sender.attempt()
    assert sender.attempt()

    assert hub.got == [str(first.id), str(second.id)]
    assert len(journal) == 0
    assert [entry for _, entry in a_journal(tmp_path).entries()] == [first, second]


def test_a_disk_that_cannot_be_read_ends_no_sender(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, entry = a_journal(tmp_path), an_entry()
    journal.add(entry)

    def broken(path: Path) -> list[bytes]:
        raise OSError(errno.EIO, "Input/output error")

    sender = Sender(ScriptedHub(named), journal)
    with monkeypatch.context() as patch:
        patch.setattr(files, "candidates", broken)
        assert not sender.attempt()
    assert "Input/output error" in sender.trouble

    assert sender.attempt()


def test_a_crash_in_the_middle_of_a_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.json"
    files.write_durably(path, b"old")

    def power_cut(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", power_cut)
    with pytest.raises(KeyboardInterrupt):
        files.write_durably(path, b"new")

    assert path.read_bytes() == b"old"
    assert not list(tmp_path.glob("*.tmp"))
