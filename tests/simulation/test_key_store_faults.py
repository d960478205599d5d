"""Faults of what backs custom key stores: what callers hear, and what a store's connection says."""

from __future__ import annotations

from typing import Any

import pytest

from regionsim.faults.vocabulary import parse_fault
from tests.simulation.key_stores import (
    CLUSTER,
    CREDENTIAL,
    ENDPOINT,
    ON_CLUSTER,
    ON_PRIVATE_PROXY,
    ON_PROXY,
    PRIVATE_SERVICE,
)
from tests.simulation.one_region import HERE, OneRegion, one_region
from tests.simulation.test_custom_key_stores import connected, described, key_in, key_state, store_of

REJECTED = "The external key store proxy rejected the request because "


def begin(kms: OneRegion, word: str, **parameters: Any) -> str:
    return kms.simulation.begin_fault(parse_fault({word: {"region": HERE, **parameters}}))


PROXY_FAULTS = pytest.mark.parametrize(
    ("fault", "text", "refusal", "connection"),
    [
        (
            {"word": "xks_proxy_outage"},
            "KMS cannot communicate with the external key store proxy.",
            "XksProxyUriUnreachableException",
            "XKS_PROXY_NOT_REACHABLE",
        ),
        (
            {"word": "xks_proxy_slow", "latency": "300ms"},
            "The external key store proxy did not respond to the request in the time allotted.",
            "XksProxyUriUnreachableException",
            "XKS_PROXY_TIMED_OUT",
        ),
        (
            {"word": "xks_proxy_errors", "answer": "credentials"},
            REJECTED + "it could not authenticate KMS.",
            "XksProxyIncorrectAuthenticationCredentialException",
            "INVALID_CREDENTIALS",
        ),
        (
            {"word": "xks_proxy_errors", "answer": "denied"},
            "The external key store proxy denied access to the operation.",
            "XksProxyIncorrectAuthenticationCredentialException",
            "XKS_PROXY_ACCESS_DENIED",
        ),
        (
            {"word": "xks_proxy_errors", "answer": "throttled"},
            REJECTED + "its rate of requests was exceeded.",
            "XksProxyUriUnreachableException",
            "XKS_PROXY_NOT_REACHABLE",
        ),
        (
            {"word": "xks_proxy_errors", "answer": "unhealthy"},
            "The external key store proxy is in an unhealthy state.",
            "XksProxyUriUnreachableException",
            "XKS_PROXY_NOT_REACHABLE",
        ),
        (
            {"word": "xks_proxy_errors", "answer": "nonsense"},
            "KMS cannot interpret the response from the external key store proxy.",
            "XksProxyInvalidResponseException",
            "XKS_PROXY_INVALID_RESPONSE",
        ),
        (
            {"word": "xks_proxy_errors", "answer": "path"},
            REJECTED + "of an invalid URI path.",
            "XksProxyInvalidConfigurationException",
            "XKS_PROXY_INVALID_CONFIGURATION",
        ),
        (
            {"word": "xks_proxy_errors", "answer": "tls"},
            "KMS cannot establish a TLS connection to the external key store proxy.",
            "XksProxyInvalidConfigurationException",
            "XKS_PROXY_INVALID_TLS_CONFIGURATION",
        ),
    ],
    ids=lambda value: value.get("answer", value["word"]) if isinstance(value, dict) else "",
)


@PROXY_FAULTS
@one_region()
async def test_a_proxy_that_fails_is_told_of_by_every_operation_in_its_own_way(
    kms: OneRegion, fault: dict[str, Any], text: str, refusal: str, connection: str
) -> None:
    store_id = await connected(kms, ON_PROXY)
    key_id = await key_in(kms, store_id)
    name = begin(kms, **fault)
    begun_ns = kms.region.clock.now_ns()
    assert (await kms.answer("alice", "Encrypt", KeyId=key_id, Plaintext=b"x")).startswith(
        f"KMSInvalidStateException: {text}"
    )
    assert kms.region.clock.now_ns() - begun_ns < 300_000_000, "KMS waits for a proxy for 250 ms"
    making = {"Origin": "EXTERNAL_KEY_STORE", "CustomKeyStoreId": store_id, "XksKeyId": "key-2"}
    said = await kms.answer("alice", "CreateKey", **making)
    assert said.startswith(f"CustomKeyStoreInvalidStateException: {text}")
    update = {"CustomKeyStoreId": store_id, "XksProxyAuthenticationCredential": CREDENTIAL}
    assert (await kms.answer("alice", "UpdateCustomKeyStore", **update)).startswith(f"{refusal}: {text}")
    assert (await described(kms, store_id))["ConnectionState"] == "CONNECTED", "nobody has disconnected it"
    assert await key_state(kms, key_id) == "Enabled"
    await kms.call("alice", "DisconnectCustomKeyStore", CustomKeyStoreId=store_id)
    await kms.sleep_seconds(20)
    await kms.call("alice", "ConnectCustomKeyStore", CustomKeyStoreId=store_id)
    await kms.sleep_seconds(30)
    failed = await described(kms, store_id)
    assert (failed["ConnectionState"], failed["ConnectionErrorCode"]) == ("FAILED", connection)
    assert await key_state(kms, key_id) == "Unavailable"
    assert not kms.simulation.fault_tally.idle
    kms.simulation.end_fault(name)
    await kms.call("alice", "DisconnectCustomKeyStore", CustomKeyStoreId=store_id)
    await kms.sleep_seconds(20)
    await kms.call("alice", "ConnectCustomKeyStore", CustomKeyStoreId=store_id)
    await kms.sleep_seconds(30)
    await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"x")


