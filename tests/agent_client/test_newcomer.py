"""What somebody meets who is new, mistypes, or comes back after a while: sentences that help."""

import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from agent_client import control, settings
from agent_client.errors import BadSettings, FolderNotWritable, NotAHub
from agent_client.hub_api import Hub
from agent_client.lock import InstanceLock, holder
from protocol.experiments import Status
from tests.agent_client.conftest import Volunteer
from tests.agent_client.hub_process import HubProcess, client
from tests.agent_client.test_crashes import revoke_everybody, running, until


class Page(BaseHTTPRequestHandler):
    """A web server that knows one page and nothing of AgentHub."""

    def do_GET(self) -> None:
        """The page, or that there is none."""
        self.send_response(200 if self.path.startswith("/page") else 404)
        self.end_headers()
        self.wfile.write(b"<html>Welcome!</html>")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def web() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ["", "/page"])
def test_an_address_of_something_else_is_no_hub(web: str, path: str) -> None:
    with Hub.at(web + path) as hub, pytest.raises(NotAHub, match=f"{web}{path}, but it is no"):
        hub.info()


def test_a_hub_under_another_path_is_no_hub(hub: HubProcess) -> None:
    with Hub.at(f"{hub.url}/board") as other, pytest.raises(NotAHub, match="check the address"):
        other.info()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('mutater = "offline"', "unknown key 'mutater'; did you mean 'mutator'?"),
        ("[limits]\ntemprature = 70", "'limits.temprature'; did you mean 'temperature'?"),
        ('mutator = "magic"', "mutator: 'magic' is none of auto, claude, offline, command"),
        ('gpus = "one"', "gpus: 'one' is none of auto, all, cpu, an index such as 0"),
        ("[weather]\nrain = true", "unknown key 'weather'; remove it."),
    ],
)
def test_an_unknown_key_is_named_with_the_one_that_was_meant(
    tmp_path: Path, text: str, said: str
) -> None:
    known = 'hub = "http://localhost:8000"\nagent = "a"\nowner = "o"\ntoken = "t"\n'
    (tmp_path / "config.toml").write_text(known + text)

    with pytest.raises(BadSettings) as refused:
        settings.load(tmp_path)

    assert refused.value.detail.endswith(said)


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("MUTATR", "AGENTHUB_CLIENT_MUTATR: unknown key 'mutatr'; did you mean 'mutator'?"),
        ("GOALS", 'AGENTHUB_CLIENT_GOALS is not JSON, such as ["tiny_gpt"].'),
    ],
)
def test_a_variable_that_cannot_be_meant_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, said: str
) -> None:
    known = 'hub = "http://localhost:8000"\nagent = "a"\nowner = "o"\ntoken = "t"\n'
    (tmp_path / "config.toml").write_text(known)
    monkeypatch.setenv(f"AGENTHUB_CLIENT_{variable}", "tiny_gpt")

    with pytest.raises(BadSettings) as refused:
        settings.load(tmp_path)

    assert refused.value.detail == said


