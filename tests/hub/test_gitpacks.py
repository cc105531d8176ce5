"""Packs that this hub writes, as git itself and libgit2 read them."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pygit2
import pytest

from hub import gitobjects
from hub.gitobjects import GitObject
from hub.gitpacks import pack
from hub.gitstore import PACKED, GitStore, author_of, commit_object

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> GitStore:
    made = GitStore(tmp_path / "git")
    made.create("toy")
    return made


def git(store: GitStore, *words: str) -> str:
    command = ["git", "-C", str(store.path("toy")), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def line(texts: list[str]) -> list[GitObject]:
    """A commit for each text, one after the other."""
    objects: list[GitObject] = []
    files: gitobjects.Files = {}
    parents: list[str] = []
    for number, text in enumerate(texts):
        grown = gitobjects.grow(files, {"train.py": text, "deep/er.py": "same\n"})
        commit = commit_object(grown.tree, parents, author_of("a", "b"), f"{number}\n", NOON)
        objects += [*grown.objects, commit]
        files, parents = grown.files, [commit.sha]
    return objects


BIG = "".join(f"value_{n} = {n}\n" for n in range(12_000))
TEXTS = {
    "variants": [BIG.replace("value_7 = 7", f"value_7 = {n}") for n in range(40)],
    "more than a copy can hold": [BIG, BIG + "x\n", "x\n" + BIG, BIG.replace("0", "o"), BIG[5:]],
    "unlike": ["", "a", "b\n" * 300, "é\n" * 40_000, Random(1).randbytes(3000).hex()],
    "a long change between": [BIG, BIG[:9000] + 1000 * "é" + BIG[9000:], BIG],
    "each other's halves": [BIG[:70_000], BIG[:140_000], BIG[70_000:140_000], BIG[100:]],
}


@pytest.mark.parametrize("texts", TEXTS.values(), ids=TEXTS)
def test_git_reads_every_object_of_a_pack(store: GitStore, texts: list[str]) -> None:
    objects = line(texts)

    store.add_pack("toy", objects)

    assert "bad" not in git(store, "fsck", "--full", "--strict")
    (index,) = (store.path("toy") / "objects" / "pack").glob("*.idx")
    git(store, "verify-pack", str(index))
    repo = pygit2.Repository(str(store.path("toy")))
    for each in objects:
        assert repo.odb.read(each.sha)[1] == each.body
        assert git(store, "cat-file", "-t", each.sha).strip() == each.kind


def test_git_reads_loose_objects_and_a_second_time_changes_nothing(store: GitStore) -> None:
    objects = line(TEXTS["unlike"])

    for _ in range(2):
        store.add("toy", objects)

    assert "bad" not in git(store, "fsck", "--full", "--strict")
    for each in objects:
        assert git(store, "cat-file", "-t", each.sha).strip() == each.kind
    files = [file for file in store.path("toy").glob("objects/??/*") if file.is_file()]
    assert {file.parent.name + file.name for file in files} == {each.sha for each in objects}


def test_variants_take_little_more_than_one(store: GitStore) -> None:
    one, many = pack(line(TEXTS["variants"][:1])), pack(line(TEXTS["variants"]))

    assert len(many.data) < 1.5 * len(one.data)


def test_the_same_objects_make_the_same_pack_and_may_be_there_already(store: GitStore) -> None:
    objects = line(TEXTS["variants"][:5])

    for _ in range(2):
        store.add_pack("toy", [*objects, *objects])

    assert pack(objects) == pack([*objects, *objects])
    assert len(list((store.path("toy") / "objects" / "pack").glob("*.pack"))) == 1


@pytest.mark.parametrize(("commits", "packs"), [(PACKED - 1, 0), (PACKED, 1)])
def test_few_commits_lie_loose_and_many_share_a_pack(
    store: GitStore, commits: int, packs: int
) -> None:
    objects = line([f"a = {n}\n" for n in range(commits)])

    store.write("toy", objects)

    assert len(list((store.path("toy") / "objects" / "pack").glob("*.pack"))) == packs
    assert store.files("toy", objects[-1].sha)["train.py"] == f"a = {commits - 1}\n"
