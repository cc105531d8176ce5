"""What must hold after every fault, I1 to I8, checked from outside on what the hub has on disk."""

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pygit2

from tests.faults.client_process import ClientProcess
from tests.faults.ledger import Ledger
from tests.faults.orphans import processes_of

SCAN = timedelta(seconds=30)
GIT_FOLLOWS = 15.0
"""Seconds within which a running hub has written what it committed, on a machine under load."""
ENDED = frozenset({"done", "expired", "released", "parked", "open", "cancelled"})
Row = sqlite3.Row


@dataclass(frozen=True)
class Site:
    """What a scenario leaves behind: the hub's data folder, and who took part."""

    data: Path
    ledgers: Sequence[Ledger] = ()
    clients: Sequence[ClientProcess] = ()

    def rows(self, query: str, *values: Any) -> list[Row]:
        """Read the database without the hub's help."""
        with closing(sqlite3.connect(self.data / "hub.sqlite3")) as connection:
            connection.row_factory = sqlite3.Row
            return connection.execute(query, values).fetchall()

    def column(self, query: str) -> list[Any]:
        """The first column of a query."""
        return [row[0] for row in self.rows(query)]


def violations(site: Site, still_running: bool = False) -> list[str]:
    """Every broken invariant as a line; a site that is `still_running` may have processes."""
    checks = [results_once, journals, counts, claims, storage, tree, event_log, no_traceback]
    checks += [] if still_running else [leftovers]
    return [f"{check.__name__}: {line}" for check in checks for line in check(site)]


def results_once(site: Site) -> Iterator[str]:
    """I1: every result that a client finished is on the hub exactly once, as it was sent."""
    stored = {row["id"]: row for row in site.rows("SELECT * FROM runs")}
    for ledger in site.ledgers:
        for identity, body in ledger.sent.items():
            row = stored.get(identity.hex)
            if row is None:
                told = "acknowledged" if identity in ledger.receipts else "sent"
                yield f"I1 run {identity} was {told} and is not on the hub"
            elif row["metric"] != body["metric"]:
                yield f"I1 run {identity} has metric {row['metric']}, sent was {body['metric']}"
        for identity, receipts in ledger.receipts.items():
            if len({receipt.credit for receipt in receipts}) > 1:
                yield f"I1 run {identity} got receipts that differ"


def journals(site: Site) -> Iterator[str]:
    """I1 again, for real clients: a finished run is on the hub or still in the journal."""
    known = set(_dashed(site.column("SELECT id FROM runs")))
    for client in site.clients:
        for run in client.finished - known - client.unsent():
            yield f"I1 run {run} of {client.name} is neither on the hub nor in its journal"


def counts(site: Site) -> Iterator[str]:
    """I2: counters equal what they count."""
    runs = Counter(site.column("SELECT experiment FROM runs WHERE counted"))
    for row in site.rows("SELECT sha, n_runs, n_children FROM experiments"):
        if row["n_runs"] != runs[row["sha"]]:
            yield f"I2 {row['sha'][:8]} counts {row['n_runs']} runs, has {runs[row['sha']]}"
    query = (
        "SELECT owners.name, owners.credit, coalesce(sum(runs.credit), 0) AS due FROM owners"
        " LEFT JOIN runs ON runs.owner = owners.name GROUP BY owners.name"
    )
    for row in site.rows(query):
        if abs(row["credit"] - row["due"]) > 1e-6:
            yield f"I2 {row['name']} has credit {row['credit']}, the runs say {row['due']}"
    yield from _children(site)


def _children(site: Site) -> Iterator[str]:
    """A merge is counted by its first parent; its second one lists it all the same."""
    found = Counter(site.column("SELECT parent FROM experiments WHERE NOT hidden"))
    for row in site.rows("SELECT sha, n_children FROM experiments"):
        if row["n_children"] != found[row["sha"]]:
            yield f"I2 {row['sha'][:8]} counts {row['n_children']} children of {found[row['sha']]}"


def claims(site: Site) -> Iterator[str]:
    """I3: one live claim for a job, within its deadline on the hub's clock."""
    live = site.rows("SELECT * FROM orders WHERE state = 'leased'")
    jobs = Counter(row["experiment"] for row in live if row["kind"] in {"explore", "merge"})
    for experiment, times in jobs.items():
        if experiment is not None and times > 1:
            yield f"I3 {experiment[:8]} has {times} live claims"
    for row in live:
        if json.loads(row["holders"]).get(str(row["epoch"])) != row["agent"]:
            yield f"I3 order {row['id']} is held by {row['agent']}, not by its epoch's holder"
        if _time(row["deadline"]) - _time(row["renewed_at"]) > timedelta(hours=1):
            yield f"I3 order {row['id']} has a deadline an hour away"


