"""Nothing outlives the client, whoever is killed: client, supervisor, or the program itself."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent_client.jail import uids
from agent_client.sandbox import Sandbox
from tests.sandbox.builders import a_job, here

pytestmark = pytest.mark.sandbox

CLIENT = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from agent_client.sandbox import Limits
from tests.sandbox.builders import a_job, here
sandbox = next(one for one in here() if one.name == {name!r})
running = sandbox.start(a_job(Path({folder!r}), {program!r}))
print(next(running.lines(timeout=30)), running.pid, flush=True)
running.wait(60)
"""
FAMILY = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for fd in (0, 1, 2): os.close(fd)
    time.sleep(300)
print("started", flush=True)
time.sleep(300)
"""


def working_in(folder: Path) -> list[int]:
    """The processes whose current folder this is; zombies have none."""
    found = []
    for path in Path("/proc").iterdir():
        try:
            if path.name.isdigit() and (path / "cwd").readlink() == folder:
                found.append(int(path.name))
        except OSError:
            continue
    return found


def gone(folder: Path, seconds: float = 10.0) -> bool:
    ends = time.monotonic() + seconds
    while working_in(folder) and time.monotonic() < ends:
        time.sleep(0.05)
    return not working_in(folder)


@pytest.mark.parametrize("sandbox", here(), ids=lambda one: one.name)
def test_a_killed_client_takes_its_runs_along(sandbox: Sandbox, tmp_path: Path) -> None:
    told = {"root": str(Path.cwd()), "name": sandbox.name, "folder": str(tmp_path)}
    program = CLIENT.format(**told, program=FAMILY)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as client:
        assert client.stdout is not None and client.stdout.readline().startswith(b"started")
        assert working_in(tmp_path)

        client.kill()

        assert gone(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="sweeping by user needs root")
def test_what_a_killed_supervisor_left_is_swept_by_its_user(tmp_path: Path) -> None:
    landlock = next((one for one in here() if one.name == "landlock"), None)
    if landlock is None:
        pytest.skip("no Landlock here")
    running = landlock.start(a_job(tmp_path, FAMILY))
    next(running.lines(timeout=30))
    assert working_in(tmp_path)

    os.kill(running.pid, signal.SIGKILL)

    ended = running.wait(20)
    assert (ended.reason, ended.clean) == ("setup", False)
    uids.sweep()  # another test's sandbox may have taken this user and swept it before us
    assert gone(tmp_path)
    running.close()
