"""Git objects as bytes: what a blob, a tree and a commit are.

Written after git's own documents (git-hash-object), so that a commit's name can be
computed from the database alone, without a repository and without trusting one.
"""

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class GitObject:
    """One object and its name."""

    kind: str
    body: bytes
    sha: str

    @classmethod
    def of(cls, kind: str, body: bytes) -> "GitObject":
        """Name a body."""
        named = _headed(kind, body)
        return cls(kind, body, hashlib.sha1(named, usedforsecurity=False).hexdigest())


def loose(each: GitObject) -> bytes:
    """What a file of its own holds of an object: zlib's format, nothing made smaller."""
    return zlib.compress(_headed(each.kind, each.body), 0)


def _headed(kind: str, body: bytes) -> bytes:
    return f"{kind} {len(body)}\0".encode() + body


@dataclass(frozen=True, slots=True)
class File:
    """A file's text and its blob's sha."""

    text: str
    sha: str


Files = Mapping[str, File]


@dataclass(frozen=True, slots=True)
class Grown:
    """The files of a commit, the sha of its tree, and the blobs and trees new to its parent."""

    files: Files
    tree: str
    objects: list[GitObject]


def grow(parent: Files, changed: Mapping[str, str]) -> Grown:
    """Put the changed files' text in place of the parent's."""
    blobs = {path: blob(text) for path, text in changed.items()}
    files = {**parent, **{path: File(changed[path], made.sha) for path, made in blobs.items()}}
    folders = trees({path: file.sha for path, file in files.items()})
    return Grown(files, folders[-1].sha, [*blobs.values(), *folders])


def blob(text: str) -> GitObject:
    """A file's content."""
    return GitObject.of("blob", text.encode())


def trees(blobs: Mapping[str, str]) -> list[GitObject]:
    """The folders that hold these files (path to blob sha), inner ones first, the root last."""
    files: dict[str, str] = {}
    folders: dict[str, dict[str, str]] = {}
    for path, sha in blobs.items():
        head, slash, rest = path.partition("/")
        if slash:
            folders.setdefault(head, {})[rest] = sha
        else:
            files[head] = sha
    made: list[GitObject] = []
    entries = [(name, b"100644", sha) for name, sha in files.items()]
    for name, inside in folders.items():
        below = trees(inside)
        made += below
        entries.append((name + "/", b"40000", below[-1].sha))
    return [*made, GitObject.of("tree", b"".join(_entry(*each) for each in sorted(entries)))]


def _entry(name: str, mode: bytes, sha: str) -> bytes:
    # git sorts a folder as if its name ended in a slash, but writes it without
    return mode + b" " + name.rstrip("/").encode() + b"\0" + bytes.fromhex(sha)


def commit(
    tree: str, parents: Sequence[str], signatures: tuple[str, str], message: str, time: datetime
) -> GitObject:
    """A commit; `signatures` are author and committer as `Name <email>`, the time is UTC."""
    author, committer = signatures
    when = f"{int(time.timestamp())} +0000"
    lines = [f"tree {tree}", *(f"parent {sha}" for sha in parents)]
    lines += [f"author {author} {when}", f"committer {committer} {when}", "", message]
    return GitObject.of("commit", "\n".join(lines).encode())
