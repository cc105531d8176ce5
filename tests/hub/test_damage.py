"""Storage that is damaged, locked or gone: a clear refusal, never a 500, never half a node."""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import psycopg
import pygit2
import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from sqlmodel import col

from hub import db
from hub.app import create_app
from hub.core import Hub, open_hub
from hub.gitreads import MAX_DIFF_LINES
from hub.tables import ExperimentRow
from tests.builders import TRAIN, Clock
from tests.hub.forest import grow
from tests.hub.volunteer import Volunteer


@pytest.fixture
def again(hub: Hub, http: TestClient, clock: Clock) -> Iterator[TestClient]:
    """Another process on the same data, that has read nothing yet."""
    second = open_hub(hub.settings, clock)
    with TestClient(create_app(second)) as client:
        yield client


def spoil(hub: Hub, sha: str) -> Path:
    """Overwrite one loose object."""
    path = hub.git.path("toy") / "objects" / sha[:2] / sha[2:]
    path.chmod(0o600)
    path.write_bytes(b"not what it was")
    return path


@pytest.mark.parametrize("what", ["commit", "tree", "blob"])
def test_a_damaged_object_refuses_readers_and_proposals_alike(
    hub: Hub, volta: Volunteer, again: TestClient, what: str
) -> None:
    order = volta.exploring()
    commit = pygit2.Repository(str(hub.git.path("toy")))[str(order.parent)]
    assert isinstance(commit, pygit2.Commit)
    names = {"commit": commit.id, "tree": commit.tree_id, "blob": commit.tree["train.py"].id}
    spoil(hub, str(names[what]))
    other = Volunteer(again, "volta", volta.token)

    proposed = other.propose(order)
    read = again.get(f"/v1/experiments/{order.parent}/files")

    for answer in (proposed, read):
        assert (answer.status_code, answer.json()["code"]) == (503, "repository_damaged")
        assert int(answer.headers["retry-after"]) >= 1
    assert again.get("/v1/goals/toy").json()["experiments"] == 1


def test_a_fetch_from_a_damaged_repository_is_refused(hub: Hub, again: TestClient) -> None:
    (hub.git.path("toy") / "HEAD").write_bytes(b"\x00nothing")
    (hub.git.path("toy") / "config").write_bytes(b"[core\n")

    answer = again.get("/git/toy.git/info/refs", params={"service": "git-upload-pack"})

    assert (answer.status_code, answer.json()["code"]) == (503, "repository_damaged")


def test_a_merge_of_a_merge_is_made_again_however_long_that_goes_on(hub: Hub) -> None:
    made = grow(hub, 250, fan=250, merging=True)
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 200)  # 1,000 merges would take seconds

    try:
        assert hub.git.recall("toy", made[-1])
    finally:
        sys.setrecursionlimit(usual)

    repository = pygit2.Repository(str(hub.git.path("toy")))
    walker = repository.walk(made[-1])
    assert {str(commit.id) for commit in walker} >= set(made)


def test_what_rows_that_disagree_say_of_merges_comes_to_an_end(hub: Hub) -> None:
    made = grow(hub, 3, fan=3, merging=True)
    change = sa.update(ExperimentRow).where(col(ExperimentRow.sha).in_(made[:2]))
    with hub.database.work() as work:  # they are made under other names than are looked for
        work.session.execute(change.values(message="Something else\n", second_parent=made[2]))

    assert hub.git.recall("toy", made[2])
    assert hub.git.holds("toy", made[2])


def test_the_largest_diff_that_fits_is_cut_and_says_so(http: TestClient, volta: Volunteer) -> None:
    first = volta.exploring()
    blank = TRAIN.replace("= 0.1", "= 0.2") + "\n" * 4_900
    assert volta.propose(first, files={"train.py": blank}).status_code == 200
    assert volta.report(first, metric=0.9).status_code == 200
    second = volta.exploring()
    remarks = TRAIN.replace("= 0.1", "= 0.3") + "#\n" * 4_900
    assert volta.propose(second, files={"train.py": remarks}).status_code == 200

    asked = http.get(f"/v1/experiments/{second.experiment}/diff", params={"vs": first.experiment})

    (file,) = asked.json()["files"]
    assert file["truncated"] and file["added"] >= 4_900 and file["removed"] >= 4_900
    assert sum(len(hunk["lines"]) for hunk in file["hunks"]) == MAX_DIFF_LINES


def test_a_file_of_two_hundred_thousand_lines_is_refused(volta: Volunteer) -> None:
    order = volta.exploring()

    answer = volta.propose(order, files={"train.py": TRAIN + "\n" * 200_000})

    assert (answer.status_code, answer.json()["code"]) == (413, "file_too_large")


def test_a_database_that_is_no_database_any_more_is_named(hub: Hub, http: TestClient) -> None:
    file = hub.database.writer.url.database
    if not hub.database.is_sqlite or file is None:
        pytest.skip("a file of SQLite's")
    behind = (hub.git_writer, hub.blob_writer, hub.text_writer, hub.believer, hub.heartbeats)
    for each in behind:
        each.stop()  # an open connection has what it needs in memory
    hub.database.dispose()
    with Path(file).open("r+b") as raw:
        raw.write(b"not a database at all!")

    answer = http.get("/v1/goals")

    assert (answer.status_code, answer.json()["code"]) == (503, "database_damaged")


def test_a_writer_who_waits_too_long_is_told_to_come_back(
    hub: Hub, volta: Volunteer, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = volta.claim()
    with hub.database.writer.connect() as holder:
        if hub.database.is_sqlite:
            pytest.skip("SQLite's writers wait for the one connection; F11 locks its file")
        monkeypatch.setattr(db, "LOCK_TIMEOUT", 50)
        holder.exec_driver_sql(f"select pg_advisory_xact_lock({db.WRITER_LOCK})")
        answer = volta.report(order)

    assert (answer.status_code, answer.json()["code"]) == (503, "busy")
    assert volta.report(order).status_code == 200


def hang_up(hub: Hub, then: str) -> None:
    """Change the PostgreSQL database and end every connection to it."""
    url = hub.database.writer.url.set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as raw:
        raw.execute("set default_transaction_read_only = off")
        raw.execute(f'alter database "{url.database}" {then}'.encode())
        raw.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where pid <> pg_backend_pid() and datname = current_database()"
        )


def test_a_killed_connection_is_a_moments_trouble(hub: Hub, volta: Volunteer) -> None:
    if hub.database.is_sqlite:
        pytest.skip("SQLite has no connections to kill")
    order = volta.claim()
    hang_up(hub, "connection limit = -1")

    answers = [volta.report(order, UUID(int=7)) for _ in range(3)]

    assert {answer.status_code for answer in answers} <= {200, 503}
    assert answers[-1].status_code == 200


def test_a_standby_that_takes_no_writes_is_a_moments_trouble(hub: Hub, volta: Volunteer) -> None:
    if hub.database.is_sqlite:
        pytest.skip("SQLite has no standby")
    order = volta.claim()

    hang_up(hub, "set default_transaction_read_only = on")
    refused = [volta.report(order, UUID(int=7)) for _ in range(3)][-1]
    hub.heartbeats.flush()
    hang_up(hub, "reset default_transaction_read_only")
    taken = [volta.report(order, UUID(int=7)) for _ in range(3)][-1]

    assert (refused.status_code, refused.json()["code"]) == (503, "busy")
    assert "takes no writes" in refused.json()["detail"]
    assert taken.status_code == 200
