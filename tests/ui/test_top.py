"""`hub top` beside a real hub: what runs and what came out, and nothing that agents smuggle."""

import pytest
from typer.testing import CliRunner, Result

from hub.cli.root import app
from hub.cli.top import HubAway
from tests.services.ports import free_port
from tests.ui.conftest import ServedHub

pytestmark = [pytest.mark.ui, pytest.mark.timeout(120)]


def look(url: str) -> Result:
    """What one look prints on a wide terminal."""
    return CliRunner(env={"COLUMNS": "160"}).invoke(app, ["top", url, "--once"])


def test_one_look_shows_the_goal_its_best_and_what_runs(hostile: ServedHub) -> None:
    done = look(hostile.url)

    assert done.exit_code == 0
    for words in ("agents online", "tiny_gpt: ", "baseline 1.9", "Running: 2", "training", "volta"):
        assert words in done.output


def test_titles_move_no_cursor_and_are_no_markup(hostile: ServedHub) -> None:
    said = look(hostile.url).output

    assert "[bold red]Wider[/]" in said
    assert not {"\x1b", "\x07", "\u202e"} & set(said)


def test_a_hub_that_is_away_is_a_refusal_that_says_what_to_do(hostile: ServedHub) -> None:
    done = look(f"http://127.0.0.1:{free_port()}")

    assert isinstance(done.exception, HubAway)
    assert "give its address" in done.exception.detail
