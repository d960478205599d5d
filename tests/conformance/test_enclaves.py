"""Enclaves over live endpoints: what boto3 gets for one that the world believes, and for one that it does not."""

import json

import pytest
from botocore.exceptions import ClientError

import regionsim
from regionsim.cli.entry import main
from tests.conformance.clients import client
from tests.conformance.test_serve_command import Served

PLATFORM = regionsim.EnclavePlatform()
ENCLAVE, OTHER = PLATFORM.enclave("billing 1.0"), PLATFORM.enclave("another")
USER = "arn:aws:iam::000000000000:user/admin"


def policy(image):
    allow = {"Effect": "Allow", "Principal": {"AWS": USER}, "Resource": "*"}
    condition = {"StringEqualsIgnoreCase": {"kms:RecipientAttestation:ImageSha384": image}}
    manage = ["kms:Describe*", "kms:Put*", "kms:Encrypt", "kms:ScheduleKeyDeletion"]
    statements = [
        {**allow, "Action": manage},
        {**allow, "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Condition": condition},
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def code_of(call, **parameters):
    with pytest.raises(ClientError) as error:
        call(**parameters)
    return error.value.response["Error"]["Code"]


def test_a_key_serves_one_image_and_no_other():
    with regionsim.serve(regions=["us-east-1"], attestation_roots=[PLATFORM.root_pem]) as world:
        kms = world.client("kms")
        key = kms.create_key(Policy=policy(ENCLAVE.image_sha384))["KeyMetadata"]["KeyId"]
        blob = kms.encrypt(KeyId=key, Plaintext=b"order 4711")["CiphertextBlob"]
        answer = kms.decrypt(CiphertextBlob=blob, Recipient=ENCLAVE.recipient())
        assert "Plaintext" not in answer
        assert ENCLAVE.open(answer["CiphertextForRecipient"]) == b"order 4711"
        made = kms.generate_data_key(KeyId=key, KeySpec="AES_256", Recipient=ENCLAVE.recipient())
        assert len(ENCLAVE.open(made["CiphertextForRecipient"])) == 32
        for recipient in ({"Recipient": OTHER.recipient()}, {}):
            assert code_of(kms.decrypt, CiphertextBlob=blob, **recipient) == "AccessDeniedException"
        stranger = regionsim.EnclavePlatform().enclave("billing 1.0")
        assert code_of(kms.decrypt, CiphertextBlob=blob, Recipient=stranger.recipient()) == "ValidationException"
        random = kms.generate_random(NumberOfBytes=16, Recipient=OTHER.recipient())
        assert len(OTHER.open(random["CiphertextForRecipient"])) == 16
        world.advance(days=400)
        assert ENCLAVE.open(kms.decrypt(CiphertextBlob=blob, Recipient=ENCLAVE.recipient())["CiphertextForRecipient"])


def test_an_instance_with_a_nitro_tpm_is_known_by_its_registers():
    instance = PLATFORM.instance({4: "boot manager", 7: "secure boot"})
    condition = {"StringEqualsIgnoreCase": {"kms:RecipientAttestation:NitroTPMPCR4": instance.pcr(4)}}
    allow = {"Effect": "Allow", "Principal": {"AWS": USER}, "Resource": "*"}
    statements = [
        {**allow, "Action": ["kms:Encrypt", "kms:PutKeyPolicy"]},
        {**allow, "Action": "kms:Decrypt", "Condition": condition},
    ]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    with regionsim.serve(regions=["us-east-1"], attestation_roots=[PLATFORM.root_pem]) as world:
        kms = world.client("kms")
        key = kms.create_key(Policy=document)["KeyMetadata"]["KeyId"]
        blob = kms.encrypt(KeyId=key, Plaintext=b"order 4711")["CiphertextBlob"]
        answer = kms.decrypt(CiphertextBlob=blob, Recipient=instance.recipient())
        assert instance.open(answer["CiphertextForRecipient"]) == b"order 4711"
        for other in (PLATFORM.instance({4: "another"}), PLATFORM.enclave("billing 1.0", pcrs={4: "boot manager"})):
            assert code_of(kms.decrypt, CiphertextBlob=blob, Recipient=other.recipient()) == "AccessDeniedException"


@pytest.mark.slow
def test_roots_come_from_the_command_line_into_every_process(tmp_path):
    (tmp_path / "root.pem").write_text(PLATFORM.root_pem)
    words = ["--regions", "us-east-1,eu-west-1", "--processes", "2", "--attestation-root", str(tmp_path / "root.pem")]
    with Served(*words) as served:
        for region in ("us-east-1", "eu-west-1"):
            answer = client(served.ready["endpoint"], region).generate_random(
                NumberOfBytes=16, Recipient=ENCLAVE.recipient()
            )
            assert len(ENCLAVE.open(answer["CiphertextForRecipient"])) == 16


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (None, "the root certificate 'root.pem' cannot be read: No such file or directory"),
        (b"nothing", "--attestation-root holds no certificate of a root; a root is written in PEM, from -----BEGIN"),
        (b"\xff\xfe", "the root certificate 'root.pem' cannot be read: it is no text"),
    ],
)
def test_a_root_that_is_none_is_told_of(content, what, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / "root.pem").write_bytes(content)
    assert main(["serve", "--port", "0", "--attestation-root", "root.pem"]) == 2
    assert capsys.readouterr().err.startswith(what)
