"""The whole loop with a real hub and the installed client, each in a process of its own."""

import signal
import stat
from pathlib import Path

import pytest

from agent_client.state import State
from protocol.experiments import Operator, Status
from tests.agent_client.conftest import Volunteer
from tests.agent_client.hub_process import HubProcess, a_hub


def test_a_volunteer_joins_and_lands_two_experiments(volunteer: Volunteer) -> None:
    done = volunteer.do("run", "--max-experiments", "2")

    assert done.returncode == 0, done.stdout + done.stderr
    made = [each for each in volunteer.experiments() if each.operator is not Operator.BASELINE]
    assert [each.status for each in made] == [Status.FINISHED] * 2
    assert all(each.metric is not None and each.parent is not None for each in made)
    assert State.open(volunteer.folder).memory.totals.experiments == 2
    assert "ANTHROPIC_API_KEY is not set" in done.stdout
    assert not list((volunteer.folder / "journal").glob("*.json"))
    assert not list((volunteer.folder / "work").iterdir())


def test_the_settings_are_readable_by_their_owner_alone(volunteer: Volunteer) -> None:
    mode = (volunteer.folder / "config.toml").stat().st_mode

    assert stat.S_IMODE(mode) == 0o600


def test_an_unknown_goal_is_named_with_those_that_exist(hub: HubProcess, tmp_path: Path) -> None:
    done = Volunteer(tmp_path / "agent", hub).join("--goal", "chess")

    assert done.returncode == 4
    assert done.stderr == "This hub has no open goal 'chess'; its open goals: toy.\n"


def test_a_bad_token_ends_the_client_with_a_sentence(volunteer: Volunteer) -> None:
    config = volunteer.folder / "config.toml"
    text = config.read_text()
    token = next(line for line in text.splitlines() if line.startswith("token"))
    config.write_text(text.replace(token, 'token = "ah_agent_aaaaaaaaaa_wrong"'))

    done = volunteer.do("run")

    assert done.returncode == 4
    assert "agent_client join" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_hub_that_is_away_is_said_in_one_sentence(volunteer: Volunteer) -> None:
    volunteer.hub.stop()

    done = volunteer.do("join", "http://127.0.0.1:9")

    assert done.returncode == 4
    assert done.stderr.startswith("The hub cannot be reached")


def test_a_folder_that_cannot_be_written_is_said(hub: HubProcess, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")

    done = Volunteer(tmp_path / "file" / "agent", hub).join()

    assert done.returncode == 3
    assert "cannot be written" in done.stderr


def test_a_goal_without_torch_gets_changes_that_move_its_speed(tmp_path: Path) -> None:
    with a_hub(tmp_path / "hub", goal="fast_words") as hub:
        volunteer = Volunteer(tmp_path / "agent", hub)
        volunteer.join()

        done = volunteer.do("run", "--mutator", "offline", "--max-experiments", "1")

        assert done.returncode == 0, done.stdout + done.stderr
        baseline, made = volunteer.experiments("fast_words")
    assert baseline.metric is not None
    assert made.metric is not None
    assert made.metric != baseline.metric
    assert made.lines_added > 0


def test_a_mutator_that_ran_dry_says_so_once_and_asks_for_other_work(tmp_path: Path) -> None:
    with a_hub(tmp_path / "hub", goal="bare") as hub:
        volunteer = Volunteer(tmp_path / "agent", hub)
        volunteer.join()
        process = volunteer.begin("run", "--mutator", "offline")
        assert process.stdout is not None

        said = next(line for line in process.stdout if "tried every change" in line)
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)

    assert "set ANTHROPIC_API_KEY or give --mutator-command" in said
    assert process.returncode == 0, rest


@pytest.mark.train
@pytest.mark.timeout(600)
def test_the_tiny_gpt_goal_is_trained_and_measured(tmp_path: Path) -> None:
    with a_hub(tmp_path / "hub", goal="tiny_gpt") as hub:
        volunteer = Volunteer(tmp_path / "agent", hub)
        volunteer.join()

        done = volunteer.do("run", "--max-experiments", "1", seconds=560)

        assert done.returncode == 0, done.stdout + done.stderr
        made = volunteer.experiments("tiny_gpt")
    assert made[1].number == 1
    assert made[1].metric is not None
    assert 0.05 < made[1].metric < 3.0