@pytest.mark.parametrize(
    ("answer", "used", "made"),
    [
        (
            "key_disabled",
            REJECTED + "the external key is not enabled in the external key manager.",
            "XksKeyInvalidConfigurationException: The status of the external key must be ENABLED.",
        ),
        (
            "key_not_found",
            REJECTED + "it could not find the external key.",
            "XksKeyNotFoundException: " + REJECTED + "it could not find the external key.",
        ),
    ],
)
@one_region()
async def test_an_external_key_that_is_off_or_gone(kms: OneRegion, answer: str, used: str, made: str) -> None:
    store_id = await connected(kms, ON_PROXY)
    key_id = await key_in(kms, store_id)
    begin(kms, "xks_proxy_errors", answer=answer)
    assert await kms.answer("alice", "Encrypt", KeyId=key_id, Plaintext=b"x") == f"KMSInvalidStateException: {used}"
    making = {"Origin": "EXTERNAL_KEY_STORE", "CustomKeyStoreId": store_id, "XksKeyId": "key-2"}
    assert (await kms.answer("alice", "CreateKey", **making)).startswith(made)
    await kms.call("alice", "DisconnectCustomKeyStore", CustomKeyStoreId=store_id)
    await kms.sleep_seconds(20)
    await kms.call("alice", "ConnectCustomKeyStore", CustomKeyStoreId=store_id)
    await kms.sleep_seconds(30)
    assert (await described(kms, store_id))["ConnectionState"] == "CONNECTED", "its health is asked, no key's"


@one_region()
async def test_a_proxy_that_is_slow_but_in_time_only_takes_longer(kms: OneRegion) -> None:
    key_id = await key_in(kms, await connected(kms, ON_PROXY))
    begin(kms, "xks_proxy_slow", latency="150ms")
    begun_ns = kms.region.clock.now_ns()
    await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"x")
    assert kms.region.clock.now_ns() - begun_ns > 150_000_000


@one_region()
async def test_errors_by_chance_come_now_and_then(kms: OneRegion) -> None:
    key_id = await key_in(kms, await connected(kms, ON_PROXY))
    begin(kms, "xks_proxy_errors", answer="throttled", probability="50%")
    said = [await kms.answer("alice", "Encrypt", KeyId=key_id, Plaintext=b"x") for _ in range(20)]
    assert 4 < said.count("ok") < 16


@one_region()
async def test_a_fault_of_another_proxy_is_not_met(kms: OneRegion) -> None:
    key_id = await key_in(kms, await connected(kms, ON_PROXY))
    other = begin(kms, "xks_proxy_outage", proxy="https://other.example.com")
    begin(kms, "xks_proxy_slow", latency="10ms", proxy=ENDPOINT)
    await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"x")
    assert kms.simulation.fault_tally.idle == (other,)


