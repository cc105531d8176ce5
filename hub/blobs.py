"""Logs and curves by content hash: a folder by default, an S3-compatible bucket when configured."""

import errno
import hashlib
import logging
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from hub import whole_files
from hub.errors import HubError, StorageFull

log = logging.getLogger(__name__)
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
PATIENCE: dict[str, Any] = {
    "connect_timeout": 3,
    "read_timeout": 10,
    "retries": {"mode": "standard", "total_max_attempts": 2},
}
"""Seconds: a submit waits for the bucket, and its client for the submit."""


class BlobMissing(HubError):
    """That log or curve is not in the hub's store any more; `hub check` reports it."""

    code, status = "blob_missing", 404


class StoreAway(HubError):
    """The store of logs and curves does not answer; nothing was stored, try again later."""

    code, status = "store_away", 503
    retry_after = 30.0


class NoBoto(HubError):
    """Blobs in a bucket need boto3; run `pip install agenthub[s3]`."""

    code, status = "no_boto", 500


class Blobs(Protocol):
    """Content-addressed bytes; writing twice is writing once."""

    def put(self, content: bytes) -> str:
        """Store and return the SHA-256 of the content, on disk before this returns.

        Raises:
            StoreAway: a bucket cannot be reached or does not let us in.
        """

    def get(self, digest: str) -> bytes:
        """Read back.

        Raises:
            BlobMissing: nothing that has this hash is stored under it.
            StoreAway: a bucket cannot be reached or does not let us in.
        """

    def close(self) -> None:
        """Let connections go."""


class FolderBlobs:
    """Blobs in a folder, compressed, two levels deep."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, content: bytes) -> str:
        """Write to a temporary file, fsync, rename."""
        digest = hashlib.sha256(content).hexdigest()
        path = self._path(digest)
        if path.exists():
            return digest
        with _reached(str(self.root), OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            whole_files.put(path, zlib.compress(content, 6), mode=0o600, durable=True)
        return digest

    def get(self, digest: str) -> bytes:
        """Read and unpack."""
        with _reached(str(self.root), OSError):
            try:
                packed = self._path(digest).read_bytes()
            except FileNotFoundError as error:
                raise BlobMissing from error
        return _unpacked(packed, digest)

    def close(self) -> None:
        """Nothing is open."""

    def _path(self, digest: str) -> Path:
        return self.root / digest[:2] / digest[2:]


class S3Blobs:
    """Blobs in an S3-compatible bucket; credentials and endpoint come from boto3's environment."""

    def __init__(self, bucket: str, prefix: str, client: Any) -> None:
        self.bucket, self.prefix, self.client = bucket, prefix.strip("/"), client

    def put(self, content: bytes) -> str:
        """Store under the hash; S3 acknowledges after it is durable."""
        digest = hashlib.sha256(content).hexdigest()
        body = zlib.compress(content, 6)
        with self._reached():
            self.client.put_object(Bucket=self.bucket, Key=self._key(digest), Body=body)
        return digest

    def get(self, digest: str) -> bytes:
        """Fetch and unpack."""
        with self._reached():
            try:
                answer = self.client.get_object(Bucket=self.bucket, Key=self._key(digest))
            except self.client.exceptions.NoSuchKey as error:
                raise BlobMissing from error
            packed = answer["Body"].read()
        return _unpacked(packed, digest)

    def _reached(self) -> AbstractContextManager[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        return _reached(self.bucket, BotoCoreError, ClientError)

    def close(self) -> None:
        """Close the client's connections."""
        self.client.close()

    def _key(self, digest: str) -> str:
        return "/".join(part for part in (self.prefix, digest[:2], digest[2:]) if part)


@contextmanager
def _reached(where: str, *troubles: type[Exception]) -> Iterator[None]:
    try:
        yield
    except troubles as error:
        if isinstance(error, OSError) and error.errno in FULL:
            raise StorageFull from error
        log.warning("blobs.away", extra={"store": where, "trouble": str(error)})
        raise StoreAway from error


def _unpacked(packed: bytes, digest: str) -> bytes:
    try:
        content = zlib.decompress(packed)
    except zlib.error as error:
        raise BlobMissing from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise BlobMissing
    return content


def open_blobs(url: str | None, data: Path) -> Blobs:
    """A folder below the data folder, or the bucket of `s3://bucket/prefix`.

    Raises:
        NoBoto: an S3 address without the `s3` extra installed.
    """
    if url is None:
        return FolderBlobs(data / "blobs")
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise NoBoto from error
    parts = urlsplit(url)
    return S3Blobs(parts.netloc, parts.path, boto3.client("s3", config=Config(**PATIENCE)))
