"""One hub, put together: settings, clock, database, git, blobs, live events, heartbeats."""

from dataclasses import dataclass, field
from pathlib import Path
from threading import BoundedSemaphore
from typing import TYPE_CHECKING

from hub import contributions, prior, search_index, standings, trees, values
from hub.answers import Answers
from hub.believer import Believer
from hub.blobs import Blobs, open_blobs
from hub.blobwriter import BlobWriter, FollowedBlobs
from hub.clock import SteadyClock
from hub.columns import Kept
from hub.db import Clock, Database
from hub.errors import HubError
from hub.gitstore import GitStore
from hub.gitwriter import GitWriter
from hub.heartbeats import Heartbeats, patience
from hub.limits import Limits
from hub.live import Live
from hub.maintenance import Maintenance
from hub.minds import Mind
from hub.outputs import Outputs
from hub.rebuild import Recall
from hub.renewals import Renewals
from hub.schema import open_database
from hub.search_index import TextWriter
from hub.settings import Settings

if TYPE_CHECKING:
    from hub.openid_provider import Provider


class NotWritable(HubError):
    """The data folder cannot be written; choose another with `--data` or mend its permissions."""

    code, status = "data_not_writable", 500


class NoAuthlib(HubError):
    """Sign-in by OpenID Connect needs authlib; run `pip install '.[oidc]'` in its checkout."""

    code, status = "no_authlib", 500


@dataclass(frozen=True)
class Hub:
    """Everything that a request may need; tests build their own."""

    settings: Settings
    clock: Clock
    database: Database
    git: GitStore
    git_writer: GitWriter
    families: prior.Families
    blobs: Blobs
    blob_writer: BlobWriter
    text_writer: TextWriter
    live: Live
    heartbeats: Heartbeats
    renewals: Renewals
    outputs: Outputs
    maintenance: Maintenance
    trees: Kept
    efforts: Kept
    categories: Kept
    answers: Answers
    believer: Believer
    mind: Mind
    claim_slots: BoundedSemaphore
    git_slots: BoundedSemaphore
    limits: Limits
    provider: "Provider | None"
    signing_key: str = field(repr=False)


def open_hub(settings: Settings, clock: Clock | None = None, *, served: bool = False) -> Hub:
    """Open a hub's data, made on first start, with its schema brought up to date.

    Raises:
        OlderServes: its data is `served` by another process, of an older version.
        NotWritable: the data folder cannot be made or written.
        NoDatabase: the database does not answer.
        NewerSchema: the database belongs to a newer hub.
        NoAuthlib: a sign-in provider is configured and its library is not installed.
    """
    make_folder(settings.data)
    provider = _open_provider(settings)
    clock = clock or SteadyClock()
    database = open_database(settings.url, clock, pool=settings.threads, served=served)
    search_index.install(database)
    git = GitStore(settings.data / "git")
    git.recall = Recall(database, git)
    store = open_blobs(settings.blob_url, settings.data)
    live, limits = Live(database), Limits(settings)
    heartbeats = Heartbeats(database, patience=patience(settings.lease_seconds))
    mind = Mind()
    return Hub(
        settings=settings,
        clock=clock,
        database=database,
        git=git,
        git_writer=GitWriter(database, git),
        families=prior.Families(),
        blobs=FollowedBlobs(database, store),
        blob_writer=BlobWriter(database, store),
        text_writer=TextWriter(database),
        live=live,
        heartbeats=heartbeats,
        renewals=Renewals(database, settings, limits, heartbeats, live),
        outputs=Outputs(clock),
        maintenance=Maintenance(git),
        trees=trees.kept(),
        efforts=contributions.efforts(),
        categories=standings.categories(),
        answers=Answers(),
        believer=Believer(database, mind),
        mind=mind,
        claim_slots=BoundedSemaphore(settings.claim_slots),
        git_slots=BoundedSemaphore(settings.git_slots),
        limits=limits,
        provider=provider,
        signing_key=values.signing_key(database),
    )


def make_folder(data: Path) -> None:
    """See that a data folder is there and can be written.

    Raises:
        NotWritable: it cannot be made or written.
    """
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)  # it holds a signing key
        (data / ".writable").write_bytes(b"")
        (data / ".writable").unlink(missing_ok=True)  # another command looked as well
    except OSError as error:
        raise NotWritable(f"{data} cannot be written: {error.strerror}.") from error


def _open_provider(settings: Settings) -> "Provider | None":
    """The sign-in provider, if one is configured; hubs without one need no authlib."""
    if settings.openid_issuer is None:
        return None
    try:
        from hub.openid_provider import Provider
    except ImportError as error:
        raise NoAuthlib from error
    return Provider(settings)
