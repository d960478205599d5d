"""The operations that `bench` measures, and what each call of them asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Any

from regionsim.names.dataclass import dataclass

PLAINTEXT = bytes(32)
CONTEXT: Mapping[str, str] = MappingProxyType({"purpose": "bench"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """What the calls of one Region use in turn: ids of symmetric keys, and a ciphertext under each.

    `own_key_id` and `made` are an operation's own: its key of another kind, and what was made with it beforehand.
    """

    key_ids: tuple[str, ...]
    ciphertexts: tuple[bytes, ...]
    own_key_id: str = ""
    made: Mapping[str, Any] = field(default_factory=dict)


Parameters = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnKey:
    """The key of another kind that an operation is for, and the call with it that makes what the operation takes."""

    spec: str
    usage: str
    beforehand: str = ""
    wanted: Callable[[str], Parameters] = lambda key_id: {"KeyId": key_id}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One operation, perhaps with one kind of key: `Sign:RSA_2048`. `encryptions` is how many encryptions or
    decryptions one call does: 0 has no ceiling here."""

    name: str
    encryptions: int
    parameters: Callable[[Stock, int], Parameters]
    """The parameters of the call of that number."""

    own_key: OwnKey | None = None

    @property
    def operation(self) -> str:
        """The operation of KMS."""
        return self.name.partition(":")[0]


def _encrypt(stock: Stock, number: int) -> Parameters:
    return {"KeyId": _key(stock, number), "Plaintext": PLAINTEXT, "EncryptionContext": dict(CONTEXT)}


def _decrypt(stock: Stock, number: int) -> Parameters:
    return {"CiphertextBlob": _ciphertext(stock, number), "EncryptionContext": dict(CONTEXT)}


def _data_key(stock: Stock, number: int) -> Parameters:
    return {"KeyId": _key(stock, number), "KeySpec": "AES_256", "EncryptionContext": dict(CONTEXT)}


def _reencrypt(stock: Stock, number: int) -> Parameters:
    return {
        "CiphertextBlob": _ciphertext(stock, number),
        "SourceEncryptionContext": dict(CONTEXT),
        "DestinationKeyId": _key(stock, number + 1),
    }


def _key(stock: Stock, number: int) -> str:
    return stock.key_ids[number % len(stock.key_ids)]


def _ciphertext(stock: Stock, number: int) -> bytes:
    return stock.ciphertexts[number % len(stock.ciphertexts)]


_SIGNATURES: Mapping[str, str] = MappingProxyType(
    {
        "ECC_NIST_P256": "ECDSA_SHA_256",
        "RSA_2048": "RSASSA_PKCS1_V1_5_SHA_256",
        "ECC_NIST_EDWARDS25519": "ED25519_SHA_512",
        "ML_DSA_65": "ML_DSA_SHAKE_256",
    }
)
"""Specs that Sign and Verify are measured with, and how. The first one is meant where none is named."""


def _named(operation: str, spec: str) -> str:
    return operation if spec == next(iter(_SIGNATURES)) else f"{operation}:{spec}"


def _signing(spec: str, algorithm: str) -> tuple[Measured, Measured]:
    message = {"Message": PLAINTEXT, "SigningAlgorithm": algorithm}

    def sign(key_id: str) -> Parameters:
        return {"KeyId": key_id, **message}

    key = OwnKey(spec=spec, usage="SIGN_VERIFY", beforehand="Sign", wanted=sign)
    return (
        Measured(
            name=_named("Sign", spec),
            encryptions=0,
            own_key=key,
            parameters=lambda stock, number: sign(stock.own_key_id),
        ),
        Measured(
            name=_named("Verify", spec),
            encryptions=0,
            own_key=key,
            parameters=lambda stock, number: {**sign(stock.own_key_id), "Signature": stock.made["Signature"]},
        ),
    )


def _mac(key_id: str) -> Parameters:
    return {"KeyId": key_id, "Message": PLAINTEXT, "MacAlgorithm": "HMAC_SHA_256"}


