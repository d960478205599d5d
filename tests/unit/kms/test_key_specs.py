"""Specs, usages and algorithms against AWS's table, and what is said when they do not fit."""

from __future__ import annotations

import pytest

from regionsim.kms.errors import InvalidKeyUsageException
from regionsim.kms.key_specs import (
    CHINA_ONLY,
    NOT_IN_CHINA,
    USES,
    KeySpec,
    KeyUsage,
    is_offered,
    most_plaintext_bytes,
    use_of,
)
from regionsim.kms.key_usages import require_algorithm, require_usage
from regionsim.kms.model import model
from tests.unit.kms.keys import a_key

# Typed from the KMS Developer Guide, "Key spec reference": spec, usage, algorithms as returned.
GUIDE = """
    SYMMETRIC_DEFAULT      ENCRYPT_DECRYPT      SYMMETRIC_DEFAULT
    RSA_2048               ENCRYPT_DECRYPT      RSAES_OAEP_SHA_1 RSAES_OAEP_SHA_256
    RSA_3072               ENCRYPT_DECRYPT      RSAES_OAEP_SHA_1 RSAES_OAEP_SHA_256
    RSA_4096               ENCRYPT_DECRYPT      RSAES_OAEP_SHA_1 RSAES_OAEP_SHA_256
    RSA_2048               SIGN_VERIFY          RSASSA_PKCS1_V1_5_SHA_256 RSASSA_PKCS1_V1_5_SHA_384 RSASSA_PKCS1_V1_5_SHA_512 RSASSA_PSS_SHA_256 RSASSA_PSS_SHA_384 RSASSA_PSS_SHA_512
    RSA_3072               SIGN_VERIFY          RSASSA_PKCS1_V1_5_SHA_256 RSASSA_PKCS1_V1_5_SHA_384 RSASSA_PKCS1_V1_5_SHA_512 RSASSA_PSS_SHA_256 RSASSA_PSS_SHA_384 RSASSA_PSS_SHA_512
    RSA_4096               SIGN_VERIFY          RSASSA_PKCS1_V1_5_SHA_256 RSASSA_PKCS1_V1_5_SHA_384 RSASSA_PKCS1_V1_5_SHA_512 RSASSA_PSS_SHA_256 RSASSA_PSS_SHA_384 RSASSA_PSS_SHA_512
    ECC_NIST_P256          SIGN_VERIFY          ECDSA_SHA_256
    ECC_NIST_P256          KEY_AGREEMENT        ECDH
    ECC_NIST_P384          SIGN_VERIFY          ECDSA_SHA_384
    ECC_NIST_P384          KEY_AGREEMENT        ECDH
    ECC_NIST_P521          SIGN_VERIFY          ECDSA_SHA_512
    ECC_NIST_P521          KEY_AGREEMENT        ECDH
    ECC_SECG_P256K1        SIGN_VERIFY          ECDSA_SHA_256
    ECC_NIST_EDWARDS25519  SIGN_VERIFY          ED25519_SHA_512 ED25519_PH_SHA_512
    ML_DSA_44              SIGN_VERIFY          ML_DSA_SHAKE_256
    ML_DSA_65              SIGN_VERIFY          ML_DSA_SHAKE_256
    ML_DSA_87              SIGN_VERIFY          ML_DSA_SHAKE_256
    HMAC_224               GENERATE_VERIFY_MAC  HMAC_SHA_224
    HMAC_256               GENERATE_VERIFY_MAC  HMAC_SHA_256
    HMAC_384               GENERATE_VERIFY_MAC  HMAC_SHA_384
    HMAC_512               GENERATE_VERIFY_MAC  HMAC_SHA_512
    SM2                    ENCRYPT_DECRYPT      SM2PKE
    SM2                    SIGN_VERIFY          SM2DSA
    SM2                    KEY_AGREEMENT        ECDH
"""  # fmt: skip
ROWS = {(words[0], words[1]): tuple(words[2:]) for words in map(str.split, GUIDE.strip().splitlines())}


