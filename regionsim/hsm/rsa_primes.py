"""RSA primes from a stream: what a seed gives, it gives again on every machine.

The library that does our cryptography takes the operating system's entropy for RSA keys and cannot be seeded, so in
virtual time the primes are searched for here. Each of the two searches draws once from the stream and goes upwards from
there. In real time nobody comes here.

Source: FIPS 186-5, A.1.3 (probable primes: sizes, distance, the exponent 65537) and B.3 (Miller-Rabin).
"""

from __future__ import annotations

from functools import cache
from math import gcd, isqrt
from typing import NamedTuple

from regionsim.runtime.entropy import Stream

EXPONENT = 65_537

_SIEVED_BELOW = 1 << 17
"""More costs as much as the Miller-Rabin tests that it saves; it does not change which prime is found. Measured."""

_WINDOW = 1 << 12
"""Odd numbers that one sieve looks at."""

_BASES = (2, 3, 5, 7, 11)
"""Of Miller-Rabin: for numbers drawn at random, five rounds leave an error under 2**-140 at 1,024 bits."""


class RsaPrimes(NamedTuple):
    """The two primes of an RSA key, the greater one first."""

    p: int
    q: int

    def __repr__(self) -> str:
        return "RsaPrimes(withheld)"


def rsa_primes(stream: Stream, modulus_bits: int) -> RsaPrimes:
    """Two primes whose product has exactly `modulus_bits` bits."""
    bits = modulus_bits // 2
    p = _prime(stream, bits)
    q = _prime(stream, bits)
    while abs(p - q) >> (bits - 100) == 0:  # never seen: drawn apart, they are apart
        q = _prime(stream, bits)
    return RsaPrimes(max(p, q), min(p, q))


def _prime(stream: Stream, bits: int) -> int:
    """The first fit prime at or above a number drawn at random."""
    drawn = int.from_bytes(stream.bytes(bits // 8))
    # The two highest bits set: the product of two such numbers has twice the bits.
    start = drawn | (0b11 << (bits - 2)) | 1
    while True:
        for offset in _unsieved(start):
            candidate = start + 2 * offset
            if candidate.bit_length() == bits and _is_fit(candidate):
                return candidate
        start += 2 * _WINDOW
        if start.bit_length() > bits:
            start = (0b11 << (bits - 2)) | 1


def _unsieved(start: int) -> list[int]:
    """The places n at which start + 2n has no small factor."""
    is_open = bytearray(b"\x01") * _WINDOW
    for prime in _small_primes():
        # start + 2n = 0 (mod prime), and the inverse of 2 is (prime + 1) / 2
        first = -start * ((prime + 1) // 2) % prime
        is_open[first::prime] = bytes(len(range(first, _WINDOW, prime)))
    return [place for place, still in enumerate(is_open) if still]


def _is_fit(candidate: int) -> bool:
    return gcd(candidate - 1, EXPONENT) == 1 and is_probably_prime(candidate)


def is_probably_prime(number: int) -> bool:
    """Miller-Rabin, for an odd number of some hundred bits."""
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    return all(_passes(number, base, odd, twos) for base in _BASES)


def _passes(number: int, base: int, odd: int, twos: int) -> bool:
    power = pow(base, odd, number)
    if power in (1, number - 1):
        return True
    for _ in range(twos - 1):
        power = power * power % number
        if power == number - 1:
            return True
    return False


@cache
def _small_primes() -> tuple[int, ...]:
    """The odd primes that a candidate is sieved by."""
    is_prime = bytearray(b"\x01") * _SIEVED_BELOW
    for number in range(3, isqrt(_SIEVED_BELOW) + 1, 2):
        if is_prime[number]:
            is_prime[number * number :: 2 * number] = bytes(len(range(number * number, _SIEVED_BELOW, 2 * number)))
    return tuple(number for number in range(3, _SIEVED_BELOW, 2) if is_prime[number])