@pytest.mark.parametrize(
    ("fault", "used", "made", "random", "connection"),
    [
        (
            {"word": "cloudhsm_outage"},
            "KMSInvalidStateException",
            "DependencyTimeoutException",
            "DependencyTimeoutException",
            "NETWORK_ERRORS",
        ),
        (
            {"word": "cloudhsm_hsms_lost"},
            "KMSInvalidStateException",
            "CloudHsmClusterInvalidConfigurationException",
            "KMSInternalException",
            "INSUFFICIENT_CLOUDHSM_HSMS",
        ),
        (
            {"word": "cloudhsm_hsms_lost", "hsms": 1, "cluster": CLUSTER},
            "ok",
            "CloudHsmClusterInvalidConfigurationException",
            "ok",
            None,
        ),
        ({"word": "cloudhsm_user_locked_out"}, "ok", "ok", "ok", "USER_LOCKED_OUT"),
    ],
    ids=["out", "all HSMs", "one HSM", "locked out"],
)
@one_region()
async def test_a_cluster_that_fails(
    kms: OneRegion, fault: dict[str, Any], used: str, made: str, random: str, connection: str | None
) -> None:
    store_id = await connected(kms, ON_CLUSTER)
    key_id = await key_in(kms, store_id)
    blob = (await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"order"))["CiphertextBlob"]
    name = begin(kms, **fault)
    assert (await kms.answer("alice", "Decrypt", CiphertextBlob=blob)).partition(":")[0] == used
    making = {"Origin": "AWS_CLOUDHSM", "CustomKeyStoreId": store_id}
    assert (await kms.answer("alice", "CreateKey", **making)).partition(":")[0] == made
    asked = {"NumberOfBytes": 8, "CustomKeyStoreId": store_id}
    assert (await kms.answer("alice", "GenerateRandom", **asked)).partition(":")[0] == random
    await kms.call("alice", "DisconnectCustomKeyStore", CustomKeyStoreId=store_id)
    await kms.sleep_seconds(20)
    connecting = await kms.answer("alice", "ConnectCustomKeyStore", CustomKeyStoreId=store_id)
    if connection != "INSUFFICIENT_CLOUDHSM_HSMS":
        assert connecting == "ok"
        await kms.sleep_seconds(301)
        assert (await described(kms, store_id)).get("ConnectionErrorCode") == connection
    else:
        assert connecting.startswith("CloudHsmClusterInvalidConfigurationException")
        assert (await described(kms, store_id))["ConnectionState"] == "DISCONNECTED", (
            "what fails at once changes nothing"
        )
    kms.simulation.end_fault(name)
    assert not kms.simulation.fault_tally.idle
    if connection is not None:
        if connection != "INSUFFICIENT_CLOUDHSM_HSMS":
            await kms.call("alice", "DisconnectCustomKeyStore", CustomKeyStoreId=store_id)
            await kms.sleep_seconds(20)
        await kms.call("alice", "ConnectCustomKeyStore", CustomKeyStoreId=store_id)
        await kms.sleep_seconds(301)
    assert (await kms.call("alice", "Decrypt", CiphertextBlob=blob))["Plaintext"] == b"order", "it has kept its keys"


@pytest.mark.parametrize(
    ("state", "refusal", "connection"),
    [
        ("missing", "XksProxyVpcEndpointServiceNotFoundException", "XKS_VPC_ENDPOINT_SERVICE_NOT_FOUND"),
        (
            "unfit",
            "XksProxyVpcEndpointServiceInvalidConfigurationException",
            "XKS_VPC_ENDPOINT_SERVICE_INVALID_CONFIGURATION",
        ),
    ],
)
@one_region()
async def test_a_vpc_endpoint_service_that_is_gone_or_unfit(
    kms: OneRegion, state: str, refusal: str, connection: str
) -> None:
    public = await connected(kms, ON_PROXY, "public")
    name = begin(kms, "xks_vpc_service_broken", state=state, service=PRIVATE_SERVICE)
    making = {"CustomKeyStoreName": "private", **ON_PRIVATE_PROXY}
    assert (await kms.refusal("alice", "CreateCustomKeyStore", **making)).code == refusal
    kms.simulation.end_fault(name)
    store_id = await store_of(kms, ON_PRIVATE_PROXY, "private")
    begin(kms, "xks_vpc_service_broken", state=state)
    update = {"CustomKeyStoreId": store_id, "XksProxyUriPath": "/new/kms/xks/v1"}
    assert (await kms.refusal("alice", "UpdateCustomKeyStore", **update)).code == refusal
    await kms.call("alice", "ConnectCustomKeyStore", CustomKeyStoreId=store_id)
    await kms.sleep_seconds(301)
    failed = await described(kms, store_id)
    assert (failed["ConnectionState"], failed["ConnectionErrorCode"]) == ("FAILED", connection)
    await key_in(kms, public)


@one_region()
async def test_a_private_proxy_is_asked_when_its_store_is_connected_and_not_before(kms: OneRegion) -> None:
    begin(kms, "xks_proxy_outage")
    store_id = await store_of(kms, ON_PRIVATE_PROXY, "private")
    await kms.call("alice", "ConnectCustomKeyStore", CustomKeyStoreId=store_id)
    await kms.sleep_seconds(301)
    assert (await described(kms, store_id))["ConnectionErrorCode"] == "XKS_PROXY_NOT_REACHABLE"
