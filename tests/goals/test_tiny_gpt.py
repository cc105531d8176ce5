"""tiny_gpt: the same data everywhere, clear words when that fails, the same score for a seed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agent_client.evaluator import DataBroken, Submission, evaluate
from hub import goal_files
from tests.goals import mini

TEXTS = goal_files.from_library("tiny_gpt").texts


def prepared(folder: Path, text: str, *words: str) -> subprocess.CompletedProcess[str]:
    (folder / "prepare.py").write_text(text)
    return subprocess.run(
        [sys.executable, "prepare.py", *words],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "AGENTHUB_DATA": "data"},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with the goal's data at full size, and what making it said."""
    folder = tmp_path_factory.mktemp("first")
    done = prepared(folder, TEXTS["prepare.py"])
    return folder, done.stdout + done.stderr


def test_prepare_makes_the_data_that_its_hashes_name_and_then_only_checks(
    first: tuple[Path, str],
) -> None:
    folder, said = first

    again = prepared(folder, TEXTS["prepare.py"])

    assert said.startswith("prepare: 12000 stories")
    assert again.stdout.strip() == "prepare: data is ready"


def test_a_damaged_file_is_made_again(first: tuple[Path, str], tmp_path: Path) -> None:
    shutil.copytree(first[0], tmp_path, dirs_exist_ok=True)
    damaged = tmp_path / "data" / "val" / "documents.jsonl"
    damaged.write_bytes(damaged.read_bytes()[:-1000])

    assert "12000 stories" in prepared(tmp_path, TEXTS["prepare.py"]).stdout


def test_other_data_than_expected_is_refused_with_a_sentence(tmp_path: Path) -> None:
    text = TEXTS["prepare.py"].replace("Ada Amina", "Eve Amina")

    done = prepared(tmp_path, text)

    assert done.returncode == 1
    assert "scores could not be compared" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder should be")

    done = prepared(tmp_path, TEXTS["prepare.py"])

    assert "prepare: cannot write data" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.train
def test_a_seed_gives_one_score_and_by_hand_it_is_the_scorers(
    goal: mini.Mini, tmp_path: Path
) -> None:
    by_hand = mini.train(goal, tmp_path / "by hand", data=goal.data, seed=3)
    hidden = mini.train(goal, tmp_path / "hidden", seed=3)
    verdict = evaluate(goal.spec, hidden, mini.launch, "a nonce")

    assert (by_hand.printed is None, hidden.printed) == (False, None)
    assert verdict.metric == pytest.approx(by_hand.printed, abs=1e-6)


def test_missing_validation_data_is_the_volunteers_trouble_not_a_verdict(tmp_path: Path) -> None:
    goal = goal_files.from_library("tiny_gpt")
    run = Submission(dict(goal.texts), tmp_path, tmp_path, tmp_path / "scratch")

    with pytest.raises(DataBroken, match=r"val/tokenizer\.json cannot be used"):
        evaluate(goal.spec, run, mini.launch, "a nonce")
