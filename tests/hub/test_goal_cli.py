"""`hub goal …`: writing, checking, importing and curating goals from the command line."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agent_client.evaluator import Submission, evaluate
from hub import goal_files, goal_import, goal_toml
from hub.cli.root import app
from hub.errors import HubError
from protocol.goals import GoalSpec, Source

PREPARE = """
import os
TIME_BUDGET = 2
HOME = os.path.join(os.path.expanduser("~"), ".cache", "autoresearch")
if __name__ == "__main__":
    os.makedirs(HOME, exist_ok=True)
    with open(os.path.join(HOME, "data.txt"), "w") as f:
        f.write("0.75")
"""
TRAIN = """
import os
from prepare import HOME
with open(os.path.join(HOME, "data.txt")) as f:
    loss = float(f.read())
print("step 00001 (100.0%) | loss: 0.9")
print("---")
print(f"val_bpb:          {loss:.6f}")
print(f"training_seconds: {0.1:.1f}")
"""


def hub(*words: object) -> Result:
    return CliRunner().invoke(app, ["goal", *map(str, words)], prog_name="hub")


def refused(*words: object) -> str:
    result = hub(*words)
    assert isinstance(result.exception, HubError), result.output
    return result.exception.detail


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "My AutoResearch"
    folder.mkdir()
    (folder / "prepare.py").write_text(PREPARE)
    (folder / "train.py").write_text(TRAIN)
    (folder / "program.md").write_text("# improve it\n")
    (folder / "pyproject.toml").write_text("[project]\n")
    return folder


def test_a_new_goal_is_valid_and_its_training_runs(tmp_path: Path) -> None:
    made = hub("new", "mine", "--folder", tmp_path / "mine")

    assert (made.exit_code, "open it with --alone" in made.output) == (0, True)

    assert "mine: valid" in hub("validate", tmp_path / "mine").output
    done = subprocess.run(
        [sys.executable, "train.py"], cwd=tmp_path / "mine", capture_output=True, text=True
    )
    assert "---\nloss: " in done.stdout


def test_new_overwrites_nothing_and_takes_plain_names_only(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("precious")

    assert "not empty" in refused("new", "mine", "--folder", tmp_path)
    assert "cannot name a goal" in refused("new", "Not A Name")


def test_validate_checks_the_whole_library_and_names_mistakes(tmp_path: Path) -> None:
    assert "tiny_gpt: valid" in hub("validate").output
    hub("new", "mine", "--folder", tmp_path / "mine")
    toml = tmp_path / "mine" / "goal.toml"
    toml.write_text(toml.read_text().replace('"min"', '"down"'))

    assert "mine/goal.toml:8: metric.direction" in refused("validate", tmp_path / "mine")


def test_a_goal_is_opened_shown_paused_resumed_and_closed(tmp_path: Path) -> None:
    data = ("--data", tmp_path / "hub")
    hub("open", "fast_words", *data)

    assert "fast_words is paused." in hub("pause", "fast_words", *data, "--reason", "rest").output
    shown = hub("show", "fast_words", *data).output
    assert "paused rest" in shown
    assert goal_files.sha256(goal_files.from_library("fast_words").texts["evaluate.py"]) in shown
    assert "is open." in hub("resume", "fast_words", *data, "--reason", "rested").output
    assert "is closed." in hub("close", "fast_words", *data, "--reason", "answered").output
    assert "There is no goal" in refused("show", "nothing", *data)


def test_a_goal_without_a_result_says_so_in_words(tmp_path: Path) -> None:
    data = ("--data", tmp_path / "hub")
    hub("open", "fast_words", *data)

    shown = hub("show", "fast_words", *data).output

    assert "1 experiment, 0 runs, no result yet" in shown


def test_whoever_works_alone_says_so_when_a_goal_is_opened(checkout: Path, tmp_path: Path) -> None:
    data = ("--data", tmp_path / "hub")
    hub("open", "fast_words", "--alone", *data)
    hub("import", checkout, *data)
    hub("import", checkout, "--name", "mine", "--alone", *data)

    goals = ("fast_words", "my-autoresearch", "mine")
    said = [re.search(r"verified +(.*)", hub("show", name, *data).output) for name in goals]

    own = "by its own owner's repeats"
    assert [each and each[1] for each in said] == [own, "by 2 owners", own]


def test_a_name_that_is_neither_a_folder_nor_in_the_library_says_what_is(tmp_path: Path) -> None:
    said = refused("open", "tiny_gbt", "--data", tmp_path / "hub")

    assert said == (
        "there is no folder 'tiny_gbt'; with AgentHub come fast_words, nanogpt, tiny_gpt"
    )


def test_a_checkout_is_opened_as_it_is_and_marked_self_reported(
    checkout: Path, tmp_path: Path
) -> None:
    data = ("--data", tmp_path / "hub")
    said = hub("import", checkout, *data).output

    assert "Opened my-autoresearch" in said
    assert "Its numbers are self-reported" in said
    assert "self-reported" in hub("show", "my-autoresearch", *data).output
    logged = CliRunner().invoke(app, ["log", *map(str, data)]).output
    assert re.search(r"goal\.create .*my-autoresearch.*imported from", logged)


def test_an_imported_goal_prepares_trains_and_reports(checkout: Path, tmp_path: Path) -> None:
    texts = goal_import.read(checkout)
    spec = goal_import.spec(texts, goal_import.Wanted("mine"))
    (tmp_path / "data").mkdir()

    _run(spec.commands.prepare, texts, tmp_path / "prepare", tmp_path / "data")
    text = _run(spec.commands.train, texts, tmp_path / "train", tmp_path / "data")

    printed = float(re.findall(r"val_bpb: +(\S+)", text)[-1])
    run = Submission(texts, tmp_path, tmp_path, tmp_path, printed=printed)
    verdict = evaluate(spec, run, lambda *_: pytest.fail("nothing to start"), "nonce")
    assert (verdict.source, verdict.metric) == ("self-reported", 0.75)
    assert (spec.metric.source, spec.budget.amount) == (Source.SELF_REPORTED, 2)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("TIME_BUDGET = 90", 90),
        ("TIME_BUDGET: float = 5 * 60 + 0.5", 300.5),
        ("TIME_BUDGET = 2 * 60 * 60 // 3", 2400),
        ("TIME_BUDGET = 1 / 0", 300),
        ("TIME_BUDGET = int(input())", 300),
    ],
)
def test_a_budget_is_read_as_people_write_it(text: str, seconds: float) -> None:
    assert goal_import.time_budget(text) == seconds


def test_what_is_no_checkout_is_refused_with_what_is_missing(checkout: Path) -> None:
    (checkout / "prepare.py").unlink()

    assert "lacks prepare.py" in refused("import", checkout)


def test_a_metric_that_is_not_printed_is_refused(checkout: Path) -> None:
    assert "no 'accuracy'" in refused("import", checkout, "--metric", "accuracy")


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("train.py", "val_bpb:\n", "train.py:2: does not parse"),
        ("train.py", "# val_bpb: \0\n", "train.py holds a NUL"),
        ("program.md", "a\0b", "program.md holds a NUL"),
        ("program.md", "a" * 300_000, "program.md is 300000 bytes"),
        ("prepare.py", "TIME_BUDGET = 1000000000", "timeout_seconds 1000000600.0"),
    ],
)
def test_a_checkout_that_no_goal_can_be_is_refused_before_anything_is_opened(
    checkout: Path, tmp_path: Path, file: str, text: str, told: str
) -> None:
    (checkout / file).write_text(f"\n{text}" if file == "train.py" else text)

    assert told in refused("import", checkout, "--data", tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_metric_that_cannot_be_called_so_is_no_setting(checkout: Path) -> None:
    (checkout / "train.py").write_text('print("Val_Loss: 1")\n')

    assert "name 'Val_Loss'" in refused("import", checkout, "--metric", "Val_Loss")


def test_an_import_can_be_written_as_a_folder_instead(checkout: Path, tmp_path: Path) -> None:
    hub("import", checkout, "--name", "mine", "--write", tmp_path / "mine")

    assert "mine: valid" in hub("validate", tmp_path / "mine").output


@pytest.mark.parametrize("name", goal_files.library())
def test_rules_written_as_toml_read_back_the_same(name: str) -> None:
    spec = goal_files.from_library(name).spec

    assert goal_files.parse(goal_toml.dumps(spec)) == spec


def test_odd_characters_survive_being_written_as_toml() -> None:
    spec = goal_files.from_library("fast_words").spec
    odd = GoalSpec.model_validate({**spec.model_dump(), "question": 'a "b" \\ \n é 🙂 \x7f'})

    assert goal_files.parse(goal_toml.dumps(odd)) == odd


@pytest.mark.parametrize(
    ("text", "gpu"),
    [
        ("x.to('cuda')", True),
        ("'cuda' if torch.cuda.is_available() else 'cpu'", False),
        ("x = 1", False),
    ],
)
def test_a_gpu_is_asked_for_only_where_it_is_needed(text: str, gpu: bool) -> None:
    assert goal_import.needs_gpu(text) is gpu


def _run(argv: list[str], texts: dict[str, str], work: Path, data: Path) -> str:
    work.mkdir()
    for name, text in texts.items():
        (work / name).write_text(text)
    done = subprocess.run(
        [sys.executable, *argv[1:]],
        cwd=work,
        env={"AGENTHUB_DATA": str(data), "HOME": str(work)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
