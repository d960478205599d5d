"""Custom key stores: their connection states, the keys in them, and what happens when their backing fails."""

from __future__ import annotations

import json
from typing import Any

import pytest

from regionsim.faults.kinds import HsmOffline
from regionsim.faults.vocabulary import parse_fault
from regionsim.hsm.keepers import Cluster, ExternalKey, Proxy
from regionsim.hsm.key_store_port import ExternallySealed, ProxyRequest
from regionsim.hsm.simulated_stores import SimulatedStores
from regionsim.kms.errors import ThrottlingException
from regionsim.kms.outside import Problem
from tests.simulation.key_stores import (
    ADDRESS,
    CLUSTER,
    CREDENTIAL,
    ENDPOINT,
    ON_CLUSTER,
    ON_PRIVATE_PROXY,
    ON_PROXY,
    OTHER_CLUSTER,
    PATH,
    PRIVATE_SERVICE,
)
from tests.simulation.one_region import HERE, HOME, OneRegion, one_region

BACKED = pytest.mark.parametrize("backing", [ON_CLUSTER, ON_PROXY], ids=["cluster", "proxy"])


def outside(kms: OneRegion) -> SimulatedStores:
    return kms.simulation.key_stores[HERE]


async def store_of(kms: OneRegion, backing: dict[str, Any], name: str = "ours") -> str:
    found: str = (await kms.call("alice", "CreateCustomKeyStore", CustomKeyStoreName=name, **backing))[
        "CustomKeyStoreId"
    ]
    return found


async def described(kms: OneRegion, store_id: str) -> dict[str, Any]:
    (found,) = (await kms.call("alice", "DescribeCustomKeyStores", CustomKeyStoreId=store_id))["CustomKeyStores"]
    return dict(found)


async def state(kms: OneRegion, store_id: str) -> str:
    found: str = (await described(kms, store_id))["ConnectionState"]
    return found


async def connected(kms: OneRegion, backing: dict[str, Any], name: str = "ours") -> str:
    store_id = await store_of(kms, backing, name)
    await kms.call("alice", "ConnectCustomKeyStore", CustomKeyStoreId=store_id)
    await kms.sleep_seconds(301)
    assert await state(kms, store_id) == "CONNECTED"
    return store_id


async def key_in(kms: OneRegion, store_id: str, xks_key_id: str = "key-1") -> str:
    is_external = kms.region.state.key_store(store_id).proxy is not None  # type: ignore[union-attr]
    more = {"Origin": "EXTERNAL_KEY_STORE", "XksKeyId": xks_key_id} if is_external else {"Origin": "AWS_CLOUDHSM"}
    return await kms.create_key("alice", CustomKeyStoreId=store_id, **more)


async def key_state(kms: OneRegion, key_id: str) -> str:
    found: str = (await kms.call("alice", "DescribeKey", KeyId=key_id))["KeyMetadata"]["KeyState"]
    return found


@BACKED
@one_region()
async def test_a_store_connects_after_a_while_and_its_keys_encrypt(kms: OneRegion, backing: dict[str, Any]) -> None:
    store_id = await store_of(kms, backing)
    assert await state(kms, store_id) == "DISCONNECTED"
    assert await kms.call("alice", "ConnectCustomKeyStore", CustomKeyStoreId=store_id) == {}
    assert await state(kms, store_id) == "CONNECTING"
    await kms.call("alice", "ConnectCustomKeyStore", CustomKeyStoreId=store_id)
    await kms.sleep_seconds(301)
    assert await state(kms, store_id) == "CONNECTED"
    key_id = await key_in(kms, store_id)
    metadata = (await kms.call("alice", "DescribeKey", KeyId=key_id))["KeyMetadata"]
    assert (metadata["CustomKeyStoreId"], metadata["KeyState"]) == (store_id, "Enabled")
    assert "CurrentKeyMaterialId" not in metadata
    own = {"CloudHsmClusterId": CLUSTER} if backing is ON_CLUSTER else {"XksKeyConfiguration": {"Id": "key-1"}}
    assert own.items() <= metadata.items()
    context = {"EncryptionContext": {"to": "bob"}}
    blob = (await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"order", **context))["CiphertextBlob"]
    assert (await kms.call("alice", "Decrypt", CiphertextBlob=blob, **context))["Plaintext"] == b"order"
    made = await kms.call("alice", "GenerateDataKey", KeyId=key_id, KeySpec="AES_256")
    assert (await kms.call("alice", "Decrypt", CiphertextBlob=made["CiphertextBlob"]))["Plaintext"] == made["Plaintext"]
    wrong = await kms.refusal("alice", "Decrypt", CiphertextBlob=blob)
    assert wrong.code == ("InvalidCiphertextException" if backing is ON_CLUSTER else "KMSInvalidStateException")


@BACKED
@one_region()
async def test_a_key_in_a_store_reencrypts_from_and_to_others(kms: OneRegion, backing: dict[str, Any]) -> None:
    inside, plain = await key_in(kms, await connected(kms, backing)), await kms.create_key()
    blob = (await kms.call("alice", "Encrypt", KeyId=plain, Plaintext=b"order"))["CiphertextBlob"]
    for target in (inside, plain, inside):
        answer = await kms.call("alice", "ReEncrypt", CiphertextBlob=blob, DestinationKeyId=target)
        blob = answer["CiphertextBlob"]
    assert (await kms.call("alice", "Decrypt", CiphertextBlob=blob))["Plaintext"] == b"order"


