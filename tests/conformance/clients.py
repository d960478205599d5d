"""Clients of AWS's own making, pointed at a live world."""

import boto3
from botocore.config import Config

QUICK = Config(connect_timeout=0.5, read_timeout=5, retries={"max_attempts": 1, "mode": "standard"})


def client(url, region="us-east-1", service="kms", *, key=("test", "test"), token=None, config=QUICK):
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=url,
        aws_access_key_id=key[0],
        aws_secret_access_key=key[1],
        aws_session_token=token,
        config=config,
    )
