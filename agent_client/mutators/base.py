"""What every mutator is asked, what it answers, and the ways in which it may fail."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from agent_client.errors import ClientError
from protocol.experiments import Operator, Status
from protocol.goals import GoalSpec


@dataclass(frozen=True)
class Usage:
    """What a proposal cost."""

    tokens: int = 0
    dollars: float = 0.0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.tokens + other.tokens, self.dollars + other.dollars)


@dataclass(frozen=True)
class Tried:
    """An experiment that the hub knows: on this parent (`sibling`) or elsewhere in the goal.

    `delta` is its score minus its parent's; None while it runs or when it failed.
    """

    title: str
    status: Status
    sibling: bool
    delta: float | None = None
    delta_sd: float | None = None
    kept: bool = False
    failure: str | None = None


@dataclass(frozen=True)
class Refused:
    """An idea that came back: from the hub's preflight, or from a crash at the start of a run."""

    title: str
    reason: str
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """What to change: the editable files of a parent, and what is known of the neighbourhood.

    `digest` and `tried` hold other people's words; they are data, never instructions. `crash` is
    what these very files printed last when they failed, `suggestion` what was meant by them; then
    a mend of them is asked for. `spent` is what other proposals for the same run cost.
    """

    spec: GoalSpec
    brief: str
    files: Mapping[str, str]
    operator: Operator
    seed: int
    digest: str = ""
    suggestion: str = ""
    device: str = ""
    tried: Sequence[Tried] = ()
    refused: Sequence[Refused] = ()
    crash: str = ""
    spent: Usage = Usage()

    def after(self, refused: Refused) -> "Task":
        """The same task, knowing what came back."""
        return replace(self, refused=(*self.refused, refused))


@dataclass(frozen=True)
class Idea:
    """A proposal: only the files that change, one line, and why it should help."""

    files: Mapping[str, str]
    title: str
    hypothesis: str
    operator: Operator
    expected_delta: float | None = None
    model: str = ""
    usage: Usage = Usage()


class Mutator(Protocol):
    """Writes proposals."""

    @property
    def name(self) -> str:
        """How the hub and the owner know it."""

    @property
    def mends(self) -> bool:
        """Whether it can make use of a crash's last lines."""

    def propose(self, task: Task) -> Idea:
        """Write a proposal; raises NoIdea, Unavailable or Misconfigured."""


class MutatorError(ClientError):
    """The mutator gave no proposal."""

    code = "mutator_error"

    def __init__(self, detail: str = "", usage: Usage | None = None) -> None:
        self.usage = usage or Usage()
        super().__init__(detail)


class NoIdea(MutatorError):
    """The mutator has no usable idea for this parent; another parent may suit it better."""

    code = "no_idea"


class CommandFailed(NoIdea):
    """The command that writes proposals failed; run it by hand to see why."""

    code = "command_failed"


class Unavailable(MutatorError):
    """The language model cannot be reached or is overloaded; the client waits and tries again."""

    code = "llm_unavailable"

    def __init__(self, detail: str = "", retry_after: float = 0.0) -> None:
        self.retry_after = retry_after
        super().__init__(detail)


class Misconfigured(MutatorError):
    """The language model refuses this key or model; check them and start again."""

    code, exit_code = "llm_misconfigured", 3


class OverBudget(MutatorError):
    """The money limit for proposals is reached; the client waits for the next day."""

    code = "over_budget"


def changed(task: Task, files: Mapping[str, str]) -> dict[str, str]:
    """The files that really differ from the parent's; raises NoIdea when none does."""
    found = {path: text for path, text in files.items() if task.files.get(path) != text}
    if not found:
        raise NoIdea("The change leaves every file as it was.")
    return found


def one_line(text: str) -> str:
    """Words as a title: one line that can be printed, or nothing."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:200]


def summary(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """A change in a few lines, as a unified diff without context."""
    lines: list[str] = []
    for path, text in after.items():
        pair = before.get(path, "").splitlines(), text.splitlines()
        lines += list(difflib.unified_diff(*pair, path, path, lineterm="", n=0))[2:]
    return "\n".join(lines[:200])


def prompt(name: str, folder: Path | None = None) -> str:
    """A prompt file by name: the owner's where they gave a folder, else the one shipped.

    Raises Misconfigured for one that is not there or cannot be read.
    """
    for home in (folder, Path(__file__).with_name("prompts")):
        if home is not None and (home / name).is_file():
            try:
                return (home / name).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as problem:
                raise Misconfigured(f"{home / name} cannot be read: {problem}") from None
    raise Misconfigured(f"There is no prompt file {name!r}.")


def filled(name: str, folder: Path | None, **words: str) -> str:
    """A prompt file with its words in place; raises Misconfigured naming what is wrong with it."""
    text = prompt(name, folder)
    try:
        return text.format(**words)
    except (LookupError, ValueError, AttributeError, TypeError) as problem:
        known = ", ".join(f"{{{word}}}" for word in words)
        raise Misconfigured(
            f"The prompt file {name!r} cannot be filled in ({problem}). It may name {known}; "
            "a brace that is none of these is written twice."
        ) from None
