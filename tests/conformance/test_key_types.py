"""boto3 with keys of every kind: what it gets verifies, opens and agrees outside."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)


def made(kms, spec, usage):
    return kms.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["KeyId"]


def public_key_of(kms, key_id):
    return load_der_public_key(kms.get_public_key(KeyId=key_id)["PublicKey"])


def test_signatures_verify_outside(kms):
    for spec, algorithm in (
        ("RSA_2048", "RSASSA_PSS_SHA_256"),
        ("ECC_NIST_P256", "ECDSA_SHA_256"),
        ("ECC_NIST_EDWARDS25519", "ED25519_SHA_512"),
        ("ML_DSA_65", "ML_DSA_SHAKE_256"),
    ):
        key_id = made(kms, spec, "SIGN_VERIFY")
        signed = kms.sign(KeyId=key_id, Message=b"m", SigningAlgorithm=algorithm)["Signature"]
        match public_key_of(kms, key_id):
            case rsa.RSAPublicKey() as public:
                public.verify(signed, b"m", padding.PSS(padding.MGF1(SHA256()), 32), SHA256())
            case ec.EllipticCurvePublicKey() as public:
                public.verify(signed, b"m", ec.ECDSA(SHA256()))
            case ed25519.Ed25519PublicKey() | mldsa.MLDSA65PublicKey() as public:
                public.verify(signed, b"m")
            case other:
                raise AssertionError(other)
        assert kms.verify(KeyId=key_id, Message=b"m", SigningAlgorithm=algorithm, Signature=signed)["SignatureValid"]
        with pytest.raises(kms.exceptions.KMSInvalidSignatureException):
            kms.verify(KeyId=key_id, Message=b"n", SigningAlgorithm=algorithm, Signature=signed)


def test_macs_are_those_of_the_key_and_a_wrong_one_is_an_error(kms):
    key_id = made(kms, "HMAC_256", "GENERATE_VERIFY_MAC")
    asked = {"KeyId": key_id, "Message": b"m", "MacAlgorithm": "HMAC_SHA_256"}
    mac = kms.generate_mac(**asked)["Mac"]
    assert len(mac) == 32
    assert not hmac.compare_digest(mac, hashlib.sha256(b"m").digest())
    assert kms.verify_mac(**asked, Mac=mac)["MacValid"] is True
    with pytest.raises(kms.exceptions.KMSInvalidMacException):
        kms.verify_mac(**asked, Mac=bytes(32))


def test_what_anybody_encrypts_with_the_public_key_is_decrypted(kms):
    key_id = made(kms, "RSA_2048", "ENCRYPT_DECRYPT")
    oaep = padding.OAEP(padding.MGF1(SHA256()), SHA256(), None)
    blob = public_key_of(kms, key_id).encrypt(b"meet at noon", oaep)
    opened = kms.decrypt(KeyId=key_id, CiphertextBlob=blob, EncryptionAlgorithm="RSAES_OAEP_SHA_256")
    assert opened["Plaintext"] == b"meet at noon"
    with pytest.raises(ClientError, match="cannot encrypt data larger than 190 bytes"):
        kms.encrypt(KeyId=key_id, Plaintext=bytes(191), EncryptionAlgorithm="RSAES_OAEP_SHA_256")


def test_a_peer_outside_agrees_and_a_capsule_is_opened(kms):
    agreeing, kem = made(kms, "ECC_NIST_P384", "KEY_AGREEMENT"), made(kms, "ML_KEM_768", "ENCAPSULATE_DECAPSULATE")
    peer = ec.generate_private_key(ec.SECP384R1())
    der = peer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    derived = kms.derive_shared_secret(KeyId=agreeing, KeyAgreementAlgorithm="ECDH", PublicKey=der)
    assert derived["SharedSecret"] == peer.exchange(ec.ECDH(), public_key_of(kms, agreeing))
    secret, capsule = public_key_of(kms, kem).encapsulate()
    opened = kms.decapsulate(KeyId=kem, EncapsulationAlgorithm="ML_KEM", SharedSecretCiphertextBlob=capsule)
    assert opened["SharedSecret"] == secret


def test_a_data_key_pair_belongs_together(kms):
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    pair = kms.generate_data_key_pair(KeyId=key_id, KeyPairSpec="RSA_2048", EncryptionContext={"a": "b"})
    private = load_der_private_key(pair["PrivateKeyPlaintext"], None)
    assert private.public_key() == load_der_public_key(pair["PublicKey"])
    opened = kms.decrypt(CiphertextBlob=pair["PrivateKeyCiphertextBlob"], EncryptionContext={"a": "b"})
    assert opened["Plaintext"] == pair["PrivateKeyPlaintext"]
