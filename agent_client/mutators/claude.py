"""Proposals by Claude: tool-use edits, errors fed back, money counted and capped."""

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import anthropic
from anthropic.types import Message, ToolUseBlock
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent_client.mutators import llm, prompting
from agent_client.mutators.base import (
    Idea,
    MutatorError,
    NoIdea,
    OverBudget,
    Task,
    Usage,
    one_line,
)
from agent_client.mutators.edits import BadEdit, Edit, apply
from agent_client.settings import Llm

TOOL = "propose_change"
LONGER = 2


class SaidEdit(BaseModel):
    """One edit as the model says it."""

    model_config = ConfigDict(extra="ignore")

    path: str
    search: str
    replace: str


class Said(BaseModel):
    """The tool's input; checked here, because a model may say anything."""

    model_config = ConfigDict(extra="ignore")

    title: str = Field(min_length=1, max_length=400)
    hypothesis: str = Field(min_length=1, max_length=4000)
    expected_delta: float | None = Field(default=None, allow_inf_nan=False)
    edits: list[SaidEdit] = Field(min_length=1, max_length=20)


SCHEMA: dict[str, Any] = {
    "name": TOOL,
    "description": "Propose one change to the training program.",
    "input_schema": {
        "type": "object",
        "required": ["title", "hypothesis", "edits"],
        "properties": {
            "title": {
                "type": "string",
                "description": "The change in one line of at most 120 characters.",
            },
            "hypothesis": {
                "type": "string",
                "description": "Why it should move the metric, in one or two sentences.",
            },
            "expected_delta": {
                "type": "number",
                "description": "The expected change of the metric, with its sign.",
            },
            "edits": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": ["path", "search", "replace"],
                    "properties": {
                        "path": {"type": "string"},
                        "search": {
                            "type": "string",
                            "description": "Text that occurs exactly once in the file.",
                        },
                        "replace": {"type": "string"},
                    },
                },
            },
        },
    },
}


@dataclass
class Conversation:
    """One proposal's back and forth, what it has cost so far, and its run before it."""

    system: list[dict[str, Any]]
    messages: list[dict[str, Any]]
    usage: Usage = field(default_factory=Usage)
    max_tokens: int = 4096
    before: Usage = field(default_factory=Usage)

    def characters(self) -> int:
        """How much would be sent."""
        return len(json.dumps([self.system, self.messages]))

    def request(self) -> llm.Request:
        """The conversation as it is sent next."""
        return llm.Request(self.system, self.messages, SCHEMA, self.max_tokens)


def begin(task: Task, settings: Llm) -> Conversation:
    """Stable parts first, each with a mark up to which the provider may cache."""
    said = prompting.write(task, settings.prompts)
    kept = {"type": "ephemeral", "ttl": "1h"}
    system: list[dict[str, Any]] = [
        {"type": "text", "text": said.system},
        {"type": "text", "text": said.goal, "cache_control": kept},
    ]
    messages = [{"role": "user", "content": said.task}]
    return Conversation(system, messages, max_tokens=settings.max_tokens, before=task.spent)


