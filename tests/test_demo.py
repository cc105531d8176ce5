"""`make demo`'s driver, on a goal that needs no torch."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from protocol.experiments import Experiments
from protocol.work import Kind, Lease
from scripts.demo import Child
from scripts.demo_watch import eta
from tests.builders import NOON
from tests.faults.hub_process import TOY, HubProcess
from tests.faults.orphans import processes_of
from tests.services.ports import free_port

PATIENCE = 200.0
pytestmark = pytest.mark.faults


def demo(folder: Path, *more: str) -> subprocess.Popen[str]:
    argv = (sys.executable, "-m", "scripts.demo", "--goal", str(TOY), "--folder", str(folder))
    return subprocess.Popen((*argv, *more), stdout=subprocess.PIPE, text=True)


def wait_for(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def parents_by_git(url: str, folder: Path) -> dict[str, str]:
    subprocess.run(["git", "clone", "-q", f"{url}/git/toy.git", str(folder)], check=True)
    log = subprocess.run(
        ["git", "log", "--all", "--format=%H %P"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return {sha: parent for sha, _, parent in (x.partition(" ") for x in log.stdout.splitlines())}


def parents_by_api(url: str) -> dict[str, str]:
    page = httpx.get(f"{url}/v1/goals/toy/experiments").content
    experiments = Experiments.model_validate_json(page).experiments
    return {each.sha: each.parent or "" for each in experiments}


def test_it_stops_by_itself_leaves_nothing_running_and_git_agrees_with_the_api(
    tmp_path: Path,
) -> None:
    with demo(tmp_path / "demo", "--experiments", "2", "--port", str(free_port())) as driver:
        said, _ = driver.communicate(timeout=PATIENCE)

    assert driver.returncode == 0, said
    assert processes_of(tmp_path) == []
    hub = HubProcess(tmp_path / "demo" / "hub")
    hub.start()
    by_git, by_api = parents_by_git(hub.url, tmp_path / "clone"), parents_by_api(hub.url)
    hub.stop()
    assert len(by_git) >= 3
    assert by_git == {sha: parent for sha, parent in by_api.items() if sha in by_git}


def test_ctrl_c_finishes_the_run_and_leaves_nothing_running(tmp_path: Path) -> None:
    log = tmp_path / "demo" / "agent.log"
    with demo(tmp_path / "demo", "--port", str(free_port())) as driver:
        wait_for(lambda: log.exists() and "Ctrl-C" in log.read_text())
        driver.send_signal(signal.SIGINT)
        said, _ = driver.communicate(timeout=PATIENCE)

    assert driver.returncode == 0, said
    assert "Finishing" in said
    assert processes_of(tmp_path) == []


def test_a_driver_that_is_killed_takes_hub_and_agent_with_it(tmp_path: Path) -> None:
    log = tmp_path / "demo" / "agent.log"
    with demo(tmp_path / "demo", "--port", str(free_port())) as driver:
        wait_for(lambda: log.exists() and "Ctrl-C" in log.read_text())
        driver.kill()

    wait_for(lambda: processes_of(tmp_path) == [])


def test_a_port_that_is_taken_is_not_used(tmp_path: Path) -> None:
    hub = HubProcess(tmp_path / "other")
    hub.start()
    with demo(tmp_path / "demo", "--experiments", "1", "--port", str(hub.port)) as driver:
        said, _ = driver.communicate(timeout=PATIENCE)
    hub.stop()

    address = re.search(r"http://127.0.0.1:(\d+)/", said)
    assert driver.returncode == 0, said
    assert address is not None
    assert int(address[1]) != hub.port


def test_a_demo_that_cannot_begin_says_why_in_whatever_letters(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "scripts.demo", "--goal", "[/none]", "--folder", str(tmp_path)]

    done = subprocess.run(argv, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (1, "")
    assert "there is no folder '[/none]'" in done.stdout
    assert "[goal_invalid]" in done.stdout


def test_only_what_a_program_said_since_it_was_started_is_its_last_word(tmp_path: Path) -> None:
    said = []
    for word in ("early", "late"):
        child = Child.start("hub", ["echo", word], tmp_path)
        child.process.wait()
        said.append(child.last_lines())

    assert said == ["early", "late"]


def test_what_is_left_of_a_run_counts_neither_its_wait_nor_an_old_heartbeat() -> None:
    lease = Lease(
        **{"id": uuid4(), "goal": "toy", "kind": Kind.EXPLORE, "agent": "ada-1", "owner": "ada"},
        **{"state": "claimed", "epoch": 1, "fraction": 0.1, "deadline": NOON},
        claimed_at=NOON - timedelta(hours=1),
        renewed_at=NOON + timedelta(seconds=10),
    )

    left = [eta(lease, NOON, NOON + timedelta(seconds=s)) for s in (10, 40, 101)]

    assert left == ["  about 90 s to go", "  about 60 s to go", ""]
    assert eta(lease, None, NOON) == ""
