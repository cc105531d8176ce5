"""The command mutator: any program that edits files, held to the editable ones and to its time."""

import json
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from agent_client.breaker import LIMIT
from agent_client.build import choose_mutator
from agent_client.errors import BadSettings
from agent_client.mutators.base import CommandFailed, Misconfigured, NoIdea, Task
from agent_client.mutators.command import Command
from agent_client.settings import Settings
from protocol.base import Line
from protocol.experiments import Operator
from tests.agent_client.conftest import an_author
from tests.builders import TRAIN, a_spec, an_id

EDIT = "p = Path('train.py'); p.write_text(p.read_text().replace('= 0.1', '= 0.3')); "


def a_task() -> Task:
    return Task(a_spec(), "brief", {"train.py": TRAIN}, Operator.TWEAK, 1)


def propose(tmp_path: Path, code: str, seconds: float = 20.0, **changes: Any) -> Any:
    program = tmp_path / "agent.py"
    program.write_text("import os, sys, json, time\nfrom pathlib import Path\n" + code)
    command = Command(f"{sys.executable} {program} {{prompt_file}}", seconds, ("hub-token",))
    return command.propose(a_task())


def test_an_edit_becomes_a_proposal(tmp_path: Path) -> None:
    said = '{"title": "more", "hypothesis": "because", "expected_delta": -0.1}'

    idea = propose(tmp_path, EDIT + f"Path('PROPOSAL.json').write_text('{said}')")

    assert idea.files == {"train.py": TRAIN.replace("= 0.1", "= 0.3")}
    assert (idea.title, idea.hypothesis, idea.expected_delta) == ("more", "because", -0.1)


def test_the_prompt_is_a_file_it_can_read(tmp_path: Path) -> None:
    code = EDIT + "assert 'A toy' in Path(sys.argv[1]).read_text()"

    assert propose(tmp_path, code).title.startswith("edit: +LEARNING_RATE")


def test_it_has_its_owners_environment_without_the_hubs_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENTHUB_TOKEN", "Bearer hub-token")
    monkeypatch.setenv("MODEL_KEY", "the owner's")
    names = "Path('PROPOSAL.json').write_text(json.dumps({'hypothesis': ' '.join(os.environ)}))"

    told = propose(tmp_path, EDIT + names).hypothesis

    assert "MODEL_KEY" in told and "AGENTHUB_TOKEN" not in told


@pytest.mark.parametrize(
    "text", ["Answer as {json}.", "{}", "a } b", "{task.words}", "{task[words]}", "\udcff"]
)
def test_a_prompt_of_the_owners_that_cannot_be_used_is_named(tmp_path: Path, text: str) -> None:
    """It ended the client with a traceback, at its first proposal."""
    (tmp_path / "command.md").write_text(text, "utf-8", "surrogateescape")

    with pytest.raises(Misconfigured, match=r"command\.md"):
        Command("true", 20.0, prompts=tmp_path).propose(a_task())


@pytest.mark.parametrize("command", ["", " ", "claude -p 'Read {prompt_file}"])
def test_a_command_that_is_none_is_refused_before_any_work_is_asked_for(command: str) -> None:
    said = {"hub": "https://hub", "agent": "a", "owner": "o", "token": "t", "mutator": "command"}
    chosen = Settings.model_validate({**said, "mutator_command": command})

    with pytest.raises(BadSettings, match="--mutator-command"):
        choose_mutator(chosen, None, lambda *_: "")


@pytest.mark.parametrize("said", ["[]", "no", "[" * 100_000])
def test_words_that_cannot_be_read_are_none(tmp_path: Path, said: str) -> None:
    (tmp_path / "said").write_text(said)
    code = f"Path('PROPOSAL.json').write_text(Path({str(tmp_path / 'said')!r}).read_text())"

    assert propose(tmp_path, EDIT + code).hypothesis == "The command did not say why."


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


def test_a_command_that_fails_again_and_again_is_left_alone_and_its_owner_told(
    tmp_path: Path,
) -> None:
    """Leases were taken and given back for ever, each within a minute."""
    mutator = Command("sh -c 'echo out of credit; exit 2'", 20.0)
    author = an_author(tmp_path, mutator)

    for _ in range(LIMIT):
        assert author.works
        with pytest.raises(CommandFailed):
            author.ask(author.present(), an_id(), a_task())

    assert not author.works
    assert "status 2: out of credit" in author.why_resting
    assert "Run --mutator-command by hand" in author.why_resting


def test_a_command_that_works_now_and_then_is_asked_on(tmp_path: Path) -> None:
    often = tmp_path / "often"
    fails = f"sh -c 'echo >> {often}; test $(wc -l < {often}) -eq {LIMIT} && echo >> train.py'"
    author = an_author(tmp_path, Command(fails, 20.0))

    for at in range(2 * LIMIT - 1):
        with nullcontext() if at == LIMIT - 1 else pytest.raises(CommandFailed):
            author.ask(author.present(), an_id(), a_task())

    assert author.works


def test_it_does_not_get_the_hubs_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOMETHING", "the hub-token is here")

    assert propose(tmp_path, EDIT + "assert 'SOMETHING' not in os.environ")


def test_a_command_that_does_not_exist_is_said() -> None:
    task = Task(a_spec(), "brief", {"train.py": TRAIN}, Operator.TWEAK, 1)

    with pytest.raises(Misconfigured, match="cannot be run"):
        Command("no-such-agent {prompt_file}", 5.0).propose(task)


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ("   ", "edit: +LEARNING_RATE = 0.3"),
        ("\x1b[1mbold\x1b[0m\x07", "[1mbold [0m"),
        ("half \ud83d of a sign", "half of a sign"),
    ],
)
def test_a_title_is_one_line_that_the_hub_takes(tmp_path: Path, said: str, title: str) -> None:
    written = json.dumps({"title": said})

    idea = propose(tmp_path, EDIT + f"Path('PROPOSAL.json').write_text({written!r})")

    assert idea.title.startswith(title)
    TypeAdapter(Line).validate_python(idea.title)


def test_an_agent_may_check_its_syntax(tmp_path: Path) -> None:
    code = EDIT + "import py_compile; py_compile.compile('train.py')"

    assert list(propose(tmp_path, code).files) == ["train.py"]


def test_a_command_ends_with_its_client_however_that_ends(tmp_path: Path) -> None:
    """A coding agent that went on would spend its owner's money, for nobody."""
    (tmp_path / "agent.sh").write_text(f"echo $$ > {tmp_path}/pid; sleep 60 & wait")
    program = (
        "import os, pathlib, threading, time\n"
        "from tests.agent_client.test_offline import a_task\n"
        "from agent_client.mutators.command import Command\n"
        f"command = Command('sh {tmp_path}/agent.sh', 60.0)\n"
        "threading.Thread(target=command.propose, args=(a_task(),)).start()\n"
        f"while not pathlib.Path('{tmp_path}/pid').exists(): time.sleep(0.02)\n"
        "time.sleep(0.5); os.kill(os.getpid(), 9)\n"
    )

    subprocess.run([sys.executable, "-c", program], check=False, timeout=60)

    pid, ends = int((tmp_path / "pid").read_text()), time.monotonic() + 10
    while time.monotonic() < ends and Path(f"/proc/{pid}").exists():
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()
