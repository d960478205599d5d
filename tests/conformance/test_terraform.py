"""What Terraform does with KMS: make, plan without drift, change, take away. Emulators that drift are a known complaint."""

import json

import pytest
from botocore.exceptions import ClientError

from tests.conformance.clients import QUICK
from tests.conformance.terraform import Alias, Grant, Key, ReplicaKey, drift

ACCOUNT = "000000000000"
ROOT = {"Sid": "Root", "Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "kms:*", "Resource": "*"}
USE = {
    "Sid": "Use",
    "Effect": "Allow",
    "Principal": {"AWS": [f"arn:aws:iam::{ACCOUNT}:user/admin"]},
    "Action": ["kms:GenerateDataKey*", "kms:Decrypt"],
    "Resource": ["*"],
    "Condition": {"StringLike": {"kms:ViaService": "s3.*.amazonaws.com"}, "Bool": {"aws:SecureTransport": "true"}},
}


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Id": "from-terraform", "Statement": list(statements)}, indent=4)


ORDERS = {
    "description": "orders — of the shop",
    "customer_master_key_spec": "SYMMETRIC_DEFAULT",
    "key_usage": "ENCRYPT_DECRYPT",
    "multi_region": True,
    "is_enabled": True,
    "enable_key_rotation": True,
    "rotation_period_in_days": 180,
    "deletion_window_in_days": 7,
    "policy": policy(ROOT, USE),
    "tags": {"team": "shop", "cost centre": "4711", "a": "", "empty/ü": "x+y=z"},
}


@pytest.fixture
def europe(world):
    return world.client("kms", region="eu-west-1", config=QUICK)


def wanted_of_state(wanted):
    """The deletion window is Terraform's own: no API tells it before the deletion."""
    return {name: value for name, value in wanted.items() if name != "deletion_window_in_days"}


def test_a_key_is_made_planned_changed_and_destroyed(world, kms):
    key = Key(kms)
    key_id = key.create(ORDERS)
    assert drift(wanted_of_state(ORDERS), key.read(key_id)) == {}
    changed = {
        **ORDERS,
        "description": "",
        "is_enabled": False,
        "enable_key_rotation": False,
        "policy": policy(USE, ROOT),
        "tags": {"team": "orders", "new": "1"},
    }
    del changed["rotation_period_in_days"]
    key.update(key_id, ORDERS, changed)
    assert drift(wanted_of_state(changed), key.read(key_id)) == {}
    key.update(key_id, changed, ORDERS)
    assert drift(wanted_of_state(ORDERS), key.read(key_id)) == {}
    answer = key.destroy(key_id, ORDERS)
    assert (answer["DeletionDate"] - kms.describe_key(KeyId=key_id)["KeyMetadata"]["CreationDate"]).days == 7
    assert key.destroy(key_id, ORDERS) is None  # a second destroy finds nothing to do


def test_a_plan_only_reads_and_every_plan_reads_the_same(world, kms):
    key = Key(kms)
    key_id = key.create(ORDERS)
    made = len(world.events())
    states = [key.read(key_id) for _ in range(3)]
    assert states[0] == states[1] == states[2]
    assert [list(state["tags"]) for state in states] == [list(states[0]["tags"])] * 3
    planned = world.events()[made:]
    assert {event["readOnly"] for event in planned} == {True}
    assert {event["eventName"] for event in planned} == {
        "DescribeKey",
        "GetKeyPolicy",
        "ListResourceTags",
        "GetKeyRotationStatus",
    }


def test_a_key_without_any_setting_does_not_drift_from_the_defaults(world, kms):
    key = Key(kms)
    key_id = key.create({})
    state = key.read(key_id)
    defaults = {
        "description": "",
        "customer_master_key_spec": "SYMMETRIC_DEFAULT",
        "key_usage": "ENCRYPT_DECRYPT",
        "multi_region": False,
        "is_enabled": True,
        "enable_key_rotation": False,
        "tags": {},
    }
    assert drift(defaults, state) == {}
    (statement,) = json.loads(state["policy"])["Statement"]
    assert statement["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    assert drift({**defaults, "policy": state["policy"]}, key.read(key_id)) == {}
    assert key.destroy(key_id, {})["PendingWindowInDays"] == 30


@pytest.mark.parametrize(
    ("spec", "usage"),
    [("RSA_2048", "SIGN_VERIFY"), ("ECC_NIST_P256", "KEY_AGREEMENT"), ("HMAC_256", "GENERATE_VERIFY_MAC")],
)
def test_keys_of_other_specs_do_not_drift(world, kms, spec, usage):
    wanted = {"customer_master_key_spec": spec, "key_usage": usage, "enable_key_rotation": False, "multi_region": True}
    key = Key(kms)
    key_id = key.create(wanted)
    assert drift(wanted, key.read(key_id)) == {}


def test_rotation_periods_are_changed_in_place(world, kms):
    key = Key(kms)
    wanted = {"enable_key_rotation": True, "is_enabled": True, "description": "", "tags": {}}
    key_id = key.create(wanted)
    assert key.read(key_id)["rotation_period_in_days"] == 365
    longer = {**wanted, "rotation_period_in_days": 2560}
    key.update(key_id, wanted, longer)
    assert drift(longer, key.read(key_id)) == {}
    shorter = {**wanted, "rotation_period_in_days": 90}
    key.update(key_id, longer, shorter)
    assert drift(shorter, key.read(key_id)) == {}


def test_a_replica_has_its_own_settings_and_none_of_the_primarys(world, kms, europe):
    key_id = Key(kms).create(ORDERS)
    arn = kms.describe_key(KeyId=key_id)["KeyMetadata"]["Arn"]
    replica = ReplicaKey(europe, kms)
    wanted = {
        "primary_key_arn": arn,
        "description": "orders, in Europe",
        "enabled": True,
        "policy": policy(USE, ROOT),
        "tags": {"team": "europe", "b": "2"},
        "deletion_window_in_days": 8,
    }
    assert replica.create(wanted) == key_id
    state = replica.read(key_id)
    assert drift(wanted_of_state(wanted), state) == {}
    assert (state["key_rotation_enabled"], state["key_spec"]) == (True, "SYMMETRIC_DEFAULT")
    changed = {**wanted, "description": "", "enabled": False, "policy": policy(ROOT), "tags": {"b": "3"}}
    replica.update(key_id, wanted, changed)
    assert drift(wanted_of_state(changed), replica.read(key_id)) == {}
    assert drift(wanted_of_state(ORDERS), Key(kms).read(key_id)) == {}  # the primary has noticed nothing
    assert replica.destroy(key_id, wanted)["PendingWindowInDays"] == 8
    assert drift(wanted_of_state(ORDERS), Key(kms).read(key_id)) == {}


def test_everything_is_destroyed_and_made_again_under_the_same_names(world, kms, europe):
    for _ in range(2):
        key, replica, alias, grant = Key(kms), ReplicaKey(europe, kms), Alias(kms), Grant(kms)
        key_id = key.create(ORDERS)
        arn = key.read(key_id)["arn"]
        replica.create({"primary_key_arn": arn, "enabled": True})
        alias.create({"name": "alias/orders", "target_key_id": key_id})
        wanted = {"key_id": key_id, "name": "app", "grantee_principal": user("app"), "operations": {"Decrypt"}}
        granted = grant.create(wanted)
        assert drift(wanted, grant.read(granted)) == {}
        grant.destroy(granted)
        alias.destroy("alias/orders")
        replica.destroy(key_id, {"deletion_window_in_days": 7})
        answer = key.destroy(key_id, ORDERS)
        assert answer["KeyState"] == "PendingReplicaDeletion"
        assert "DeletionDate" not in answer


def user(name):
    return f"arn:aws:iam::{ACCOUNT}:user/{name}"


def test_an_alias_is_found_among_many_and_moved(world, kms):
    alias = Alias(kms)
    one, other = (kms.create_key()["KeyMetadata"] for _ in range(2))
    for number in range(4):
        kms.create_alias(AliasName=f"alias/filler-{number}", TargetKeyId=one["KeyId"])
    name = alias.create({"name": "alias/shop/orders", "target_key_id": one["Arn"]})
    assert alias.read(name) == {
        "arn": f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/shop/orders",
        "name": name,
        "target_key_id": one["KeyId"],
        "target_key_arn": one["Arn"],
    }
    alias.update(name, {"target_key_id": other["KeyId"]})
    assert alias.read(name)["target_key_arn"] == other["Arn"]
    assert kms.describe_key(KeyId=name)["KeyMetadata"]["Arn"] == other["Arn"]  # the data source aws_kms_key
    with pytest.raises(ClientError, match="already exists"):
        alias.create({"name": name, "target_key_id": one["KeyId"]})
    alias.destroy(name)
    alias.destroy(name)


@pytest.mark.parametrize("retire", [True, False])
def test_a_grant_is_read_back_as_it_was_made(world, kms, retire):
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    wanted = {
        "key_id": key_id,
        "name": "nightly",
        "grantee_principal": user("nightly"),
        "retiring_principal": user("admin"),
        "operations": {"Encrypt", "Decrypt", "GenerateDataKey"},
        "constraints": {"EncryptionContextSubset": {"shop": "7", "a": "b"}},
    }
    grant = Grant(kms)
    first = grant.create(wanted)
    other = grant.create({"key_id": key_id, "grantee_principal": user("x"), "operations": {"Decrypt"}})
    assert grant.create(wanted) == first  # an apply that was cut off, again
    assert drift(wanted, grant.read(first)) == {}
    assert "constraints" not in grant.read(other)
    assert "name" not in grant.read(other)
    grant.destroy(first, retire=retire)
    grant.destroy(first, retire=retire)
    assert grant.read(other) is not None
