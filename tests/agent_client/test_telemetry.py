"""What the owner reads when the client ends."""

from pathlib import Path

from rich.console import Console

from agent_client.telemetry import Finished, Telemetry


def a_run(name: str, metric: float) -> Finished:
    return Finished(
        number=1, sha="0" * 40, parent="", title="baseline", kind="anchor",
        name=name, metric=metric, delta=None, failure="", seconds=1.0,
    )  # fmt: skip


def test_runs_of_two_goals_stand_in_one_table_each_under_its_own_metric(tmp_path: Path) -> None:
    console = Console(width=160, record=True, force_terminal=False)
    telemetry = Telemetry(tmp_path, console)
    for run in (a_run("val_bpb", 0.5), a_run("speedup", 3.0)):
        telemetry.done(run)

    console.print(telemetry.table())

    said = console.export_text()
    assert "val_bpb 0.500000 │" in said
    assert "speedup 3.000000 │" in said
