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
        "ECC_NIST_P384": "ECDSA_SHA_384",
        "ECC_NIST_P521": "ECDSA_SHA_512",
        "ECC_SECG_P256K1": "ECDSA_SHA_256",
        "ECC_NIST_EDWARDS25519": "ED25519_SHA_512",
        "RSA_2048": "RSASSA_PKCS1_V1_5_SHA_256",
        "RSA_3072": "RSASSA_PKCS1_V1_5_SHA_256",
        "RSA_4096": "RSASSA_PKCS1_V1_5_SHA_256",
        "ML_DSA_44": "ML_DSA_SHAKE_256",
        "ML_DSA_65": "ML_DSA_SHAKE_256",
        "ML_DSA_87": "ML_DSA_SHAKE_256",
    }
)
"""Specs that Sign and Verify are measured with, and how. The first one is meant where none is named."""

_MACS = tuple(f"HMAC_{bits}" for bits in (256, 224, 384, 512))
_MODULI = tuple(f"RSA_{bits}" for bits in (2048, 3072, 4096))
_CURVES = tuple(f"ECC_NIST_P{bits}" for bits in (256, 384, 521))
_CAPSULES = tuple(f"ML_KEM_{size}" for size in (768, 512, 1024))
"""Specs of the other operations; the first one is meant where none is named, but with RSA it always is."""


def _named(operation: str, spec: str, usual: str) -> str:
    return operation if spec == usual else f"{operation}:{spec}"


def _signing(spec: str, algorithm: str) -> tuple[Measured, Measured]:
    message = {"Message": PLAINTEXT, "SigningAlgorithm": algorithm}
    usual = next(iter(_SIGNATURES))

    def sign(key_id: str) -> Parameters:
        return {"KeyId": key_id, **message}

    key = OwnKey(spec=spec, usage="SIGN_VERIFY", beforehand="Sign", wanted=sign)
    return (
        Measured(
            name=_named("Sign", spec, usual),
            encryptions=0,
            own_key=key,
            parameters=lambda stock, number: sign(stock.own_key_id),
        ),
        Measured(
            name=_named("Verify", spec, usual),
            encryptions=0,
            own_key=key,
            parameters=lambda stock, number: {**sign(stock.own_key_id), "Signature": stock.made["Signature"]},
        ),
    )


def _macs(spec: str) -> tuple[Measured, Measured]:
    algorithm = spec.replace("HMAC_", "HMAC_SHA_")

    def mac(key_id: str) -> Parameters:
        return {"KeyId": key_id, "Message": PLAINTEXT, "MacAlgorithm": algorithm}

    key = OwnKey(spec=spec, usage="GENERATE_VERIFY_MAC", beforehand="GenerateMac", wanted=mac)
    return (
        Measured(
            name=_named("GenerateMac", spec, _MACS[0]),
            encryptions=0,
            own_key=key,
            parameters=lambda stock, number: mac(stock.own_key_id),
        ),
        Measured(
            name=_named("VerifyMac", spec, _MACS[0]),
            encryptions=0,
            own_key=key,
            parameters=lambda stock, number: {**mac(stock.own_key_id), "Mac": stock.made["Mac"]},
        ),
    )


def _encrypting(spec: str) -> tuple[Measured, Measured]:
    def oaep(key_id: str) -> Parameters:
        return {"KeyId": key_id, "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}

    def encrypt(key_id: str) -> Parameters:
        return {**oaep(key_id), "Plaintext": PLAINTEXT}

    key = OwnKey(spec=spec, usage="ENCRYPT_DECRYPT", beforehand="Encrypt", wanted=encrypt)
    return (
        Measured(
            name=f"Encrypt:{spec}",
            encryptions=0,
            own_key=key,
            parameters=lambda stock, number: encrypt(stock.own_key_id),
        ),
        Measured(
            name=f"Decrypt:{spec}",
            encryptions=0,
            own_key=key,
            parameters=lambda stock, number: {**oaep(stock.own_key_id), "CiphertextBlob": stock.made["CiphertextBlob"]},
        ),
    )


def _agreeing(spec: str) -> Measured:
    return Measured(
        name=_named("DeriveSharedSecret", spec, _CURVES[0]),
        encryptions=0,
        own_key=OwnKey(spec=spec, usage="KEY_AGREEMENT", beforehand="GetPublicKey"),
        parameters=lambda stock, number: {
            "KeyId": stock.own_key_id,
            "KeyAgreementAlgorithm": "ECDH",
            "PublicKey": stock.made["PublicKey"],
        },
    )


def _encapsulating(spec: str) -> tuple[Measured, Measured]:
    def capsule(key_id: str) -> Parameters:
        return {"KeyId": key_id, "EncapsulationAlgorithm": "ML_KEM"}

    key = OwnKey(spec=spec, usage="ENCAPSULATE_DECAPSULATE", beforehand="Encapsulate", wanted=capsule)
    return (
        Measured(
            name=_named("Encapsulate", spec, _CAPSULES[0]),
            encryptions=0,
            own_key=key,
            parameters=lambda stock, number: capsule(stock.own_key_id),
        ),
        Measured(
            name=_named("Decapsulate", spec, _CAPSULES[0]),
            encryptions=0,
            own_key=key,
            parameters=lambda stock, number: {
                **capsule(stock.own_key_id),
                "SharedSecretCiphertextBlob": stock.made["SharedSecretCiphertextBlob"],
            },
        ),
    )


_WITH_OWN_KEYS = (
    *(measured for spec in _MACS for measured in _macs(spec)),
    *(measured for spec, algorithm in _SIGNATURES.items() for measured in _signing(spec, algorithm)),
    *(measured for spec in _MODULI for measured in _encrypting(spec)),
    *(_agreeing(spec) for spec in _CURVES),
    *(measured for spec in _CAPSULES for measured in _encapsulating(spec)),
    Measured(
        name="GetPublicKey",
        encryptions=0,
        own_key=OwnKey(spec=_CURVES[0], usage="KEY_AGREEMENT"),
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