@BACKED
@one_region()
async def test_keys_are_unavailable_from_the_disconnection_until_the_store_is_back(
    kms: OneRegion, backing: dict[str, Any]
) -> None:
    store_id = await connected(kms, backing)
    used, resting = await key_in(kms, store_id), await key_in(kms, store_id, "key-2")
    blob = (await kms.call("alice", "Encrypt", KeyId=used, Plaintext=b"order"))["CiphertextBlob"]
    await kms.call("alice", "DisableKey", KeyId=resting)
    await kms.call("alice", "DisconnectCustomKeyStore", CustomKeyStoreId=store_id)
    assert await state(kms, store_id) == "DISCONNECTING"
    said = await kms.answer("alice", "Decrypt", CiphertextBlob=blob)
    assert said == f"KMSInvalidStateException: {kms.arn(used)} is unavailable."
    await kms.sleep_seconds(20)
    assert await state(kms, store_id) == "DISCONNECTED"
    await kms.call("alice", "EnableKey", KeyId=resting)
    assert await key_state(kms, resting) == "Unavailable", "what it was told shows when its store is back"
    await kms.reboot()
    await kms.call("alice", "ConnectCustomKeyStore", CustomKeyStoreId=store_id)
    await kms.sleep_seconds(301)
    assert [await key_state(kms, key_id) for key_id in (used, resting)] == ["Enabled", "Enabled"]
    assert (await kms.call("alice", "Decrypt", CiphertextBlob=blob))["Plaintext"] == b"order"


@one_region()
async def test_a_connection_that_was_under_way_goes_on_after_a_crash(kms: OneRegion) -> None:
    store_id = await store_of(kms, ON_CLUSTER)
    await kms.call("alice", "ConnectCustomKeyStore", CustomKeyStoreId=store_id)
    await kms.region.crash()
    await kms.sleep_seconds(1_000)
    await kms.region.boot()
    await kms.sleep_seconds(60)
    assert await state(kms, store_id) == "CONNECTED"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"is_reachable": False}, "NETWORK_ERRORS"),
        ({"hsm_count": 0}, "INSUFFICIENT_CLOUDHSM_HSMS"),
        ({"password": "another"}, "INVALID_CREDENTIALS"),
        ({"user_problem": Problem.USER_LOGGED_IN}, "USER_LOGGED_IN"),
        ({"user_problem": Problem.USER_LOCKED_OUT}, "USER_LOCKED_OUT"),
        ({"user_problem": Problem.USER_NOT_FOUND}, "USER_NOT_FOUND"),
    ],
)
@one_region()
async def test_a_cluster_that_does_not_let_kms_in(kms: OneRegion, change: dict[str, Any], code: str) -> None:
    cluster = outside(kms).clusters[CLUSTER] = Cluster()
    store_id = await store_of(kms, ON_CLUSTER)
    await kms.call("alice", "ConnectCustomKeyStore", CustomKeyStoreId=store_id)
    for name, value in change.items():
        setattr(cluster, name, value)
    await kms.sleep_seconds(301)
    failed = await described(kms, store_id)
    assert (failed["ConnectionState"], failed["ConnectionErrorCode"]) == ("FAILED", code)
    refusal = await kms.refusal("alice", "ConnectCustomKeyStore", CustomKeyStoreId=store_id)
    assert refusal.code == "CustomKeyStoreInvalidStateException"
    await kms.call("alice", "DisconnectCustomKeyStore", CustomKeyStoreId=store_id)
    await kms.sleep_seconds(20)
    outside(kms).clusters[CLUSTER] = Cluster(memory=cluster.memory)
    await kms.call("alice", "ConnectCustomKeyStore", CustomKeyStoreId=store_id)
    await kms.sleep_seconds(301)
    assert "ConnectionErrorCode" not in await described(kms, store_id)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"is_reachable": False}, "XKS_PROXY_NOT_REACHABLE"),
        ({"is_healthy": False}, "XKS_PROXY_NOT_REACHABLE"),
        ({"latency_ns": 600_000_000}, "XKS_PROXY_TIMED_OUT"),
        ({"secret": "another"}, "INVALID_CREDENTIALS"),
        ({"is_sound": False}, "XKS_PROXY_INVALID_RESPONSE"),
    ],
)
@one_region()
async def test_a_proxy_that_does_not_let_kms_in(kms: OneRegion, change: dict[str, Any], code: str) -> None:
    proxy = outside(kms).proxies[ADDRESS] = Proxy()
    store_id = await store_of(kms, ON_PROXY)
    await kms.call("alice", "ConnectCustomKeyStore", CustomKeyStoreId=store_id)
    for name, value in change.items():
        setattr(proxy, name, value)
    await kms.sleep_seconds(60)
    failed = await described(kms, store_id)
    assert (failed["ConnectionState"], failed["ConnectionErrorCode"]) == ("FAILED", code)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"is_reachable": False}, "XksProxyUriUnreachableException"),
        ({"latency_ns": 600_000_000}, "XksProxyUriUnreachableException"),
        ({"secret": "another"}, "XksProxyIncorrectAuthenticationCredentialException"),
        ({"is_sound": False}, "XksProxyInvalidResponseException"),
    ],
)
@one_region()
async def test_a_public_proxy_is_tried_before_its_store_is_made_or_changed(
    kms: OneRegion, change: dict[str, Any], code: str
) -> None:
    proxy = outside(kms).proxies[ADDRESS] = Proxy(**change)
    refusal = await kms.refusal("alice", "CreateCustomKeyStore", CustomKeyStoreName="ours", **ON_PROXY)
    assert refusal.code == code
    assert kms.region.state.key_stores() == ()
    for name in change:
        setattr(proxy, name, getattr(Proxy(), name))
    store_id = await store_of(kms, ON_PROXY)
    for name, value in change.items():
        setattr(proxy, name, value)
    other = {"XksProxyAuthenticationCredential": {**CREDENTIAL, "RawSecretAccessKey": "t" * 43}}
    assert (await kms.refusal("alice", "UpdateCustomKeyStore", CustomKeyStoreId=store_id, **other)).code == code


