"""What a language model is shown: stable parts first, other people's words quoted and bounded."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agent_client.mutators.base import Task, Tried, filled, prompt
from agent_client.sandbox import clean
from protocol.base import figure
from protocol.experiments import Operator, Status
from protocol.goals import Direction

MAX_BRIEF = 8000
MAX_DIGEST = 8000
MAX_SIBLINGS = 40
MAX_OTHERS = 25
MAX_WORDS = 160
MAX_CRASH = 3000
_MARK = re.compile(r"<(\s*/?\s*(?:data|file))", re.IGNORECASE)


@dataclass(frozen=True)
class Prompt:
    """Three parts, each more changeable than the one before, so that caches keep the first."""

    system: str
    goal: str
    task: str


def write(task: Task, folder: Path | None = None) -> Prompt:
    """The prompt for a task, from the files in `prompts/` or the owner's own folder."""
    return Prompt(prompt("system.md", folder), goal_part(task, folder), task_part(task, folder))


def goal_part(task: Task, folder: Path | None = None) -> str:
    """What is true of the goal as long as its version lasts."""
    spec = task.spec
    lower = spec.metric.direction is Direction.MIN
    return filled(
        "goal.md",
        folder,
        title=spec.title,
        question=spec.question,
        metric=spec.metric.name,
        direction="lower" if lower else "higher",
        budget=spec.budget.text(),
        editable=", ".join(spec.files.editable),
        brief=quoted(task.brief, MAX_BRIEF),
    )


def task_part(task: Task, folder: Path | None = None) -> str:
    """What is asked this time."""
    siblings = [tried for tried in task.tried if tried.sibling]
    others = [tried for tried in task.tried if not tried.sibling]
    return filled(
        "task.md",
        folder,
        device=task.device or "unknown",
        digest=quoted(task.digest, MAX_DIGEST) or "nothing yet",
        siblings=history(siblings, MAX_SIBLINGS) or "nothing yet",
        others=history(others, MAX_OTHERS) or "nothing yet",
        files="\n\n".join(_file(path, text) for path, text in task.files.items()),
        cue=cue(task.operator, folder),
        suggestion=_suggestion(task),
        refused=_refused(task),
    )


def cue(operator: Operator, folder: Path | None = None) -> str:
    """The sentence that asks for this kind of change."""
    known = {"bold", "simplify", "fix", "merge", "ablate"}
    name = operator.value if operator.value in known else "tweak"
    return prompt(f"cue_{name}.md", folder).strip()


def _file(path: str, text: str) -> str:
    """A file as it is, between marks that no text can hold: its own hash names the end."""
    end = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f'<file path="{path}" until="{end}">\n{text}</file {end}>'


def _suggestion(task: Task) -> str:
    said = quoted(task.suggestion, 2000)
    return f'What was meant by them:\n<data name="suggestion">\n{said}\n</data>\n' if said else ""


def _refused(task: Task) -> str:
    return _crash(task) + _came_back(task)


def _crash(task: Task) -> str:
    if not task.crash:
        return ""
    said = quoted(task.crash, MAX_CRASH)
    return (
        "\nThe files above were run and failed. What they printed last:\n"
        f'<data name="crash">\n{said}\n</data>\n'
    )


def _came_back(task: Task) -> str:
    if not task.refused:
        return ""
    lines = [f"- {quoted(each.title, 200)}: {quoted(each.reason, 1500)}" for each in task.refused]
    return (
        "\nThese proposals of yours came back; propose something else:\n" + "\n".join(lines) + "\n"
    )


def history(tried: Sequence[Tried], most: int) -> str:
    """One line each: what, and what came of it."""
    return "\n".join(
        f"- {quoted(each.title, MAX_WORDS)}: {outcome(each)}" for each in tried[-most:]
    )


def outcome(tried: Tried) -> str:
    """What came of an experiment, in few words."""
    if tried.status is Status.RUNNING:
        return "being tried now"
    if tried.failure or tried.status is not Status.FINISHED:
        return f"failed ({tried.failure or tried.status.value})"
    if tried.delta is None:
        return "measured, not judged yet"
    sigmas = f", {tried.delta / tried.delta_sd:+.1f} sd" if tried.delta_sd else ""
    return f"{figure(tried.delta, '+')} against its parent{sigmas}{', kept' if tried.kept else ''}"


def quoted(text: str, most: int) -> str:
    """Other people's words: bounded, seen by all, unable to close the marks they stand between."""
    safe = _MARK.sub(r"(\1", clean(text))
    return safe if len(safe) <= most else safe[:most] + " [cut]"
