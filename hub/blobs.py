"""Logs and curves by content hash: a folder by default, an S3-compatible bucket when configured."""

import errno
import hashlib
import logging
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
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
"""Seconds: whoever reads a log waits for the bucket."""


class BlobMissing(HubError):
    """That log or curve is not in the hub's store any more; `hub check` reports it."""

    code, status = "blob_missing", 404


class StoreAway(HubError):
    """The store of logs and curves does not answer; none is lost, try again later."""

    code, status = "store_away", 503
    retry_after = 30.0


class NoBoto(HubError):
    """Blobs in a bucket need boto3; run `pip install '.[s3]'` in its checkout."""

    code, status = "no_boto", 500


class Packed(NamedTuple):
    """A blob as it is kept: the SHA-256 of its content, and the content compressed."""

    digest: str
    data: bytes


def pack(content: bytes) -> Packed:
    """Name and compress."""
    # Level 1 takes half the time of 6, with each report, for a tenth more bytes.
    return Packed(hashlib.sha256(content).hexdigest(), zlib.compress(content, 1))


def unpack(packed: Packed) -> bytes:
    """The content.

    Raises:
        BlobMissing: it is not what its name says.
    """
    try:
        content = zlib.decompress(packed.data)
    except zlib.error as error:
        raise BlobMissing from error
    if hashlib.sha256(content).hexdigest() != packed.digest:
        raise BlobMissing
    return content


class Blobs(ABC):
    """Content-addressed bytes; writing twice is writing once.

    Every method raises `StoreAway` while the store cannot be had, and `StorageFull` without room.
    """

    def put(self, content: bytes) -> str:
        """Store and return the SHA-256 of the content, durable before this returns."""
        packed = pack(content)
        self.keep(packed)
        return packed.digest

    @abstractmethod
    def keep(self, packed: Packed) -> None:
        """Store, durable before this returns."""

    @abstractmethod
    def get(self, digest: str) -> bytes:
        """Read back.

        Raises:
            BlobMissing: nothing that has this hash is stored under it.
        """

    @abstractmethod
    def close(self) -> None:
        """Let connections go."""


class FolderBlobs(Blobs):
    """Blobs in a folder, two levels deep."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def keep(self, packed: Packed) -> None:
        """Write, and take the place of whatever is there: it may have been damaged since."""
        path = self._path(packed.digest)
        with _reached(str(self.root), OSError):
            whole_files.make_folder(path.parent)
            whole_files.put(path, packed.data, mode=0o600, durable=True)

    def get(self, digest: str) -> bytes:
        """Read and unpack."""
        with _reached(str(self.root), OSError):
            try:
                packed = self._path(digest).read_bytes()
            except FileNotFoundError as error:
                raise BlobMissing from error
        return unpack(Packed(digest, packed))

    def close(self) -> None:
        """Nothing is open."""

    def _path(self, digest: str) -> Path:
        return self.root / digest[:2] / digest[2:]


class S3Blobs(Blobs):
    """Blobs in an S3-compatible bucket; credentials and endpoint come from boto3's environment."""

    def __init__(self, bucket: str, prefix: str, client: Any) -> None:
        self.bucket, self.prefix, self.client = bucket, prefix.strip("/"), client

    def keep(self, packed: Packed) -> None:
        """Store under the hash; S3 acknowledges after it is durable."""
        with self._reached():
            key = self._key(packed.digest)
            self.client.put_object(Bucket=self.bucket, Key=key, Body=packed.data)

    def get(self, digest: str) -> bytes:
        """Fetch and unpack."""
        with self._reached():
            try:
                answer = self.client.get_object(Bucket=self.bucket, Key=self._key(digest))
            except self.client.exceptions.NoSuchKey as error:
                raise BlobMissing from error
            packed = answer["Body"].read()
        return unpack(Packed(digest, packed))

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
