"""What an operator types by mistake is answered with one sentence, and breaks nothing."""

import bz2
import gzip
import io
import lzma
import os
import signal
import stat
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest

from hub import backup
from hub.blobs import Blobs, StoreAway
from hub.cli.common import opened
from hub.cli.root import main
from hub.core import Hub, open_hub
from hub.settings import Settings
from tests.builders import Clock
from tests.hub.volunteer import Volunteer

Types = Callable[..., tuple[str | int | None, str]]


@pytest.fixture
def types(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Types:
    """Type a command in an empty folder; returns the exit code and the words on stderr."""
    monkeypatch.chdir(tmp_path)

    def _type(*words: str) -> tuple[str | int | None, str]:
        monkeypatch.setattr("sys.argv", ["hub", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, capsys.readouterr().err

    return _type


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("check --database-url nonsense", "no_database"),
        ("check --database-url mysql://a:secret@b/c", "no_database"),
        ("check --database-url postgresql://a:secret@127.0.0.1:1/c", "Connection refused"),
        ("serve --port 0 --database-url postgresql://a:secret@127.0.0.1:1/c", "no_database"),
        ("copy-to nonsense", "no_database"),
        ("copy-to postgresql://a:secret@127.0.0.1:1/c", "Connection refused"),
        ("copy-to sqlite:////nowhere/hub.sqlite3", "unable to open database file"),
        ("backup /proc/nowhere/hub.tar", "There is no folder /proc/nowhere"),
        ("backup mistyped/dir/hub.tar", "There is no folder mistyped/dir; make it first"),
        ("backup .", "file_taken"),
        ("backup a-pipe", "file_taken"),
        ("backup hub-data/hub.sqlite3", "file_taken"),
        ("restore nowhere.tar", "nowhere.tar: No such file"),
        ("goal new mine --folder /proc/nowhere", "/proc/nowhere"),
        ("goal brief tiny_gpt nowhere.md -r because", "nowhere.md: No such file"),
        ("goal brief tiny_gpt latin.md -r because", "latin.md is not UTF-8 text"),
        ("check --data typo", "There is no hub in typo"),
        ("backup hub.tar --data typo", "There is no hub in typo"),
        ("copy-to sqlite:///hub.sqlite3 --data typo", "There is no hub in typo"),
        ("serve --port 0 --host nowhere.invalid", "nowhere.invalid"),
        ("top http://127.0.0.1:port --once", "give its address as in"),
        ("top http://[::1 --once", "give its address as in"),
        ("serve --port 0 --host 192.0.2.1", "Cannot assign requested address"),
    ],
)
def test_a_mistake_is_told_in_one_line(types: Types, words: str, told: str) -> None:
    Path("latin.md").write_bytes(b"caf\xe9\n")
    os.mkfifo("a-pipe")
    open_hub(Settings(data=Path("hub-data")), Clock()).database.dispose()

    code, said = types(*words.split())

    assert (code, told in said) == (1, True), said
    assert len(said.splitlines()) == 1 and "secret" not in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AGENTHUB_OPENID_OPERATORS", "secret"),
        ("AGENTHUB_BLOB_URL", "http://secret"),
        ("AGENTHUB_BLOB_URL", "s3://"),
        ("AGENTHUB_BLOB_URL", "/mnt/secret"),
        ("AGENTHUB_PUBLIC_URL", "hub.example.org"),
        ("AGENTHUB_PUBLIC_URL", "https://"),
        ("AGENTHUB_PUBLIC_URL", "https://example.org/hub"),
        ("AGENTHUB_PUBLIC_URL", "https://hub.example.org:99999"),
        ("AGENTHUB_REGISTRATOIN", "invite"),
    ],
)
def test_a_setting_that_cannot_be_read_is_named(
    types: Types, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    code, said = types("check")

    assert (code, name in said, "bad_setting" in said) == (1, True, True), said
    assert len(said.splitlines()) == 1


def test_a_setting_that_is_one_of_a_few_words_is_told_them(
    types: Types, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTHUB_REGISTRATION", "bogus")

    told = "AGENTHUB_REGISTRATION: must be one of open, invite, approval, closed."
    assert types("check") == (1, f"hub: {told} [bad_setting]\n")


def test_a_misspelt_setting_is_answered_with_a_question(
    types: Types, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTHUB_PUBLIC_URLS", "https://hub.example.org")

    told = "AGENTHUB_PUBLIC_URLS is no setting; did you mean AGENTHUB_PUBLIC_URL?"
    assert types("check") == (1, f"hub: {told} [bad_setting]\n")


def test_a_file_that_is_no_database_is_named(types: Types) -> None:
    Path("hub-data").mkdir()
    Path("hub-data/hub.sqlite3").write_bytes(b"no database at all\n" * 100)

    code, said = types("goal", "list")

    assert (code, "database_damaged" in said) == (1, True)


def test_the_last_backup_may_be_written_over(hub: Hub, tmp_path: Path) -> None:
    file = tmp_path / "nightly.tar"
    file.touch()

    first, second = backup.backup(hub, file), backup.backup(hub, file)

    assert (first["blobs"], tarfile.is_tarfile(file)) == (second["blobs"], True)


@pytest.mark.parametrize("name", ["what?", "50%25", "a=b&c#d", "x@y:z"])
def test_a_folder_may_be_called_anything(types: Types, tmp_path: Path, name: str) -> None:
    made = open_hub(Settings(data=tmp_path / name), Clock())

    backup.backup(made, tmp_path / name / "hub.tar")

    made.database.dispose()
    assert (tmp_path / name / "hub.sqlite3").is_file()
    assert types("restore", f"{name}/hub.tar", "--data", f"{name}/again") == (0, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]


def test_a_port_that_cannot_be_is_refused(types: Types) -> None:
    code, said = types("serve", "--port", "99999")

    assert (code, "65535" in said) == (2, True)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_backup_that_was_packed_and_damaged_is_refused(
    hub: Hub, types: Types, tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    backup.backup(hub, tmp_path / "hub.tar")
    packed = bytearray(pack((tmp_path / "hub.tar").read_bytes()))
    middle = len(packed) // 2
    packed[middle : middle + 20] = bytes(20)
    (tmp_path / "packed.tar").write_bytes(packed)

    code, said = types("restore", "packed.tar", "--data", "again")

    assert (code, "bad_backup" in said, (tmp_path / "again").exists()) == (1, True, False)


def test_a_backup_is_for_its_owner_alone(hub: Hub, tmp_path: Path) -> None:
    backup.backup(hub, tmp_path / "hub.tar")

    assert stat.S_IMODE((tmp_path / "hub.tar").stat().st_mode) == 0o600


@dataclass
class Ending:
    """A store during whose work somebody ends the command."""

    store: Blobs
    number: signal.Signals

    def get(self, digest: str) -> bytes:
        os.kill(os.getpid(), self.number)
        return self.store.get(digest)


def _backed_up_while_ended(hub: Hub, number: signal.Signals, file: Path) -> None:
    backup.backup(replace(hub, blobs=cast(Blobs, Ending(hub.blobs, number))), file)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_told_to_end_leaves_nothing_half_done(
    hub: Hub, volta: Volunteer, tmp_path: Path, number: signal.Signals
) -> None:
    volta.explore(0.2, 0.8)
    data, url = hub.settings.data, hub.settings.database_url

    with pytest.raises(SystemExit) as ended, opened(data, url) as own:
        _backed_up_while_ended(own, number, tmp_path / "hub.tar")

    assert ended.value.code == 128 + number
    assert [path.name for path in tmp_path.iterdir() if "backup" in path.name] == []
    assert not (tmp_path / "hub.tar").exists()


@pytest.mark.parametrize("files", [{"manifest.json": b"[]"}, {"manifest.json": b'{"format": 1}'}])
def test_a_tar_without_a_hub_in_it_is_refused(tmp_path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(tmp_path / "odd.tar", "w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    empty = open_hub(Settings(data=tmp_path / "empty"), Clock())

    with pytest.raises(backup.BadBackup):
        backup.restore(tmp_path / "odd.tar", empty)
    empty.database.dispose()


def test_a_restore_that_ends_halfway_can_be_begun_again(
    hub: Hub, volta: Volunteer, tmp_path: Path
) -> None:
    volta.explore(0.2, 0.8)
    backup.backup(hub, tmp_path / "hub.tar")
    empty = open_hub(Settings(data=tmp_path / "empty"), Clock())
    (tmp_path / "empty" / "blobs").write_bytes(b"in the way")
    with pytest.raises(StoreAway):
        backup.restore(tmp_path / "hub.tar", empty)
    (tmp_path / "empty" / "blobs").unlink()

    report = backup.restore(tmp_path / "hub.tar", empty)

    assert (report.experiments, report.findings) == (2, [])
    empty.database.dispose()
