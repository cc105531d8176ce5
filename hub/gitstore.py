"""Git as a projection: commits written from text, read back fast, rebuilt bit for bit from rows."""

import errno
import logging
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import pygit2

from hub import gitobjects, gitreads, overlap, whole_files
from hub.errors import HubError, StorageFull
from hub.gitobjects import File, Files, GitObject
from hub.gitpacks import pack
from protocol.experiments import Diff, FileDiff

log = logging.getLogger(__name__)

COMMITTER = "AgentHub"
COMMITTER_EMAIL = "hub@agenthub.invalid"
NEVER_CHANGED = 0o444
SETTINGS = {
    "core.bare": "true",
    "gc.auto": "0",
    "gc.pruneExpire": "never",
    "uploadpack.allowAnySHA1InWant": "true",
    "uploadpack.allowFilter": "true",
    "transfer.hideRefs": "refs/experiments",
    "core.hooksPath": "/dev/null",
    "receive.denyAll": "true",
}
"""Nothing is pruned, any experiment can be fetched, and nothing can be pushed."""
PARTS = ("HEAD", "config", "objects/pack", "refs")
"""What a folder must have for git to read it as a repository, and for us to write into it."""
PACKED = 4
"""So many commits at once are worth a pack, which says only once what they share."""
MOST_TREES = 64
"""Commits whose files are kept in memory."""
MOST_WAITING = 3000
"""Objects of a goal that wait to be written; whoever brings one more writes them."""
_LINE = re.compile(r"[^\n]*\n|[^\n]+")

T = TypeVar("T")
Edit = tuple[int, int, str]
"""Replace `count` lines from index `start` by `text`."""
Patch = Mapping[str, list[Edit]]


class Unreadable(HubError):
    """The goal's git repository is damaged; the operator can run `hub check --repair`."""

    code, status = "repository_damaged", 503
    retry_after = 60.0