@pytest.mark.parametrize(
    ("cluster", "code"),
    [
        (None, "CloudHsmClusterNotFoundException"),
        (Cluster(is_active=False), "CloudHsmClusterNotActiveException"),
        (Cluster(hsm_count=1), "CloudHsmClusterInvalidConfigurationException"),
        (Cluster(trust_anchor="another"), "IncorrectTrustAnchorException"),
    ],
)
@one_region()
async def test_a_cluster_is_looked_at_before_its_store_is_made(
    kms: OneRegion, cluster: Cluster | None, code: str
) -> None:
    outside(kms).makes_what_is_missing = False
    if cluster is not None:
        outside(kms).clusters[CLUSTER] = cluster
    refusal = await kms.refusal("alice", "CreateCustomKeyStore", CustomKeyStoreName="ours", **ON_CLUSTER)
    assert refusal.code == code


@one_region()
async def test_names_clusters_and_proxies_belong_to_one_store_each(kms: OneRegion) -> None:
    await store_of(kms, ON_CLUSTER)
    external = await store_of(kms, ON_PROXY, "theirs")
    vpc = {
        **ON_PROXY,
        "XksProxyConnectivity": "VPC_ENDPOINT_SERVICE",
        "XksProxyVpcEndpointServiceName": "com.amazonaws.vpce.us-east-1.vpce-svc-0123456789",
        "XksProxyUriEndpoint": "https://private.example.com",
    }
    await store_of(kms, vpc, "private")
    cases = [
        ("ours", {**ON_CLUSTER, "CloudHsmClusterId": OTHER_CLUSTER}, "CustomKeyStoreNameInUseException"),
        ("more", ON_CLUSTER, "CloudHsmClusterInUseException"),
        ("more", ON_PROXY, "XksProxyUriInUseException"),
        ("more", {**vpc, "XksProxyUriPath": "/b/kms/xks/v1"}, "XksProxyVpcEndpointServiceInUseException"),
        (
            "more",
            {**vpc, "XksProxyUriEndpoint": ENDPOINT, "XksProxyUriPath": "/b/kms/xks/v1",
             "XksProxyVpcEndpointServiceName": "com.amazonaws.vpce.us-east-1.vpce-svc-9876543210"},
            "XksProxyUriEndpointInUseException",
        ),
    ]  # fmt: skip
    for name, backing, code in cases:
        assert (await kms.refusal("alice", "CreateCustomKeyStore", CustomKeyStoreName=name, **backing)).code == code
    renamed = {"CustomKeyStoreId": external, "NewCustomKeyStoreName": "ours"}
    assert (await kms.refusal("alice", "UpdateCustomKeyStore", **renamed)).code == "CustomKeyStoreNameInUseException"
    await kms.call(
        "zoe", "CreateCustomKeyStore", CustomKeyStoreName="ours", **{**ON_PROXY, "XksProxyUriPath": "/z/kms/xks/v1"}
    )


@one_region()
async def test_ten_stores_and_no_more(kms: OneRegion) -> None:
    for number in range(10):
        await store_of(kms, {**ON_PROXY, "XksProxyUriPath": f"/n{number}/kms/xks/v1"}, f"store {number}")
    refusal = await kms.refusal("alice", "CreateCustomKeyStore", CustomKeyStoreName="more", **ON_CLUSTER)
    assert refusal.code == "LimitExceededException"
    first = await kms.call("alice", "DescribeCustomKeyStores", Limit=7)
    rest = await kms.call("alice", "DescribeCustomKeyStores", Marker=first["NextMarker"])
    assert [len(found["CustomKeyStores"]) for found in (first, rest)] == [7, 3]
    named = await kms.call("alice", "DescribeCustomKeyStores", CustomKeyStoreName="store 4")
    assert [one["CustomKeyStoreName"] for one in named["CustomKeyStores"]] == ["store 4"]


@pytest.mark.parametrize(
    "given",
    [
        {name: value for name, value in ON_CLUSTER.items() if name != "KeyStorePassword"},
        {**ON_CLUSTER, "XksProxyUriPath": PATH},
        {name: value for name, value in ON_PROXY.items() if name != "XksProxyUriPath"},
        {**ON_PROXY, "XksProxyConnectivity": "VPC_ENDPOINT_SERVICE"},
    ],
)
@one_region()
async def test_parameters_of_a_store_that_do_not_fit_together(kms: OneRegion, given: dict[str, Any]) -> None:
    refusal = await kms.refusal("alice", "CreateCustomKeyStore", CustomKeyStoreName="ours", **given)
    assert refusal.code == "ValidationException"


