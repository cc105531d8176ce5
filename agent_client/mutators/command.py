"""Proposals by any coding agent that edits files in a folder: Claude Code, Codex, aider."""

import contextlib
import json
import os
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from agent_client.mutators.base import (
    CommandFailed,
    Idea,
    Misconfigured,
    NoIdea,
    Task,
    changed,
    filled,
    one_line,
    summary,
)
from agent_client.mutators.prompting import goal_part, task_part

PROMPT, PROPOSAL = "PROMPT.md", "PROPOSAL.json"
MAX_FILE = 256 * 1024
GUARD = ("/bin/sh", "-c", 'read _; kill -KILL -"$0"')
OWN = (PROMPT, PROPOSAL)


@dataclass(frozen=True)
class Command:
    """Runs the owner's command in a folder with the editable files; `{prompt_file}` is filled in.

    The command is the owner's own and runs outside the sandbox, with their environment less
    `hidden` values such as the hub's token.
    """

    command: str
    seconds: float
    hidden: tuple[str, ...] = ()
    prompts: Path | None = None
    name: str = "command"
    mends: bool = True

    def propose(self, task: Task) -> Idea:
        """What the command changed; raises NoIdea when that is nothing or something it may not."""
        with tempfile.TemporaryDirectory(prefix="agenthub-command-") as home:
            folder = Path(home)
            self._lay_out(task, folder)
            self._run(folder)
            files = _collect(task, folder)
            said = _said(folder)
        changes = changed(task, files)
        first = summary(task.files, changes).splitlines()[-1:]
        title = one_line(str(said.get("title", ""))) or one_line(f"edit: {''.join(first)}")
        return Idea(
            files=changes,
            title=title,
            hypothesis=str(said.get("hypothesis") or "The command did not say why.")[:4000],
            operator=task.operator,
            expected_delta=_number(said.get("expected_delta")),
            model=shlex.split(self.command)[0][:80],
        )

    def _lay_out(self, task: Task, folder: Path) -> None:
        for name, text in task.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="")
        words = filled(
            "command.md",
            self.prompts,
            goal=goal_part(task, self.prompts),
            task=task_part(task, self.prompts),
            editable=", ".join(task.files),
        )
        (folder / PROMPT).write_text(words, encoding="utf-8")

    def _run(self, folder: Path) -> None:
        """Run the command to its end or its time limit; its whole process group ends with it.

        It ends with this client too, were that killed: a guard waits for the end of a pipe.
        """
        argv = [part.replace("{prompt_file}", PROMPT) for part in shlex.split(self.command)]
        env = {k: v for k, v in os.environ.items() if not any(h and h in v for h in self.hidden)}
        try:
            process = subprocess.Popen(
                argv,
                cwd=folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as problem:
            raise Misconfigured(f"--mutator-command cannot be run: {problem}") from None
        try:
            with _guarded(process):
                said, _ = process.communicate(timeout=self.seconds)
        except subprocess.TimeoutExpired:
            raise CommandFailed(f"The command took over {self.seconds:.0f} s.") from None
        finally:
            _end(process)
        if process.returncode:
            tail = said[-300:].decode("utf-8", "replace").strip()
            raise CommandFailed(f"The command ended with status {process.returncode}: {tail}")


@contextlib.contextmanager
def _guarded(process: subprocess.Popen[bytes]) -> Iterator[None]:
    argv = [*GUARD, str(process.pid)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, start_new_session=True) as guard:
        try:
            yield
        finally:
            guard.kill()


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _collect(task: Task, folder: Path) -> dict[str, str]:
    """The editable files as they are now; raises NoIdea when anything else was touched."""
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        known = name in OWN or any(_passing(part) for part in Path(name).parts)
        if not known and name not in task.files and not path.is_dir():
            raise NoIdea(f"The command made or changed {name!r}, which is not an editable file.")
    return {name: _read(folder / name, name) for name in task.files}


def _passing(part: str) -> bool:
    """What tools leave beside their work."""
    return part.startswith(".") or part == "__pycache__"


def _read(path: Path, name: str) -> str:
    if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_FILE:
        raise NoIdea(f"The command left {name!r} missing, too large or as a link.")
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        raise NoIdea(f"The command left {name!r} in another encoding than UTF-8.") from None


def _said(folder: Path) -> Mapping[str, object]:
    path = folder / PROPOSAL
    if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_FILE:
        return {}
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _number(said: object) -> float | None:
    good = isinstance(said, int | float) and not isinstance(said, bool) and abs(said) < 1e9
    return float(said) if isinstance(said, int | float) and good else None
