"""Key pairs for the tests of the HSM room; RSA keys take a while to make, so there is one of each size."""

from __future__ import annotations

from functools import cache

from regionsim.hsm.algorithms.key_pair import Draws, KeyPair
from regionsim.hsm.algorithms.key_pairs import key_pair, new_private_key
from regionsim.kms.key_specs import USES, KeySpec, KeyUsage
from regionsim.runtime.entropy import OsEntropy, SeededEntropy

PAIR_SPECS = tuple(
    spec for spec in KeySpec if not spec.startswith(("SYMMETRIC", "HMAC")) and spec is not KeySpec.RSA_4096
)
"""Every kind of key pair; of RSA the two sizes that are quick to make."""


def random_draws() -> Draws:
    return Draws(stream=OsEntropy().stream("test"), is_seeded=False)


def seeded_draws(seed: int = 1) -> Draws:
    return Draws(stream=SeededEntropy(seed).stream("test"), is_seeded=True)


def uses(usage: KeyUsage, *, with_the_largest: bool = False) -> list[tuple[KeySpec, str]]:
    """Every (spec, algorithm) for that usage; of RSA the largest size only where that is wanted."""
    return [
        (spec, algorithm)
        for spec in (*PAIR_SPECS, *([KeySpec.RSA_4096] if with_the_largest else []))
        for use in USES[spec]
        if use.usage is usage
        for algorithm in use.algorithms
    ]


@cache
def private_key(spec: KeySpec) -> bytes:
    return new_private_key(spec, random_draws())


@cache
def pair_of(spec: KeySpec) -> KeyPair:
    return key_pair(spec, private_key(spec))