@pytest.mark.parametrize("spec", KeySpec)
@pytest.mark.parametrize("usage", KeyUsage)
def test_a_spec_has_the_usages_and_algorithms_of_the_guide(spec: KeySpec, usage: KeyUsage) -> None:
    use = use_of(spec, usage)
    if spec.startswith("ML_KEM"):  # newer than the guide's table
        assert (use is not None) is (usage is KeyUsage.ENCAPSULATE_DECAPSULATE)
    else:
        assert (None if use is None else use.algorithms) == ROWS.get((spec.value, usage.value))


def test_specs_and_usages_are_the_model_s() -> None:
    assert {spec.value for spec in KeySpec} == set(model().shapes["KeySpec"].enum)
    assert {usage.value for usage in KeyUsage} == set(model().shapes["KeyUsageType"].enum)
    assert USES.keys() == set(KeySpec)


def test_sm2_is_china_s_and_ml_kem_everybody_else_s() -> None:
    here = {spec for spec in KeySpec if is_offered(spec, "aws")}
    china = {spec for spec in KeySpec if is_offered(spec, "aws-cn")}
    assert here == set(KeySpec) - CHINA_ONLY == set(KeySpec) - {KeySpec.SM2}
    assert china == set(KeySpec) - NOT_IN_CHINA
    assert {spec.value for spec in here - china} == {"ML_KEM_512", "ML_KEM_768", "ML_KEM_1024"}


@pytest.mark.parametrize(
    ("spec", "sha_1", "sha_256"), [("RSA_2048", 214, 190), ("RSA_3072", 342, 318), ("RSA_4096", 470, 446)]
)
def test_what_rsa_encrypts_at_most(spec: str, sha_1: int, sha_256: int) -> None:
    assert most_plaintext_bytes(KeySpec(spec), "RSAES_OAEP_SHA_1") == sha_1
    assert most_plaintext_bytes(KeySpec(spec), "RSAES_OAEP_SHA_256") == sha_256


def test_the_wrong_usage_is_told_with_the_key_s_own() -> None:
    key = a_key(spec=KeySpec.RSA_2048, usage=KeyUsage.SIGN_VERIFY)
    with pytest.raises(InvalidKeyUsageException) as caught:
        require_usage("Encrypt", key, KeyUsage.ENCRYPT_DECRYPT)
    assert caught.value.message == f"{key.arn} key usage is SIGN_VERIFY which is not valid for Encrypt."
    require_usage("Sign", key, KeyUsage.SIGN_VERIFY)


@pytest.mark.parametrize(
    ("spec", "usage", "algorithm", "fits"),
    [
        (KeySpec.SYMMETRIC_DEFAULT, KeyUsage.ENCRYPT_DECRYPT, "SYMMETRIC_DEFAULT", True),
        (KeySpec.SYMMETRIC_DEFAULT, KeyUsage.ENCRYPT_DECRYPT, "RSAES_OAEP_SHA_256", False),
        (KeySpec.RSA_2048, KeyUsage.ENCRYPT_DECRYPT, "RSAES_OAEP_SHA_1", True),
        (KeySpec.RSA_2048, KeyUsage.ENCRYPT_DECRYPT, "RSASSA_PSS_SHA_256", False),
        (KeySpec.HMAC_256, KeyUsage.GENERATE_VERIFY_MAC, "HMAC_SHA_512", False),
        (KeySpec.HMAC_256, KeyUsage.KEY_AGREEMENT, "ECDH", False),
    ],
)
def test_an_algorithm_must_be_the_spec_s(spec: KeySpec, usage: KeyUsage, algorithm: str, *, fits: bool) -> None:
    key = a_key(spec=spec, usage=usage)
    if fits:
        require_algorithm(key, algorithm)
        return
    with pytest.raises(InvalidKeyUsageException) as caught:
        require_algorithm(key, algorithm)
    assert caught.value.message == f"Algorithm {algorithm} is incompatible with key spec {spec.value}."
