"""`make sandbox-test`: every attack under every kind of walls of this machine, as a table.

As root it runs three times, because what protects differs: as root, as root without the right to
mount (like a rented GPU container), and as a plain user. The last two need a Python and a checkout
that others than root can enter.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from agent_client.sandbox import Sandbox, backends, self_test
from agent_client.sandbox.wipe import wipe
from tests.sandbox.attacks import ATTACKS, carry_out

ROOT = Path(__file__).parents[2]
SYSTEM_PYTHON = "/usr/bin/python3"
PLAIN_USER = "12345"
# What Docker leaves root by default.
CONTAINER = (
    "-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,"
    "+net_bind_service,+net_raw,+sys_chroot,+mknod,+audit_write,+setfcap"
)
WAYS = {
    "root, as in a container": ["--bounding-set", CONTAINER, "--inh-caps", "-all"],
    "a plain user": ["--reuid", PLAIN_USER, "--regid", PLAIN_USER, "--clear-groups"],
}

Table = dict[str, dict[str, str]]


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def results(sandbox: Sandbox) -> Iterator[tuple[str, str]]:
    """What came of each attack: an empty text where it was stopped."""
    for finding in self_test(sandbox).findings:
        yield finding.attack, "" if finding.held and not finding.got else finding.got or "?"
    with tempfile.TemporaryDirectory(prefix="agenthub-", ignore_cleanup_errors=True) as base:
        Path(base).chmod(0o755)  # or a user without rights could not reach its own folder
        for attack in ATTACKS:
            folder = Path(base) / attack.name
            after = carry_out(attack, sandbox, folder)
            wipe(folder)
            yield (
                f"{attack.case} {attack.name}",
                "; ".join(filter(None, (*after.complaints, after.too_much))),
            )


def fill(sandboxes: list[Sandbox]) -> Table:
    """Attack each kind of walls."""
    return {sandbox.name: dict(results(sandbox)) for sandbox in sandboxes}


def show(title: str, table: Table) -> int:
    """Print rows of attacks and columns of walls; returns how many attacks worked."""
    say(f"\nRun by {title}")
    if not table:
        say("  no kind of walls works here")
        return 0
    names = list(table)
    say(f"{'attack':34}" + "".join(f"{name:>12}" for name in names))
    for attack in table[names[0]]:
        marks = ["x" if table[name].get(attack) else "stopped" for name in names]
        say(f"{attack:34}" + "".join(f"{mark:>12}" for mark in marks))
    worked = [(name, *row) for name in names for row in table[name].items() if row[1]]
    for name, attack, got in worked:
        say(f"  x {name}: {attack}: {got}")
    return len(worked)


def walls_here() -> list[Sandbox]:
    """Every kind of walls that works here; says why the others do not."""
    found = []
    for sandbox in backends():
        reason = sandbox.available()
        if reason is None:
            found.append(sandbox)
        else:
            say(f"  {sandbox.name} does not work here: {reason}")
    return found


def elsewhere() -> None:
    """Run this again with fewer rights, where that is possible."""
    for title, words in WAYS.items():
        command = ["setpriv", *words, "--", SYSTEM_PYTHON, "-m", "tests.sandbox.matrix"]
        try:
            done = subprocess.run([*command, "--as", title], cwd=ROOT, env={"HOME": "/nonexistent"})
        except FileNotFoundError:
            say(f"Not run as {title}: setpriv or {SYSTEM_PYTHON} is missing")
            continue
        if done.returncode:
            say(f"As {title}: ended with status {done.returncode}")


def main() -> int:
    """Print the tables; the status is 1 if an attack worked against the strongest walls."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--as", dest="title", default="")
    title = parser.parse_args().title
    worked = show(title or ("root" if os.geteuid() == 0 else "you"), fill(walls_here()))
    if os.geteuid() == 0 and not title:
        elsewhere()
    return 1 if worked and not title else 0


if __name__ == "__main__":
    sys.exit(main())
