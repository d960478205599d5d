"""Custom key stores as a user of boto3 meets them: every operation, answers by the model, faults by the admin API."""

from __future__ import annotations

import time

import pytest
from botocore.exceptions import ClientError

from tests.simulation.key_stores import CLUSTER, CREDENTIAL, ENDPOINT, ON_CLUSTER, ON_PROXY, PATH

CONTEXT = {"to": "bob"}


def code_of(call, **parameters):
    with pytest.raises(ClientError) as error:
        call(**parameters)
    return error.value.response["Error"]["Code"]


def described(kms, store_id):
    (store,) = kms.describe_custom_key_stores(CustomKeyStoreId=store_id)["CustomKeyStores"]
    return store


def settled(world, kms, store_id):
    """The store once nothing is under way with it any more."""
    world.advance(minutes=10)
    deadline = time.monotonic() + 20
    while (store := described(kms, store_id))["ConnectionState"].endswith("ING"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return store


def connected(world, kms, name, **backing):
    store_id = kms.create_custom_key_store(CustomKeyStoreName=name, **backing)["CustomKeyStoreId"]
    kms.connect_custom_key_store(CustomKeyStoreId=store_id)
    assert settled(world, kms, store_id)["ConnectionState"] == "CONNECTED"
    return store_id


def test_the_whole_life_of_two_stores(world, kms):
    ours, theirs = connected(world, kms, "ours", **ON_CLUSTER), connected(world, kms, "theirs", **ON_PROXY)
    assert described(kms, ours).items() >= {"CloudHsmClusterId": CLUSTER, "CustomKeyStoreType": "AWS_CLOUDHSM"}.items()
    assert described(kms, theirs)["XksProxyConfiguration"] == {
        "Connectivity": "PUBLIC_ENDPOINT",
        "AccessKeyId": CREDENTIAL["AccessKeyId"],
        "UriEndpoint": ENDPOINT,
        "UriPath": PATH,
    }
    pages = list(kms.get_paginator("describe_custom_key_stores").paginate(PaginationConfig={"PageSize": 1}))
    names = [store["CustomKeyStoreName"] for page in pages for store in page["CustomKeyStores"]]
    assert sorted(names) == ["ours", "theirs"]
    first = kms.create_key(Origin="AWS_CLOUDHSM", CustomKeyStoreId=ours)["KeyMetadata"]
    second = kms.create_key(Origin="EXTERNAL_KEY_STORE", CustomKeyStoreId=theirs, XksKeyId="k")["KeyMetadata"]
    assert (first["CloudHsmClusterId"], second["XksKeyConfiguration"]) == (CLUSTER, {"Id": "k"})
    for key in (first, second):
        made = kms.generate_data_key(KeyId=key["KeyId"], KeySpec="AES_256", EncryptionContext=CONTEXT)
        opened = kms.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext=CONTEXT)
        assert (opened["Plaintext"], opened["KeyId"]) == (made["Plaintext"], key["Arn"])
    assert len(kms.generate_random(NumberOfBytes=8, CustomKeyStoreId=ours)["Plaintext"]) == 8
    kms.update_custom_key_store(CustomKeyStoreId=ours, NewCustomKeyStoreName="still ours")
    kms.update_custom_key_store(CustomKeyStoreId=theirs, XksProxyAuthenticationCredential=CREDENTIAL)
    assert code_of(kms.delete_custom_key_store, CustomKeyStoreId=ours) == "CustomKeyStoreInvalidStateException"
    kms.disconnect_custom_key_store(CustomKeyStoreId=ours)
    assert kms.describe_key(KeyId=first["KeyId"])["KeyMetadata"]["KeyState"] == "Unavailable"
    assert code_of(kms.encrypt, KeyId=first["KeyId"], Plaintext=b"x") == "KMSInvalidStateException"
    assert settled(world, kms, ours)["ConnectionState"] == "DISCONNECTED"
    assert code_of(kms.delete_custom_key_store, CustomKeyStoreId=ours) == "CustomKeyStoreHasCMKsException"
    kms.schedule_key_deletion(KeyId=first["KeyId"], PendingWindowInDays=7)
    world.advance(days=8)
    kms.delete_custom_key_store(CustomKeyStoreId=ours)
    assert code_of(kms.describe_custom_key_stores, CustomKeyStoreId=ours) == "CustomKeyStoreNotFoundException"


@pytest.mark.parametrize(
    ("fault", "connection"),
    [
        ({"xks_proxy_outage": "us-east-1"}, "XKS_PROXY_NOT_REACHABLE"),
        ({"xks_proxy_slow": {"region": "us-east-1", "latency": "300ms", "proxy": ENDPOINT}}, "XKS_PROXY_TIMED_OUT"),
        ({"xks_proxy_errors": {"region": "us-east-1", "answer": "credentials"}}, "INVALID_CREDENTIALS"),
    ],
    ids=["out", "slow", "credentials"],
)
def test_a_fault_by_the_admin_api_is_met_and_healed(world, kms, admin, fault, connection):
    store_id = connected(world, kms, "theirs", **ON_PROXY)
    key = kms.create_key(Origin="EXTERNAL_KEY_STORE", CustomKeyStoreId=store_id, XksKeyId="k")["KeyMetadata"]["KeyId"]
    status, begun = admin("POST", "/faults", fault)
    assert (status, begun["fault"]) == (201, fault)
    assert code_of(kms.encrypt, KeyId=key, Plaintext=b"x") == "KMSInvalidStateException"
    kms.disconnect_custom_key_store(CustomKeyStoreId=store_id)
    assert settled(world, kms, store_id)["ConnectionState"] == "DISCONNECTED"
    kms.connect_custom_key_store(CustomKeyStoreId=store_id)
    failed = settled(world, kms, store_id)
    assert (failed["ConnectionState"], failed["ConnectionErrorCode"]) == ("FAILED", connection)
    admin("DELETE", f"/faults/{begun['id']}")
    kms.disconnect_custom_key_store(CustomKeyStoreId=store_id)
    settled(world, kms, store_id)
    kms.connect_custom_key_store(CustomKeyStoreId=store_id)
    assert "ConnectionErrorCode" not in settled(world, kms, store_id)
    kms.encrypt(KeyId=key, Plaintext=b"x")
