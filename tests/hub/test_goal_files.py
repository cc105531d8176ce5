"""Goal folders read from disk, and the line that each mistake is on."""

from pathlib import Path

import pytest

from hub import goal_files

A_GOAL = """\
name = "tiny"
title = "A tiny goal"
question = "How low?"
timeout_seconds = 60

[metric]
name = "loss"
direction = "min"

[files]
editable = ["train.py"]
protected = ["prepare.py"]

[commands]
train = ["python", "train.py"]

[budget]
unit = "tokens"
amount = 1000
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "goal.toml").write_text(A_GOAL)
    for name in ("train.py", "prepare.py", "program.md"):
        (tmp_path / name).write_text("# nothing\n")
    return tmp_path


def test_a_folder_becomes_a_spec_with_hashed_files(folder: Path) -> None:
    goal = goal_files.load(folder)

    files = {file.path: file for file in goal_files.listed(goal.spec, goal.texts)}
    assert goal.spec.name == "tiny"
    assert sorted(files) == ["prepare.py", "program.md", "train.py"]
    assert files["train.py"].editable
    assert not files["prepare.py"].editable
    assert files["train.py"].sha256 == goal_files.sha256("# nothing\n")


def test_the_digest_changes_with_every_file(folder: Path) -> None:
    before = goal_files.load(folder).digest()

    (folder / "prepare.py").write_text("# something\n")

    assert goal_files.load(folder).digest() != before


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ('direction = "min"', 'direction = "down"', 8, "metric.direction"),
        ("amount = 1000", "amount = -1", 19, "budget.amount"),
        ('editable = ["train.py"]', 'editable = ["../x"]', 11, "files.editable.0"),
        ('title = "A tiny goal"', "titel = 3", 2, "titel"),
        ('unit = "tokens"\n', "", 17, "budget.unit"),
    ],
)
def test_a_mistake_is_named_with_its_line(
    folder: Path, old: str, new: str, line: int, words: str
) -> None:
    (folder / "goal.toml").write_text(A_GOAL.replace(old, new))

    with pytest.raises(goal_files.GoalInvalid) as refusal:
        goal_files.load(folder)

    assert any(f"goal.toml:{line}: {words}" in one for one in refusal.value.problems)


def test_a_mistake_in_the_second_data_file_is_on_its_own_line() -> None:
    good = '[[data.files]]\npath = "a"\nurl = "https://x.org/a"\nsize = 1\nlicence = "CC0"\n'
    text = A_GOAL + good + f'sha256 = "{"0" * 64}"\n' + good + 'sha256 = "short"\n'

    with pytest.raises(goal_files.GoalInvalid) as refusal:
        goal_files.parse(text)

    assert refusal.value.problems[0].startswith("goal.toml:31: data.files.1.sha256")


def test_broken_toml_says_where(folder: Path) -> None:
    (folder / "goal.toml").write_text(A_GOAL + "oops oops")

    with pytest.raises(goal_files.GoalInvalid, match="line 20"):
        goal_files.load(folder)


def test_every_missing_file_is_named_at_once(folder: Path) -> None:
    (folder / "train.py").unlink()
    (folder / "program.md").unlink()

    with pytest.raises(goal_files.GoalInvalid) as refusal:
        goal_files.load(folder)

    assert len(refusal.value.problems) == 2


def test_a_link_a_binary_and_broken_python_are_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "program.md").unlink()
    (folder / "program.md").symlink_to("/etc/passwd")
    (folder / "prepare.py").write_bytes(b"\xff\xfe")
    (folder / "train.py").write_text("x = 1\ndef broken(:\n")

    with pytest.raises(goal_files.GoalInvalid) as refusal:
        goal_files.load(folder)

    text = str(refusal.value)
    assert "program.md is named in goal.toml but is not a plain file" in text
    assert "prepare.py is not UTF-8" in text
    assert "train.py:2: does not parse" in text


def test_windows_line_ends_are_refused_where_proposals_would_be(folder: Path) -> None:
    (folder / "prepare.py").write_bytes(b"x = 1\r\n")
    assert goal_files.load(folder).texts["prepare.py"] == "x = 1\r\n"
    (folder / "train.py").write_bytes(b"x = 1\r\n")

    with pytest.raises(goal_files.GoalInvalid, match=r"train\.py holds U\+000D.*lines end in LF"):
        goal_files.load(folder)


def test_a_folder_and_a_draft_name_all_that_is_wrong_with_one_file(folder: Path) -> None:
    spec = goal_files.load(folder).spec
    text = "x = (\r\n"
    (folder / "train.py").write_bytes(text.encode())
    files = {name: (folder / name).read_bytes().decode() for name in spec.everything}

    with pytest.raises(goal_files.GoalInvalid) as refusal:
        goal_files.load(folder)

    said = [problem.removeprefix(f"{folder.name}/") for problem in refusal.value.problems]
    assert said == list(goal_files.wrong_with(spec, files))
    assert ["U+000D" in said[0], "does not parse" in said[1], len(said)] == [True, True, 2]


def test_a_command_that_would_not_find_its_script_is_named(folder: Path) -> None:
    prepare = 'train = ["python", "train.py"]\nprepare = ["python", "train.py", "--all"]\n'
    (folder / "goal.toml").write_text(A_GOAL.replace('train = ["python", "train.py"]\n', prepare))

    with pytest.raises(
        goal_files.GoalInvalid, match=r"commands\.prepare runs train\.py.*protected"
    ):
        goal_files.load(folder)


def test_an_empty_folder_and_an_unknown_goal_are_refused(tmp_path: Path) -> None:
    with pytest.raises(goal_files.GoalInvalid, match=r"goal\.toml is missing"):
        goal_files.load(tmp_path)
    with pytest.raises(goal_files.GoalInvalid, match="no goal 'nowhere'"):
        goal_files.from_library("nowhere")


@pytest.mark.parametrize("name", goal_files.library())
def test_the_goals_that_ship_are_valid(name: str) -> None:
    goal = goal_files.from_library(name)

    assert goal.spec.name == name
    assert goal.texts[goal.spec.brief].startswith("#")
