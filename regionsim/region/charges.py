"""Which requests cost more than the usual ones (those that ask an HSM about key pairs), and which cost nothing.

Source: AWS KMS pricing: asymmetric requests but RSA 2048, and both kinds of data key pairs, have prices of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from regionsim.kms.aws_keys import OWNED_KEYS_ACCOUNT
from regionsim.kms.hsm_jobs import (
    CreateBackingKey,
    ForRecipient,
    GenerateDataKeyPair,
    HsmJob,
    ImportMaterial,
    ReEncrypt,
)
from regionsim.kms.key import KmsKey
from regionsim.kms.key_specs import KeySpec, is_mac, is_symmetric


class Charge(StrEnum):
    """A price of its own."""

    ASYMMETRIC = "asymmetric"
    ECC_DATA_KEY_PAIR = "ECC data key pair"
    RSA_DATA_KEY_PAIR = "RSA data key pair"
    AWS_OWNED = "AWS owned key"
    """Nothing: it is in nobody's bill."""


_DEAR = frozenset(spec for spec in KeySpec if not (is_symmetric(spec) or is_mac(spec) or spec is KeySpec.RSA_2048))
_PRICED_APART = frozenset({GenerateDataKeyPair, ReEncrypt, CreateBackingKey, ImportMaterial, ForRecipient})


def charge_of(job: HsmJob, keys: Sequence[KmsKey] = ()) -> Charge | None:
    """The price of the request that asked for the job with those keys; None for the usual one."""
    if keys and keys[0].account == OWNED_KEYS_ACCOUNT:
        return Charge.AWS_OWNED
    if type(job) not in _PRICED_APART:
        return Charge.ASYMMETRIC if _is_dear(getattr(job, "spec", KeySpec.SYMMETRIC_DEFAULT)) else None
    match job:
        case GenerateDataKeyPair(spec=spec):
            return Charge.RSA_DATA_KEY_PAIR if spec.startswith("RSA") else Charge.ECC_DATA_KEY_PAIR
        case ReEncrypt(source_spec=source, destination_spec=destination):
            return Charge.ASYMMETRIC if _is_dear(source) or _is_dear(destination) else None
        case ForRecipient(job=inner):
            return charge_of(inner)
        case _:
            return None


def _is_dear(spec: KeySpec) -> bool:
    return spec in _DEAR
