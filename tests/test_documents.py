"""Commands that the documents and the help name are there, with the options they are given."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

ROOT = Path(__file__).parents[1]
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").glob("*.md"),
    *ROOT.glob("hub/**/*.py"),
    *ROOT.glob("board_ui/src/**/*.svelte"),
]
PROGRAMS = {"hub": "hub.cli.root", "agent_client": "agent_client.cli"}


def named() -> Iterator[str]:
    """Every command in a block of shell, or between backticks."""
    begin = f"(?:{'|'.join(PROGRAMS)}) [a-z]"
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            yield from re.findall(rf"^(?:[A-Z_]+=\S+ )*({begin}[^#\n]*)", block, re.MULTILINE)
        for said in re.findall(rf"(?:`|<code>)({begin}[^`<]*)(?:`|</code>)", text):
            yield " ".join(said.split())


def unknown(line: str) -> list[str]:
    """The words of a line that no command or option answers to, and the options that it lacks."""
    program, *words = line.split()
    command: Any = typer.main.get_command(importlib.import_module(PROGRAMS[program]).app)
    while words and getattr(command, "commands", None):
        choices, _, shared = words.pop(0).partition("|")
        if choices == "…":
            return []
        if choices not in command.commands:
            return [choices]
        command = command.commands[choices]
        if shared:
            return []
    options = {name for each in command.params for name in [*each.opts, *each.secondary_opts]}
    asked = {word.partition("=")[0].rstrip(".,;") for word in words if word.startswith("-")}
    # A bare name stands for the command; with its arguments it is a line to type.
    needed = [each.opts for each in command.params if each.required and each.opts[0][0] == "-"]
    lacking = [names[0] for names in needed if words and not asked & {*names, "-h", "--help"}]
    return sorted(asked - options - {"-h", "--help"}) + lacking


@pytest.mark.parametrize("line", sorted(set(named())))
def test_a_command_that_a_page_names_is_there(line: str) -> None:
    assert unknown(line) == []
