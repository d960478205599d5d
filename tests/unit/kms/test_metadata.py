"""KeyMetadata: which members are there when. Source: observed; botocore's model, for the shape."""

from __future__ import annotations

from typing import Any

import pytest

from regionsim.kms.key import KeyState, KmsKey, Origin, replicas_in
from regionsim.kms.key_specs import USES, KeySpec, KeyUsage
from regionsim.kms.metadata import epoch_seconds, key_metadata
from regionsim.kms.model import model
from tests.unit.kms.keys import HERE, HOME, KEY_ID, MATERIAL_ID, MRK_ID, NOW_NS, a_key

ARN = f"arn:aws:kms:{HERE}:{HOME}:key/{KEY_ID}"
DAY_NS = 86_400_000_000_000

A1 = {
    "AWSAccountId": HOME,
    "Arn": ARN,
    "CreationDate": 1767225600.123,
    "CurrentKeyMaterialId": MATERIAL_ID,
    "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
    "Description": "test key 123",
    "Enabled": True,
    "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
    "KeyId": KEY_ID,
    "KeyManager": "CUSTOMER",
    "KeySpec": "SYMMETRIC_DEFAULT",
    "KeyState": "Enabled",
    "KeyUsage": "ENCRYPT_DECRYPT",
    "MultiRegion": False,
    "Origin": "AWS_KMS",
}


def mrk(region: str = HERE, **changes: Any) -> KmsKey:
    return a_key(MRK_ID, region=region, primary_region=HERE, **changes)


def mrk_member(region: str) -> dict[str, str]:
    return {"Arn": f"arn:aws:kms:{region}:{HOME}:key/{MRK_ID}", "Region": region}


def test_a_symmetric_key_is_shown_as_recorded() -> None:
    assert key_metadata(a_key(regional={"description": "test key 123"})) == A1


def test_a_primary_lists_itself_and_no_replicas() -> None:
    metadata = key_metadata(mrk())
    assert metadata["MultiRegion"] is True
    assert metadata["MultiRegionConfiguration"] == {
        "MultiRegionKeyType": "PRIMARY",
        "PrimaryKey": mrk_member(HERE),
        "ReplicaKeys": [],
    }


def test_a_replica_that_is_creating_has_no_material_and_lists_itself() -> None:
    metadata = key_metadata(mrk("eu-west-1", state=KeyState.CREATING, replicas=replicas_in(("eu-west-1", "sa-east-1"))))
    assert metadata["Arn"] == mrk_member("eu-west-1")["Arn"]
    assert (metadata["KeyState"], metadata["Enabled"]) == ("Creating", False)
    assert "CurrentKeyMaterialId" not in metadata
    assert metadata["MultiRegionConfiguration"] == {
        "MultiRegionKeyType": "REPLICA",
        "PrimaryKey": mrk_member(HERE),
        "ReplicaKeys": [mrk_member("eu-west-1"), mrk_member("sa-east-1")],
    }


def test_a_replica_that_is_ready_has_the_primary_s_material() -> None:
    metadata = key_metadata(mrk("eu-west-1", replicas=replicas_in(("eu-west-1",))))
    assert (metadata["Enabled"], metadata["CurrentKeyMaterialId"]) == (True, MATERIAL_ID)


@pytest.mark.parametrize("state", KeyState)
def test_enabled_is_true_in_state_enabled_only(state: KeyState) -> None:
    assert key_metadata(a_key(state=state))["Enabled"] is (state is KeyState.ENABLED)


@pytest.mark.parametrize("state", KeyState)
def test_deletion_dates_are_there_only_while_they_count(state: KeyState) -> None:
    regional = {"deletion_at_ns": NOW_NS + 7 * DAY_NS, "pending_window_days": 7}
    metadata = key_metadata(mrk(state=state, regional=regional))
    assert ("DeletionDate" in metadata) is (state is KeyState.PENDING_DELETION)
    assert ("PendingDeletionWindowInDays" in metadata) is (state is KeyState.PENDING_REPLICA_DELETION)


def test_the_deletion_date_is_seconds_and_the_window_days() -> None:
    regional = {"deletion_at_ns": NOW_NS + 7 * DAY_NS, "pending_window_days": 7}
    pending = key_metadata(a_key(state=KeyState.PENDING_DELETION, regional=regional))
    assert pending["DeletionDate"] == 1767830400.123
    waiting = key_metadata(mrk(state=KeyState.PENDING_REPLICA_DELETION, regional=regional))
    assert waiting["PendingDeletionWindowInDays"] == 7


@pytest.mark.parametrize("spec", [spec for spec in KeySpec if spec is not KeySpec.SYMMETRIC_DEFAULT])
def test_only_symmetric_encryption_keys_name_their_material(spec: KeySpec) -> None:
    """Recorded for RSA, ECC and HMAC keys; they have one material for ever."""
    assert "CurrentKeyMaterialId" not in key_metadata(a_key(spec=spec, usage=USES[spec][0].usage))


def test_a_key_without_material_names_none() -> None:
    key = a_key(state=KeyState.PENDING_IMPORT, origin=Origin.EXTERNAL, materials=(), current_material_id=None)
    assert "CurrentKeyMaterialId" not in key_metadata(key)


LISTS = {
    KeyUsage.ENCRYPT_DECRYPT: "EncryptionAlgorithms",
    KeyUsage.SIGN_VERIFY: "SigningAlgorithms",
    KeyUsage.GENERATE_VERIFY_MAC: "MacAlgorithms",
    KeyUsage.KEY_AGREEMENT: "KeyAgreementAlgorithms",
    KeyUsage.ENCAPSULATE_DECAPSULATE: "EncapsulationAlgorithms",
}


@pytest.mark.parametrize(("spec", "use"), [(spec, use) for spec in KeySpec for use in USES[spec]])
def test_only_the_list_of_algorithms_that_fits_the_usage_is_there(spec: KeySpec, use: Any) -> None:
    metadata = key_metadata(a_key(spec=spec, usage=use.usage))
    lists = {name: metadata[name] for name in metadata if name.endswith("Algorithms")}
    assert lists == {LISTS[use.usage]: list(use.algorithms)}
    members = model().shapes["KeyMetadata"].members
    assert metadata.keys() <= members.keys()
    for name, algorithms in lists.items():
        element = model().shapes[members[name]].element
        assert element is not None
        assert set(algorithms) <= set(model().shapes[element].enum)


@pytest.mark.parametrize(
    ("instant_ns", "seconds"), [(0, 0.0), (1_500_000, 0.002), (NOW_NS, 1767225600.123), (999_999_999, 1.0)]
)
def test_instants_are_seconds_with_milliseconds(instant_ns: int, seconds: float) -> None:
    assert epoch_seconds(instant_ns) == seconds
