"""Commands about a client that runs elsewhere: what they say, leave behind and refuse."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent_client import control, settings
from agent_client.cli import app
from agent_client.errors import BadSettings
from agent_client.limits import FINISH, PAUSE
from agent_client.lock import InstanceLock
from agent_client.settings import Settings
from agent_client.state import Held, State
from agent_client.telemetry import LOG, STATUS
from tests.builders import NOON, an_id

TRAINS = {
    **{"phase": "training", "reason": "", "goal": "toy", "experiment": "#7", "title": "Deeper"},
    **{"step": 30, "fraction": 0.25, "loss": 2.5, "eta": 90.4, "proposing": "ready"},
    **{"duty": 0.934, "overhead": 1.26, "hub_ms": 12.4, "hub": "The hub cannot be reached."},
}


def joined(folder: Path, agent: str = "volta") -> Path:
    """A folder that has joined."""
    known = Settings(hub="http://localhost:8000", agent=agent, owner="ada", token="t")
    settings.save(folder, known)
    return folder


@contextmanager
def held(folder: Path, **status: Any) -> Iterator[None]:
    """A client works in this folder, and says this of itself."""
    lock = InstanceLock.take(folder)
    if status:
        (folder / STATUS).write_text(json.dumps(status))
    try:
        yield
    finally:
        lock.release()


def does(*words: str | Path) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_status_of_a_client_that_trains_says_how_far_and_how_well(tmp_path: Path) -> None:
    state = State(joined(tmp_path))
    state.count(runs=1, failed=2)
    state.spend(NOON.date(), dollars=1.5, runs=1)

    with held(tmp_path, **TRAINS):
        running = does("status", "--folder", tmp_path)
    ended = does("status", "--folder", tmp_path)

    first, *said = running.splitlines()
    assert first.startswith("volta at http://localhost:8000: running (pid ")
    assert said == [
        "  training #7 step 30 (25%), 90 s left",
        "  device busy 93.4% of the time, 1.3 s between runs",
        "  1 run, 2 failed, 0 unsent, $1.50 spent",
        "  the hub answers in 12 ms",
        "  The hub cannot be reached.",
    ]
    title, *left = ended.splitlines()
    assert title == "volta at http://localhost:8000: not running"
    assert left == [*said[1:3], said[4]], "what it did, and not what it does"


def test_what_a_client_has_not_measured_yet_is_not_said(tmp_path: Path) -> None:
    new = {"phase": "training", "experiment": "#7", "duty": 1.0}
    unknown = ("reason", "step", "fraction", "eta", "overhead", "hub_ms", "hub")

    with held(joined(tmp_path), **new, **dict.fromkeys(unknown)):
        said = does("status", "--folder", tmp_path).splitlines()

    assert said[1:] == [
        "  training #7 step None (0%)",
        "  device busy 100.0% of the time",
        "  0 runs, 0 failed, 0 unsent, $0.00 spent",
    ]


def test_a_client_that_waits_says_for_what_and_not_how_far_the_last_run_came(
    tmp_path: Path,
) -> None:
    with held(joined(tmp_path), **TRAINS | {"phase": "waiting", "reason": "Too hot."}):
        said = does("status", "--folder", tmp_path)

    assert said.splitlines()[1] == "  waiting Too hot. #7"


def test_programs_read_one_client_as_an_object_and_a_fleet_as_a_list(tmp_path: Path) -> None:
    state = State(joined(tmp_path / "one"))
    state.hold(Held(lease=an_id(), epoch=1))
    (tmp_path / "one" / STATUS).write_text("{torn")
    (tmp_path / "one" / "journal").mkdir()
    for name in ("1.json", "2.refused", "reserve"):
        (tmp_path / "one" / "journal" / name).touch()
    for gpu in ("gpu0", "gpu1"):
        joined(tmp_path / "fleet" / gpu, gpu)

    one = json.loads(does("status", "--json", "--folder", tmp_path / "one"))
    fleet = json.loads(does("status", "--json", "--folder", tmp_path / "fleet"))

    assert [each["agent"] for each in fleet] == ["gpu0", "gpu1"]
    shown = {key: one[key] for key in ("running", "phase", "reason", "pid", "today")}
    ended = {"running": False, "phase": "stopped", "reason": ""}
    assert shown == {**ended, "pid": None, "today": None}
    assert (one["unsent"], one["held_leases"], one["paused"], one["trouble"]) == (1, 1, False, "")


def test_a_pause_holds_a_whole_fleet_until_it_goes_on(tmp_path: Path) -> None:
    folders = [joined(tmp_path / gpu) for gpu in ("gpu0", "gpu1")]

    does("pause", "--folder", tmp_path)
    paused = [(each / PAUSE).exists() for each in folders]
    said = does("status", "--folder", tmp_path)
    with held(folders[1]):
        running = does("resume", "--folder", tmp_path)
    idle = does("resume", "--folder", tmp_path)

    assert paused == [True, True]
    assert said.count("paused: nothing new begins") == 2
    assert [(each / PAUSE).exists() for each in folders] == [False, False]
    assert running == "Going on.\n"
    assert idle == "No longer paused; `agent_client run` begins to work.\n"


def test_a_stop_is_for_who_runs_and_lets_the_run_finish_where_that_is_said(tmp_path: Path) -> None:
    idle, busy = joined(tmp_path / "gpu0"), joined(tmp_path / "gpu1")

    with held(busy):
        said = does("stop", "--finish", "--folder", tmp_path).splitlines()

    assert said[0] == "No client runs in this folder."
    assert said[1].endswith("finishes its run, submits it and stops.")
    assert [(each / FINISH).exists() for each in (idle, busy)] == [False, True]


def test_a_stop_at_once_is_a_signal_to_that_process(tmp_path: Path) -> None:
    with held(joined(tmp_path)), subprocess.Popen(["sleep", "60"]) as client:
        (tmp_path / "lock").write_text(str(client.pid))

        said = does("stop", "--folder", tmp_path)

        assert client.wait(30) == -15
    assert said == f"The client (pid {client.pid}) stops now and gives its work back.\n"
    assert not (tmp_path / FINISH).exists()


def test_the_last_lines_of_a_log_are_shown_whatever_bytes_are_in_it(tmp_path: Path) -> None:
    (tmp_path / LOG).write_bytes(b'{"n": 1}\n{"n": 2}\n{"n": "\xff"}\n')

    assert does("logs", "--lines", "2", "--folder", tmp_path) == '{"n": 2}\n{"n": "\ufffd"}\n'


def test_a_log_that_is_not_there_or_cannot_be_read_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="no log yet"):
        control.logs(tmp_path)
    (tmp_path / LOG).mkdir()
    with pytest.raises(BadSettings, match=f"{LOG} cannot be read: Is a directory"):
        control.logs(tmp_path)


def test_the_unit_of_a_fleet_may_write_to_each_cache_once(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    for gpu in ("gpu0", "gpu1"):
        folder = joined(tmp_path / "fleet" / gpu)
        known = settings.load(folder).model_copy(update={"cache": shared})
        settings.save(folder, known)

    unit = does("service", "--folder", tmp_path / "fleet")

    assert f"ReadWritePaths={tmp_path}/fleet {shared}\n" in unit
    assert f"/agent_client run --folder {tmp_path}/fleet\n" in unit