class GitStore:
    """One bare repository per goal, below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.recall: Callable[[str, str], bool] = lambda goal, sha: False
        """Asked for a commit that is not here: makes it from the database, or says False."""
        self._local = threading.local()
        self._trees: OrderedDict[tuple[str, str], Files] = OrderedDict()
        self._waiting: dict[str, list[GitObject]] = {}
        self._lock = threading.Lock()
        self._writing = threading.Lock()

    def path(self, goal: str) -> Path:
        """Where the goal's bare repository lies."""
        return self.root / f"{goal}.git"

    def create(self, goal: str) -> None:
        """Make the goal's repository, or what it has lost; nothing in it is ever pruned."""
        if all((self.path(goal) / part).exists() for part in PARTS):
            return
        pygit2.init_repository(str(self.path(goal)), bare=True, initial_head="champion")
        self.configure(goal)

    def configure(self, goal: str) -> None:
        """Set what git has to know of the goal's repository."""
        config = pygit2.Config(str(self.path(goal) / "config"))
        for key, value in SETTINGS.items():
            config[key] = value

    def unset(self, goal: str) -> list[str]:
        """The settings that are not as `configure` sets them."""
        try:
            config = pygit2.Config(str(self.path(goal) / "config"))
            return [
                key for key, value in SETTINGS.items() if key not in config or config[key] != value
            ]
        except (OSError, pygit2.GitError):
            return list(SETTINGS)

    def write(self, goal: str, objects: Sequence[GitObject]) -> None:
        """Write objects now; no ref moves, an orphan is harmless.

        Raises:
            StorageFull: the disk has no room for them.
        """
        try:
            self._put(goal, objects)
        except (OSError, pygit2.GitError) as error:
            _refuse_full_disk(error)
            raise

    def promise(self, goal: str, sha: str, files: Files, objects: Iterable[GitObject]) -> None:
        """Take a commit that the database holds: its files read at once, `settle` writes it."""
        with self._lock:
            self._remember(goal, sha, files)
            waiting = self._waiting.setdefault(goal, [])
            waiting.extend(objects)
        if len(waiting) > MOST_WAITING:
            self.settle()

    def settle(self) -> None:
        """Write what was promised; on trouble it waits for the next time (`rebuild` has it too)."""
        with self._writing:
            with self._lock:
                promised, self._waiting = self._waiting, {}
            for goal, objects in promised.items():
                try:
                    self._put(goal, objects)
                except (OSError, pygit2.GitError) as error:
                    log.warning("git.waits", extra={"goal": goal, "reason": str(error)})
                    with self._lock:
                        later = objects + self._waiting.get(goal, [])
                        self._waiting[goal] = later[-MOST_WAITING:]

    def _put(self, goal: str, objects: Sequence[GitObject]) -> None:
        many = sum(each.kind == "commit" for each in objects) >= PACKED
        (self.add_pack if many else self.add)(goal, objects)

    def have(self, goal: str, shas: Iterable[str]) -> None:
        """See that these commits are there; what is missing is made from its row.

        Raises:
            Unreadable: one is not there, and was not to be made.
        """
        self.settle()
        for sha in shas:
            if not self.holds(goal, sha):
                self._commit(goal, sha)

    def holds(self, goal: str, sha: str) -> bool:
        """Whether an object of this name is there, unread."""
        try:
            return pygit2.Oid(hex=sha) in self._repo(goal).odb
        except Unreadable:
            return False

    def damaged(self, goal: str, objects: Iterable[GitObject]) -> list[str]:
        """Which of these objects are missing or do not read back as they were."""
        try:
            odb = self._repo(goal).odb
        except Unreadable:
            return [each.sha for each in objects]
        return [each.sha for each in objects if not _intact(odb, each)]

    def add(self, goal: str, objects: Iterable[GitObject]) -> None:
        """Write objects one by one, as they are: maintenance compresses them better soon."""
        folder = self.path(goal) / "objects"
        for each in objects:
            file = folder / each.sha[:2] / each.sha[2:]
            if not file.exists():
                content = gitobjects.loose(each)
                try:
                    whole_files.put(file, content, NEVER_CHANGED)
                except FileNotFoundError:  # none is there yet, or a repack took the empty one away
                    file.parent.mkdir(exist_ok=True)
                    whole_files.put(file, content, NEVER_CHANGED)

    def add_pack(self, goal: str, objects: Iterable[GitObject]) -> None:
        """Write many objects as one pack."""
        made, folder = pack(objects), self.path(goal) / "objects" / "pack"
        # The index last: who finds it finds the pack.
        for ending, content in ((".pack", made.data), (".idx", made.index)):
            whole_files.put(folder / f"pack-{made.name}{ending}", content, NEVER_CHANGED)

    def forget(self) -> None:
        """Open the repositories anew on this thread's next read."""
        self._local.__dict__.pop("repos", None)
        with self._lock:
            self._trees.clear()

    def files(self, goal: str, sha: str) -> dict[str, str]:
        """Every file of a commit as text."""
        return {path: file.text for path, file in self.tree_of(goal, sha).items()}

    def file(self, goal: str, sha: str, path: str) -> str | None:
        """One file of a commit as text, if it has one of this name."""
        with self._lock:
            known = self._trees.get((goal, sha))
        if known is not None:
            return known[path].text if path in known else None
        return self._healing(goal, [sha], lambda: self._file(goal, sha, path))

    def tree_of(self, goal: str, sha: str) -> Files:
        """Every file of a commit with its blob's sha; a popular parent's are kept."""
        with self._lock:
            known = self._trees.pop((goal, sha), None)
        found = known or self._healing(goal, [sha], lambda: self._files(goal, sha))
        with self._lock:
            self._remember(goal, sha, found)
        return found

    def _remember(self, goal: str, sha: str, files: Files) -> None:
        self._trees[goal, sha] = files
        while len(self._trees) > MOST_TREES:
            self._trees.popitem(last=False)

    def _files(self, goal: str, sha: str) -> Files:
        named = self._names(goal, sha)  # first, for it makes a repository that is gone
        repo = self._repo(goal)
        return {path: File(gitreads.text(repo, oid), str(oid)) for path, oid in named.items()}

    def _names(self, goal: str, sha: str) -> dict[str, pygit2.Oid]:
        """A commit's files by path, unread."""
        tree = self._commit(goal, sha).tree_id
        return dict(gitreads.walk(self._repo(goal), tree))

    def _file(self, goal: str, sha: str, path: str) -> str | None:
        found = self._names(goal, sha).get(path)
        return None if found is None else gitreads.text(self._repo(goal), found)

    def diff(
        self,
        goal: str,
        base: str | None,
        sha: str,
        context: int = 3,
        ignore_space: bool = False,
    ) -> Diff:
        """What changed from `base` (None: from nothing) to `sha`, ready to show."""
        shas = [each for each in (base, sha) if each]

        def read() -> list[FileDiff]:
            old, new = ({} if each is None else self._names(goal, each) for each in (base, sha))
            return gitreads.differences(self._repo(goal), old, new, context, ignore_space)

        return Diff(base=base, sha=sha, files=self._healing(goal, shas, read))

    def _healing(self, goal: str, shas: list[str], read: Callable[[], T]) -> T:
        """Read; if objects are gone, have these commits made again and read once more.

        Raises:
            Unreadable: nothing helped.
        """
        try:
            return read()
        except (KeyError, ValueError, pygit2.GitError) as error:
            _refuse_full_disk(error)
            self.settle()
            self.forget()  # this thread's cache may hold a commit whose files have left the disk
        for sha in shas:
            self.recall(goal, sha)
        try:
            return read()
        except (KeyError, ValueError, pygit2.GitError) as error:
            raise Unreadable from error

    def _repo(self, goal: str) -> pygit2.Repository:
        # libgit2 repositories must not be shared between threads, so each thread opens its own.
        repos: dict[str, pygit2.Repository] = self._local.__dict__.setdefault("repos", {})
        if goal not in repos:
            try:
                repos[goal] = pygit2.Repository(str(self.path(goal)))
            except pygit2.GitError as error:
                raise Unreadable from error
        return repos[goal]

    def _commit(self, goal: str, sha: str) -> pygit2.Commit:
        found = self._look(goal, sha)
        if found is None:
            self.settle()
            self.forget()  # another process may have rebuilt the repository since it was opened
            found = self._look(goal, sha)
        if found is None and self.recall(goal, sha):
            found = self._look(goal, sha)
        if found is None:
            raise Unreadable
        if not isinstance(found, pygit2.Commit):
            raise Unreadable(f"{sha[:12]} is not a commit.")
        return found

    def _look(self, goal: str, sha: str) -> pygit2.Object | None:
        try:
            return gitreads.sound(self._repo(goal)[sha])
        except (KeyError, ValueError, pygit2.GitError, Unreadable):
            return None


