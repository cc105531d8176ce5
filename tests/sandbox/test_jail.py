"""The supervisor's parts: it starts fast, its filter is what it says, its walls name no secrets."""

import subprocess
import sys
from pathlib import Path

import pytest

from agent_client.jail import seccomp, walls
from agent_client.jail.meter import Count
from agent_client.sandbox import Bubblewrap, Job, NoSandbox, Running, choose
from agent_client.sandbox.spawn import specification

SLOW = ("json", "re", "pathlib", "signal", "subprocess", "contextlib", "typing", "dataclasses")


def test_the_supervisor_imports_nothing_slow() -> None:
    program = (
        f"import sys; sys.path.append({str(Path.cwd())!r}); "
        "import agent_client.jail.supervisor; print(*sys.modules)"
    )
    told = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True
    )

    assert set(SLOW) & set(told.stdout.split()) == set()


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_is_whole_for_both_machines(machine: str) -> None:
    program = seccomp.program(unix_sockets=False, signals=True, machine=machine)

    assert len(program) % 8 == 0
    assert 60 < len(program) // 8 < 4096


def test_there_is_no_filter_for_an_unknown_machine() -> None:
    with pytest.raises(OSError, match="riscv64"):
        seccomp.program(unix_sockets=False, signals=True, machine="riscv64")


def test_bubblewrap_gets_the_folders_and_nothing_of_the_home(tmp_path: Path) -> None:
    work, data = tmp_path / "work", tmp_path / "data"
    for folder in (work, data):
        folder.mkdir()
    job = Job([sys.executable, "train.py"], work, readable=(data,))
    spec = specification("bubblewrap", job) | {"bwrap": "/usr/bin/bwrap", "sizes": True}
    paths = {path: path for path in [*spec["readable"], spec["work"]]}

    argv = walls.bubblewrap_argv(spec, paths, (10, 11))

    writable = [argv[at + 2] for at, word in enumerate(argv) if word == "--bind"]
    assert writable == [str(work)]
    assert str(Path.home()) not in argv
    assert argv[argv.index("--") - 6 : argv.index("--")] == [
        *("--remount-ro", "/dev", "--remount-ro", "/"),
        *("--chdir", str(work)),
    ]


def test_a_hidden_folder_counts_as_too_much(tmp_path: Path) -> None:
    below = tmp_path
    for _ in range(70):
        below = below / "d"
        below.mkdir()

    assert Count(1 << 30, 1000).folders([str(tmp_path)]) == "files"


class Missing(Bubblewrap):
    """Bubblewrap that is not installed."""

    def available(self) -> str | None:
        return "bubblewrap is not installed"

    def start(self, job: Job) -> Running:
        raise AssertionError(job)


def test_without_any_walls_nothing_is_chosen_unless_the_owner_says_so() -> None:
    with pytest.raises(NoSandbox, match=r"not installed.*--unsafe-no-sandbox"):
        choose(among=[Missing()])

    assert choose(allow_unsafe=True, among=[Missing()]).strength == 0