def _rsa(key_id: str) -> Parameters:
    return {"KeyId": key_id, "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}


def _capsule(key_id: str) -> Parameters:
    return {"KeyId": key_id, "EncapsulationAlgorithm": "ML_KEM"}


_MAC_KEY = OwnKey(spec="HMAC_256", usage="GENERATE_VERIFY_MAC", beforehand="GenerateMac", wanted=_mac)
_RSA_KEY = OwnKey(
    spec="RSA_2048",
    usage="ENCRYPT_DECRYPT",
    beforehand="Encrypt",
    wanted=lambda key_id: {**_rsa(key_id), "Plaintext": PLAINTEXT},
)
_AGREEING_KEY = OwnKey(spec="ECC_NIST_P256", usage="KEY_AGREEMENT", beforehand="GetPublicKey")
_KEM_KEY = OwnKey(spec="ML_KEM_768", usage="ENCAPSULATE_DECAPSULATE", beforehand="Encapsulate", wanted=_capsule)

_WITH_OWN_KEYS = (
    Measured(
        name="GenerateMac", encryptions=0, own_key=_MAC_KEY, parameters=lambda stock, number: _mac(stock.own_key_id)
    ),
    Measured(
        name="VerifyMac",
        encryptions=0,
        own_key=_MAC_KEY,
        parameters=lambda stock, number: {**_mac(stock.own_key_id), "Mac": stock.made["Mac"]},
    ),
    *(measured for spec, algorithm in _SIGNATURES.items() for measured in _signing(spec, algorithm)),
    Measured(
        name="Encrypt:RSA_2048",
        encryptions=0,
        own_key=_RSA_KEY,
        parameters=lambda stock, number: {**_rsa(stock.own_key_id), "Plaintext": PLAINTEXT},
    ),
    Measured(
        name="Decrypt:RSA_2048",
        encryptions=0,
        own_key=_RSA_KEY,
        parameters=lambda stock, number: {**_rsa(stock.own_key_id), "CiphertextBlob": stock.made["CiphertextBlob"]},
    ),
    Measured(
        name="DeriveSharedSecret",
        encryptions=0,
        own_key=_AGREEING_KEY,
        parameters=lambda stock, number: {
            "KeyId": stock.own_key_id,
            "KeyAgreementAlgorithm": "ECDH",
            "PublicKey": stock.made["PublicKey"],
        },
    ),
    Measured(
        name="Encapsulate", encryptions=0, own_key=_KEM_KEY, parameters=lambda stock, number: _capsule(stock.own_key_id)
    ),
    Measured(
        name="Decapsulate",
        encryptions=0,
        own_key=_KEM_KEY,
        parameters=lambda stock, number: {
            **_capsule(stock.own_key_id),
            "SharedSecretCiphertextBlob": stock.made["SharedSecretCiphertextBlob"],
        },
    ),
    Measured(
        name="GetPublicKey",
        encryptions=0,
        own_key=_AGREEING_KEY,
        parameters=lambda stock, number: {"KeyId": stock.own_key_id},
    ),
)

OPERATIONS: Mapping[str, Measured] = MappingProxyType(
    {
        one.name: one
        for one in (
            Measured(name="Encrypt", encryptions=1, parameters=_encrypt),
            Measured(name="Decrypt", encryptions=1, parameters=_decrypt),
            Measured(name="GenerateDataKey", encryptions=1, parameters=_data_key),
            Measured(name="GenerateDataKeyWithoutPlaintext", encryptions=1, parameters=_data_key),
            Measured(name="ReEncrypt", encryptions=2, parameters=_reencrypt),
            Measured(name="GenerateRandom", encryptions=0, parameters=lambda stock, number: {"NumberOfBytes": 32}),
            Measured(
                name="DescribeKey", encryptions=0, parameters=lambda stock, number: {"KeyId": _key(stock, number)}
            ),
            Measured(name="CreateKey", encryptions=0, parameters=lambda stock, number: {}),
            Measured(
                name="GenerateDataKeyPair",
                encryptions=1,
                parameters=lambda stock, number: {"KeyId": _key(stock, number), "KeyPairSpec": "ECC_NIST_P256"},
            ),
            *_WITH_OWN_KEYS,
        )
    }
)
"""By name, in the order in which they are measured."""

USUAL = ("Encrypt", "Decrypt", "GenerateDataKey")
"""What is measured unless somebody says otherwise."""
