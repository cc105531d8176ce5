"""Logs and curves by content hash: a folder by default, an S3-compatible bucket when configured."""

import hashlib
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from hub import whole_files
from hub.errors import HubError


class BlobMissing(HubError):
    """That log or curve is not in the hub's store any more; `hub check` reports it."""

    code, status = "blob_missing", 404


class StoreAway(HubError):
    """The bucket of this hub's logs and curves does not answer; none is lost, try again later."""

    code, status = "store_away", 503
    retry_after = 30.0


class Packed(NamedTuple):
    """A blob as it is kept: the SHA-256 of its content, and the content compressed."""

    digest: str
    data: bytes


def pack(content: bytes) -> Packed:
    """Name and compress."""
    return Packed(hashlib.sha256(content).hexdigest(), zlib.compress(content, 6))


class Blobs(ABC):
    """Content-addressed bytes; writing twice is writing once."""

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
            BlobMissing: nothing is stored under this hash.
        """

    @abstractmethod
    def has(self, digest: str) -> bool:
        """Whether something is stored under this hash."""

    @abstractmethod
    def close(self) -> None:
        """Let connections go."""


class FolderBlobs(Blobs):
    """Blobs in a folder, two levels deep."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def keep(self, packed: Packed) -> None:
        """Write to a temporary file, fsync, rename."""
        path = self._path(packed.digest)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            whole_files.put(path, packed.data, mode=0o600, durable=True)

    def get(self, digest: str) -> bytes:
        """Read and unpack."""
        try:
            return zlib.decompress(self._path(digest).read_bytes())
        except (FileNotFoundError, zlib.error) as error:
            raise BlobMissing from error

    def has(self, digest: str) -> bool:
        """Whether the file is there."""
        return self._path(digest).exists()

    def close(self) -> None:
        """Nothing is open."""

    def _path(self, digest: str) -> Path:
        return self.root / digest[:2] / digest[2:]


class S3Blobs(Blobs):
    """Blobs in an S3-compatible bucket; credentials and endpoint come from boto3's environment.

    Every method raises `StoreAway` while the bucket cannot be had.
    """

    def __init__(self, bucket: str, prefix: str, client: Any, away: type[Exception]) -> None:
        self.bucket, self.prefix, self.client, self.away = bucket, prefix.strip("/"), client, away

    def keep(self, packed: Packed) -> None:
        """Store under the hash; S3 acknowledges after it is durable."""
        with self._asking():
            key = self._key(packed.digest)
            self.client.put_object(Bucket=self.bucket, Key=key, Body=packed.data)

    def get(self, digest: str) -> bytes:
        """Fetch and unpack."""
        with self._asking():
            answer = self.client.get_object(Bucket=self.bucket, Key=self._key(digest))
            return zlib.decompress(answer["Body"].read())

    def has(self, digest: str) -> bool:
        """Ask for the head only."""
        try:
            with self._asking():
                self.client.head_object(Bucket=self.bucket, Key=self._key(digest))
        except BlobMissing:
            return False
        return True

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except self.client.exceptions.ClientError as error:
            missing = error.response["Error"]["Code"] in ("NoSuchKey", "404")
            raise (BlobMissing if missing else StoreAway) from error
        except self.away as error:
            raise StoreAway from error

    def close(self) -> None:
        """Close the client's connections."""
        self.client.close()

    def _key(self, digest: str) -> str:
        return "/".join(part for part in (self.prefix, digest[:2], digest[2:]) if part)


def open_blobs(url: str | None, data: Path) -> Blobs:
    """A folder below the data folder, or the bucket of `s3://bucket/prefix`.

    Raises:
        RuntimeError: an S3 address without the `s3` extra installed.
    """
    if url is None:
        return FolderBlobs(data / "blobs")
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError as error:
        raise RuntimeError("S3 blobs need `pip install agenthub[s3]`.") from error
    parts = urlsplit(url)
    patience = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard"})
    client = boto3.client("s3", config=patience)
    return S3Blobs(parts.netloc, parts.path, client, BotoCoreError)
