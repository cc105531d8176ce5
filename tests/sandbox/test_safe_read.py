"""Results are read once, without following anything, and nothing can make the reader wait."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from agent_client.sandbox import UnsafeFile, safe_read, wipe

LIMIT = 1000


def test_a_plain_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "result").write_bytes(b"0.9")

    assert safe_read(tmp_path, "out/result", LIMIT) == b"0.9"


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        safe_read(tmp_path, "result", LIMIT)


def test_what_lies_on_another_file_system_is_not_read() -> None:
    with pytest.raises(UnsafeFile, match="leads elsewhere"):
        safe_read(Path("/"), "proc/version", LIMIT)


def test_a_file_that_says_another_size_than_it_has_is_refused() -> None:
    with pytest.raises(UnsafeFile, match="changed while it was read"):
        safe_read(Path("/proc/self"), "limits", 1 << 16)


def test_a_file_that_is_written_anew_while_it_is_read_is_refused(tmp_path: Path) -> None:
    """Its size stays; who reads it may have got half of each."""
    file, over = tmp_path / "result", threading.Event()
    file.write_bytes(b"x" * (4 << 20))

    def write() -> None:
        at = 0
        while not over.is_set():
            at += 1
            os.utime(file, ns=(at, at))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with pytest.raises(UnsafeFile, match="changed while it was read"):
            read_often(tmp_path)
    finally:
        over.set()
        writer.join()


def read_often(folder: Path) -> None:
    for _ in range(500):
        safe_read(folder, "result", 4 << 20)


def a_link(folder: Path) -> None:
    (folder / "result").symlink_to("/etc/hostname")


def a_link_to_a_sibling(folder: Path) -> None:
    (folder / "other").write_text("x")
    (folder / "result").symlink_to("other")


def a_pipe(folder: Path) -> None:
    os.mkfifo(folder / "result")


def a_folder(folder: Path) -> None:
    (folder / "result").mkdir()


def a_second_name(folder: Path) -> None:
    (folder / "other").write_text("x")
    (folder / "result").hardlink_to(folder / "other")


def too_much(folder: Path) -> None:
    (folder / "result").write_bytes(b"x" * (LIMIT + 1))


def much_that_takes_no_room(folder: Path) -> None:
    with (folder / "result").open("wb") as file:
        file.truncate(1 << 40)


@pytest.mark.parametrize(
    "trap",
    [
        a_link,
        a_link_to_a_sibling,
        a_pipe,
        a_folder,
        a_second_name,
        too_much,
        much_that_takes_no_room,
    ],
)
def test_everything_but_a_plain_file_is_refused(
    trap: Callable[[Path], object], tmp_path: Path
) -> None:
    trap(tmp_path)

    with pytest.raises(UnsafeFile):
        safe_read(tmp_path, "result", LIMIT)


@pytest.mark.parametrize(
    "name", ["../outside", "/etc/hostname", "link/hostname", "a/../../outside"]
)
def test_no_name_leads_out_of_the_folder(name: str, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("secret")
    inside = tmp_path / "inside"
    (inside / "a").mkdir(parents=True)
    (inside / "link").symlink_to("/etc")

    with pytest.raises(UnsafeFile):
        safe_read(inside, name, LIMIT)


def test_another_file_system_is_refused() -> None:
    with pytest.raises(UnsafeFile):
        safe_read(Path("/"), "proc/version", LIMIT)


def test_a_file_that_grows_is_never_half_read(tmp_path: Path) -> None:
    path, over = tmp_path / "result", threading.Event()
    path.write_bytes(b"")

    def grow() -> None:
        while not over.is_set():
            with path.open("ab") as file:
                file.write(b"x")

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        for _ in range(50):
            try:
                content = safe_read(tmp_path, "result", 1 << 30)
            except UnsafeFile:
                continue
            assert set(content) <= {ord("x")}
    finally:
        over.set()
        writer.join()


def test_what_no_recursion_can_remove_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    here = os.open(folder, os.O_RDONLY)
    for _ in range(2000):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    (folder / "link").symlink_to(tmp_path)
    (folder / "closed").mkdir(mode=0o000)

    wipe(folder)

    assert list(tmp_path.iterdir()) == []


def test_removing_what_is_not_there_is_fine(tmp_path: Path) -> None:
    wipe(tmp_path / "nothing")


def test_it_reads_where_the_kernel_or_a_container_knows_no_openat2(tmp_path: Path) -> None:
    """Linux 5.5 and older, and Docker before 20.10: every run's checkpoint was a bad result."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "result").write_text("0.9")
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from agent_client.jail import linux, seccomp\n"
        "from agent_client.sandbox import safe_read\n"
        "linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)\n"
        "seccomp.load(seccomp.program(unix_sockets=True, signals=True, emptying=False))\n"
        "print(safe_read(Path(sys.argv[1]), 'out/result', 100))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False
    )

    assert (done.stdout, done.stderr) == ("b'0.9'\n", "")


@pytest.mark.parametrize("name", ["../beside", "out/../../beside", "/etc/hostname", ""])
def test_a_name_does_not_lead_out(tmp_path: Path, name: str) -> None:
    (tmp_path / "beside").write_text("secret")
    (tmp_path / "run" / "out").mkdir(parents=True)

    with pytest.raises((UnsafeFile, FileNotFoundError)):
        safe_read(tmp_path / "run", name, 100)