@one_region()
async def test_the_password_and_the_secret_are_shown_to_nobody(kms: OneRegion) -> None:
    for backing, name in ((ON_CLUSTER, "ours"), (ON_PROXY, "theirs")):
        shown = str(await described(kms, await store_of(kms, backing, name))) + str(kms.region.state.key_stores())
        assert "kmsPswd" not in shown
        assert CREDENTIAL["RawSecretAccessKey"] not in shown
    for record in await kms.records("CreateCustomKeyStore"):
        assert "kmsPswd" not in str(record)
        assert CREDENTIAL["RawSecretAccessKey"] not in str(record)
    assert "sssss" not in str(kms.events)


@BACKED
@one_region()
async def test_the_secret_is_kept_sealed_and_serves_after_a_crash(kms: OneRegion, backing: dict[str, Any]) -> None:
    """The keeper wants the right secret; the hosts have it from their HSMs, in every life of theirs."""
    secrets = {
        "ours": "correct-horse-battery",
        "new": "another-horse-battery",
        "theirs": CREDENTIAL["RawSecretAccessKey"],
    }
    outside(kms).clusters[CLUSTER] = Cluster(password=secrets["ours"])
    outside(kms).proxies[ADDRESS] = Proxy(secret=secrets["theirs"])
    given = {**backing, **({"KeyStorePassword": secrets["ours"]} if backing is ON_CLUSTER else {})}
    store_id = await connected(kms, given)
    key_id = await key_in(kms, store_id)
    await kms.reboot()
    await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"order")
    await kms.call("alice", "DisconnectCustomKeyStore", CustomKeyStoreId=store_id)
    await kms.sleep_seconds(20)
    if backing is ON_CLUSTER:
        outside(kms).clusters[CLUSTER].password = secrets["new"]
        await kms.call("alice", "UpdateCustomKeyStore", CustomKeyStoreId=store_id, KeyStorePassword=secrets["new"])
    await kms.call("alice", "ConnectCustomKeyStore", CustomKeyStoreId=store_id)
    await kms.sleep_seconds(301)
    assert (await described(kms, store_id)).get("ConnectionErrorCode") is None
    files = b"".join(path.read_bytes() for path in kms.simulation.folder.iterdir())
    assert not [secret for secret in secrets.values() if secret.encode() in files]


@one_region()
async def test_a_store_waits_for_an_hsm_that_opens_its_secret(kms: OneRegion) -> None:
    store_id = await store_of(kms, ON_CLUSTER)
    await kms.call("alice", "ConnectCustomKeyStore", CustomKeyStoreId=store_id)
    name = kms.simulation.begin_fault(HsmOffline(region=HERE))
    await kms.sleep_seconds(400)
    assert await state(kms, store_id) == "CONNECTING"
    assert (await kms.answer("alice", "CreateCustomKeyStore", CustomKeyStoreName="b", **ON_PROXY)).startswith("KMSInt")
    kms.simulation.end_fault(name)
    await kms.sleep_seconds(400)
    assert await state(kms, store_id) == "CONNECTED"


@one_region()
async def test_states_say_which_operation_is_allowed(kms: OneRegion) -> None:
    store_id = await store_of(kms, ON_CLUSTER)
    wrong = "CustomKeyStoreInvalidStateException"
    refused = await kms.refusal("alice", "DisconnectCustomKeyStore", CustomKeyStoreId=store_id)
    assert refused.code == wrong
    early = await kms.refusal("alice", "CreateKey", Origin="AWS_CLOUDHSM", CustomKeyStoreId=store_id)
    assert early.code == wrong
    await kms.call("alice", "ConnectCustomKeyStore", CustomKeyStoreId=store_id)
    await kms.sleep_seconds(301)
    for operation, more in (
        ("DeleteCustomKeyStore", {}),
        ("UpdateCustomKeyStore", {"KeyStorePassword": "newPassword"}),
        ("UpdateCustomKeyStore", {"CloudHsmClusterId": OTHER_CLUSTER}),
    ):
        assert (await kms.refusal("alice", operation, CustomKeyStoreId=store_id, **more)).code == wrong
    await kms.call("alice", "UpdateCustomKeyStore", CustomKeyStoreId=store_id, NewCustomKeyStoreName="still ours")
    assert (await described(kms, store_id))["CustomKeyStoreName"] == "still ours"
    await kms.call("alice", "DisconnectCustomKeyStore", CustomKeyStoreId=store_id)
    for operation in ("ConnectCustomKeyStore", "DisconnectCustomKeyStore"):
        assert (await kms.refusal("alice", operation, CustomKeyStoreId=store_id)).code == wrong


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("Sign", {"Message": b"m", "SigningAlgorithm": "ECDSA_SHA_256"}),
        ("GenerateMac", {"Message": b"m", "MacAlgorithm": "HMAC_SHA_256"}),
        ("Encapsulate", {"EncapsulationAlgorithm": "ML_KEM"}),
    ],
)
@one_region()
async def test_a_use_that_no_key_in_a_store_has_is_refused_alike_whether_it_is_available(
    kms: OneRegion, operation: str, parameters: dict[str, Any]
) -> None:
    store_id = await connected(kms, ON_CLUSTER)
    key_id = await key_in(kms, store_id)
    connected_one = await kms.refusal("alice", operation, KeyId=key_id, **parameters)
    await kms.call("alice", "DisconnectCustomKeyStore", CustomKeyStoreId=store_id)
    await kms.sleep_seconds(20)
    assert await key_state(kms, key_id) == "Unavailable"
    disconnected_one = await kms.refusal("alice", operation, KeyId=key_id, **parameters)
    assert connected_one.code == "InvalidKeyUsageException"
    assert (disconnected_one.code, disconnected_one.message) == (connected_one.code, connected_one.message)


