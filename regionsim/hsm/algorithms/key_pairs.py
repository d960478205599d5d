"""Key pairs by key spec: made, taken up from their private key, taken in from outside.

SM2 is imported when it is first needed: it is for China Regions, and brings libraries that each command would wait for.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cryptography.exceptions import UnsupportedAlgorithm

from regionsim.hsm.algorithms.ec_pairs import EcPair, new_ec_key
from regionsim.hsm.algorithms.edwards import Ed25519Pair, new_ed25519_key
from regionsim.hsm.algorithms.key_pair import Draws, KeyPair
from regionsim.hsm.algorithms.ml_dsa import MlDsaPair, new_ml_dsa_key
from regionsim.hsm.algorithms.ml_kem import MlKem512Pair, MlKemPair, new_ml_kem_key
from regionsim.hsm.algorithms.rsa_pairs import RsaPair, new_rsa_key
from regionsim.hsm.rsa_primes import EXPONENT
from regionsim.kms.key_specs import KeySpec

_RSA_BITS: Mapping[KeySpec, int] = MappingProxyType(
    {KeySpec.RSA_2048: 2048, KeySpec.RSA_3072: 3072, KeySpec.RSA_4096: 4096}
)


def new_private_key(spec: KeySpec, draws: Draws) -> bytes:
    """A new private key of that spec, PKCS #8."""
    match spec:
        case KeySpec.RSA_2048 | KeySpec.RSA_3072 | KeySpec.RSA_4096:
            return new_rsa_key(_RSA_BITS[spec], draws)
        case KeySpec.ECC_NIST_EDWARDS25519:
            return new_ed25519_key(draws)
        case KeySpec.ML_DSA_44 | KeySpec.ML_DSA_65 | KeySpec.ML_DSA_87:
            return new_ml_dsa_key(spec, draws)
        case KeySpec.ML_KEM_512 | KeySpec.ML_KEM_768 | KeySpec.ML_KEM_1024:
            return new_ml_kem_key(spec, draws)
        case KeySpec.SM2:
            from regionsim.hsm.algorithms.sm2 import new_sm2_key  # see above

            return new_sm2_key(draws)
        case _:
            return new_ec_key(spec, draws)


def key_pair(spec: KeySpec, private_key: bytes) -> KeyPair:
    """The key pair of a private key that `new_private_key` or `imported_private_key` gave: it is not tested again."""
    match spec:
        case KeySpec.RSA_2048 | KeySpec.RSA_3072 | KeySpec.RSA_4096:
            return RsaPair(private_key, is_ours=True)
        case KeySpec.ECC_NIST_EDWARDS25519:
            return Ed25519Pair(private_key)
        case KeySpec.ML_DSA_44 | KeySpec.ML_DSA_65 | KeySpec.ML_DSA_87:
            return MlDsaPair(spec, private_key)
        case KeySpec.ML_KEM_512:
            return MlKem512Pair(private_key)
        case KeySpec.ML_KEM_768 | KeySpec.ML_KEM_1024:
            return MlKemPair(private_key)
        case KeySpec.SM2:
            from regionsim.hsm.algorithms.sm2 import Sm2Pair  # see above

            return Sm2Pair(private_key)
        case _:
            return EcPair(spec, private_key)


def imported_private_key(spec: KeySpec, private_key: bytes) -> bytes:
    """A private key from outside (PKCS #8), tested, in the one form that we keep.

    Errors: ValueError when it is not a private key of that spec. ML-DSA and ML-KEM keys are not imported.
    """
    try:
        return _tested(spec, private_key)
    except (ValueError, UnsupportedAlgorithm, TypeError):
        # Not DER, of another kind, of a kind that the library does not know, locked with a password.
        raise ValueError(f"no {spec} key") from None


def _tested(spec: KeySpec, private_key: bytes) -> bytes:
    match spec:
        case KeySpec.RSA_2048 | KeySpec.RSA_3072 | KeySpec.RSA_4096:
            pair = RsaPair(private_key, is_ours=False)
            if pair.bits != _RSA_BITS[spec] or pair.exponent != EXPONENT:
                raise ValueError(f"no {spec} key")
            return pair.private_key()
        case KeySpec.ECC_NIST_EDWARDS25519:
            return Ed25519Pair(private_key).private_key()
        case KeySpec.SM2:
            from regionsim.hsm.algorithms.sm2 import Sm2Pair  # see above

            return Sm2Pair(private_key).tested_private_key()
        case _:
            return EcPair(spec, private_key).private_key()
