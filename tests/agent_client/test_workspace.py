"""The client's folder: data made once and checked, validation hidden, caches nobody can poison."""

import hashlib
import http.client
import io
import itertools
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agent_client.workspace import DataBroken, Workspace, settle
from protocol.goals import GoalSpec
from tests.builders import FILES, a_spec

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


def test_data_is_ours_and_readable_whoever_made_it_and_whatever_our_umask(tmp_path: Path) -> None:
    """As root each run is another user; what a run's user owns, it closes to all later runs."""

    def make_as_somebody(folder: Path) -> None:
        make(folder)
        for path in (folder / "data", *(folder / "data").rglob("*")):
            path.chmod(0o700)
            if os.geteuid() == 0:
                os.chown(path, 60001, 60001)

    before = os.umask(0o077)
    try:
        data = a_workspace(tmp_path).data(a_goal(), FILES, make_as_somebody)
    finally:
        os.umask(before)

    for path in (data.training, *data.training.rglob("*"), *data.everything.rglob("*")):
        found = path.stat()
        assert (found.st_uid, found.st_gid) == (os.geteuid(), os.getegid())
        assert stat.S_IMODE(found.st_mode) == (0o755 if path.is_dir() else 0o644)


def test_data_that_a_run_closed_is_opened_again_at_the_next_start(tmp_path: Path) -> None:
    data = a_workspace(tmp_path).data(a_goal(), FILES, make)
    (data.everything / "train" / "documents").chmod(0)

    again = a_workspace(tmp_path).data(a_goal(), FILES, refuse)

    assert stat.S_IMODE((again.training / "train" / "documents").stat().st_mode) == 0o644


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


def test_a_download_that_is_to_lie_elsewhere_makes_other_data(tmp_path: Path) -> None:
    workspace, before = a_workspace(tmp_path), with_download()
    workspace.data(before, FILES, make)
    moved = before.data.files[0].model_copy(update={"path": "train/tokens.bin"})
    after = a_goal(data={"files": [moved.model_dump()]})

    data = workspace.data(after, FILES, make)

    assert (data.training / "train" / "tokens.bin").read_bytes() == SHARD


def test_each_run_gets_a_copy_of_the_baselines_caches(tmp_path: Path) -> None:
    workspace, baseline, other = a_workspace(tmp_path), "baseline", "other"
    (workspace.goals / "toy").mkdir()
    folder = workspace.lay_out(baseline, FILES, "toy")
    (folder / ".cache").mkdir()
    (folder / ".cache" / "kernel").write_text("good")
    workspace.keep_caches(baseline, "toy")

    copy = workspace.lay_out(other, FILES, "toy") / ".cache" / "kernel"
    copy.write_text("poison")
    workspace.keep_caches(other, "toy")

    assert (workspace.caches("toy") / "kernel").read_text() == "good"


def test_leftovers_of_a_crash_are_cleared_even_without_permissions(tmp_path: Path) -> None:
    workspace, run = a_workspace(tmp_path), "run"
    folder = workspace.lay_out(run, FILES)
    (folder / "out").chmod(0)

    a_workspace(tmp_path)

    assert not list(workspace.work.iterdir())


def test_workers_of_one_machine_prepare_shared_data_once(tmp_path: Path) -> None:
    workers = [Workspace(tmp_path / f"gpu{n}", shared=tmp_path) for n in range(4)]
    made, busy = [], threading.Lock()

    def prepare(folder: Path) -> None:
        assert busy.acquire(blocking=False), "two prepared at once"
        made.append(folder)
        (folder / "data").mkdir(exist_ok=True)
        (folder / "data" / "words.txt").write_text("the cat sat")
        busy.release()

    for worker in workers:
        worker.open()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda w: w.data(a_goal(), FILES, prepare), workers))

    assert len(made) == 1
    assert {each.everything for each in found} == {found[0].everything}
    assert found[0].everything.is_relative_to(tmp_path / "goals")


def test_what_another_worker_may_still_use_is_not_trimmed(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "gpu0", shared=tmp_path)
    workspace.open()
    old = workspace.data(a_goal(), FILES, lambda folder: None)
    other = {**FILES, "prepare.py": "print('another version')"}

    workspace.data(a_goal(), other, lambda folder: None)
    assert old.everything.exists()

    os.utime(old.everything.parent, (0, 0))
    workspace.data(a_goal(), {**FILES, "prepare.py": "print('a third')"}, lambda folder: None)
    assert not old.everything.exists()


