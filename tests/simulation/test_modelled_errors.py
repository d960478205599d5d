"""Every error that AWS's model lists for an operation is met here, or in the test that is named, or cannot come up.

What fits any operation on a key is tried on each of them; what is an operation's own stands in `OWN`, what another test
shows in `ELSEWHERE`, and what regionsim never answers, with the reason, in `NEVER`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from regionsim.kms.key import KeyState, Origin
from regionsim.kms.model import model
from regionsim.kms.operations import grants
from regionsim.kms.operations.registry import REGISTRY
from regionsim.kms.writes import RemoveToken
from regionsim.region import audit
from tests.simulation import store_errors
from tests.simulation import test_one_region_states as states
from tests.simulation.one_region import OneRegion, one_region
from tests.unit.kms.key_state_guide import IMPORTING, origin_in

ROOT = Path(__file__).parents[2]
UNKNOWN = "0000abcd-12ab-44cd-a6ef-1234567890ab"
KEY_MEMBERS = ("KeyId", "TargetKeyId", "DestinationKeyId")
IMPORTS = "tests/simulation/test_imported_material.py::"
KEYS = "tests/simulation/test_one_region_keys.py::"

Tried = Callable[..., Awaitable[None]]


async def good(kms: OneRegion, operation: str) -> tuple[str, dict[str, Any]]:
    """A fresh key, and a call about it that would succeed."""
    key_id = await states.a_key_for(kms, operation)
    find = states.answering if operation in states.ANSWERS_TO else states.parameters_for
    return key_id, await find(kms, operation, key_id)


def key_member(given: dict[str, Any]) -> str:
    return next((name for name in KEY_MEMBERS if name in given), "KeyId")


async def on_any_key(kms: OneRegion, operation: str, tried: Tried) -> None:
    """What can be wrong with any call about a key."""
    members = model().shapes[model().operations[operation].input].members
    key_id, given = await good(kms, operation)
    name = key_member(given)
    for wrong in (UNKNOWN, "arn:aws:s3:::bucket", "alias/none"):
        await tried(**{**given, name: wrong})
    for kind in (states.MACS, {}):
        await tried(**{**given, name: await kms.create_key(**kind)})
    for extra in ({"GrantTokens": ["none"]}, {"Marker": "none"}, {"DryRun": True}):
        if extra.keys() <= members.keys():
            await tried(**{**given, **extra})
    for state in states.ALL_STATES:
        key_id, given = await good(kms, operation)
        await kms.put_state(key_id, KeyState(state), shared={"origin": Origin(origin_in(state, operation))})
        await tried(**given)
    key_id, given = await good(kms, operation)
    for material_id in kms.region.state.material_ids(key_id):
        await kms.commit(RemoveToken(key_id=key_id, material_id=material_id))
    if operation in REGISTRY and REGISTRY[operation].job_type is not None:
        await tried(**given)


async def turned_away(kms: OneRegion, tried: Tried) -> None:
    """The trail takes no more: no call is taken up."""
    most, audit.MAX_WAITING = audit.MAX_WAITING, 0
    try:
        await tried()
    finally:
        audit.MAX_WAITING = most


async def create_alias(kms: OneRegion, tried: Tried) -> None:
    key_id = await kms.create_key()
    for number in range(50):
        await kms.call("alice", "CreateAlias", AliasName=f"alias/{number}", TargetKeyId=key_id)
    await tried(AliasName="alias/more", TargetKeyId=key_id)
    await tried(AliasName="alias/0", TargetKeyId=await kms.create_key())
    await tried(AliasName="alias/new", TargetKeyId=UNKNOWN)


async def update_alias(kms: OneRegion, tried: Tried) -> None:
    await create_alias(kms, _nothing)
    full = (await kms.call("alice", "ListAliases"))["Aliases"][0]["TargetKeyId"]
    await kms.call("alice", "CreateAlias", AliasName="alias/other", TargetKeyId=await kms.create_key())
    await tried(AliasName="alias/other", TargetKeyId=full)


async def create_grant(kms: OneRegion, tried: Tried) -> None:
    _, given = await good(kms, "CreateGrant")
    await kms.call("alice", "CreateGrant", **given)
    most, grants.GRANTS_PER_KEY = grants.GRANTS_PER_KEY, 1
    try:
        await tried(**given)
    finally:
        grants.GRANTS_PER_KEY = most


async def delete_alias(kms: OneRegion, tried: Tried) -> None:
    await tried(AliasName="alias/none")


async def create_key(kms: OneRegion, tried: Tried) -> None:
    await tried(Policy="none")
    await tried(Tags=[{"TagKey": "aws:x", "TagValue": ""}])
    await tried(Origin="EXTERNAL", KeySpec="ML_DSA_44", KeyUsage="SIGN_VERIFY")
    await store_errors.create_key(kms, tried)


async def decrypt(kms: OneRegion, tried: Tried) -> None:
    blob = await states.blob_of(kms, await kms.create_key())
    await tried(CiphertextBlob=blob, KeyId=await kms.create_key())
    await tried(CiphertextBlob=blob[:-1])
    await tried(CiphertextBlob=blob, KeyId=UNKNOWN)
    macs = await kms.create_key(**states.MACS)
    await tried(CiphertextBlob=bytes(256), KeyId=macs, EncryptionAlgorithm="RSAES_OAEP_SHA_256")


async def reencrypt(kms: OneRegion, tried: Tried) -> None:
    blob, other = await states.blob_of(kms, await kms.create_key()), await kms.create_key()
    await tried(CiphertextBlob=blob, SourceKeyId=other, DestinationKeyId=other)
    await tried(CiphertextBlob=blob[:-1], DestinationKeyId=other)


async def decapsulate(kms: OneRegion, tried: Tried) -> None:
    _, given = await good(kms, "Decapsulate")
    await tried(**{**given, "SharedSecretCiphertextBlob": b"short"})


async def generate_pair(kms: OneRegion, tried: Tried) -> None:
    await tried(KeyId=await kms.create_key(), KeyPairSpec="SM2")


async def put_policy(kms: OneRegion, tried: Tried) -> None:
    _, given = await good(kms, "PutKeyPolicy")
    await tried(**{**given, "Policy": "none"})
    await tried(**{**given, "Policy": given["Policy"] + " " * 33_000})


async def replicate(kms: OneRegion, tried: Tried) -> None:
    _, given = await good(kms, "ReplicateKey")
    await tried(**{**given, "Policy": "none"})
    await tried(**{**given, "Tags": [{"TagKey": "aws:x", "TagValue": ""}]})
    await kms.call("alice", "ReplicateKey", **given)
    await tried(**given)
    await tried(KeyId=await kms.create_key(), ReplicaRegion="eu-west-1")


async def tag(kms: OneRegion, tried: Tried) -> None:
    key_id = await kms.create_key()
    await tried(KeyId=key_id, Tags=[{"TagKey": "aws:x", "TagValue": ""}])
    for start in (0, 50):
        await tried(KeyId=key_id, Tags=[{"TagKey": f"{start + n}", "TagValue": ""} for n in range(50)])


async def untag(kms: OneRegion, tried: Tried) -> None:
    await tried(KeyId=await kms.create_key(), TagKeys=["aws:x"])


async def retire(kms: OneRegion, tried: Tried) -> None:
    key_id = await kms.create_key()
    await tried(GrantToken="none")
    await tried(KeyId=kms.arn(key_id), GrantId="0" * 64)
    await tried(KeyId=kms.arn(key_id), GrantId="none")


async def revoke(kms: OneRegion, tried: Tried) -> None:
    key_id = await kms.create_key()
    await tried(KeyId=key_id, GrantId="0" * 64)
    await tried(KeyId=key_id, GrantId="none")


async def list_retirable(kms: OneRegion, tried: Tried) -> None:
    await tried(RetiringPrincipal=states.BOB, Marker="none")
    await tried(RetiringPrincipal="arn:aws:s3:::bucket")
    await tried(RetiringPrincipal="arn:aws:iam::111122223333:user/nobody")


async def rotate(kms: OneRegion, tried: Tried) -> None:
    key_id = await kms.create_key()
    await kms.call("alice", "EnableKeyRotation", KeyId=key_id, RotationPeriodInDays=90)
    await kms.sleep_seconds(90 * 86_400 - 600)
    await tried(KeyId=key_id)
    await kms.call("alice", "DisableKeyRotation", KeyId=key_id)
    for _ in range(25):
        await kms.call("alice", "RotateKeyOnDemand", KeyId=key_id)
    await tried(KeyId=key_id)
    await tried(KeyId=await kms.create_key(**states.MACS))


async def get_public_key(kms: OneRegion, tried: Tried) -> None:
    await tried(KeyId=await kms.create_key())


async def verify(kms: OneRegion, tried: Tried) -> None:
    _, given = await good(kms, "Verify")
    await tried(**{**given, "Message": b"another"})


async def verify_mac(kms: OneRegion, tried: Tried) -> None:
    _, given = await good(kms, "VerifyMac")
    await tried(**{**given, "Message": b"another"})


async def list_keys(kms: OneRegion, tried: Tried) -> None:
    await tried(Marker="none")


async def _nothing(**_: Any) -> None:
    """Try nothing."""


OWN: dict[str, Callable[[OneRegion, Tried], Awaitable[None]]] = {
    "CreateAlias": create_alias,
    "UpdateAlias": update_alias,
    "DeleteAlias": delete_alias,
    "CreateGrant": create_grant,
    "CreateKey": create_key,
    "Decrypt": decrypt,
    "ReEncrypt": reencrypt,
    "Decapsulate": decapsulate,
    "GenerateDataKeyPair": generate_pair,
    "GenerateDataKeyPairWithoutPlaintext": generate_pair,
    "PutKeyPolicy": put_policy,
    "ReplicateKey": replicate,
    "TagResource": tag,
    "UntagResource": untag,
    "RetireGrant": retire,
    "RevokeGrant": revoke,
    "ListRetirableGrants": list_retirable,
    "RotateKeyOnDemand": rotate,
    "GetPublicKey": get_public_key,
    "Verify": verify,
    "VerifyMac": verify_mac,
    "ListKeys": list_keys,
    **store_errors.OWN,
}

ELSEWHERE: dict[tuple[str, str], str] = {
    ("CreateKey", "LimitExceededException"): KEYS + "test_an_account_that_has_all_the_keys_it_may_gets_no_other",
    ("ReplicateKey", "LimitExceededException"): (
        "tests/unit/kms/test_multi_region.py::test_a_full_account_has_no_room_for_a_replica"
    ),
    ("ImportKeyMaterial", "ExpiredImportTokenException"): IMPORTS
    + "test_a_token_is_good_for_a_day_and_for_its_own_key",
    ("ImportKeyMaterial", "InvalidImportTokenException"): IMPORTS + "test_an_altered_token_is_none",
    ("ImportKeyMaterial", "InvalidCiphertextException"): (
        IMPORTS + "test_what_is_not_wrapped_under_the_token_s_key_is_refused"
    ),
    ("ImportKeyMaterial", "IncorrectKeyMaterialException"): IMPORTS + "test_material_of_another_length_is_no_key",
}
"""(operation, error) -> the test that meets it."""

_ALL_STATES = "the guide's table lets it through in every state"
NEVER: dict[tuple[str, str], str] = {
    **{
        (operation, "DependencyTimeoutException"): "its keys' cluster is the only thing that may be late, and is told of otherwise"
        for operation in sorted(REGISTRY)
        if operation not in ("CreateKey", "GenerateRandom")
    },
    **{
        (operation, "KMSInvalidStateException"): _ALL_STATES
        for operation in (
            "DeleteAlias", "GetKeyPolicy", "GetKeyRotationStatus", "ListGrants", "ListKeyPolicies", "ListKeyRotations",
            "PutKeyPolicy", "RetireGrant", "RevokeGrant",
        )
    },
    ("CreateAlias", "InvalidAliasNameException"): "a name that is not well formed is a ValidationException (recorded)",
    ("CreateKey", "InvalidArnException"): "no parameter of it is an ARN",
    ("EnableKey", "LimitExceededException"): "keys count against the quota in every state",
    ("GetPublicKey", "DisabledException"): "the newer guide lets a disabled key show its public half",
    ("GetPublicKey", "InvalidKeyUsageException"): "whatever a key pair is for, it has a public half",
    ("ListGrants", "InvalidGrantIdException"): "a grant that is not there makes an empty list (ours)",
    ("ListRetirableGrants", "InvalidArnException"): "a principal that cannot be one is a ValidationException (ours)",
    ("ListRetirableGrants", "NotFoundException"): "who retires nothing has an empty list",
    ("PutKeyPolicy", "UnsupportedOperationException"): "a key whose policy cannot be put is refused by its policy",
    ("RetireGrant", "InvalidGrantIdException"): "a grant that is not there is a NotFoundException",
    ("RevokeGrant", "InvalidGrantIdException"): "a grant that is not there is a NotFoundException",
    ("TagResource", "LimitExceededException"): "too many tags are a TagException (recorded)",
    ("UntagResource", "TagException"): "a tag that is not there needs no removal",
}  # fmt: skip
"""(operation or *, error) -> why it does not come up."""


@pytest.mark.parametrize(
    "operation",
    [
        # Each of their calls needs a wrapping key of its own, and a seeded one takes its time.
        pytest.param(operation, marks=[pytest.mark.slow] if operation in IMPORTING else [])
        for operation in sorted(REGISTRY)
    ],
)
@one_region(regions=states.THREE)
async def test_every_modelled_error_is_met_or_accounted_for(kms: OneRegion, operation: str) -> None:
    met: set[str] = set()

    async def tried(**parameters: Any) -> None:
        met.add((await kms.answer("alice", operation, **parameters)).partition(":")[0])

    if operation not in states.KEYLESS:
        await on_any_key(kms, operation, tried)
    if operation in OWN:
        await OWN[operation](kms, tried)
    await turned_away(kms, tried)
    wanted = set(model().operations[operation].errors)
    elsewhere = {code for known, code in ELSEWHERE if known == operation}
    never = {code for known, code in NEVER if known in (operation, "*")}
    assert sorted(wanted - met - elsewhere - never) == []
    assert met & never == set(), "what never comes up has come up"
    assert elsewhere <= wanted


@pytest.mark.parametrize("test", sorted(set(ELSEWHERE.values())))
def test_the_tests_that_are_named_exist(test: str) -> None:
    file, _, name = test.partition("::")
    assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8")
