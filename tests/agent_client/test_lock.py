"""One client per folder."""

import fcntl
import os
import threading
from pathlib import Path

import pytest

from agent_client import lock
from agent_client.errors import AnotherInstance, BadSettings
from agent_client.lock import InstanceLock, holder


def test_a_second_client_is_told_whose_the_folder_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "LOOKS", 2)
    first = InstanceLock.take(tmp_path)

    with pytest.raises(
        AnotherInstance, match=rf"\(pid {os.getpid()}\) already works in {tmp_path}"
    ):
        InstanceLock.take(tmp_path)

    assert holder(tmp_path) == os.getpid()
    first.release()
    assert holder(tmp_path) is None
    InstanceLock.take(tmp_path).release()


def test_who_only_asks_whose_a_folder_is_keeps_no_client_from_starting(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as asked:
        fcntl.flock(asked, fcntl.LOCK_SH)
        threading.Timer(0.1, fcntl.flock, (asked, fcntl.LOCK_UN)).start()

        InstanceLock.take(tmp_path).release()


def test_the_file_holds_the_pid_of_its_holder_and_nothing_of_an_earlier_one(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("9" * 40)

    taken = InstanceLock.take(tmp_path)

    assert (tmp_path / "lock").read_text() == str(os.getpid())
    taken.release()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else for a moment")
def test_a_folder_of_another_user_s_is_named_and_not_called_idle(tmp_path: Path) -> None:
    taken = InstanceLock.take(tmp_path)
    tmp_path.chmod(0o700)

    os.seteuid(65_534)
    try:
        with pytest.raises(BadSettings, match=f"{tmp_path} cannot be read: Permission denied"):
            holder(tmp_path)
    finally:
        os.seteuid(0)
        taken.release()