def test_data_of_a_run_that_trains_is_kept_while_that_of_a_new_version_is_made(
    tmp_path: Path,
) -> None:
    workspace = a_workspace(tmp_path)
    training = workspace.data(a_goal(), FILES, make)

    new = {**FILES, "prepare.py": "print('another version')"}
    workspace.data(a_goal(), new, make)

    assert (training.training / "train" / "documents").read_text() == "train"
    assert (training.everything / "val" / "documents").read_text() == "val"


@pytest.mark.parametrize(
    "name", ["../beside.py", "{root}/beside.py", "a/../../beside.py", ".x/y.py"]
)
def test_a_hub_writes_nothing_outside_of_a_runs_folder(tmp_path: Path, name: str) -> None:
    workspace = a_workspace(tmp_path / "client")
    name = name.format(root=tmp_path / "client" / "work")

    with pytest.raises(DataBroken, match=r"beside\.py|y\.py"):
        workspace.lay_out("run", {"train.py": "", name: "a key"})

    assert list(tmp_path.rglob("*.py")) == []


def test_a_hub_does_not_choose_where_a_tree_is_kept(tmp_path: Path) -> None:
    workspace = a_workspace(tmp_path / "client")

    with pytest.raises(DataBroken, match=r"no experiment's sha"):
        workspace.tree("../../../settings", lambda _: {"train.py": ""})

    assert not (tmp_path / "settings.json").exists()


def test_a_download_that_breaks_off_is_the_datas_fault(tmp_path: Path) -> None:
    class Broken(io.BytesIO):
        def read1(self, size: int | None = -1, /) -> bytes:
            raise http.client.IncompleteRead(b"tok", 3)

    workspace = Workspace(tmp_path, download=lambda url: closing(Broken()))
    workspace.open()

    with pytest.raises(DataBroken, match="could not be fetched"):
        workspace.data(with_download(), FILES, make)


def test_a_download_without_an_end_is_cut_off_at_the_size_that_the_goal_names(
    tmp_path: Path,
) -> None:
    """It would fill the volunteer's disk, however quickly it came."""
    endless = io.BytesIO(bytes(8 << 20))
    workspace = Workspace(tmp_path, download=lambda url: closing(endless))
    workspace.open()
    told = list[int]()
    endless.close = lambda: told.append(endless.tell())  # type: ignore[method-assign]

    with pytest.raises(DataBroken, match="size or hash"):
        workspace.data(with_download(), FILES, make)

    assert told == [1 << 20]


@pytest.mark.parametrize("where", ["data", "data/train", "data/train/home"])
def test_a_link_that_prepare_leaves_is_refused_and_what_it_names_stays(
    tmp_path: Path, where: str
) -> None:
    """A stranger's program ran there: what a link names would be taken for its data."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "letter").write_text("to Ada")
    (home / "letter").chmod(0o600)

    def prepare(folder: Path) -> None:
        link = folder / where
        if link.is_dir():
            link.rmdir()
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(home)

    with pytest.raises(DataBroken, match="left a link"):
        a_workspace(tmp_path).data(a_goal(), FILES, prepare)

    assert (home / "letter").read_text() == "to Ada"


def test_what_a_link_names_is_not_opened_with_the_data(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "key").write_text("mine")
    (tmp_path / "key").chmod(0o600)
    (tmp_path / "data" / "link").symlink_to(tmp_path / "key")

    settle(tmp_path / "data")

    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_a_download_that_drips_is_given_up(tmp_path: Path) -> None:
    """No wait for the next byte is long, and the whole would take years."""
    clock = itertools.count(step=59.0)

    class Dripping(io.BytesIO):
        def read1(self, size: int | None = -1, /) -> bytes:
            return b"x" if next(clock) < 10_000 else b""

    dripping = Workspace(
        tmp_path, download=lambda url: closing(Dripping()), clock=lambda: next(clock)
    )
    dripping.open()
    file = with_download().data.files[0].model_copy(update={"size": 10**9})

    with pytest.raises(DataBroken, match="too slowly"):
        dripping.data(a_goal(data={"files": [file.model_dump()]}), FILES, make)
    assert next(clock) < 1000