def storage(site: Site) -> Iterator[str]:
    """I4: git objects, rows and blobs agree."""
    for goal in site.column("SELECT slug FROM goals"):
        repo = pygit2.Repository(str(site.data / "git" / f"{goal}.git"))
        query = "SELECT sha, parent, second_parent, tree FROM experiments WHERE goal = ?"
        for row in site.rows(query, goal):
            yield from _commit(repo, row)
        for name in repo.listall_references():
            if repo.get(repo.lookup_reference(name).target) is None:
                yield f"I4 {name} leads to a missing commit"
    yield from _blobs(site)


def _commit(repo: pygit2.Repository, row: Row) -> Iterator[str]:
    commit = _written(repo, row["sha"])
    if not isinstance(commit, pygit2.Commit):
        yield f"I4 experiment {row['sha'][:8]} has no commit"
        return
    parents = [parent for parent in (row["parent"], row["second_parent"]) if parent]
    if [str(parent) for parent in commit.parent_ids] != parents:
        yield f"I4 {row['sha'][:8]}: git and database name other parents"
    if str(commit.tree_id) != row["tree"]:
        yield f"I4 {row['sha'][:8]}: git and database name another tree"


def _written(repo: pygit2.Repository, sha: str) -> pygit2.Object | None:
    """A commit, once the hub has written it: git follows the rows."""
    deadline = time.monotonic() + GIT_FOLLOWS
    while (found := repo.get(sha)) is None and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def _blobs(site: Site) -> Iterator[str]:
    wanted = site.column("SELECT log_blob FROM runs") + site.column("SELECT curve_blob FROM runs")
    waiting = set(site.column("SELECT digest FROM waiting_blobs"))
    for digest in set(filter(None, wanted)) - waiting:
        if not (site.data / "blobs" / digest[:2] / digest[2:]).exists():
            yield f"I4 blob {digest[:8]} is missing"


def tree(site: Site) -> Iterator[str]:
    """I5: every parent exists and is older, so there is no cycle."""
    numbers = {
        row["sha"]: row["number"] for row in site.rows("SELECT sha, number FROM experiments")
    }
    for row in site.rows("SELECT sha, parent, second_parent FROM experiments"):
        for parent in (row["parent"], row["second_parent"]):
            if parent and numbers.get(parent, 1 << 30) >= numbers[row["sha"]]:
                yield f"I5 {row['sha'][:8]} has a parent that is missing or younger"
    for goal in site.column("SELECT slug FROM goals"):
        query = "SELECT number FROM experiments WHERE goal = ? ORDER BY number"
        given = [row[0] for row in site.rows(query, goal)]
        if given != list(range(given[0], given[0] + len(given))):
            yield f"I5 {goal}'s numbers have gaps: {given}"


def event_log(site: Site) -> Iterator[str]:
    """I6: no gap in the log, and one event for each transition."""
    numbers = site.column("SELECT seq FROM events ORDER BY seq")
    if numbers != list(range(1, len(numbers) + 1)):
        yield "I6 the event numbers have gaps"
    events = [json.loads(body) for body in site.column("SELECT body FROM events")]
    reported = Counter(event["run"] for event in events if event["type"] == "run.reported")
    stored = Counter(_dashed(site.column("SELECT id FROM runs")))
    if reported != stored:
        yield f"I6 {len(stored)} runs, but {sum(reported.values())} events of runs"
    claimed = Counter(event["lease"] for event in events if event["type"] == "lease.claimed")
    for row in site.rows("SELECT id, epoch, state FROM orders"):
        (lease,) = _dashed([row["id"]])
        if claimed[lease] != row["epoch"]:
            yield f"I6 order {lease} was claimed {row['epoch']} times, told {claimed[lease]}"


def leftovers(site: Site) -> Iterator[str]:
    """I7: when everything was stopped, no process of the site is left."""
    for process in processes_of(site.data.parent):
        yield f"I7 process {process} is still there"


def no_traceback(site: Site) -> Iterator[str]:
    """I8: nobody met an error that nobody had thought of."""
    logs = [site.data.parent / f"{site.data.name}.log", *(each.log for each in site.clients)]
    for log in logs:
        text = log.read_text(errors="replace") if log.exists() else ""
        if "Traceback" in text:
            where = text.index("Traceback")
            yield f"I8 {log.name} has a traceback: {text[where : where + 3000]}"
    for ledger in site.ledgers:
        bugs = [status for status in ledger.statuses if status == 500]
        if bugs:
            yield f"I8 {ledger.name} was answered 500"


def _dashed(identities: Iterable[str]) -> list[str]:
    return [
        f"{i[:8]}-{i[8:12]}-{i[12:16]}-{i[16:20]}-{i[20:]}" if "-" not in i else i
        for i in identities
    ]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