@BACKED
@one_region()
async def test_the_hosts_forget_a_secret_with_its_store_and_when_it_is_changed(
    kms: OneRegion, backing: dict[str, Any]
) -> None:
    stores = kms.region._key_stores
    store_id = await connected(kms, backing)
    opened = stores.secrets_for_scan()
    assert len(opened) == 1
    await kms.call("alice", "DisconnectCustomKeyStore", CustomKeyStoreId=store_id)
    await kms.sleep_seconds(20)
    assert stores.secrets_for_scan() == opened
    if backing is ON_CLUSTER:
        await kms.call("alice", "UpdateCustomKeyStore", CustomKeyStoreId=store_id, KeyStorePassword="newPassword")
        assert opened[0] not in stores.secrets_for_scan()
    await kms.call("alice", "DeleteCustomKeyStore", CustomKeyStoreId=store_id)
    assert stores.secrets_for_scan() == []


@one_region()
async def test_a_store_with_keys_is_not_deleted_also_not_while_they_wait_for_their_end(kms: OneRegion) -> None:
    store_id = await connected(kms, ON_CLUSTER)
    key_id = await key_in(kms, store_id)
    await kms.call("alice", "ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays=7)
    await kms.call("alice", "DisconnectCustomKeyStore", CustomKeyStoreId=store_id)
    await kms.sleep_seconds(20)
    assert await key_state(kms, key_id) == "PendingDeletion"
    refusal = await kms.refusal("alice", "DeleteCustomKeyStore", CustomKeyStoreId=store_id)
    assert refusal.code == "CustomKeyStoreHasCMKsException"
    await kms.sleep_seconds(7 * 86_400)
    await kms.call("alice", "DeleteCustomKeyStore", CustomKeyStoreId=store_id)
    await kms.reboot()
    gone = await kms.refusal("alice", "DescribeCustomKeyStores", CustomKeyStoreId=store_id)
    assert gone.code == "CustomKeyStoreNotFoundException"


@one_region()
async def test_a_deletion_that_is_cancelled_leaves_the_key_unavailable_while_its_store_is_away(kms: OneRegion) -> None:
    store_id = await connected(kms, ON_PROXY)
    key_id = await key_in(kms, store_id)
    await kms.call("alice", "ScheduleKeyDeletion", KeyId=key_id)
    await kms.call("alice", "DisconnectCustomKeyStore", CustomKeyStoreId=store_id)
    await kms.call("alice", "CancelKeyDeletion", KeyId=key_id)
    assert await key_state(kms, key_id) == "Unavailable"
    await kms.sleep_seconds(20)
    await kms.call("alice", "ConnectCustomKeyStore", CustomKeyStoreId=store_id)
    await kms.sleep_seconds(60)
    assert await key_state(kms, key_id) == "Disabled"


@one_region()
async def test_a_related_cluster_may_take_over_and_another_may_not(kms: OneRegion) -> None:
    outside(kms).clusters[CLUSTER] = cluster = Cluster(certificate="a")
    store_id = await connected(kms, ON_CLUSTER)
    key_id = await key_in(kms, store_id)
    blob = (await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"order"))["CiphertextBlob"]
    await kms.call("alice", "DisconnectCustomKeyStore", CustomKeyStoreId=store_id)
    await kms.sleep_seconds(20)
    moving = {"CustomKeyStoreId": store_id, "CloudHsmClusterId": OTHER_CLUSTER}
    outside(kms).clusters[OTHER_CLUSTER] = Cluster(certificate="b")
    assert (await kms.refusal("alice", "UpdateCustomKeyStore", **moving)).code == "CloudHsmClusterNotRelatedException"
    outside(kms).clusters[OTHER_CLUSTER] = Cluster(certificate="a", memory=cluster.memory)
    await kms.call("alice", "UpdateCustomKeyStore", **moving)
    await kms.call("alice", "ConnectCustomKeyStore", CustomKeyStoreId=store_id)
    await kms.sleep_seconds(301)
    del outside(kms).clusters[CLUSTER]
    assert (await kms.call("alice", "Decrypt", CiphertextBlob=blob))["Plaintext"] == b"order"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"Origin": "AWS_CLOUDHSM"}, "ValidationException"),
        ({"CustomKeyStoreId": "cks-1234567890abcdef0"}, "ValidationException"),
        ({"Origin": "EXTERNAL_KEY_STORE", "CustomKeyStoreId": "cks-1"}, "ValidationException"),
        ({"Origin": "AWS_CLOUDHSM", "CustomKeyStoreId": "cks-1", "XksKeyId": "k"}, "ValidationException"),
        ({"Origin": "AWS_CLOUDHSM", "CustomKeyStoreId": "cks-1"}, "CustomKeyStoreNotFoundException"),
        ({"Origin": "AWS_CLOUDHSM", "CustomKeyStoreId": "cks-1", "MultiRegion": True}, "UnsupportedOperationException"),
        (
            {"Origin": "AWS_CLOUDHSM", "CustomKeyStoreId": "cks-1", "KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"},
            "UnsupportedOperationException",
        ),
    ],
)
@one_region()
async def test_what_cannot_be_a_key_in_a_store(kms: OneRegion, given: dict[str, Any], code: str) -> None:
    assert (await kms.refusal("alice", "CreateKey", **given)).code == code


