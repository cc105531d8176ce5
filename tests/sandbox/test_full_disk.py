"""A disk that others fill ends a run, but is not held against it; what it fills itself is."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_client.sandbox import Limits, Sandbox
from agent_client.sandbox.job import GIB
from tests.faults.client_process import eventually
from tests.faults.disks import a_disk_image, fill
from tests.sandbox.builders import PATIENCE, a_job, run, walls

pytestmark = pytest.mark.sandbox
SAYS_SO_AND_SLEEPS = "print('here', flush=True); import time; time.sleep(99)"
ENDS_WHEN_TOLD = """
import os, time
print("here", flush=True)
while os.path.exists("waits"):
    time.sleep(0.01)
os.rename("ready", "done")
"""
SENDS_FILES_TO_ITSELF = """
import os, socket
left, right = socket.socketpair()
while True:
    with open("ballast", "wb") as file:
        os.unlink("ballast")
        file.write(b"x" * (16 << 20))
        file.flush()
        socket.send_fds(left, [b"."], [file.fileno()])
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """600 MB, of which a run must leave 256."""
    with a_disk_image(tmp_path / "disk", 600) as folder:
        folder.chmod(0o755)
        yield folder


def a_folder(disk: Path) -> Path:
    """Where a run may write."""
    folder = disk / "run"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("sandbox", walls(), ids=lambda one: one.name)
def test_a_disk_that_others_fill_ends_a_run_and_says_whose_fault_it_was(
    sandbox: Sandbox, disk: Path
) -> None:
    running = sandbox.start(a_job(a_folder(disk), SAYS_SO_AND_SLEEPS))
    next(running.lines(timeout=PATIENCE))

    fill(disk)

    ended = running.wait(PATIENCE)
    assert (ended.reason, ended.no_room, ended.clean) == ("full disk", True, True)


@pytest.mark.parametrize("sandbox", walls(), ids=lambda one: one.name)
def test_a_run_that_came_to_its_end_on_a_full_disk_has_done_its_work(
    sandbox: Sandbox, disk: Path
) -> None:
    folder = a_folder(disk)
    (folder / "waits").touch()
    (folder / "ready").touch()
    running = sandbox.start(a_job(folder, ENDS_WHEN_TOLD))
    next(running.lines(timeout=PATIENCE))
    os.kill(running.pid, signal.SIGSTOP)  # so that the next look comes after its end

    fill(disk)
    (folder / "waits").unlink()
    eventually(lambda: (folder / "done").exists())
    os.kill(running.pid, signal.SIGCONT)

    assert running.wait(PATIENCE).ok


@pytest.mark.parametrize("sandbox", walls(), ids=lambda one: one.name)
def test_files_in_flight_that_fill_the_disk_are_the_runs_own(sandbox: Sandbox, disk: Path) -> None:
    job = a_job(a_folder(disk), SENDS_FILES_TO_ITSELF, limits=Limits(30.0, disk_bytes=4 * GIB))

    ended, _ = run(sandbox, job)

    assert (ended.reason, ended.no_room, ended.clean) == ("disk", False, True)
