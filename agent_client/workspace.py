"""The client's folder on disk: texts by sha, prepared data by goal, one fresh folder per run."""

import fcntl
import hashlib
import http.client
import json
import os
import shutil
import stat
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass, field
from io import BufferedIOBase
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from agent_client import files
from agent_client.errors import ClientError
from agent_client.sandbox import wipe
from protocol.goals import DataFile, FilePath, GoalSpec

KEEP_TREES = 500
KEEP_UNUSED_SECONDS = 24 * 3600.0
CACHES = ".cache"
_PLAIN: TypeAdapter[str] = TypeAdapter(FilePath)
PATIENCE_SECONDS, LEAST_BYTES = 120.0, 1 << 20
"""A download that brings less in so long is given up: no wait for its next byte need be long."""

Opener = Callable[[str], AbstractContextManager[BufferedIOBase]]


class DataBroken(ClientError):
    """The goal's data could not be made; the detail says at which step."""

    code = "data_broken"


@dataclass(frozen=True)
class Data:
    """Prepared data of a goal: `everything`, and `training`, which lacks what must stay unseen."""

    everything: Path
    training: Path


@dataclass
class Workspace:
    """Where everything lies. Prepared data may lie in a `shared` folder, for several workers.

    There one worker makes it while the others wait. What was used within a day is kept.
    """

    root: Path
    download: Opener = field(default=lambda url: _open(url))
    shared: Path | None = None
    clock: Callable[[], float] = time.monotonic
    _checked: set[str] = field(default_factory=set)
    _preparing: threading.Lock = field(default_factory=threading.Lock)

    def open(self) -> None:
        """Make the folders and clear what a crash left of earlier runs."""
        for folder in (self.trees, self.goals, self.work):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for old in self.work.iterdir():
            remove_tree(old)

    @property
    def trees(self) -> Path:
        """Texts of experiments' files, by the experiment's sha."""
        return self.root / "cache" / "trees"

    @property
    def goals(self) -> Path:
        """Prepared data and compile caches, by what made them."""
        return (self.shared or self.root) / "goals"

    @property
    def work(self) -> Path:
        """Folders of runs in progress."""
        return self.root / "work"

    def tree(self, sha: str, fetch: Callable[[str], dict[str, str]]) -> dict[str, str]:
        """The files of an experiment, from the cache or from the hub.

        Raises DataBroken for a sha that is none: it names a file here.
        """
        if not sha.isalnum():
            raise DataBroken(f"{sha[:80]!r} is no experiment's sha")
        path = self.trees / f"{sha}.json"
        try:
            known = json.loads(path.read_text())
        except (OSError, ValueError):
            known = None
        if isinstance(known, dict):
            os.utime(path)
            return {str(name): str(text) for name, text in known.items()}
        fetched = fetch(sha)
        files.write_durably(path, json.dumps(fetched).encode())
        self._trim()
        return fetched

    def _trim(self) -> None:
        by_age = sorted(self.trees.glob("*.json"), key=lambda path: path.stat().st_mtime)
        for path in by_age[:-KEEP_TREES]:
            path.unlink(missing_ok=True)

    def lay_out(self, run: str, contents: Mapping[str, str], goal: str = "") -> Path:
        """A fresh folder for one run with the goal's files, and a copy of its compile caches.

        The walls stand around what runs in it, not around us: raises DataBroken, and writes
        nothing, where the hub names a file that lies elsewhere.
        """
        for name in contents:
            _must_lie_below(name)
        folder = self.work / run
        remove_tree(folder)
        folder.mkdir(parents=True, mode=0o700)
        for name, text in contents.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="")
        for name in ("out", "tmp"):
            (folder / name).mkdir()
        if goal and self.caches(goal).is_dir():
            shutil.copytree(self.caches(goal), folder / CACHES, symlinks=True)
        return folder

    def clear(self, run: str) -> None:
        """Remove a run's folder."""
        remove_tree(self.work / run)

    def caches(self, goal: str) -> Path:
        """Compile caches of a goal; only runs of its baseline ever write here."""
        return self.goals / goal / "caches"

    def keep_caches(self, run: str, goal: str) -> None:
        """Keep what compiling the goal's own baseline left; call this for no other code.

        A stranger's run could leave compiled code that changes every later run, so each run gets
        a copy, and only curated code ever writes the original.
        """
        made, kept = self.work / run / CACHES, self.caches(goal)
        if kept.exists() or not any(made.rglob("*")):
            return
        beside = kept.with_name(f"{kept.name}.{run}")
        shutil.copytree(made, beside, symlinks=True)
        beside.rename(kept)

    def data(
        self, spec: GoalSpec, contents: Mapping[str, str], prepare: Callable[[Path], None]
    ) -> Data:
        """The goal's prepared data, made once by `prepare(folder)` and checked by hash after.

        The hashes of all files are compared at the first use after each start.
        Raises DataBroken when a download or the preparation fails.
        """
        key = data_key(spec, contents)
        home = self.goals / spec.name / key
        home.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._preparing, alone(home.with_suffix(".lock")):
            if key not in self._checked or not home.exists():
                if not self._sound(home):
                    self._make(spec, contents, home, prepare)
                self._checked.add(key)
            os.utime(home)
        return Data(home / "everything", home / "training")

    def _sound(self, home: Path) -> bool:
        try:
            said = json.loads((home / "hashes.json").read_text())
        except (OSError, ValueError):
            return False
        settle(home)
        return bool(said == hash_tree(home / "everything"))

    def _make(
        self,
        spec: GoalSpec,
        contents: Mapping[str, str],
        home: Path,
        prepare: Callable[[Path], None],
    ) -> None:
        building = home.with_name(home.name + ".building")
        remove_tree(building)
        everything = building / "everything"
        everything.mkdir(parents=True)
        for each in spec.data.files:
            self._fetch(each, everything)
        if spec.commands.prepare:
            scratch = building / "scratch"
            scratch.mkdir()
            for name in spec.files.protected:
                (scratch / name).parent.mkdir(parents=True, exist_ok=True)
                (scratch / name).write_text(contents[name], encoding="utf-8", newline="")
            move_into(everything, scratch / "data")
            prepare(scratch)
            move_into(scratch / "data", everything)
            remove_tree(scratch)
        view(everything, building / "training", hidden="val" if spec.data.val_hidden else None)
        (building / "hashes.json").write_text(json.dumps(hash_tree(everything)))
        settle(building)
        remove_tree(home)
        building.rename(home)
        self._trim_data(spec.name, home)

    def _trim_data(self, goal: str, keep: Path) -> None:
        for old in (self.goals / goal).iterdir():
            if old not in (keep, self.caches(goal)) and old.suffix != ".lock" and _stale(old):
                remove_tree(old)

    def _fetch(self, wanted: DataFile, into: Path) -> None:
        path = into / wanted.path
        path.parent.mkdir(parents=True, exist_ok=True)
        digest, size = hashlib.sha256(), 0
        try:
            with self.download(wanted.url) as source, path.open("wb") as target:
                since, had = self.clock(), 0
                while piece := source.read1(1 << 20):
                    size += len(piece)
                    digest.update(piece)
                    target.write(piece)
                    if size > wanted.size:
                        break
                    if self.clock() - since > PATIENCE_SECONDS:
                        _insist(wanted, size, size - had)
                        since, had = self.clock(), size
        except (OSError, http.client.HTTPException) as problem:
            raise DataBroken(f"{wanted.url} could not be fetched: {problem}") from None
        if (size, digest.hexdigest()) != (wanted.size, wanted.sha256):
            raise DataBroken(f"{wanted.url} is not the file that the goal names (size or hash)")