@one_region()
async def test_an_external_key_must_be_there_be_fit_and_be_free(kms: OneRegion) -> None:
    store_id = await connected(kms, ON_PROXY)
    proxy = outside(kms).proxies[ADDRESS]
    proxy.has_any_key = False
    proxy.keys = {"fit": ExternalKey(bytes(32)), "off": ExternalKey(bytes(32), is_enabled=False)}
    making = {"Origin": "EXTERNAL_KEY_STORE", "CustomKeyStoreId": store_id}
    await kms.call("alice", "CreateKey", XksKeyId="fit", **making)
    for key_id, code in (
        ("fit", "XksKeyAlreadyInUseException"),
        ("off", "XksKeyInvalidConfigurationException"),
        ("none", "XksKeyNotFoundException"),
    ):
        assert (await kms.refusal("alice", "CreateKey", XksKeyId=key_id, **making)).code == code
    wrong = {**making, "Origin": "AWS_CLOUDHSM"}
    assert (await kms.refusal("alice", "CreateKey", **wrong)).code == "ValidationException"


@one_region()
async def test_a_cluster_that_has_lost_its_second_hsm_takes_no_new_key(kms: OneRegion) -> None:
    store_id = await connected(kms, ON_CLUSTER)
    key_id = await key_in(kms, store_id)
    outside(kms).clusters[CLUSTER].hsm_count = 1
    making = {"Origin": "AWS_CLOUDHSM", "CustomKeyStoreId": store_id}
    refusal = await kms.refusal("alice", "CreateKey", **making)
    assert refusal.code == "CloudHsmClusterInvalidConfigurationException"
    await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"order")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"is_reachable": False}, "KMS cannot communicate with the external key store proxy."),
        ({"latency_ns": 600_000_000}, "did not respond to the request in the time allotted"),
        ({"secret": "another"}, "it could not authenticate KMS"),
    ],
)
@one_region()
async def test_a_proxy_that_fails_in_use_is_told_of_and_changes_no_state(
    kms: OneRegion, change: dict[str, Any], text: str
) -> None:
    key_id = await key_in(kms, await connected(kms, ON_PROXY))
    for name, value in change.items():
        setattr(outside(kms).proxies[ADDRESS], name, value)
    begun = kms.region.clock.now_ns()
    refusal = await kms.refusal("alice", "Encrypt", KeyId=key_id, Plaintext=b"order")
    assert refusal.code == "KMSInvalidStateException"
    assert text in refusal.message
    assert kms.region.clock.now_ns() - begun < 400_000_000, "KMS waits 250 ms for a proxy"
    assert await key_state(kms, key_id) == "Enabled"


@one_region()
async def test_the_external_key_s_owner_can_make_everything_unreadable(kms: OneRegion) -> None:
    """KMS's own material alone opens nothing: the external key must open it first."""
    key_id = await key_in(kms, await connected(kms, ON_PROXY))
    blob = (await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"order"))["CiphertextBlob"]
    keys = outside(kms).proxies[ADDRESS].keys
    keys["key-1"] = ExternalKey(bytes(32))
    refusal = await kms.refusal("alice", "Decrypt", CiphertextBlob=blob)
    assert refusal.code == "KMSInvalidStateException"
    assert refusal.message.startswith("The external key store proxy rejected the request because the specified ciph")


@one_region()
async def test_a_cluster_s_keys_never_reach_our_hsms(kms: OneRegion) -> None:
    store_id = await connected(kms, ON_CLUSTER)
    key_id = await key_in(kms, store_id)
    await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"order")
    random = await kms.call("alice", "GenerateRandom", NumberOfBytes=8, CustomKeyStoreId=store_id)
    assert len(random["Plaintext"]) == 8
    assert {event.fields["job"] for event in kms.happened("hsm_request")} == {"SealSecret", "OpenSecret"}
    assert [event.fields["job"] for event in kms.happened("key_store_request")] == [
        "CreateBackingKey",
        "Encrypt",
        "GenerateRandom",
    ]
    await kms.sleep_seconds(40 * 86_400)
    await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"order")


@one_region()
async def test_a_stranger_sees_no_store(kms: OneRegion) -> None:
    store_id = await store_of(kms, ON_CLUSTER)
    assert (await kms.call("zoe", "DescribeCustomKeyStores"))["CustomKeyStores"] == []
    for operation in ("ConnectCustomKeyStore", "DeleteCustomKeyStore"):
        refusal = await kms.refusal("zoe", operation, CustomKeyStoreId=store_id)
        assert refusal.code == "CustomKeyStoreNotFoundException"
    denied = await kms.refusal("bob", "ConnectCustomKeyStore", CustomKeyStoreId=store_id)
    assert (denied.code, HOME in denied.message) == ("AccessDeniedException", True)


