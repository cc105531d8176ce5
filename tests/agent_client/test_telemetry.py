"""What the owner reads when the client ends."""

import io
from contextlib import suppress
from pathlib import Path

import pytest
from rich.console import Console

from agent_client.progress import Transcript
from agent_client.telemetry import Finished, Telemetry


def a_run(name: str, metric: float, title: str = "baseline") -> Finished:
    return Finished(
        number=1, sha="0" * 40, parent="", title=title, kind="anchor",
        name=name, metric=metric, delta=None, failure="", seconds=1.0,
    )  # fmt: skip


def test_runs_of_two_goals_stand_in_one_table_each_under_its_own_metric(tmp_path: Path) -> None:
    console = Console(width=160, record=True, force_terminal=False)
    telemetry = Telemetry(tmp_path, console)
    for run in (a_run("val_bpb", 0.5), a_run("speedup", 3.0), a_run("latency", 6.57e-07)):
        telemetry.done(run)

    console.print(telemetry.table())

    said = console.export_text()
    assert "val_bpb 0.500000 │" in said
    assert "speedup 3.000000 │" in said
    assert "latency 6.57e-07 │" in said
    assert a_run("latency", 6.57e-07).line().startswith("#1 anchor: latency 6.57e-07 in")


@pytest.mark.parametrize("terminal", [False, True])
def test_a_strangers_title_steers_no_terminal(tmp_path: Path, terminal: bool) -> None:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=terminal, no_color=True, width=200)
    telemetry = Telemetry(tmp_path, console)
    title = "up \x9b2J\x9d0;owned\x9c \u202edown"

    with telemetry.live():
        telemetry.update(phase="training", title=title, experiment="#1", proposing=title)
        telemetry.done(a_run("score", 1.0, title))
    console.print(telemetry.table())

    assert "up " in shown.getvalue()
    assert not set("\x9b\x9d\x9c\u202e") & set(shown.getvalue())


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_title_in_other_letters_than_the_terminals_is_shown_as_it_can_be(
    tmp_path: Path, encoding: str
) -> None:
    shown = io.BytesIO()
    telemetry = Telemetry(tmp_path, Console(file=io.TextIOWrapper(shown, encoding), width=200))

    telemetry.done(a_run("score", 1.0, "größer \u65e5\u672c"))
    telemetry.update(phase="training", title="\u65e5")

    assert b"score 1.000000" in shown.getvalue()


def test_a_client_that_waits_names_no_run_that_is_over(tmp_path: Path) -> None:
    console = Console(width=200, record=True, force_terminal=False)
    telemetry = Telemetry(tmp_path, console)
    telemetry.update(phase="measuring", goal="toy", experiment="#27", title="STEP: 0.48 -> 0.576")

    telemetry.wait("other owners' runs are awaited.")

    said = console.export_text().splitlines()
    assert said[0] == "[toy] measuring | #27 STEP: 0.48 -> 0.576"
    assert said[1] == "[toy] waiting: other owners' runs are awaited."


def test_an_output_that_takes_nothing_stops_no_run(tmp_path: Path) -> None:
    """A full disk below `agent_client run > log`, or a reader that has gone."""
    full = io.TextIOWrapper(io.FileIO("/dev/full", "w"), write_through=True)
    telemetry = Telemetry(tmp_path, Console(file=full))

    telemetry.done(a_run("score", 1.0))
    telemetry.update(phase="training")
    with suppress(OSError):
        full.close()

    assert telemetry.now.phase == "training"


def test_what_is_left_of_a_run_shrinks_between_two_progress_lines() -> None:
    transcript = Transcript()
    assert transcript.left(20.0) is None
    transcript.take("step 00010 (4.0%) | loss: 6.5427", 30.0)

    left = [transcript.left(seconds) for seconds in (30.0, 80.0, 1000.0)]

    assert left == [720.0, 670.0, 0.0]
