"""ML-KEM.KeyGen_internal: both keys that a seed stands for, for the library that takes expanded keys only.

Nothing but key generation is here; encapsulation and decapsulation are the libraries'. For ML-KEM-768 and 1024 the
tests compare every byte with a library that does take seeds. Source: FIPS 203, algorithms 5 to 9, 13 and 16.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from regionsim.kms.key_specs import KeySpec

SEED_BYTES = 64
"""d and z."""

_N = 256
_Q = 3329
_ETA_OF_K: Mapping[int, int] = MappingProxyType({2: 3, 3: 2, 4: 2})
_K: Mapping[KeySpec, int] = MappingProxyType({KeySpec.ML_KEM_512: 2, KeySpec.ML_KEM_768: 3, KeySpec.ML_KEM_1024: 4})


def _reversed_bits(number: int) -> int:
    return int(f"{number:07b}"[::-1], 2)


_ZETAS = tuple(pow(17, _reversed_bits(place), _Q) for place in range(128))
_GAMMAS = tuple(pow(17, 2 * _reversed_bits(place) + 1, _Q) for place in range(128))

Polynomial = list[int]
"""256 coefficients modulo 3329."""


class ExpandedKeys(NamedTuple):
    """Both keys in the standard's own encoding."""

    encapsulation: bytes
    decapsulation: bytes

    def __repr__(self) -> str:
        return "ExpandedKeys(withheld)"


def expand(seed: bytes, spec: KeySpec) -> ExpandedKeys:
    """The encapsulation key and the decapsulation key of `seed`, 64 bytes."""
    assert len(seed) == SEED_BYTES, "d and z"
    k = _K[spec]
    d, z = seed[:32], seed[32:]
    derived = hashlib.sha3_512(d + bytes([k])).digest()
    rho, sigma = derived[:32], derived[32:]
    secret = [_ntt(_noise(sigma, place, _ETA_OF_K[k])) for place in range(k)]
    error = [_ntt(_noise(sigma, k + place, _ETA_OF_K[k])) for place in range(k)]
    public = [_row(rho, row, secret, error[row]) for row in range(k)]
    encapsulation = b"".join(map(_encoded, public)) + rho
    hashed = hashlib.sha3_256(encapsulation).digest()
    return ExpandedKeys(encapsulation, b"".join(map(_encoded, secret)) + encapsulation + hashed + z)


def _row(rho: bytes, row: int, secret: list[Polynomial], error: Polynomial) -> Polynomial:
    """One row of A s + e."""
    total = error
    for column, one in enumerate(secret):
        product = _product(_uniform(rho + bytes([column, row])), one)
        total = [(a + b) % _Q for a, b in zip(total, product, strict=True)]
    return total


def _uniform(seed: bytes) -> Polynomial:
    """SampleNTT: coefficients below q from SHAKE-128, three bytes for two candidates."""
    found: Polynomial = []
    squeezed_bytes = 672
    while len(found) < _N:
        # Python's SHAKE cannot go on squeezing: a longer output begins with the shorter one.
        stream = hashlib.shake_128(seed).digest(squeezed_bytes)
        candidates = (
            number
            for at in range(0, squeezed_bytes, 3)
            for number in (
                stream[at] | (stream[at + 1] & 0x0F) << 8,
                stream[at + 1] >> 4 | stream[at + 2] << 4,
            )
        )
        found = [number for number in candidates if number < _Q][:_N]
        squeezed_bytes *= 2
    return found


def _noise(sigma: bytes, counter: int, eta: int) -> Polynomial:
    """SamplePolyCBD of PRF(sigma, counter): each coefficient the difference of two sums of eta bits."""
    bits = int.from_bytes(hashlib.shake_256(sigma + bytes([counter])).digest(64 * eta), "little")
    mask = (1 << eta) - 1
    return [
        ((bits >> at & mask).bit_count() - (bits >> (at + eta) & mask).bit_count()) % _Q
        for at in range(0, 2 * eta * _N, 2 * eta)
    ]


def _ntt(polynomial: Polynomial) -> Polynomial:
    turned = list(polynomial)
    place, length = 1, 128
    while length >= 2:
        for start in range(0, _N, 2 * length):
            zeta = _ZETAS[place]
            place += 1
            for at in range(start, start + length):
                far = zeta * turned[at + length] % _Q
                turned[at], turned[at + length] = (turned[at] + far) % _Q, (turned[at] - far) % _Q
        length //= 2
    return turned


def _product(one: Polynomial, other: Polynomial) -> Polynomial:
    """MultiplyNTTs."""
    found: Polynomial = []
    for place, gamma in enumerate(_GAMMAS):
        a0, a1 = one[2 * place : 2 * place + 2]
        b0, b1 = other[2 * place : 2 * place + 2]
        found += ((a0 * b0 + a1 * b1 * gamma) % _Q, (a0 * b1 + a1 * b0) % _Q)
    return found


def _encoded(polynomial: Polynomial) -> bytes:
    """ByteEncode with 12 bits a coefficient."""
    return sum(number << 12 * place for place, number in enumerate(polynomial)).to_bytes(_N * 12 // 8, "little")