NOT_FOR_STORES: dict[str, dict[str, Any]] = {
    "DeleteImportedKeyMaterial": {},
    "DisableKeyRotation": {},
    "EnableKeyRotation": {},
    "GenerateDataKeyPair": {"KeyPairSpec": "ECC_NIST_P256"},
    "GenerateDataKeyPairWithoutPlaintext": {"KeyPairSpec": "ECC_NIST_P256"},
    "GetKeyRotationStatus": {},
    "GetParametersForImport": {"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"},
    "GetPublicKey": {},
    "ImportKeyMaterial": {
        "ImportToken": b"x" * 40,
        "EncryptedKeyMaterial": b"y" * 40,
        "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE",
    },
    "ListKeyRotations": {},
    "ReplicateKey": {"ReplicaRegion": "eu-west-1"},
    "RotateKeyOnDemand": {},
    "UpdatePrimaryRegion": {"PrimaryRegion": "eu-west-1"},
}
"""What is UnsupportedOperation with a key in a custom key store. Source: KMS API Reference, the operations."""


@BACKED
@one_region(regions=(HERE, "eu-west-1"))
async def test_what_keys_in_stores_do_not_do(kms: OneRegion, backing: dict[str, Any]) -> None:
    store_id = await connected(kms, backing)
    key_id = await key_in(kms, store_id)
    told = {name: await kms.answer("alice", name, KeyId=key_id, **more) for name, more in NOT_FOR_STORES.items()}
    assert {name: said.partition(":")[0] for name, said in told.items()} == dict.fromkeys(
        NOT_FOR_STORES, "UnsupportedOperationException"
    )
    origin = "AWS_CLOUDHSM" if backing is ON_CLUSTER else "EXTERNAL_KEY_STORE"
    assert told["EnableKeyRotation"].endswith(
        f"{kms.arn(key_id)} origin is {origin} which is not valid for this operation."
    )
    more = {"Origin": origin, "CustomKeyStoreId": store_id}
    more |= {} if backing is ON_CLUSTER else {"XksKeyId": "key-2"}
    for kind in (
        {"MultiRegion": True},
        {"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"},
        {"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"},
    ):
        assert (await kms.refusal("alice", "CreateKey", **more, **kind)).code == "UnsupportedOperationException"
    asked = {"NumberOfBytes": 8, "CustomKeyStoreId": store_id}
    assert (await kms.answer("alice", "GenerateRandom", **asked)).partition(":")[0] == (
        "ok" if backing is ON_CLUSTER else "UnsupportedOperationException"
    )


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"Origin": "AWS_CLOUDHSM"}, "CustomKeyStoreId is required with Origin AWS_CLOUDHSM."),
        ({"CustomKeyStoreId": "cks-1"}, "CustomKeyStoreId is not valid with Origin AWS_KMS."),
        ({"XksKeyId": "k"}, "XksKeyId is not valid with Origin AWS_KMS."),
        (
            {"Origin": "EXTERNAL_KEY_STORE", "CustomKeyStoreId": "cks-1"},
            "XksKeyId is required with Origin EXTERNAL_KEY_STORE.",
        ),
        (
            {"Origin": "AWS_CLOUDHSM", "CustomKeyStoreId": "cks-1", "XksKeyId": "k"},
            "XksKeyId is not valid with Origin AWS_CLOUDHSM.",
        ),
    ],
)
@one_region()
async def test_parameters_of_a_key_in_a_store_that_do_not_fit_together(
    kms: OneRegion, given: dict[str, Any], text: str
) -> None:
    assert await kms.answer("alice", "CreateKey", **given) == f"ValidationException: {text}"


