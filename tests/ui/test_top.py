"""`hub top` beside a real hub: what runs and what came out, and nothing that agents smuggle."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import col, select
from typer.testing import CliRunner, Result

from hub.cli.root import app
from hub.cli.top import HubAway
from hub.tables import ExperimentRow
from tests.services.ports import free_port
from tests.ui.conftest import ServedHub, opened, served

pytestmark = [pytest.mark.ui, pytest.mark.timeout(120)]
SMUGGLED = "\x1b[2J\x1b]0;owned\x07[bold red]Wider[/] \u202emlp"


@pytest.fixture(scope="module")
def busy(own_world: Path, built_board: Path) -> Iterator[ServedHub]:
    """A hub in the middle of work whose newest change has a hostile title."""
    with opened(own_world) as hub, hub.database.work() as work:
        newest = select(ExperimentRow).order_by(col(ExperimentRow.number).desc()).limit(1)
        work.session.exec(newest).one().title = SMUGGLED
    with served(own_world) as hub_process:
        yield hub_process


def look(url: str) -> Result:
    """What one look prints on a wide terminal."""
    return CliRunner(env={"COLUMNS": "160"}).invoke(app, ["top", url, "--once"])


def test_one_look_shows_the_goal_its_best_and_what_runs(busy: ServedHub) -> None:
    done = look(busy.url)

    assert done.exit_code == 0
    for words in ("agents online", "tiny_gpt: ", "baseline 1.9", "Running: 2", "training", "volta"):
        assert words in done.output


def test_titles_move_no_cursor_and_are_no_markup(busy: ServedHub) -> None:
    said = look(busy.url).output

    assert "[bold red]Wider[/]" in said
    assert not {"\x1b", "\x07", "\u202e"} & set(said)


def test_a_hub_that_is_away_is_a_refusal_that_says_what_to_do(busy: ServedHub) -> None:
    done = look(f"http://127.0.0.1:{free_port()}")

    assert isinstance(done.exception, HubAway)
    assert "give its address" in done.exception.detail
