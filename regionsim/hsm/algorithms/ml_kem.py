"""ML-KEM key pairs. A private key is kept, and given out in data key pairs, as its seed (RFC 9935), as AWS has it.

Two of the three sizes are in the library that does the rest of our cryptography. The third, ML-KEM-512, is another's,
which takes expanded keys and no seed: `ml_kem_seed` expands.

Source: FIPS 203; botocore's model, Encapsulate, Decapsulate, GenerateDataKeyPair.
"""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM1024PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from regionsim.hsm.algorithms.key_pair import Draws, EncapsulatingPair, Encapsulation
from regionsim.hsm.algorithms.ml_kem_seed import SEED_BYTES, expand
from regionsim.kms.key_specs import KeySpec

# DER with one value in it, so all before the value never changes. OID 2.16.840.1.101.3.4.4.1 is id-alg-ml-kem-512.
_PRIVATE_512 = bytes.fromhex("3054020100300b06096086480165030404010442" + "8040")
_PUBLIC_512 = bytes.fromhex("30820332300b0609608648016503040401038203210" + "0")


class MlKemPair(EncapsulatingPair):
    """An ML-KEM-768 or ML-KEM-1024 key pair."""

    __slots__ = ("_private", "_public")

    def __init__(self, private_key: bytes) -> None:
        """Errors: ValueError."""
        loaded = load_der_private_key(private_key, None)
        if not isinstance(loaded, MLKEM768PrivateKey | MLKEM1024PrivateKey):
            raise ValueError("no ML-KEM key")
        self._private = loaded
        self._public = loaded.public_key()

    def public_key(self) -> bytes:
        return self._public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def secrets_for_scan(self) -> tuple[bytes, ...]:
        return (self._private.private_bytes_raw(),)

    def encapsulate(self) -> Encapsulation:
        return Encapsulation(*self._public.encapsulate())

    def decapsulate(self, ciphertext: bytes) -> bytes:
        return self._private.decapsulate(ciphertext)


class MlKem512Pair(EncapsulatingPair):
    """An ML-KEM-512 key pair."""

    __slots__ = ("_decapsulation_key", "_encapsulation_key")

    def __init__(self, private_key: bytes) -> None:
        """Errors: ValueError."""
        seed = private_key.removeprefix(_PRIVATE_512)
        if len(seed) != SEED_BYTES or len(private_key) != len(_PRIVATE_512) + SEED_BYTES:
            raise ValueError("no ML-KEM-512 key")
        self._encapsulation_key, self._decapsulation_key = expand(seed, KeySpec.ML_KEM_512)

    def public_key(self) -> bytes:
        return _PUBLIC_512 + self._encapsulation_key

    def secrets_for_scan(self) -> tuple[bytes, ...]:
        # The first part of it is the secret vector; what follows is public but for the last 32 bytes.
        length = len(self._decapsulation_key) - len(self._encapsulation_key) - 64
        return self._decapsulation_key[:length], self._decapsulation_key[-32:]

    def encapsulate(self) -> Encapsulation:
        ciphertext, shared_secret = _ml_kem_512().encaps(self._encapsulation_key)
        return Encapsulation(shared_secret, ciphertext)

    def decapsulate(self, ciphertext: bytes) -> bytes:
        shared_secret: bytes = _ml_kem_512().decaps(self._decapsulation_key, ciphertext)
        return shared_secret


def new_ml_kem_key(spec: KeySpec, draws: Draws) -> bytes:
    """A new private key, PKCS #8 with the seed."""
    seed = draws.stream.bytes(SEED_BYTES)
    match spec:
        case KeySpec.ML_KEM_512:
            return _PRIVATE_512 + seed
        case KeySpec.ML_KEM_768:
            made: MLKEM768PrivateKey | MLKEM1024PrivateKey = MLKEM768PrivateKey.from_seed_bytes(seed)
        case _:
            made = MLKEM1024PrivateKey.from_seed_bytes(seed)
    return made.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def _ml_kem_512() -> Any:
    # Imported when it is first needed: few worlds have such a key, and each command would wait for the library.
    from pqcrypto.kem import ml_kem_512

    return ml_kem_512