@pytest.mark.parametrize(
    ("broken", "status"),
    [
        ("nothing", "SUCCESS"),
        ("disconnected", "FAILURE"),
        ("cloudhsm_outage", "FAILURE"),
    ],
)
@one_region()
async def test_the_trail_tells_whether_a_cluster_removed_the_backing_key(
    kms: OneRegion, broken: str, status: str
) -> None:
    store_id = await connected(kms, ON_CLUSTER)
    key_id = await key_in(kms, store_id)
    (material,) = kms.key(key_id).shared.materials
    await kms.call("alice", "ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays=7)
    if broken == "disconnected":
        await kms.call("alice", "DisconnectCustomKeyStore", CustomKeyStoreId=store_id)
    elif broken != "nothing":
        kms.simulation.begin_fault(parse_fault({broken: HERE}))
    await kms.sleep_seconds(8 * 86_400)
    assert kms.region.state.key(key_id) is None
    (scheduled,) = await kms.records("ScheduleKeyDeletion")
    (deleted,) = await kms.records("DeleteKey")
    assert deleted["serviceEventDetails"] == {"keyId": key_id}
    for record in (scheduled, deleted):
        told = record["additionalEventData"]
        assert (told["customKeyStoreId"], told["clusterId"]) == (store_id, CLUSTER)
        (backing,) = json.loads(told["backingKeys"])
        assert backing["backingKeyId"] == material.material_id
    assert json.loads(deleted["additionalEventData"]["backingKeysDeletionStatus"]) == [
        {**backing, "deletionStatus": status}
    ]


@one_region()
async def test_a_key_that_is_deleted_in_an_external_key_store_leaves_the_external_key_alone(kms: OneRegion) -> None:
    key_id = await key_in(kms, await connected(kms, ON_PROXY))
    await kms.call("alice", "ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays=7)
    await kms.sleep_seconds(8 * 86_400)
    (deleted,) = await kms.records("DeleteKey")
    assert deleted["additionalEventData"].keys() == {"customKeyStoreId", "xksKeyId"}
    assert list(outside(kms).proxies[ADDRESS].keys) == ["key-1"]


@one_region()
async def test_a_private_dns_name_is_of_one_store_and_moves_with_the_connectivity(kms: OneRegion) -> None:
    await store_of(kms, ON_PRIVATE_PROXY, "private")
    other = {**ON_PRIVATE_PROXY, "XksProxyVpcEndpointServiceName": f"{PRIVATE_SERVICE}0"}
    second = {"CustomKeyStoreName": "second", **other, "XksProxyUriPath": "/b/kms/xks/v1"}
    assert (await kms.refusal("alice", "CreateCustomKeyStore", **second)).code == "XksProxyUriEndpointInUseException"
    public = await store_of(kms, ON_PROXY, "public")
    to_vpc = {
        "CustomKeyStoreId": public,
        "XksProxyConnectivity": "VPC_ENDPOINT_SERVICE",
        "XksProxyVpcEndpointServiceName": f"{PRIVATE_SERVICE}0",
    }
    assert (await kms.refusal("alice", "UpdateCustomKeyStore", **to_vpc)).code == "ValidationException"
    moved = {**to_vpc, "XksProxyUriEndpoint": "https://second.example.com"}
    await kms.call("alice", "UpdateCustomKeyStore", **moved)
    found = (await described(kms, public))["XksProxyConfiguration"]
    assert found["VpcEndpointServiceName"] == f"{PRIVATE_SERVICE}0"
    await kms.call("alice", "ConnectCustomKeyStore", CustomKeyStoreId=public)
    await kms.sleep_seconds(60)
    assert await state(kms, public) == "CONNECTING", "a network is built first"
    await kms.sleep_seconds(241)
    assert await state(kms, public) == "CONNECTED"


@one_region()
async def test_a_proxy_hears_who_asks_and_by_which_way(kms: OneRegion) -> None:
    key_id = await key_in(kms, await connected(kms, ON_PROXY))
    asked: list[ProxyRequest] = []
    port = outside(kms)
    seal = port.seal

    async def listened(request: ProxyRequest, plaintext: bytes, associated: bytes) -> ExternallySealed:
        asked.append(request)
        return await seal(request, plaintext, associated)

    port.seal = listened  # type: ignore[method-assign]
    way = {"kms:ViaService": "s3.us-east-1.amazonaws.com", "aws:SourceVpce": "vpce-1"}
    await kms.brings("alice", way, "Encrypt", KeyId=key_id, Plaintext=b"x")
    await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"x")
    told = [(request.kms_via_service, request.aws_source_vpce) for request in asked]
    assert told == [("s3.us-east-1.amazonaws.com", "vpce-1"), (None, None)]
    assert asked[0].aws_principal_arn.endswith(":user/alice")
    assert CREDENTIAL["RawSecretAccessKey"] not in repr(asked)


@one_region(has_quotas=True)
async def test_a_store_has_a_quota_of_its_own_besides_its_account_s(kms: OneRegion) -> None:
    key_id = await key_in(kms, await connected(kms, ON_PROXY))
    other = await kms.create_key()
    asked = [kms.begin("alice", "Encrypt", KeyId=key_id, Plaintext=b"x") for _ in range(1_900)]
    replies = [await one for one in asked]
    throttled = [reply for reply in replies if isinstance(reply, ThrottlingException)]
    assert len(throttled) == 100
    await kms.call("alice", "Encrypt", KeyId=other, Plaintext=b"x")
    await kms.call("alice", "DescribeKey", KeyId=key_id)


@one_region()
async def test_the_trail_names_the_store_its_cluster_and_the_external_key(kms: OneRegion) -> None:
    in_cluster = await key_in(kms, await connected(kms, ON_CLUSTER))
    external = await key_in(kms, await connected(kms, ON_PROXY, "theirs"))
    for key_id in (in_cluster, external):
        await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"x")
    first, second = (record["additionalEventData"] for record in await kms.records("Encrypt"))
    ids = [
        store.store_id for name in ("ours", "theirs") for store in kms.region.state.key_stores() if store.name == name
    ]
    assert (first["customKeyStoreId"], first["clusterId"]) == (ids[0], CLUSTER)
    assert (second["customKeyStoreId"], second["xksKeyId"]) == (ids[1], "key-1")
    created, _ = await kms.records("CreateCustomKeyStore")
    assert created["requestParameters"] == {"customKeyStoreName": "ours", "clusterId": CLUSTER}
    assert created["responseElements"] == {"customKeyStoreId": ids[0]}
    assert "additionalEventData" not in created
    told = [record["additionalEventData"] for record in await kms.records("ConnectCustomKeyStore")]
    assert told == [{"customKeyStoreName": "ours", "clusterId": CLUSTER}, {"customKeyStoreName": "theirs"}]
