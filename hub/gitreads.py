"""Reading git: objects that are what their names say, and what changed between two of them."""

from collections.abc import Iterator, Mapping
from itertools import islice

import pygit2
from pygit2.enums import DiffOption, ObjectType

from hub.gitobjects import GitObject
from protocol.experiments import DiffLine, FileDiff, Hunk

MAX_DIFF_LINES = 5000

# `sound` does it for all that is read here, in a fifth of the time that libgit2's own SHA-1 takes.
pygit2.settings.enable_strict_hash_verification(False)


def sound(found: pygit2.Object) -> pygit2.Object:
    """An object that was read, if it is what its name says.

    Raises:
        ValueError: it is not.
    """
    if GitObject.of(found.type_str, found.read_raw()).sha != str(found.id):
        raise ValueError(f"{found.id} is not what its name says")
    return found


def walk(
    repo: pygit2.Repository, tree: pygit2.Oid, prefix: str = ""
) -> Iterator[tuple[str, pygit2.Oid]]:
    """The files of a tree by path, unread."""
    folder = sound(repo[tree])
    assert isinstance(folder, pygit2.Tree)
    for entry in folder:
        if entry.type == ObjectType.TREE:
            yield from walk(repo, entry.id, f"{prefix}{entry.name}/")
        else:
            yield f"{prefix}{entry.name}", entry.id


def text(repo: pygit2.Repository, blob: pygit2.Oid) -> str:
    """A file."""
    return _blob(repo, blob).data.decode()


def _blob(repo: pygit2.Repository, blob: pygit2.Oid) -> pygit2.Blob:
    found = sound(repo[blob])
    assert isinstance(found, pygit2.Blob)
    return found


def differences(
    repo: pygit2.Repository,
    old: Mapping[str, pygit2.Oid],
    new: Mapping[str, pygit2.Oid],
    context: int,
    ignore_space: bool,
) -> list[FileDiff]:
    """What changed from some files to others, ready to show."""
    changed = sorted(path for path in {*old, *new} if old.get(path) != new.get(path))
    flags = _flags(ignore_space)
    found = []
    for path in changed:
        # Blobs have names already; of bare texts libgit2 makes them anew, half of a diff's time.
        was, now = (_blob(repo, side[path]) if path in side else None for side in (old, new))
        found.append(_told(path, pygit2.Patch.create_from(was, now, path, path, flags, context)))
    return found


def compare(
    path: str, old: str, new: str, context: int = 3, ignore_space: bool = False
) -> FileDiff:
    """What changed in one text, which need not lie in a repository."""
    texts = (old.encode(), new.encode())  # a patch reads them for as long as it is read itself
    flags = _flags(ignore_space)
    return _told(path, pygit2.Patch.create_from(*texts, path, path, flags, context))


def _flags(ignore_space: bool) -> DiffOption:
    """The indent heuristic is git's own default, and not libgit2's."""
    return DiffOption.INDENT_HEURISTIC | (
        DiffOption.IGNORE_WHITESPACE if ignore_space else DiffOption.NORMAL
    )


def _told(path: str, patch: pygit2.Patch) -> FileDiff:
    _, added, removed = patch.line_stats
    hunks, shown = [], 0
    for hunk in patch.hunks:
        rows = [
            DiffLine(
                kind=line.origin,
                text=line.content.rstrip("\n"),
                old=line.old_lineno if line.old_lineno > 0 else None,
                new=line.new_lineno if line.new_lineno > 0 else None,
            )
            for line in islice(hunk.lines, MAX_DIFF_LINES + 2)
            if line.origin in " +-"
        ]
        hunks.append(Hunk(header=hunk.header.strip(), lines=rows[: MAX_DIFF_LINES - shown]))
        shown += len(rows)
        if shown >= MAX_DIFF_LINES:
            break
    return FileDiff(
        path=path,
        added=added,
        removed=removed,
        hunks=hunks,
        truncated=shown >= MAX_DIFF_LINES,
    )
