"""The operations that `bench` measures, and what each call of them asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

PLAINTEXT = bytes(32)
CONTEXT: Mapping[str, str] = MappingProxyType({"purpose": "bench"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """What the calls of one Region use in turn: key ids, and a ciphertext under each."""

    key_ids: tuple[str, ...]
    ciphertexts: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One operation. `encryptions` is how many encryptions or decryptions one call does: 0 has no ceiling here."""

    name: str
    encryptions: int
    parameters: Callable[[Stock, int], dict[str, Any]]
    """The parameters of the call of that number."""


def _encrypt(stock: Stock, number: int) -> dict[str, Any]:
    return {"KeyId": _key(stock, number), "Plaintext": PLAINTEXT, "EncryptionContext": dict(CONTEXT)}


def _decrypt(stock: Stock, number: int) -> dict[str, Any]:
    return {"CiphertextBlob": _ciphertext(stock, number), "EncryptionContext": dict(CONTEXT)}


def _data_key(stock: Stock, number: int) -> dict[str, Any]:
    return {"KeyId": _key(stock, number), "KeySpec": "AES_256", "EncryptionContext": dict(CONTEXT)}


def _reencrypt(stock: Stock, number: int) -> dict[str, Any]:
    return {
        "CiphertextBlob": _ciphertext(stock, number),
        "SourceEncryptionContext": dict(CONTEXT),
        "DestinationKeyId": _key(stock, number + 1),
    }


def _key(stock: Stock, number: int) -> str:
    return stock.key_ids[number % len(stock.key_ids)]


def _ciphertext(stock: Stock, number: int) -> bytes:
    return stock.ciphertexts[number % len(stock.ciphertexts)]


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
        )
    }
)
"""By name, in the order in which they are measured."""

USUAL = ("Encrypt", "Decrypt", "GenerateDataKey")
"""What is measured unless somebody says otherwise."""
