"""Goal folders on disk: read goal.toml, name the line of every mistake, hash the files."""

import hashlib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from pydantic import TypeAdapter, ValidationError

from hub import preflight
from hub.errors import HubError
from hub.goal_lines import line_of
from hub.statements import UNREADABLE
from protocol.base import Slug
from protocol.goals import GoalFile, GoalSpec

GOAL_TOML = "goal.toml"
UNPINNED = (
    "A download without its hash is never used: fetch it once where you trust the network "
    "(`python prepare.py --pin 10` in nanogpt's folder prints these lines), look at it, and write "
    "the hash here; from then on every volunteer's copy is compared with it"
)
_SLUG: TypeAdapter[str] = TypeAdapter(Slug)
LIBRARY = Path(__file__).parent / "goals_library"


class GoalInvalid(HubError):
    """The goal folder has a mistake; mend the file and the line that the message names."""

    code, status = "goal_invalid", 422

    def __init__(self, problems: Sequence[str]) -> None:
        """Keep every problem, so that one run of `hub goal validate` shows them all."""
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class GoalFolder:
    """A goal as read from disk: what goal.toml says, and the text of every file it names."""

    path: Path
    spec: GoalSpec
    texts: MappingProxyType[str, str]

    def digest(self) -> str:
        """Hash goal.toml's meaning and all files; equal digests mean the same goal."""
        whole = hashlib.sha256(self.spec.model_dump_json().encode())
        for name in self.spec.everything:
            whole.update(f"{name}\0{sha256(self.texts[name])}\0".encode())
        return whole.hexdigest()


def listed(spec: GoalSpec, texts: Mapping[str, str], with_text: bool = True) -> list[GoalFile]:
    """A goal's files by path with their SHA-256, editable ones marked."""
    return [
        GoalFile(
            path=path,
            sha256=sha256(text),
            size=len(text.encode()),
            editable=path in spec.files.editable,
            text=text if with_text else None,
        )
        for path, text in sorted(texts.items())
    ]


def sha256(text: str) -> str:
    """Hash a file's text as UTF-8, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def load(folder: Path) -> GoalFolder:
    """Read and validate a goal folder; raises GoalInvalid with a sentence per mistake."""
    spec = parse(_toml_text(folder), where=f"{folder.name}/{GOAL_TOML}")
    texts, problems = _read_all(folder, spec)
    problems += _lost_commands(spec)
    if problems:
        raise GoalInvalid(problems)
    return GoalFolder(path=folder, spec=spec, texts=MappingProxyType(texts))


def parse(text: str, where: str = GOAL_TOML) -> GoalSpec:
    """Turn goal.toml's text into a GoalSpec; raises GoalInvalid naming file and line."""
    try:
        return GoalSpec.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise GoalInvalid([f"{where}: {error}"]) from error
    except ValidationError as error:
        problems = [_sentence(text, where, dict(one)) for one in error.errors()]
        raise GoalInvalid(problems) from error


def named(name: str) -> str:
    """Return a name that a goal may have; raises GoalInvalid for any other."""
    try:
        return _SLUG.validate_python(name)
    except ValidationError:
        raise GoalInvalid(
            [f"{name!r} cannot name a goal: use a-z, 0-9, - and _, at most 31 characters"]
        ) from None


def library() -> list[str]:
    """Name the goals that come with AgentHub."""
    return sorted(path.parent.name for path in LIBRARY.glob(f"*/{GOAL_TOML}"))


def from_library(name: str) -> GoalFolder:
    """Load one of the goals that come with AgentHub; raises GoalInvalid for an unknown name."""
    if name not in library():
        raise GoalInvalid([f"there is no goal {name!r} in the library; it has {library()}"])
    return load(LIBRARY / name)


def from_folder(folder: Path) -> GoalFolder:
    """Load the goal of a folder; where there is none, say what else could have been meant."""
    if not folder.exists():
        comes = ", ".join(library())
        raise GoalInvalid([f"there is no folder {str(folder)!r}; with AgentHub come {comes}"])
    return load(folder)


def _toml_text(folder: Path) -> str:
    path = folder / GOAL_TOML
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise GoalInvalid([f"{folder.name}/{GOAL_TOML} is missing: a goal needs one"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise GoalInvalid([f"{folder.name}/{GOAL_TOML} cannot be read: {error}"]) from error


def _sentence(text: str, where: str, error: dict[str, object]) -> str:
    found = error["loc"]
    loc = found if isinstance(found, tuple) else ()
    name = ".".join(str(part) for part in loc) or "goal"
    said = str(error["msg"]).removeprefix("Value error, ")
    if loc[-1:] == ("sha256",):
        said += f". {UNPINNED}"
    return f"{where}:{line_of(text, loc)}: {name}: {said}"


def _read_all(folder: Path, spec: GoalSpec) -> tuple[dict[str, str], list[str]]:
    texts: dict[str, str] = {}
    problems: list[str] = []
    for name in spec.everything:
        where = f"{folder.name}/{name}"
        try:
            texts[name] = _read_one(folder / name, where)
        except GoalInvalid as error:
            problems += error.problems
        else:
            problems += _wrong_with_one(spec, name, texts[name], where)
    return texts, problems


def _read_one(path: Path, where: str) -> str:
    if path.is_symlink() or not path.is_file():
        raise GoalInvalid([f"{where} is named in {GOAL_TOML} but is not a plain file"])
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise GoalInvalid([f"{where} is not UTF-8 text (byte {error.start})"]) from error


def _wrong_with_one(spec: GoalSpec, path: str, text: str, where: str) -> Iterator[str]:
    size = len(text.encode())
    if size > spec.limits.file_bytes:
        yield f"{where} is {size} bytes; the limit is {spec.limits.file_bytes}"
    if "\0" in text:
        yield f"{where} holds a NUL character, which no text does"
        return
    if path in spec.files.editable:
        yield from preflight.unfit(where, text)
    if path.endswith(".py"):
        yield from _unparsed(text, where)


def _unparsed(text: str, where: str) -> Iterator[str]:
    """What keeps Python from being parsed, by file and line."""
    try:
        compile(text, where, "exec", dont_inherit=True)
    except UNREADABLE as error:
        line = getattr(error, "lineno", None) or 1
        said = str(error) or "it is nested too deeply"
        yield f"{where}:{line}: does not parse: {said}"


def _lost_commands(spec: GoalSpec) -> Iterator[str]:
    """Commands whose script does not lie where they run: every run would end at once."""
    commands, guarded = spec.commands, spec.files.protected
    places = {
        "train": (commands.train, spec.everything, "file of this goal"),
        "evaluate": (commands.evaluate, spec.everything, "file of this goal"),
        "prepare": (commands.prepare, guarded, "protected file, and it sees no other"),
        "hidden": (commands.hidden, guarded, "protected file, and it sees no other"),
    }
    for name, (argv, there, kind) in places.items():
        if (
            argv[:1] == ["python"]
            and argv[1:2]
            and argv[1].endswith(".py")
            and argv[1] not in there
        ):
            yield f"commands.{name} runs {argv[1]}, which is no {kind}"


def wrong_with(spec: GoalSpec, files: Mapping[str, str]) -> Iterator[str]:
    """What keeps these texts from being the files of a goal."""
    yield from _lost_commands(spec)
    for path in spec.everything:
        if path in files:
            yield from _wrong_with_one(spec, path, files[path], path)
        else:
            yield f"{path} is named in {GOAL_TOML} but is not here"
