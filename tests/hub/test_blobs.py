"""Blobs keep what they are given, in a folder and in a bucket of a real S3 server."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from hub import goals
from hub.app import create_app
from hub.blobs import BlobMissing, Blobs, FolderBlobs, open_blobs
from hub.core import Hub, open_hub
from hub.settings import Settings
from tests.builders import FILES, Clock, a_spec, an_id
from tests.hub.volunteer import Volunteer
from tests.services.ports import free_port
from tests.services.s3 import S3Server


@pytest.fixture
def bucket(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty bucket; boto3 finds the server by its environment."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.secret)
    monkeypatch.setenv("AWS_DEFAULT_REGION", s3.region)
    return f"s3://{s3.fresh_bucket()}/some/prefix"


@pytest.fixture(params=["folder", "s3"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Blobs]:
    """A store of each kind."""
    url = request.getfixturevalue("bucket") if request.param == "s3" else None
    store = open_blobs(url, tmp_path)
    yield store
    store.close()


def test_what_goes_in_comes_out_however_often(blobs: Blobs) -> None:
    content = b"step 1\n" * 1000

    first, second = blobs.put(content), blobs.put(content)

    assert first == second
    assert blobs.get(first) == content


def test_what_was_never_stored_is_missing(blobs: Blobs) -> None:
    with pytest.raises(BlobMissing):
        blobs.get("0" * 64)


def test_a_torn_blob_counts_as_missing(tmp_path: Path) -> None:
    store = FolderBlobs(tmp_path)
    digest = store.put(b"step 1\n" * 1000)
    path = tmp_path / digest[:2] / digest[2:]
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:10])

    with pytest.raises(BlobMissing):
        store.get(digest)


def test_a_blob_that_was_damaged_is_whole_again_once_its_content_comes_back(tmp_path: Path) -> None:
    store = FolderBlobs(tmp_path)
    digest = store.put(b"step 1\n" * 1000)
    (tmp_path / digest[:2] / digest[2:]).write_bytes(b"torn")

    store.put(b"step 1\n" * 1000)

    assert store.get(digest) == b"step 1\n" * 1000


def test_a_power_cut_takes_neither_a_blob_nor_its_name_nor_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: dict[Path, list[str]] = {}
    fsync = os.fsync

    def _watched(handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").resolve()
        synced[path] = [each.name for each in path.iterdir()] if path.is_dir() else [path.name]
        fsync(handle)

    monkeypatch.setattr(os, "fsync", _watched)
    folder = tmp_path / "data" / "blobs"

    digest = FolderBlobs(folder).put(b"step 1\n" * 1000)

    names = {path: said for path, said in synced.items() if path.is_dir()}
    assert names == {
        tmp_path: ["data"],
        tmp_path / "data": ["blobs"],
        folder: [digest[:2]],
        folder / digest[:2]: [digest[2:]],
    }
    assert len(synced) == len(names) + 1


def test_a_hub_keeps_its_logs_in_a_bucket(
    bucket: str, sqlite_url: str, tmp_path: Path, clock: Clock
) -> None:
    settings = Settings(data=tmp_path / "hub", database_url=sqlite_url, blob_url=bucket)
    hub = open_hub(settings, clock)
    with hub.database.work() as work:
        goals.open_goal(work, hub.git, a_spec(), FILES)
    with TestClient(create_app(hub)) as http:
        volta = Volunteer.joined(http, "volta", "ada")
        order = volta.explore(0.2, 0.8)
        shutil.rmtree(tmp_path / "hub" / "blobs", ignore_errors=True)
        run = http.get(f"/v1/experiments/{order.experiment}/runs").json()[0]["id"]
        assert http.get(f"/v1/runs/{run}/log").text == "step 1\nstep 2"
        assert http.get(f"/v1/runs/{run}/curve").json()["total"] == 2


def test_a_bucket_that_cannot_be_reached_is_a_moments_trouble(
    bucket: str, database_url: str, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(data=tmp_path / "hub", database_url=database_url, blob_url=bucket)
    reachable = open_hub(settings, clock)
    with reachable.database.work() as work:
        goals.open_goal(work, reachable.git, a_spec(), FILES)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    cut_off = open_hub(settings, clock)
    with TestClient(create_app(cut_off)) as http:
        volta = Volunteer.joined(http, "volta", "ada")
        order = volta.explore(0.2, 0.8)
        kept = cut_off.blob_writer.turn()

    assert (kept, reachable.blob_writer.turn()) == (False, True)
    with TestClient(create_app(reachable)) as http:
        run = http.get(f"/v1/experiments/{order.experiment}/runs").json()[0]["id"]
        assert http.get(f"/v1/runs/{run}/log").text == "step 1\nstep 2"
    with TestClient(create_app(cut_off)) as http:
        refused = http.get(f"/v1/runs/{run}/log")
    assert (refused.status_code, refused.json()["code"]) == (503, "store_away")
    assert int(refused.headers["retry-after"]) >= 1


def test_a_folder_that_cannot_be_used_is_a_moments_trouble(hub: Hub, volta: Volunteer) -> None:
    order, identity, folder = volta.claim(), an_id(), hub.settings.data / "blobs"
    assert volta.report(order, identity).status_code == 200
    assert hub.blob_writer.turn()

    folder.rename(folder.with_name("elsewhere"))
    folder.write_bytes(b"in the way")
    refused = volta.http.get(f"/v1/runs/{identity}/log")

    assert (refused.status_code, refused.json()["code"]) == (503, "store_away")