@pytest.mark.parametrize("command", ["run", "status", "pause", "resume", "service"])
def test_a_command_before_joining_says_how_to_join_in_this_folder(
    command: str, tmp_path: Path
) -> None:
    folder = tmp_path / "my agent"
    program = "from agent_client.cli import main; main()"

    done = subprocess.run(
        [sys.executable, "-c", program, command, "--folder", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 3
    assert f"run `agent_client join URL --folder '{folder}'` first" in done.stderr


def test_no_command_waits_for_libraries_that_it_does_not_use() -> None:
    program = "import sys, agent_client.cli as _; print(*sys.modules)"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert not {"anthropic", "libcst", "torch"} & set(done.stdout.decode().split())


def test_a_revoked_volunteer_joins_again_in_the_same_folder_and_keeps_the_limits(
    volunteer: Volunteer,
) -> None:
    before = settings.load(volunteer.folder)
    limits = before.limits.model_copy(update={"runs_per_day": 7})
    settings.save(volunteer.folder, before.model_copy(update={"limits": limits}))
    revoke_everybody(volunteer.hub)

    done = volunteer.join()

    after = settings.load(volunteer.folder)
    assert done.returncode == 0, done.stderr
    assert f"agent_client run --folder {volunteer.folder}" in done.stdout
    assert after.token != before.token
    assert after.limits.runs_per_day == 7
    with volunteer.api() as hub:
        assert hub.me().name == after.agent


def test_the_unit_of_a_folder_with_odd_letters_is_one_that_systemd_reads(
    volunteer: Volunteer, tmp_path: Path
) -> None:
    odd = Volunteer(tmp_path / 'my "100%" agent', volunteer.hub)
    volunteer.folder.rename(odd.folder)
    known = settings.load(odd.folder).model_copy(update={"cache": tmp_path / "shared"})
    settings.save(odd.folder, known)

    unit = odd.do("service").stdout

    quoted = f'"{tmp_path}/my \\"100%%\\" agent"'
    assert f"run --folder {quoted}\n" in unit
    assert f"ReadWritePaths={quoted} {tmp_path}/shared\n" in unit


def test_settings_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "config.toml").mkdir()

    with pytest.raises(BadSettings, match=r"config\.toml cannot be read: Is a directory\."):
        settings.load(tmp_path)


def test_a_folder_that_cannot_be_written_takes_no_client() -> None:
    with pytest.raises(FolderNotWritable, match="/proc cannot be written"):
        InstanceLock.take(Path("/proc"))


def test_who_only_asks_whose_a_folder_is_keeps_no_client_from_it(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as asked:
        fcntl.flock(asked, fcntl.LOCK_EX)
        threading.Timer(0.1, lambda: fcntl.flock(asked, fcntl.LOCK_UN)).start()

        InstanceLock.take(tmp_path).release()


def test_two_who_ask_at_once_hear_of_no_client_that_was_killed(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("1")
    with (tmp_path / "lock").open() as asked:
        fcntl.flock(asked, fcntl.LOCK_SH)

        assert holder(tmp_path) is None


def test_a_client_is_found_by_nobody_before_it_forgets_what_an_earlier_one_was_told(
    tmp_path: Path,
) -> None:
    (tmp_path / "lock").write_text("1")
    found: list[int | None] = []

    lock = InstanceLock.take(tmp_path, lambda: found.append(holder(tmp_path)))

    assert (found, holder(tmp_path)) == ([None], os.getpid())
    lock.release()


def test_a_client_that_ends_while_it_is_told_to_is_no_traceback(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    lock = InstanceLock.take(tmp_path)
    (tmp_path / "lock").write_text(str(ended.pid))

    control.stop(tmp_path, finish=False)

    lock.release()


def test_a_folder_in_the_settings_may_begin_at_home(tmp_path: Path) -> None:
    known = 'hub = "http://localhost:8000"\nagent = "a"\nowner = "o"\ntoken = "t"\n'
    (tmp_path / "config.toml").write_text(f'{known}cache = "~/data"\n[llm]\nprompts = "~/words"')

    read = settings.load(tmp_path)

    assert (read.cache, read.llm.prompts) == (Path.home() / "data", Path.home() / "words")


def test_a_hub_out_of_reach_is_said_before_the_sandbox_is_attacked(tmp_path: Path) -> None:
    asked = client("join", "http://127.0.0.1:9", "--folder", str(tmp_path))

    done = subprocess.run(asked, capture_output=True, text=True, check=False)

    assert done.returncode == 4
    assert done.stdout == ""  # what its sandbox stopped would stand here


def test_joining_again_says_that_nothing_changes(volunteer: Volunteer) -> None:
    before = settings.load(volunteer.folder)

    done = volunteer.join("--goal", "chess", "--owner", "somebody-else")

    assert done.returncode == 0, done.stderr
    assert f"has already joined {volunteer.hub.name} as {before.agent}" in done.stdout
    assert f"Change {volunteer.folder}/config.toml, or join in another --folder." in done.stdout
    assert settings.load(volunteer.folder) == before


def test_a_pause_shows_although_nothing_runs(volunteer: Volunteer) -> None:
    volunteer.do("pause")

    assert "paused: nothing new begins" in volunteer.do("status").stdout


def test_a_hub_that_comes_to_need_a_newer_client_ends_it_and_keeps_its_run(
    volunteer: Volunteer,
) -> None:
    with running(volunteer) as process:
        until(lambda: any(each.metric for each in volunteer.experiments()))
        volunteer.hub.stop()
        volunteer.hub.minimum_client = "99.0"
        volunteer.hub.start()

        said, _ = process.communicate(timeout=120)

    assert process.returncode == 4
    assert (
        "the hub needs 99.0; run `git pull && pip install '.[train]'` in AgentHub's checkout"
        in said
    )
    assert not list((volunteer.folder / "journal").glob("*.json"))
    assert settings.load(volunteer.folder).token


def test_a_client_that_starts_before_its_hub_waits_for_it(volunteer: Volunteer) -> None:
    volunteer.hub.stop()
    with running(volunteer, "--max-experiments", "1") as process:
        assert process.stdout is not None
        next(line for line in process.stdout if "Waiting: The hub cannot be reached" in line)
        volunteer.hub.start()

        assert process.wait(120) == 0
    assert [each.status for each in volunteer.experiments()] == [Status.FINISHED] * 2
