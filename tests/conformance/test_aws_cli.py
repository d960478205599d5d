"""The AWS CLI against live Regions, as a person types it."""

import base64
import json

import pytest

from tests.conformance.external import multi_region_key, need_program, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def aws(world, tmp_path):
    """`aws("kms list-keys", ...)`: what it prints, as JSON; or its error text with `fails=True`."""
    program = need_program("aws")

    def ask(line, *words, fails=False, **more):
        done = run([program, *line.split(), *words, "--output", "json"], world, tmp_path, **more)
        assert (done.returncode != 0) is fails, done.stdout + done.stderr
        return done.stderr if fails else json.loads(done.stdout or "{}")

    return ask


def test_a_key_from_its_making_to_its_deletion(aws, tmp_path):
    key = aws("kms create-key --multi-region --description orders --tags TagKey=team,TagValue=shop")["KeyMetadata"]
    assert aws("kms create-alias --alias-name alias/orders --target-key-id", key["KeyId"]) == {}
    (tmp_path / "plain").write_bytes(b"order \x00 4711")
    blob = aws("kms encrypt --key-id alias/orders --plaintext fileb://plain --encryption-context shop=7")
    (tmp_path / "blob").write_bytes(base64.b64decode(blob["CiphertextBlob"]))
    found = aws("kms decrypt --ciphertext-blob fileb://blob --encryption-context shop=7")
    assert base64.b64decode(found["Plaintext"]) == b"order \x00 4711"
    assert "InvalidCiphertextException" in aws("kms decrypt --ciphertext-blob fileb://blob", fails=True)
    assert aws("kms list-resource-tags --key-id", key["KeyId"])["Tags"] == [{"TagKey": "team", "TagValue": "shop"}]
    policy = json.loads(aws("kms get-key-policy --policy-name default --key-id", key["KeyId"])["Policy"])
    assert aws("kms put-key-policy --policy-name default --key-id", key["KeyId"], "--policy", json.dumps(policy)) == {}
    gone = aws("kms schedule-key-deletion --pending-window-in-days 7 --key-id", key["KeyId"])
    assert gone["KeyState"] == "PendingDeletion"
    assert "is pending deletion" in aws("kms enable-key --key-id", key["KeyId"], fails=True)


def test_pages_are_walked(aws, world):
    for _ in range(5):
        world.client().create_key()
    assert len(aws("kms list-keys --page-size 2")["Keys"]) == 5


def test_who_calls(aws):
    assert aws("sts get-caller-identity")["Arn"] == "arn:aws:iam::000000000000:user/admin"
    assert "InvalidClientTokenId" in aws("sts get-caller-identity", fails=True, AWS_ACCESS_KEY_ID="nobody")
    assert "InvalidSignatureException" in aws("kms list-keys", fails=True, AWS_SECRET_ACCESS_KEY="wrong")


def test_it_goes_on_in_the_other_region(aws, world, tmp_path):
    arn, _ = multi_region_key(world)
    (tmp_path / "plain").write_bytes(b"order 4711")
    sealed = aws("kms encrypt --plaintext fileb://plain --key-id", arn)
    (tmp_path / "blob").write_bytes(base64.b64decode(sealed["CiphertextBlob"]))
    line = "kms decrypt --ciphertext-blob fileb://blob --region"
    with world.fault("region_outage", region="us-east-1", mode="refuse"):
        assert "Connection was closed" in aws(line, "us-east-1", fails=True)
        url = world.regions["us-east-1"]
        assert "Could not connect" in aws(line, "us-east-1", "--endpoint-url", url, fails=True)
        assert base64.b64decode(aws(line, "eu-west-1")["Plaintext"]) == b"order 4711"
    assert base64.b64decode(aws(line, "us-east-1")["Plaintext"]) == b"order 4711"
