"""The S3 server keeps what it is given."""

import boto3

from tests.services.s3 import S3Server


def test_an_object_comes_back_as_it_went(s3: S3Server) -> None:
    bucket = s3.fresh_bucket()
    client = boto3.client(
        "s3",
        endpoint_url=s3.endpoint,
        region_name=s3.region,
        aws_access_key_id=s3.key,
        aws_secret_access_key=s3.secret,
    )

    client.put_object(Bucket=bucket, Key="logs/1", Body=b"step 1")
    body = client.get_object(Bucket=bucket, Key="logs/1")["Body"].read()

    assert body == b"step 1"
    client.close()
