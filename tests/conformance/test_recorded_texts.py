"""The texts that AWS was recorded to answer with, over HTTP: one row each.

A row is an operation, parameters, and what is answered: code and text (None: AWS sends none, and then no member `message`,
as conftest sees to). `{name}` in a text is an ARN or
an id of the keys below.
"""

import re
from dataclasses import dataclass

import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.conformance.clients import QUICK
from tests.simulation.importing import FIRST, SECOND, sent

FREELY = QUICK.merge(Config(parameter_validation=False))
WRAPPING = {"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"}
FOREVER = {"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}
TAG = {"TagKey": "a", "TagValue": "b"}
ENUM = "failed to satisfy constraint: Member must satisfy enum value set: "


@dataclass(frozen=True)
class Row:
    """What is asked in us-east-1, and what is answered."""

    operation: str
    code: str
    text: str | None
    parameters: dict
    is_start: bool = False
    """Only the beginning of the text is recorded: enums are listed in an order of AWS's own."""


def row(operation, code, text, *, start=False, **parameters):
    return Row(operation, code, text, parameters, start)


ROWS = [
    row("Encrypt", "DisabledException", "{disabled} is disabled.", KeyId="{disabled}", Plaintext=b"x"),
    row(
        "Encrypt",
        "DryRunOperationException",
        "The request would have succeeded, but the DryRun option is set.",
        KeyId="{symmetric}",
        Plaintext=b"x",
        DryRun=True,
    ),
    row(
        "Decrypt",
        "IncorrectKeyException",
        "The key ID in the request does not identify a CMK that can perform this operation.",
        KeyId="{other}",
        CiphertextBlob="{blob}",
    ),
    row("Decrypt", "InvalidCiphertextException", None, CiphertextBlob=b"garbage"),
    row("Decrypt", "InvalidCiphertextException", None, CiphertextBlob="{blob}", EncryptionContext={"no": "context"}),
    row(
        "Encrypt",
        "InvalidKeyUsageException",
        "{hmac} key usage is GENERATE_VERIFY_MAC which is not valid for Encrypt.",
        KeyId="{hmac}",
        Plaintext=b"x",
    ),
    row(
        "GenerateMac",
        "InvalidKeyUsageException",
        "Algorithm HMAC_SHA_512 is incompatible with key spec HMAC_256.",
        KeyId="{hmac}",
        Message=b"m",
        MacAlgorithm="HMAC_SHA_512",
    ),
    row(
        "VerifyMac",
        "KMSInvalidMacException",
        None,
        KeyId="{hmac}",
        Message=b"m",
        Mac=b"?" * 32,
        MacAlgorithm="HMAC_SHA_256",
    ),
    row(
        "Verify",
        "KMSInvalidSignatureException",
        None,
        KeyId="{signing}",
        Message=b"m",
        Signature=b"no signature",
        SigningAlgorithm="ECDSA_SHA_256",
    ),
    row("Encrypt", "KMSInvalidStateException", "{empty} is pending import.", KeyId="{empty}", Plaintext=b"x"),
    row(
        "RotateKeyOnDemand",
        "KMSInvalidStateException",
        "No available key material pending rotation for the key: {imported}.",
        KeyId="{imported}",
    ),
    row(
        "RotateKeyOnDemand",
        "LimitExceededException",
        "The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be "
        "performed for this key: {rotated}",
        KeyId="{rotated}",
    ),
    row("Encrypt", "NotFoundException", "Invalid arn eu-west-1", KeyId="{replica}", Plaintext=b"x"),
    row("Encrypt", "NotFoundException", "Invalid keyId 'key_id'", KeyId="key_id", Plaintext=b"x"),
    row("DescribeKey", "NotFoundException", "Key '{absent}' does not exist", KeyId="{absent}"),
    row("DescribeKey", "NotFoundException", "Key '{absent}' does not exist", KeyId="{absent_id}"),
    row("TagResource", "TagException", "Duplicate tag keys", KeyId="{symmetric}", Tags=[TAG, TAG]),
    row(
        "TagResource",
        "TagException",
        "Tags beginning with aws: are reserved",
        KeyId="{symmetric}",
        Tags=[{"TagKey": "AWS:x", "TagValue": "b"}],
    ),
    row(
        "TagResource",
        "TagException",
        "Too many tags",
        KeyId="{symmetric}",
        Tags=[{"TagKey": f"tag-{number}", "TagValue": "x"} for number in range(51)],
    ),
    row("RotateKeyOnDemand", "UnsupportedOperationException", None, KeyId="{signing}"),
    row(
        "GetParametersForImport",
        "UnsupportedOperationException",
        "{symmetric} origin is AWS_KMS which is not valid for this operation.",
        KeyId="{symmetric}",
        **WRAPPING,
    ),
    row(
        "EnableKeyRotation",
        "UnsupportedOperationException",
        "{imported} origin is EXTERNAL which is not valid for this operation.",
        KeyId="{imported}",
    ),
    row(
        "DeriveSharedSecret",
        "ValidationException",
        None,
        KeyId="{agreeing}",
        KeyAgreementAlgorithm="ECDH",
        PublicKey=b"no public key",
    ),
    row(
        "GenerateRandom",
        "ValidationException",
        "1 validation error detected: Value '0' at 'numberOfBytes' failed to satisfy constraint: Member must have "
        "value greater than or equal to 1",
        NumberOfBytes=0,
    ),
    row(
        "GenerateRandom",
        "ValidationException",
        "1 validation error detected: Value '1025' at 'numberOfBytes' failed to satisfy constraint: Member must have "
        "value less than or equal to 1024",
        NumberOfBytes=1025,
    ),
    row(
        "CreateKey",
        "ValidationException",
        f"1 validation error detected: Value '{'k' * 129}' at 'tags.1.member.tagKey' failed to satisfy constraint: "
        "Member must have length less than or equal to 128",
        Tags=[{"TagKey": "k" * 129, "TagValue": "b"}],
    ),
    row(
        "CreateKey",
        "ValidationException",
        f"1 validation error detected: Value '{'v' * 257}' at 'tags.1.member.tagValue' failed to satisfy constraint: "
        "Member must have length less than or equal to 256",
        Tags=[{"TagKey": "k", "TagValue": "v" * 257}],
    ),
    row(
        "CreateKey",
        "ValidationException",
        f"1 validation error detected: Value 'HMAC_random' at 'keySpec' {ENUM}[",
        KeySpec="HMAC_random",
        start=True,
    ),
    row(
        "CreateKey",
        "ValidationException",
        f"1 validation error detected: Value 'RANDOM' at 'keyUsage' {ENUM}[",
        KeyUsage="RANDOM",
        start=True,
    ),
    row(
        "GenerateMac",
        "ValidationException",
        f"1 validation error detected: Value 'INVALID' at 'macAlgorithm' {ENUM}[",
        KeyId="{hmac}",
        Message=b"m",
        MacAlgorithm="INVALID",
        start=True,
    ),
    row(
        "DeriveSharedSecret",
        "ValidationException",
        f"1 validation error detected: Value 'INVALID' at 'keyAgreementAlgorithm' {ENUM}[ECDH]",
        KeyId="{agreeing}",
        KeyAgreementAlgorithm="INVALID",
        PublicKey=b"x",
    ),
    row(
        "Encrypt",
        "ValidationException",
        "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must have length less "
        "than or equal to 4096",
        KeyId="{symmetric}",
        Plaintext=b"x" * 4097,
    ),
    row(
        "ImportKeyMaterial",
        "ValidationException",
        "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES",
        KeyId="{empty}",
        ImportToken=b"token",
        EncryptedKeyMaterial=b"material",
    ),
    *(
        row(
            "Encrypt",
            "ValidationException",
            f"Algorithm RSAES_OAEP_SHA_{hashed} and key spec RSA_2048 cannot encrypt data larger than {most} bytes.",
            KeyId="{sealing}",
            Plaintext=b"x" * (most + 1),
            EncryptionAlgorithm=f"RSAES_OAEP_SHA_{hashed}",
        )
        for hashed, most in ((1, 214), (256, 190))
    ),
    row(
        "CreateAlias",
        "ValidationException",
        'Alias must start with the prefix "alias/". Please see '
        "https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html",
        AliasName="orders",
        TargetKeyId="{symmetric}",
    ),
    row(
        "Sign",
        "ValidationException",
        "Digest is invalid length for algorithm ECDSA_SHA_256.",
        KeyId="{signing}",
        Message=b"short",
        MessageType="DIGEST",
        SigningAlgorithm="ECDSA_SHA_256",
    ),
    row(
        "CreateKey",
        "ValidationException",
        "KeyUsage KEY_AGREEMENT is not compatible with KeySpec RSA_2048",
        KeySpec="RSA_2048",
        KeyUsage="KEY_AGREEMENT",
    ),
    row("GenerateRandom", "ValidationException", "NumberOfBytes is required."),
    row(
        "CreateKey",
        "ValidationException",
        "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.",
        KeySpec="RSA_2048",
    ),
    row(
        "PutKeyPolicy",
        "MalformedPolicyDocumentException",
        "The new key policy will not allow you to update the key policy in the future.",
        KeyId="{symmetric}",
        Policy='{"Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:Encrypt", "Resource": "*"}]}',
    ),
    row(
        "CreateAlias",
        "AlreadyExistsException",
        "An alias with the name arn:aws:kms:us-east-1:000000000000:alias/taken already exists",
        AliasName="alias/taken",
        TargetKeyId="{symmetric}",
    ),
]


@pytest.fixture(scope="module")
def kms(module_world):
    return module_world.client(region="us-east-1", config=FREELY)


@pytest.fixture(scope="module")
def keys(module_world, kms):
    """Keys of every kind that a row may name, by name; and a ciphertext."""

    def made(**parameters):
        return kms.create_key(**parameters)["KeyMetadata"]["Arn"]

    def imported():
        arn = made(Origin="EXTERNAL")
        kms.import_key_material(
            KeyId=arn, **sent(kms.get_parameters_for_import(KeyId=arn, **WRAPPING), FIRST), **FOREVER
        )
        return arn

    found = {
        "symmetric": made(),
        "other": made(),
        "disabled": made(),
        "rotated": made(),
        "primary": made(MultiRegion=True),
        "hmac": made(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC"),
        "signing": made(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY"),
        "agreeing": made(KeySpec="ECC_NIST_P256", KeyUsage="KEY_AGREEMENT"),
        "sealing": made(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT"),
        "empty": made(Origin="EXTERNAL"),
        "imported": imported(),
    }
    kms.disable_key(KeyId=found["disabled"])
    kms.create_alias(AliasName="alias/taken", TargetKeyId=found["symmetric"])
    kms.replicate_key(KeyId=found["primary"], ReplicaRegion="eu-west-1")
    for _ in range(25):
        kms.rotate_key_on_demand(KeyId=found["rotated"])
    module_world.advance("1s")
    found["replica"] = found["primary"].replace("us-east-1", "eu-west-1")
    found["absent_id"] = "12345678-1234-1234-1234-123456789012"
    found["absent"] = found["symmetric"].rpartition("/")[0] + "/" + found["absent_id"]
    blob = kms.encrypt(KeyId=found["symmetric"], Plaintext=b"x")["CiphertextBlob"]
    return {**found, "blob": blob}


def of(keys, value):
    """A parameter, with the keys that it names."""
    if isinstance(value, str) and (name := re.fullmatch(r"\{(\w+)\}", value)):
        return keys[name[1]]
    return value


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.operation}-{row.code}-{str(row.text)[:40]}")
def test_a_recorded_answer(kms, keys, row):
    parameters = {name: of(keys, value) for name, value in row.parameters.items()}
    error = refusal(kms, row.operation, **parameters)
    text = row.text
    for name in re.findall(r"\{(\w+)\}", text or ""):
        text = text.replace(f"{{{name}}}", keys[name])
    assert error["Error"]["Code"] == row.code
    told = error["Error"]["Message"]
    assert told == (text or "") if not row.is_start else told.startswith(text)


def refusal(kms, operation, **parameters):
    with pytest.raises(ClientError) as refused:
        getattr(kms, xform_name(operation))(**parameters)
    return refused.value.response


def test_a_replica_is_no_primary(module_world, keys):
    europe = module_world.client(region="eu-west-1", config=FREELY)
    error = refusal(europe, "ReplicateKey", KeyId=keys["replica"], ReplicaRegion="us-east-1")["Error"]
    told = f"{keys['replica']} is not a multi-region primary key."
    assert error == {"Code": "UnsupportedOperationException", "Message": told}


def test_material_that_waits_keeps_other_material_out(kms):
    arn = kms.create_key(Origin="EXTERNAL")["KeyMetadata"]["Arn"]

    def given(material):
        return sent(kms.get_parameters_for_import(KeyId=arn, **WRAPPING), material) | FOREVER

    kms.import_key_material(KeyId=arn, **given(FIRST))
    waiting = kms.import_key_material(KeyId=arn, **given(SECOND), ImportType="NEW_KEY_MATERIAL")["KeyMaterialId"]
    error = refusal(kms, "ImportKeyMaterial", KeyId=arn, **given(b"3" * 32), ImportType="NEW_KEY_MATERIAL")["Error"]
    assert error["Code"] == "KMSInvalidStateException"
    told = r"New key material \(id: ([0-9a-f]{64})\) cannot be imported into KMS key (\S+), because another key material \(id: ([0-9a-f]{64})\) is pending rotation\."
    found = re.fullmatch(told, error["Message"])
    assert found, error["Message"]
    assert found[3] == waiting
    assert found[2] in arn