@dataclass(frozen=True)
class Claude:
    """Asks Claude for edits. `money` says why so many dollars and tokens may not be spent."""

    client: anthropic.Anthropic
    settings: Llm
    dollars_per_run: float
    money: Callable[[float, int], str]
    tokens_per_run: int | None = None
    name: str = "claude"
    mends: bool = True

    def propose(self, task: Task) -> Idea:
        """A proposal whose edits apply; after three repair rounds the parent is given up.

        Raises NoIdea, OverBudget, Unavailable or Misconfigured; each carries what was spent.
        """
        talk = begin(task, self.settings)
        for _ in range(self.settings.repairs + 1):
            message = self._ask(talk)
            try:
                return self._read(task, message, talk)
            except BadEdit as problem:
                self._answer(talk, message, str(problem))
        raise NoIdea("The model's edits did not fit after several repairs.", talk.usage)

    def _ask(self, talk: Conversation) -> Message:
        dearest = llm.estimate(self.settings, talk.characters(), talk.max_tokens)
        self._afford(talk, dearest)
        try:
            message = llm.ask(self.client, self.settings, talk.request())
        except MutatorError as problem:
            unread = problem.requests if isinstance(problem, llm.Unread) else 0
            problem.usage = sum([dearest] * unread, talk.usage)
            if isinstance(problem, llm.BadRequest) and len(talk.messages) > 1:
                raise NoIdea(problem.detail, problem.usage) from None
            raise
        talk.usage += llm.cost(self.settings, message)
        return message

    def _afford(self, talk: Conversation, dearest: Usage) -> None:
        more = talk.usage + dearest  # the day's count knows nothing of a conversation under way
        reason = self.money(more.dollars, more.tokens)
        if reason:
            raise OverBudget(reason, talk.usage)
        spent = talk.before + talk.usage
        most, said = spent + dearest, ""
        if most.dollars > self.dollars_per_run:
            said = f"cost ${most.dollars:.2f}, over ${self.dollars_per_run:.2f} a run."
        if self.tokens_per_run is not None and most.tokens > self.tokens_per_run:
            said = f"take {most.tokens:,} tokens, over {self.tokens_per_run:,} a run."
        if said:
            known = NoIdea if spent.tokens else OverBudget
            raise known(f"Proposals for this run may {said}", talk.usage)

    def _read(self, task: Task, message: Message, talk: Conversation) -> Idea:
        """The reply as an idea; raises BadEdit for what the model can mend."""
        if message.stop_reason == "refusal":
            raise NoIdea("The model declined to change this parent.", talk.usage)
        call = next((b for b in message.content if isinstance(b, ToolUseBlock)), None)
        if message.stop_reason == "max_tokens":
            talk.max_tokens *= LONGER
            raise BadEdit("Your reply was cut off. Make the change and its words shorter.")
        if call is None or call.name != TOOL:
            raise BadEdit(f"Call the tool `{TOOL}` once; words alone cannot be applied.")
        said = _parse(call.input)
        edits = [Edit(edit.path, edit.search, edit.replace) for edit in said.edits]
        files = apply(task.files, edits)
        _check_syntax(files)
        return Idea(
            files={path: text for path, text in files.items() if text != task.files[path]},
            title=one_line(said.title) or "a change",
            hypothesis=said.hypothesis.strip(),
            operator=task.operator,
            expected_delta=said.expected_delta,
            model=message.model[:80],
            usage=talk.usage,
        )

    def _answer(self, talk: Conversation, message: Message, problem: str) -> None:
        """Put the model's reply and what is wrong with it into the conversation."""
        calls = [b for b in message.content if isinstance(b, ToolUseBlock)]
        shown = [block.model_dump(mode="json", exclude_none=True) for block in message.content]
        talk.messages.append({"role": "assistant", "content": shown or [_words("(nothing)")]})
        results: list[dict[str, Any]] = [
            {"type": "tool_result", "tool_use_id": c.id, "content": problem, "is_error": True}
            for c in calls
        ]
        talk.messages.append({"role": "user", "content": results or [_words(problem)]})


def _words(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _parse(said: object) -> Said:
    try:
        return Said.model_validate(said)
    except ValidationError as problem:
        error = problem.errors()[0]
        key = ".".join(str(part) for part in error["loc"])
        raise BadEdit(f"The tool's input is wrong at {key or 'its top'}: {error['msg']}.") from None


def _check_syntax(files: dict[str, str]) -> None:
    for path, text in files.items():
        if not path.endswith(".py"):
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                compile(text, path, "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as problem:
            line = getattr(problem, "lineno", None)
            raise BadEdit(
                f"{path} does not parse after your edits, line {line}: {problem}"
            ) from None
        except (RecursionError, MemoryError):
            raise BadEdit(f"{path} is nested too deeply to parse after your edits.") from None
