"""What git's objects say, and what changed between two commits, as git itself tells it."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some

from hub import gitobjects
from hub.gitobjects import GitObject
from hub.gitstore import GitStore, Unreadable, author_of, commit_object

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
PATHS = ["train.py", "a.py", "a/b.py", "a/c/d.py", "z.md"]
line = some.sampled_from(
    ["x = 1\n", "x  =  1\n", "def f():\n", "    return 1\n", "\n", "é\n", "x = 1"]
)
file = some.lists(line, max_size=12).map("".join)
files = some.dictionaries(some.sampled_from(PATHS), file, min_size=1)


def a_commit(store: GitStore, texts: dict[str, str]) -> str:
    grown = gitobjects.grow({}, texts)
    commit = commit_object(grown.tree, [], author_of("a", "b"), "some\n", NOON)
    store.add("toy", [*grown.objects, commit])
    return commit.sha


def gits_own(store: GitStore, *words: str) -> str:
    command = ["git", "-C", str(store.path("toy")), "diff", "--no-color", "--no-renames", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@settings(max_examples=60)
@given(files, files, some.integers(0, 4), some.booleans())
@example({"z.md": "x = 1\n    return 1\nx = 1\n"}, {"z.md": "x = 1\n"}, 0, False)
def test_a_diff_says_what_git_says(
    old: dict[str, str], new: dict[str, str], context: int, blind: bool
) -> None:
    with TemporaryDirectory() as folder:
        store = GitStore(Path(folder))
        store.create("toy")
        one, two = a_commit(store, old), a_commit(store, new)

        found = store.diff("toy", one, two, context, ignore_space=blind)

        flags = [f"-U{context}", *(["-w"] if blind else []), one, two]
        said = gits_own(store, *flags)
    changed = sorted(path for path in {*old, *new} if old.get(path) != new.get(path))
    assert [each.path for each in found.files] == changed
    hunks = [hunk for each in found.files for hunk in each.hunks]
    assert [hunk.header for hunk in hunks] == [
        row.strip() for row in said.split("\n") if row.startswith("@@ ")
    ]
    shown = [f"{row.kind}{row.text}" for hunk in hunks for row in hunk.lines]
    assert shown == _rows(said)


def _rows(said: str) -> list[str]:
    """The lines of git's hunks, without its heads and remarks."""
    rows, left = list[str](), 0
    for row in said.split("\n"):
        if row.startswith("@@ "):
            counts = [part.partition(",")[2] or "1" for part in row.split()[1:3]]
            left = sum(map(int, counts))
        elif left > 0 and row[:1] in ("+", "-", " "):
            rows.append(row)
            left -= 2 if row[0] == " " else 1
    return rows


@pytest.mark.parametrize("kind", ["commit", "tree", "blob"])
def test_a_sound_object_under_another_ones_name_is_not_read(tmp_path: Path, kind: str) -> None:
    store = GitStore(tmp_path)
    store.create("toy")
    theirs = a_commit(store, {"train.py": "mine = 1\n"})
    grown = gitobjects.grow({}, {"train.py": "mine = 2\n"})
    commit = commit_object(grown.tree, [], author_of("a", "b"), "some\n", NOON)
    store.add("toy", [*grown.objects, commit])
    (forged,) = (each for each in (*grown.objects, commit) if each.kind == kind)
    named = store.path("toy") / "objects" / forged.sha[:2] / forged.sha[2:]
    named.chmod(0o600)
    named.write_bytes(gitobjects.loose(GitObject(kind, _body(store, kind, theirs), forged.sha)))
    store.forget()

    for read in (store.files, lambda goal, sha: store.file(goal, sha, "train.py")):
        with pytest.raises(Unreadable):
            read("toy", commit.sha)
    with pytest.raises(Unreadable):
        store.diff("toy", theirs, commit.sha)


def _body(store: GitStore, kind: str, commit: str) -> bytes:
    """What another object of this kind holds."""
    grown = gitobjects.grow({}, {"train.py": "mine = 1\n"})
    if kind == "commit":
        return commit_object(grown.tree, [], author_of("a", "b"), "some\n", NOON).body
    return next(each.body for each in grown.objects if each.kind == kind)