_FULL = ("no space left", "quota exceeded")


def _refuse_full_disk(error: Exception) -> None:
    # libgit2's errors carry the words alone, Python's own the number.
    number = error.errno if isinstance(error, OSError) else None
    words = str(error).lower()
    if number in (errno.ENOSPC, errno.EDQUOT) or any(each in words for each in _FULL):
        raise StorageFull from error


def _intact(odb: pygit2.Odb, each: GitObject) -> bool:
    try:
        _, body = odb.read(each.sha)
    except (KeyError, ValueError, pygit2.GitError):
        return False
    return body == each.body


def commit_object(
    tree: str, parents: Sequence[str], author: tuple[str, str], message: str, time: datetime
) -> GitObject:
    """A commit as this hub writes it: an agent is its author, the hub its committer."""
    signatures = ("{} <{}>".format(*author), f"{COMMITTER} <{COMMITTER_EMAIL}>")
    return gitobjects.commit(tree, parents, signatures, message, time)


def author_of(agent: str | None, owner: str | None) -> tuple[str, str]:
    """Name and address that a commit bears: an agent's, or the hub's own for a baseline."""
    if agent is None:
        return COMMITTER, COMMITTER_EMAIL
    return agent, f"{agent}@{owner}.agenthub.invalid"


def lines(text: str) -> list[str]:
    """Lines as git counts them, each with its line feed; other line ends are plain characters."""
    return _LINE.findall(text)


def apply(text: str, edits: list[Edit]) -> str:
    """Replay the edits of one file, last first, so that earlier indexes stay true."""
    parts = lines(text)
    for start, count, replacement in reversed(edits):
        parts[start : start + count] = [replacement]
    return "".join(parts)


def edits(old: str, new: str) -> list[Edit]:
    """The line edits that turn one text into another, with no context."""
    head, tail = overlap.lines(old, new)
    gone, come = old[head : len(old) - tail], new[head : len(new) - tail]
    first = overlap.line_at(old, head)
    if not gone or not come or len(lines(gone)) == len(lines(come)) == 1:
        return [(first, len(lines(gone)), come)] if gone or come else []
    texts = (gone.encode(), come.encode())  # a patch reads them for as long as it is read itself
    patch = pygit2.Patch.create_from(*texts, context_lines=0)
    return [(first + start, count, text) for start, count, text in _edits(patch)]


def _edits(patch: pygit2.Patch) -> list[Edit]:
    edits: list[Edit] = []
    for hunk in patch.hunks:
        # git names the line *before* an insertion, and the first line otherwise
        start = hunk.old_start if hunk.old_lines == 0 else hunk.old_start - 1
        added = [line.content for line in hunk.lines if line.origin == "+"]
        edits.append((start, hunk.old_lines, "".join(added)))
    return edits
