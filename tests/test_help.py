"""`--help` tells people what each command and option is for."""

import importlib
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

PROGRAMS = {"hub": "hub.cli.root", "agent_client": "agent_client.cli"}


def commands() -> Iterator[tuple[str, Any]]:
    for name, module in PROGRAMS.items():
        if importlib.util.find_spec(module) is None:
            continue
        app: typer.Typer = importlib.import_module(module).app
        yield from below(name, typer.main.get_command(app))


def below(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from below(f"{path} {name}", child)


COMMANDS = dict(commands())


@pytest.mark.parametrize("path", COMMANDS)
def test_a_command_says_in_a_sentence_what_it_does(path: str) -> None:
    sentence = (COMMANDS[path].help or "").strip()

    assert sentence[:1].isupper()
    assert sentence.endswith(".")


@pytest.mark.parametrize("path", COMMANDS)
def test_an_option_says_what_it_is_for(path: str) -> None:
    untold = [
        parameter.name
        for parameter in COMMANDS[path].params
        if not getattr(parameter, "hidden", False) and not getattr(parameter, "help", None)
    ]

    assert untold == []


@pytest.mark.parametrize("path", COMMANDS)
def test_what_help_says_of_an_option_left_out_is_what_happens(path: str) -> None:
    filled = [
        parameter.name
        for parameter in COMMANDS[path].params
        if "left out" in (getattr(parameter, "help", None) or "") and parameter.default
    ]

    assert filled == []


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_says_its_version(name: str) -> None:
    app: typer.Typer = importlib.import_module(PROGRAMS[name]).app

    said = CliRunner().invoke(app, ["--version"])

    assert (said.exit_code, said.output) == (0, f"{name} {version('agenthub')}\n")


def test_a_command_that_serves_nothing_loads_no_web_application() -> None:
    loaded = "import sys, hub.cli.root; print(*sys.modules)"

    said = subprocess.run(
        [sys.executable, "-c", loaded], capture_output=True, text=True, check=True
    ).stdout.split()

    assert "hub.operators" in said
    assert "fastapi" not in said


@pytest.mark.parametrize("name", PROGRAMS)
def test_ctrl_c_while_a_program_is_loaded_ends_it_without_a_traceback(name: str) -> None:
    loading = f"""
import sys
class Interrupted:
    def find_spec(self, name, *_):
        if name == {PROGRAMS[name]!r}:
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted())
from {"hub.cli" if name == "hub" else "agent_client.__main__"} import main
main()
"""

    done = subprocess.run([sys.executable, "-c", loading], capture_output=True, check=False)

    assert (done.returncode, done.stderr) == (130, b"")