def _insist(wanted: DataFile, size: int, lately: int) -> None:
    if lately < LEAST_BYTES:
        raise DataBroken(
            f"{wanted.url} comes too slowly: {lately:,} bytes in {PATIENCE_SECONDS:.0f} s, "
            f"{size:,} of {wanted.size:,} so far"
        )


def _must_lie_below(name: str) -> None:
    try:
        _PLAIN.validate_python(name)
    except ValidationError:
        raise DataBroken(f"{name[:300]!r} is no file of a goal: it would lie elsewhere") from None


def _stale(old: Path) -> bool:
    """Whether nobody uses it: a run of the version before may train on it, here or elsewhere."""
    return time.time() - old.stat().st_mtime > KEEP_UNUSED_SECONDS


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Wait until no other worker of this machine does what this lock guards; ends with us."""
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def data_key(spec: GoalSpec, contents: Mapping[str, str]) -> str:
    """What the prepared data depends on: the protected files and the downloads."""
    said = {
        "files": {name: contents[name] for name in spec.files.protected if name in contents},
        "downloads": [(each.path, each.sha256) for each in spec.data.files],
        "prepare": list(spec.commands.prepare),
        "hidden": spec.data.val_hidden,
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def view(everything: Path, target: Path, hidden: str | None) -> None:
    """A second folder with the same files (hard links) except those under `hidden`."""
    target.mkdir()
    for path in regular_files(everything):
        name = path.relative_to(everything)
        if hidden is not None and name.parts[0] == hidden:
            continue
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, target / name)
        except OSError:
            shutil.copyfile(path, target / name)


def settle(folder: Path) -> None:
    """Make prepared data ours, and readable by all, whatever our umask.

    A client that is root prepares as one user and trains as another. It may be the same, and what
    a run owned it could close to all that come after it.
    """
    for _, _, names, fd in os.fwalk(folder):
        _settle(".", fd, 0o755)
        for name in names:
            if stat.S_ISREG(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
                _settle(name, fd, 0o644)


def _settle(name: str, fd: int, mode: int) -> None:
    with suppress(PermissionError):  # another owner's, who shares it
        os.chown(name, os.geteuid(), os.getegid(), dir_fd=fd)
        os.chmod(name, mode, dir_fd=fd)


def hash_tree(folder: Path) -> dict[str, str]:
    """SHA-256 of each regular file by its relative path."""
    found = {}
    for path in regular_files(folder):
        with path.open("rb") as file:
            name = str(path.relative_to(folder))
            found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def regular_files(folder: Path) -> list[Path]:
    """Regular files below a folder, sorted; links and devices are not followed."""
    return sorted(path for path in folder.rglob("*") if stat.S_ISREG(path.lstat().st_mode))


def move_into(source: Path, target: Path) -> None:
    """Move what lies in one folder into another; raises DataBroken for a link, here or below.

    A stranger's program filled it: were it a link to the owner's home, that would be moved.
    """
    target.mkdir(parents=True, exist_ok=True)
    if not source.is_dir():
        return
    if any(path.is_symlink() for path in (source, *source.rglob("*"))):
        raise DataBroken("prepare left a link in its data; only files are taken")
    for path in source.iterdir():
        path.rename(target / path.name)


def remove_tree(folder: Path) -> None:
    """Remove a folder even where a run took its own permissions away or dug too deep."""
    with suppress(OSError):
        wipe(folder)


def _open(url: str) -> AbstractContextManager[BufferedIOBase]:
    if not url.startswith("https://"):
        raise DataBroken(f"{url} is not https")
    return closing(urllib.request.urlopen(url, timeout=60))  # noqa: S310 - https was checked
