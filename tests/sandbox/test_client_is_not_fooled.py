"""Traps in a run's folder for the client itself, which may be root and follows no link."""

import os
from pathlib import Path

import pytest

from agent_client.evaluator.checkpoint import stage
from agent_client.evaluator.refusal import Rejected
from agent_client.trainer import GO_FILE, give_the_word
from agent_client.workspace import DataBroken, move_into, remove_tree


def a_checkpoint(folder: Path) -> Path:
    folder.mkdir(parents=True)
    header = b"{}"
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    (folder / "meta.json").write_text("{}")
    return folder


def test_a_plain_checkpoint_is_taken(tmp_path: Path) -> None:
    out, to = a_checkpoint(tmp_path / "run" / "out"), tmp_path / "to"
    to.mkdir()

    stage(out, to, 1)

    assert (to / "meta.json").read_text() == "{}"


def test_the_checkpoint_of_another_run_cannot_be_passed_off_by_a_linked_folder(
    tmp_path: Path,
) -> None:
    theirs = a_checkpoint(tmp_path / "theirs" / "out")
    run = tmp_path / "run"
    run.mkdir()
    (run / "out").symlink_to(theirs)

    with pytest.raises(Rejected):
        stage(run / "out", tmp_path, 1)


@pytest.mark.parametrize("name", ["data", "data/deep/link"])
def test_a_home_is_not_moved_into_the_cache_by_a_link_among_prepared_data(
    name: str, tmp_path: Path
) -> None:
    home, scratch = tmp_path / "home", tmp_path / "scratch"
    home.mkdir()
    (home / "thesis").write_text("years of work")
    trap = scratch / name
    trap.parent.mkdir(parents=True)
    trap.symlink_to(home)

    with pytest.raises(DataBroken):
        move_into(scratch / "data", tmp_path / "cache")

    assert (home / "thesis").read_text() == "years of work"


def test_the_word_to_go_on_is_not_written_through_a_link(tmp_path: Path) -> None:
    target = tmp_path / "owners-file"
    (tmp_path / GO_FILE).symlink_to(target)

    give_the_word(tmp_path)

    assert not target.exists()
    assert os.path.lexists(tmp_path / GO_FILE)


def test_removing_a_run_follows_no_link(tmp_path: Path) -> None:
    home, run = tmp_path / "home", tmp_path / "run"
    for folder in (home, run):
        folder.mkdir()
    (home / "thesis").write_text("years of work")
    (run / "link").symlink_to(home)

    remove_tree(run)

    assert (home / "thesis").exists()
    assert not run.exists()
