"""Clients that are killed, doubled, copied or told to stop, as programs with a real hub."""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent_client.state import Child, Memory, start_ticks
from protocol.experiments import Operator, Status
from tests.agent_client.conftest import Volunteer
from tests.agent_client.hub_process import HubProcess, a_hub


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubProcess]:
    """A hub whose toy goal trains for two seconds."""
    with a_hub(tmp_path / "hub", sleep=2.0) as running:
        yield running


@contextmanager
def running(volunteer: Volunteer, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A client that is ended, whatever the test finds."""
    process = volunteer.begin("run", "--mutator", "offline", *arguments)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def until(wanted: Callable[[], bool], seconds: float = 60.0) -> None:
    ends = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < ends, "it never came to that"
        time.sleep(0.05)


def phase(volunteer: Volunteer) -> str:
    try:
        said = json.loads((volunteer.folder / "status.json").read_text())
    except (OSError, ValueError):
        return ""
    return str(said["phase"])


def left_over(volunteer: Volunteer) -> list[str]:
    """Processes that still work in the volunteer's folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cwd"):
        try:
            where = str(path.readlink())
        except OSError:
            continue
        if where.startswith(str(volunteer.folder)):
            found.append(f"{path.parent.name}: {where}")
    return found


def test_killed_while_training_leaves_no_process_and_goes_on_where_it_was(
    volunteer: Volunteer,
) -> None:
    with running(volunteer) as process:
        until(lambda: phase(volunteer) == "training")
        until(lambda: any(each.number > 0 for each in volunteer.experiments()))
        process.kill()
        process.wait()
    until(lambda: not left_over(volunteer), 20)

    done = volunteer.do("run", "--mutator", "offline", "--max-experiments", "2")

    assert done.returncode == 0, done.stdout + done.stderr
    made = [each for each in volunteer.experiments() if each.operator is not Operator.BASELINE]
    assert all(each.n_runs <= 1 for each in made)
    assert sum(each.status is Status.FINISHED for each in made) >= 2
    assert not [each for each in made if each.status is Status.RUNNING]


def test_a_run_that_was_written_down_is_sent_after_a_kill(volunteer: Volunteer) -> None:
    with running(volunteer) as process:
        until(lambda: phase(volunteer) == "training")
        volunteer.hub.kill()
        until(lambda: bool(list((volunteer.folder / "journal").glob("*.json"))))
        process.kill()
        process.wait()
    volunteer.hub.start()

    done = volunteer.do("run", "--mutator", "offline", "--max-experiments", "1")

    assert done.returncode == 0, done.stdout + done.stderr
    assert volunteer.experiments()[0].n_runs >= 1
    assert not list((volunteer.folder / "journal").glob("*.json"))


def test_work_goes_on_through_a_hub_restart(volunteer: Volunteer) -> None:
    with running(volunteer, "--max-experiments", "3") as process:
        until(lambda: phase(volunteer) == "training")
        volunteer.hub.kill()
        time.sleep(3)
        volunteer.hub.start()
        assert process.wait(120) == 0
    made = [each for each in volunteer.experiments() if each.operator is not Operator.BASELINE]
    assert [each.n_runs for each in made if each.status is Status.FINISHED] == [1, 1, 1]


def test_the_first_interrupt_finishes_and_submits(volunteer: Volunteer) -> None:
    with running(volunteer) as process:
        until(lambda: phase(volunteer) == "training")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert volunteer.experiments()[0].n_runs == 1
    with volunteer.api() as hub:
        assert hub.me().working_on is None


def test_the_second_interrupt_stops_at_once_and_frees_the_lease(volunteer: Volunteer) -> None:
    with running(volunteer) as process:
        until(lambda: phase(volunteer) == "training")
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert volunteer.experiments()[0].n_runs == 0
    with volunteer.api() as hub:
        assert hub.me().working_on is None
    assert not left_over(volunteer)


def test_stop_with_finish_ends_after_the_run(volunteer: Volunteer) -> None:
    with running(volunteer) as process:
        until(lambda: phase(volunteer) == "training")
        volunteer.do("stop", "--finish")
        assert process.wait(60) == 0
    assert volunteer.experiments()[0].n_runs == 1


def test_a_paused_client_says_why_it_waits_and_goes_on(volunteer: Volunteer) -> None:
    volunteer.do("pause")
    with running(volunteer, "--max-experiments", "1") as process:
        until(lambda: phase(volunteer) == "waiting")
        until(lambda: "Paused" in volunteer.do("status").stdout)
        volunteer.do("resume")
        assert process.wait(90) == 0


def test_a_second_client_in_the_folder_is_refused_by_pid(volunteer: Volunteer) -> None:
    with running(volunteer) as process:
        until(lambda: phase(volunteer) == "training")
        second = volunteer.do("run")
    assert second.returncode == 5
    assert f"pid {process.pid}" in second.stderr


def test_a_folder_copied_from_another_machine_is_refused(volunteer: Volunteer) -> None:
    state = {"machine": "another machine", "sequence": 3}
    (volunteer.folder / "state.json").write_text(json.dumps(state))

    done = volunteer.do("run")

    assert done.returncode == 3
    assert "copied from another machine" in done.stderr


def test_an_unknown_setting_is_named(volunteer: Volunteer) -> None:
    config = volunteer.folder / "config.toml"
    config.write_text(config.read_text() + "\n[limits]\ntemprature = 70\n")

    done = volunteer.do("run")

    assert done.returncode == 3
    assert "unknown key 'limits.temprature'" in done.stderr


def test_an_orphan_of_a_killed_client_is_ended(volunteer: Volunteer) -> None:
    orphan = subprocess.Popen(["sleep", "60"])
    ticks = start_ticks(orphan.pid)
    assert ticks is not None
    memory = Memory(children=[Child(pid=orphan.pid, started=ticks)])
    (volunteer.folder / "state.json").write_text(memory.model_dump_json())

    volunteer.do("run", "--mutator", "offline", "--max-experiments", "1")

    assert orphan.wait(5) == -signal.SIGKILL
