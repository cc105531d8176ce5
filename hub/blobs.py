"""Logs and curves by content hash: a folder by default, an S3-compatible bucket when configured."""

import hashlib
import zlib
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from hub import whole_files
from hub.errors import HubError


class BlobMissing(HubError):
    """That log or curve is not in the hub's store any more; `hub check` reports it."""

    code, status = "blob_missing", 404


class Blobs(Protocol):
    """Content-addressed bytes; writing twice is writing once."""

    def put(self, content: bytes) -> str:
        """Store and return the SHA-256 of the content, on disk before this returns."""

    def get(self, digest: str) -> bytes:
        """Read back.

        Raises:
            BlobMissing: nothing is stored under this hash.
        """

    def has(self, digest: str) -> bool:
        """Whether something is stored under this hash."""

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
        path.parent.mkdir(parents=True, exist_ok=True)
        whole_files.put(path, zlib.compress(content, 6), mode=0o600, durable=True)
        return digest

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


class S3Blobs:
    """Blobs in an S3-compatible bucket; credentials and endpoint come from boto3's environment."""

    def __init__(self, bucket: str, prefix: str, client: Any) -> None:
        self.bucket, self.prefix, self.client = bucket, prefix.strip("/"), client

    def put(self, content: bytes) -> str:
        """Store under the hash; S3 acknowledges after it is durable."""
        digest = hashlib.sha256(content).hexdigest()
        body = zlib.compress(content, 6)
        self.client.put_object(Bucket=self.bucket, Key=self._key(digest), Body=body)
        return digest

    def get(self, digest: str) -> bytes:
        """Fetch and unpack."""
        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=self._key(digest))
        except self.client.exceptions.NoSuchKey as error:
            raise BlobMissing from error
        return zlib.decompress(answer["Body"].read())

    def has(self, digest: str) -> bool:
        """Ask for the head only."""
        try:
            self.client.head_object(Bucket=self.bucket, Key=self._key(digest))
        except self.client.exceptions.ClientError:
            return False
        return True

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
    except ImportError as error:
        raise RuntimeError("S3 blobs need `pip install agenthub[s3]`.") from error
    parts = urlsplit(url)
    return S3Blobs(parts.netloc, parts.path, boto3.client("s3"))
