"""The command mutator: any program that edits files, held to the editable ones and to its time."""

import sys
from pathlib import Path
from typing import Any

import pytest

from agent_client.mutators.base import Misconfigured, NoIdea, Task
from agent_client.mutators.command import Command
from protocol.experiments import Operator
from tests.builders import TRAIN, a_spec

EDIT = "p = Path('train.py'); p.write_text(p.read_text().replace('= 0.1', '= 0.3')); "


def propose(tmp_path: Path, code: str, seconds: float = 20.0, **changes: Any) -> Any:
    program = tmp_path / "agent.py"
    program.write_text("import os, sys, json, time\nfrom pathlib import Path\n" + code)
    command = Command(f"{sys.executable} {program} {{prompt_file}}", seconds, ("hub-token",))
    task = Task(a_spec(), "brief", {"train.py": TRAIN}, Operator.TWEAK, 1)
    return command.propose(task)


def test_an_edit_becomes_a_proposal(tmp_path: Path) -> None:
    said = '{"title": "more", "hypothesis": "because", "expected_delta": -0.1}'

    idea = propose(tmp_path, EDIT + f"Path('PROPOSAL.json').write_text('{said}')")

    assert idea.files == {"train.py": TRAIN.replace("= 0.1", "= 0.3")}
    assert (idea.title, idea.hypothesis, idea.expected_delta) == ("more", "because", -0.1)


def test_the_prompt_is_a_file_it_can_read(tmp_path: Path) -> None:
    code = EDIT + "assert 'A toy' in Path(sys.argv[1]).read_text()"

    assert propose(tmp_path, code).title.startswith("edit: +LEARNING_RATE")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("pass", "as it was"),
        (EDIT + "Path('prepare.py').write_text('x')", "prepare.py"),
        ("Path('train.py').unlink()", "missing"),
        ("Path('train.py').unlink(); os.symlink('/etc/hostname', 'train.py')", "link"),
        ("Path('train.py').write_bytes(b'\\xff')", "UTF-8"),
        ("Path('train.py').write_text('x' * 300_000)", "too large"),
        (EDIT + "print('out of credit'); sys.exit(2)", "status 2: out of credit"),
    ],
)
def test_what_it_may_not_do_gives_no_proposal(tmp_path: Path, code: str, reason: str) -> None:
    with pytest.raises(NoIdea, match=reason):
        propose(tmp_path, code)


def test_it_ends_at_its_time_limit(tmp_path: Path) -> None:
    with pytest.raises(NoIdea, match="took over"):
        propose(tmp_path, "time.sleep(60)", seconds=0.5)


def test_it_does_not_get_the_hubs_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMETHING", "the hub-token is here")

    assert propose(tmp_path, EDIT + "assert 'SOMETHING' not in os.environ")


def test_a_command_that_does_not_exist_is_said() -> None:
    task = Task(a_spec(), "brief", {"train.py": TRAIN}, Operator.TWEAK, 1)

    with pytest.raises(Misconfigured, match="cannot be run"):
        Command("no-such-agent {prompt_file}", 5.0).propose(task)
