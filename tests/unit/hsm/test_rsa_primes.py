"""RSA primes from a stream: their size, their repetition, and that an independent library takes them."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from regionsim.hsm.rsa_primes import EXPONENT, is_probably_prime, rsa_primes
from regionsim.runtime.entropy import OsEntropy, SeededEntropy


@pytest.mark.parametrize("bits", [1024, 2048])
def test_the_product_has_exactly_the_bits_and_the_key_is_one_to_openssl(bits: int) -> None:
    p, q = rsa_primes(SeededEntropy(1).stream("hsm"), bits)
    assert p > q
    assert (p * q).bit_length() == bits
    d = rsa.rsa_recover_private_exponent(EXPONENT, p, q)
    numbers = rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=rsa.rsa_crt_dmp1(d, p),
        dmq1=rsa.rsa_crt_dmq1(d, q),
        iqmp=rsa.rsa_crt_iqmp(p, q),
        public_numbers=rsa.RSAPublicNumbers(EXPONENT, p * q),
    )
    assert numbers.private_key().key_size == bits  # OpenSSL tests the primes


def test_a_seed_gives_the_same_primes_and_a_stream_never_twice() -> None:
    one, other = SeededEntropy(3).stream("hsm"), SeededEntropy(3).stream("hsm")
    first = rsa_primes(one, 1024)
    assert first == rsa_primes(other, 1024)
    assert first != rsa_primes(one, 1024)
    assert first != rsa_primes(SeededEntropy(4).stream("hsm"), 1024)
    assert first != rsa_primes(OsEntropy().stream("hsm"), 1024)


def test_primes_say_nothing_of_themselves() -> None:
    primes = rsa_primes(SeededEntropy(3).stream("hsm"), 1024)
    assert str(primes.p) not in repr(primes)


def test_composite_numbers_are_told_apart() -> None:
    prime = 2**521 - 1
    assert is_probably_prime(prime)
    assert not is_probably_prime(prime * (2**127 - 1))
    assert not is_probably_prime(3_215_031_751)  # a strong pseudoprime to the bases 2, 3, 5 and 7
