"""An S3 server in this process, by moto."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

import boto3
from moto.server import ThreadedMotoServer

BUCKETS = count(1)


@dataclass(frozen=True)
class S3Server:
    """A running S3 server; any key and secret will do."""

    endpoint: str
    key: str = "test"
    secret: str = "test"
    region: str = "us-east-1"

    def fresh_bucket(self) -> str:
        """Create an empty bucket and return its name."""
        name = f"agenthub-test-{next(BUCKETS)}"
        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
        )
        client.create_bucket(Bucket=name)
        client.close()
        return name


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Start the server on a free port and stop it on exit."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield S3Server(f"http://{host}:{port}")
    finally:
        server.stop()
