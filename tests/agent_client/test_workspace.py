"""The client's folder: data made once and checked, validation hidden, caches nobody can poison."""

import hashlib
import io
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agent_client.workspace import DataBroken, Workspace
from protocol.goals import GoalSpec
from tests.builders import FILES, a_spec, an_id

SHARD = b"tokens"


def a_workspace(folder: Path, served: bytes = SHARD) -> Workspace:
    workspace = Workspace(folder, download=lambda url: closing(io.BytesIO(served)))
    workspace.open()
    return workspace


def a_goal(**changes: Any) -> GoalSpec:
    said = a_spec().model_dump() | {
        "commands": {"train": ["python"], "prepare": ["python", "p.py"]}
    }
    return GoalSpec.model_validate(said | changes)


def with_download() -> GoalSpec:
    file = {
        "path": "train/shard.bin",
        "url": "https://example.org/shard",
        "size": len(SHARD),
        "sha256": hashlib.sha256(SHARD).hexdigest(),
        "licence": "MIT",
    }
    return a_goal(data={"files": [file]})


def make(folder: Path) -> None:
    """A prepare command that writes training and validation data."""
    for name in ("train", "val"):
        (folder / "data" / name).mkdir(parents=True, exist_ok=True)
        (folder / "data" / name / "documents").write_text(name)


def refuse(folder: Path) -> None:
    raise AssertionError("prepared twice")


def test_data_is_prepared_once_and_found_again_after_a_restart(tmp_path: Path) -> None:
    first = a_workspace(tmp_path).data(a_goal(), FILES, make)

    assert a_workspace(tmp_path).data(a_goal(), FILES, refuse) == first


def test_training_does_not_see_the_validation_data(tmp_path: Path) -> None:
    data = a_workspace(tmp_path).data(a_goal(), FILES, make)

    assert (data.everything / "val" / "documents").read_text() == "val"
    assert [path.name for path in data.training.iterdir()] == ["train"]


def test_data_that_changed_on_disk_is_made_again(tmp_path: Path) -> None:
    data = a_workspace(tmp_path).data(a_goal(), FILES, make)
    (data.everything / "val" / "documents").write_text("easier")

    again = a_workspace(tmp_path).data(a_goal(), FILES, make)

    assert (again.everything / "val" / "documents").read_text() == "val"


def test_a_download_is_checked_by_size_and_hash(tmp_path: Path) -> None:
    with pytest.raises(DataBroken, match="size or hash"):
        a_workspace(tmp_path, b"token!").data(with_download(), FILES, make)

    data = a_workspace(tmp_path).data(with_download(), FILES, make)

    assert (data.training / "train" / "shard.bin").read_bytes() == SHARD


def test_each_run_gets_a_copy_of_the_baselines_caches(tmp_path: Path) -> None:
    workspace, baseline, other = a_workspace(tmp_path), an_id(), an_id()
    (workspace.goals / "toy").mkdir()
    folder = workspace.lay_out(baseline, FILES, "toy")
    (folder / ".cache").mkdir()
    (folder / ".cache" / "kernel").write_text("good")
    workspace.keep_caches(baseline, "toy")

    copy = workspace.lay_out(other, FILES, "toy") / ".cache" / "kernel"
    copy.write_text("poison")

    assert (workspace.caches("toy") / "kernel").read_text() == "good"


def test_leftovers_of_a_crash_are_cleared_even_without_permissions(tmp_path: Path) -> None:
    workspace, lease = a_workspace(tmp_path), an_id()
    folder = workspace.lay_out(lease, FILES)
    (folder / "out").chmod(0)

    a_workspace(tmp_path)

    assert not list(workspace.work.iterdir())
