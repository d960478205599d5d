"""External key stores over a real XKS proxy API: what boto3 sees of a proxy that works, and of one that does not."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

import regionsim
from tests.conformance.xks_proxy import METADATA, Proxy, running

ENDPOINT = "https://keys.example.com"
CREDENTIAL = {"AccessKeyId": "ABCDEFGHIJKLMNOPQRST", "RawSecretAccessKey": "s" * 43}
STORE = {
    "CustomKeyStoreName": "theirs",
    "CustomKeyStoreType": "EXTERNAL_KEY_STORE",
    "XksProxyConnectivity": "PUBLIC_ENDPOINT",
    "XksProxyUriEndpoint": ENDPOINT,
    "XksProxyUriPath": "/kms/xks/v1",
    "XksProxyAuthenticationCredential": CREDENTIAL,
}


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with running(Proxy(CREDENTIAL["AccessKeyId"], CREDENTIAL["RawSecretAccessKey"])) as found:
        yield found


@pytest.fixture
def world(proxy: Proxy) -> Iterator[Any]:
    with regionsim.serve(regions=["us-east-1"], xks_proxies={ENDPOINT: proxy.url}) as found:
        yield found


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    code: str = error.value.response["Error"]["Code"]
    return code


def connected(world: Any, kms: Any) -> str:
    store_id: str = kms.create_custom_key_store(**STORE)["CustomKeyStoreId"]
    kms.connect_custom_key_store(CustomKeyStoreId=store_id)
    world.advance(hours=1)
    for _ in range(200):
        (store,) = kms.describe_custom_key_stores(CustomKeyStoreId=store_id)["CustomKeyStores"]
        if store["ConnectionState"] != "CONNECTING":
            break
        time.sleep(0.02)
    assert store["ConnectionState"] == "CONNECTED"
    return store_id


def test_a_proxy_that_works_and_then_fails_in_every_way(world: Any, proxy: Proxy) -> None:
    kms = world.client("kms", region="us-east-1")
    store_id = connected(world, kms)
    making = {"Origin": "EXTERNAL_KEY_STORE", "CustomKeyStoreId": store_id}
    key = kms.create_key(XksKeyId="key-1", **making)["KeyMetadata"]
    blob = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"order", EncryptionContext={"to": "bob"})["CiphertextBlob"]
    assert METADATA in blob
    opened = kms.decrypt(CiphertextBlob=blob, EncryptionContext={"to": "bob"})
    assert opened["Plaintext"] == b"order"
    asked = proxy.asked[-1]["requestMetadata"]
    assert (asked["kmsOperation"], asked["kmsKeyArn"]) == ("Decrypt", key["Arn"])
    assert asked["awsPrincipalArn"].startswith("arn:aws:iam::000000000000:user/")
    with pytest.raises(ClientError) as error:
        kms.decrypt(CiphertextBlob=blob, EncryptionContext={"to": "eve"})
    assert code_of(error) == "KMSInvalidStateException"
    assert "corrupted, missing, or otherwise invalid" in str(error.value)
    proxy.disabled.add("key-2")
    proxy.keys["key-2"] = bytes(32)
    for key_id, code in (("key-2", "XksKeyInvalidConfigurationException"), ("key-3", "XksKeyNotFoundException")):
        with pytest.raises(ClientError) as error:
            kms.create_key(XksKeyId=key_id, **making)
        assert code_of(error) == code
    for change, text in (
        ({"delay_s": 0.4}, "did not respond to the request in the time allotted"),
        ({"nonsense": b"<html>"}, "KMS cannot interpret the response"),
        ({"secret": "another"}, "could not authenticate KMS"),
        ({"keys": {}}, "could not find the external key"),
    ):
        before = {name: getattr(proxy, name) for name in change}
        for name, value in change.items():
            setattr(proxy, name, value)
        with pytest.raises(ClientError) as error:
            kms.decrypt(CiphertextBlob=blob, EncryptionContext={"to": "bob"})
        assert code_of(error) == "KMSInvalidStateException"
        assert text in str(error.value)
        for name, value in before.items():
            setattr(proxy, name, value)
    assert kms.decrypt(CiphertextBlob=blob, EncryptionContext={"to": "bob"})["Plaintext"] == b"order"


def test_a_store_is_not_made_on_a_proxy_that_does_not_answer_well(world: Any, proxy: Proxy) -> None:
    kms = world.client("kms", region="us-east-1")
    for change, code in (
        ({"health": "UNAVAILABLE"}, "XksProxyUriUnreachableException"),
        ({"secret": "another"}, "XksProxyIncorrectAuthenticationCredentialException"),
        ({"nonsense": b"[]"}, "XksProxyInvalidResponseException"),
    ):
        before = {name: getattr(proxy, name) for name in change}
        for name, value in change.items():
            setattr(proxy, name, value)
        with pytest.raises(ClientError) as error:
            kms.create_custom_key_store(**STORE)
        assert code_of(error) == code
        for name, value in before.items():
            setattr(proxy, name, value)
    assert kms.describe_custom_key_stores()["CustomKeyStores"] == []


def test_faults_come_between_kms_and_a_real_proxy(world: Any, proxy: Proxy) -> None:
    kms = world.client("kms", region="us-east-1")
    store_id = connected(world, kms)
    key_id = kms.create_key(Origin="EXTERNAL_KEY_STORE", CustomKeyStoreId=store_id, XksKeyId="key-1")["KeyMetadata"][
        "KeyId"
    ]
    asked = len(proxy.asked)
    for word, more, text in (
        ("xks_proxy_outage", {}, "KMS cannot communicate with the external key store proxy"),
        ("xks_proxy_slow", {"latency": "1s"}, "did not respond to the request in the time allotted"),
        ("xks_proxy_errors", {"answer": "denied"}, "denied access to the operation"),
    ):
        with world.fault(word, region="us-east-1", **more), pytest.raises(ClientError) as error:
            kms.encrypt(KeyId=key_id, Plaintext=b"order")
        assert code_of(error) == "KMSInvalidStateException"
        assert text in str(error.value)
    assert len(proxy.asked) == asked
    kms.encrypt(KeyId=key_id, Plaintext=b"order")
    assert len(proxy.asked) == asked + 1


def test_a_certificate_that_nobody_vouches_for_is_a_mistake_of_tls(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
    (tmp_path / "proxy.pem").write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "proxy.pem")
    mistrusted = Proxy(CREDENTIAL["AccessKeyId"], CREDENTIAL["RawSecretAccessKey"])
    with (
        running(mistrusted, context),
        regionsim.serve(regions=["us-east-1"], xks_proxies={ENDPOINT: mistrusted.url}) as world,
        pytest.raises(ClientError) as error,
    ):
        world.client("kms").create_custom_key_store(**STORE)
    assert code_of(error) == "XksProxyInvalidConfigurationException"
    assert "cannot establish a TLS connection" in str(error.value)
    assert not mistrusted.asked
