"""No operation takes more than one job of an HSM; ReEncrypt to or from a cluster takes one of each keeper."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from regionsim.faults.vocabulary import parse_fault
from regionsim.kms.operations.registry import REGISTRY
from tests.simulation.key_stores import ON_CLUSTER, ON_PROXY
from tests.simulation.one_region import HERE, OneRegion, one_region
from tests.simulation.test_custom_key_stores import connected, key_in
from tests.simulation.test_one_region_shapes import TWO, responses

CHANGES_WITH_JOBS = {
    "CreateCustomKeyStore",  # its password or credential is sealed
    "CreateKey",
    "GetParametersForImport",
    "ImportKeyMaterial",
    "RotateKeyOnDemand",
}
"""Operations that change something, or prepare it, and need an HSM for it."""


def jobs_by_operation(kms: OneRegion) -> dict[str, set[tuple[int, int]]]:
    """For each operation that was called: how often its calls asked HSMs of ours, and what backs a store."""
    ours = Counter(event.fields["request"] for event in kms.happened("hsm_request"))
    theirs = Counter(event.fields["request"] for event in kms.happened("key_store_request"))
    found: dict[str, set[tuple[int, int]]] = {}
    for event in kms.happened("call"):
        request = event.fields["request"]
        found.setdefault(event.fields["op"], set()).add((ours[request], theirs[request]))
    return found


@one_region(regions=TWO)
async def test_no_operation_takes_more_than_one_job(kms: OneRegion) -> None:
    await responses(kms)
    found = jobs_by_operation(kms)
    assert found.keys() == REGISTRY.keys()
    most = {operation: max(max(pair) for pair in counts) for operation, counts in found.items()}
    assert set(most.values()) == {0, 1}
    with_job = {operation for operation, count in most.items() if count}
    assert with_job == CHANGES_WITH_JOBS | {name for name, known in REGISTRY.items() if known.job_type is not None}


@pytest.mark.parametrize(
    ("source", "destination", "ours", "theirs"),
    [
        ("plain", "plain", 1, 0),
        ("external", "external", 1, 2),
        ("plain", "external", 1, 1),
        ("external", "plain", 1, 1),
        ("cluster", "cluster", 0, 1),
        ("plain", "cluster", 1, 1),
        ("cluster", "plain", 1, 1),
        ("cluster", "external", 1, 2),
        ("external", "cluster", 1, 2),
        ("rsa", "cluster", 1, 1),
        ("cluster", "rsa", 1, 1),
        ("rsa", "external", 1, 1),
        ("external", "rsa", 1, 1),
    ],
)
@one_region()
async def test_reencrypt_takes_one_job_of_each_keeper(
    kms: OneRegion, source: str, destination: str, ours: int, theirs: int
) -> None:
    """The plaintext leaves HSMs only where it has to pass from ours to a cluster's, or the reverse."""
    oaep = {"EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}
    made: dict[str, str] = {}
    for kind in {source, destination}:
        made[kind] = await _key_of(kms, kind)
    more = oaep if source == "rsa" else {}
    blob = (await kms.call("alice", "Encrypt", KeyId=made[source], Plaintext=b"order", **more))["CiphertextBlob"]
    kms.events.clear()
    given: dict[str, Any] = {"CiphertextBlob": blob, "SourceKeyId": made[source], "DestinationKeyId": made[destination]}
    for name, kind in (("Source", source), ("Destination", destination)):
        given |= {f"{name}EncryptionAlgorithm": "RSAES_OAEP_SHA_256"} if kind == "rsa" else {}
    answer = await kms.call("alice", "ReEncrypt", **given)
    assert jobs_by_operation(kms) == {"ReEncrypt": {(ours, theirs)}}
    more = oaep if destination == "rsa" else {}
    opened = await kms.call(
        "alice", "Decrypt", KeyId=made[destination], CiphertextBlob=answer["CiphertextBlob"], **more
    )
    assert opened["Plaintext"] == b"order"


async def _key_of(kms: OneRegion, kind: str) -> str:
    match kind:
        case "cluster" | "external":
            return await key_in(kms, await connected(kms, ON_CLUSTER if kind == "cluster" else ON_PROXY, kind))
        case "rsa":
            return await kms.create_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")
        case _:
            return await kms.create_key()


@one_region()
async def test_a_plaintext_that_does_not_fit_is_told_between_keepers_too(kms: OneRegion) -> None:
    inside, rsa = await _key_of(kms, "cluster"), await _key_of(kms, "rsa")
    blob = (await kms.call("alice", "Encrypt", KeyId=inside, Plaintext=bytes(191)))["CiphertextBlob"]
    given = {"DestinationKeyId": rsa, "DestinationEncryptionAlgorithm": "RSAES_OAEP_SHA_256"}
    assert await kms.answer("alice", "ReEncrypt", CiphertextBlob=blob, **given) == (
        "ValidationException: Algorithm RSAES_OAEP_SHA_256 and key spec RSA_2048 cannot encrypt data larger than 190 bytes."
    )


@pytest.mark.parametrize(("source", "destination"), [("cluster", "external"), ("external", "cluster")])
@one_region()
async def test_reencrypt_draws_on_the_quotas_of_both_key_stores(kms: OneRegion, source: str, destination: str) -> None:
    made = {kind: await _key_of(kms, kind) for kind in (source, destination)}
    blob = (await kms.call("alice", "Encrypt", KeyId=made[source], Plaintext=b"order"))["CiphertextBlob"]
    kms.region.admission.forget()
    storm = {"throttle": {"region": HERE, "factor": 1 / 1800}}  # a store has one request
    kms.simulation.begin_fault(parse_fault(storm))
    await kms.call("alice", "Encrypt", KeyId=made[source], Plaintext=b"the source's one request")
    told = await kms.answer("alice", "ReEncrypt", CiphertextBlob=blob, DestinationKeyId=made[destination])
    assert told.startswith("ThrottlingException")
    await kms.sleep_seconds(2)
    await kms.call("alice", "ReEncrypt", CiphertextBlob=blob, DestinationKeyId=made[destination])
    told = await kms.answer("alice", "Encrypt", KeyId=made[destination], Plaintext=b"the destination's is used up")
    assert told.startswith("ThrottlingException")
