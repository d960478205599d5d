"""Key pairs of every spec: what they do, what an independent library says of it, and what they refuse."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from Crypto.Cipher import PKCS1_OAEP
from Crypto.Hash import SHA1, SHA256, SHA384, SHA512
from Crypto.PublicKey import ECC, RSA
from Crypto.Signature import DSS, eddsa, pkcs1_15, pss
from cryptography.hazmat.primitives.asymmetric import mlkem
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key
from gmalg import SM2

from regionsim.hsm.algorithms.key_pair import AgreeingPair, EncapsulatingPair, EncryptingPair, SigningPair
from regionsim.hsm.algorithms.key_pairs import imported_private_key, key_pair, new_private_key
from regionsim.hsm.algorithms.ml_kem_seed import expand
from regionsim.kms.errors import InvalidCiphertextException, ValidationException
from regionsim.kms.key_specs import ENCAPSULATION_BYTES, KeySpec, KeyUsage
from regionsim.kms.signatures import MessageType, digest_bytes, require_message
from tests.unit.hsm.pairs import PAIR_SPECS, pair_of, private_key, random_draws, seeded_draws, uses

MESSAGE = b"order 4711"
HASHES: dict[str, Any] = {"1": SHA1, "256": SHA256, "384": SHA384, "512": SHA512}
QUICK = [spec for spec in PAIR_SPECS if spec not in (KeySpec.RSA_3072, KeySpec.SM2)]


def sample(algorithm: str, message_type: MessageType) -> bytes:
    return MESSAGE if message_type is MessageType.RAW else hashlib.sha3_512(MESSAGE).digest()[: digest_bytes(algorithm)]


def signing(spec: KeySpec) -> SigningPair:
    pair = pair_of(spec)
    assert isinstance(pair, SigningPair)
    return pair


SIGNATURES = [
    (spec, algorithm, message_type)
    for spec, algorithm in uses(KeyUsage.SIGN_VERIFY)
    for message_type in MessageType
    if message_type
    in {
        "ED25519_SHA_512": ["RAW"],
        "ED25519_PH_SHA_512": ["DIGEST"],
        "ML_DSA_SHAKE_256": ["RAW", "EXTERNAL_MU"],
    }.get(algorithm, ["RAW", "DIGEST"])
]


@pytest.mark.parametrize(("spec", "algorithm", "message_type"), SIGNATURES)
def test_a_signature_is_the_key_s_over_this_message_and_no_other(
    spec: KeySpec, algorithm: str, message_type: MessageType
) -> None:
    pair, message = signing(spec), sample(algorithm, message_type)
    require_message(algorithm, message_type, message)
    signature = pair.sign(algorithm, message_type, message, random_draws())
    assert pair.is_signature(algorithm, message_type, message, signature)
    other = bytes([message[0] ^ 1]) + message[1:]
    assert not pair.is_signature(algorithm, message_type, other, signature)
    for wrong in (signature[:-1] + bytes([signature[-1] ^ 1]), signature[:-1], signature + b"\0", b"x"):
        assert not pair.is_signature(algorithm, message_type, message, wrong)


@pytest.mark.parametrize(("spec", "algorithm"), [use for use in uses(KeyUsage.SIGN_VERIFY) if use[0].startswith("RSA")])
def test_an_independent_library_verifies_rsa_and_is_verified(spec: KeySpec, algorithm: str) -> None:
    """PSS with a salt as long as the hash: any other is refused, here and there."""
    pair, hashed = signing(spec), HASHES[algorithm.rpartition("_")[2]].new(MESSAGE)
    theirs = RSA.import_key(private_key(spec))
    assert theirs.e == 65537
    scheme = pss if "PSS" in algorithm else pkcs1_15
    signature = pair.sign(algorithm, MessageType.DIGEST, hashed.digest(), random_draws())
    scheme.new(RSA.import_key(pair.public_key())).verify(hashed, signature)
    assert pair.is_signature(algorithm, MessageType.RAW, MESSAGE, scheme.new(theirs).sign(hashed))
    if scheme is pss:
        short = pss.new(theirs, salt_bytes=hashed.digest_size - 1).sign(hashed)
        assert not pair.is_signature(algorithm, MessageType.RAW, MESSAGE, short)


@pytest.mark.parametrize(
    ("spec", "algorithm"), [use for use in uses(KeyUsage.SIGN_VERIFY) if use[0].startswith("ECC_NIST_P")]
)
def test_an_independent_library_verifies_ecdsa_in_der_and_is_verified(spec: KeySpec, algorithm: str) -> None:
    pair, hashed = signing(spec), HASHES[algorithm.rpartition("_")[2]].new(MESSAGE)
    signature = pair.sign(algorithm, MessageType.RAW, MESSAGE, random_draws())
    DSS.new(ECC.import_key(pair.public_key()), "fips-186-3", encoding="der").verify(hashed, signature)
    theirs = DSS.new(ECC.import_key(private_key(spec)), "fips-186-3", encoding="der").sign(hashed)
    assert pair.is_signature(algorithm, MessageType.DIGEST, hashed.digest(), theirs)


def test_an_independent_library_verifies_both_forms_of_ed25519_and_is_verified() -> None:
    pair = signing(KeySpec.ECC_NIST_EDWARDS25519)
    public, private = ECC.import_key(pair.public_key()), ECC.import_key(private_key(KeySpec.ECC_NIST_EDWARDS25519))
    pure = pair.sign("ED25519_SHA_512", MessageType.RAW, MESSAGE, random_draws())
    eddsa.new(public, "rfc8032").verify(MESSAGE, pure)
    assert pure == eddsa.new(private, "rfc8032").sign(MESSAGE)
    digest = hashlib.sha512(MESSAGE).digest()
    hashed_again = SHA512.new(digest)  # what AWS says: the digest that is sent is hashed once more
    pre_hashed = pair.sign("ED25519_PH_SHA_512", MessageType.DIGEST, digest, random_draws())
    eddsa.new(public, "rfc8032").verify(hashed_again, pre_hashed)
    theirs = eddsa.new(private, "rfc8032").sign(SHA512.new(digest))
    assert pair.is_signature("ED25519_PH_SHA_512", MessageType.DIGEST, digest, theirs)
    assert not pair.is_signature("ED25519_SHA_512", MessageType.RAW, digest, theirs)


def test_the_pre_hash_is_that_of_rfc_8032() -> None:
    """RFC 8032, 7.3: Ed25519ph over "abc"."""
    seed = bytes.fromhex("833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42")
    pair = key_pair(KeySpec.ECC_NIST_EDWARDS25519, bytes.fromhex("302e020100300506032b657004220420") + seed)
    assert isinstance(pair, SigningPair)
    assert pair.sign("ED25519_PH_SHA_512", MessageType.DIGEST, b"abc", random_draws()).hex() == (
        "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41"
        "31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406"
    )


def test_mu_of_ml_dsa_may_be_computed_outside() -> None:
    """FIPS 204, 6.2: mu = SHAKE256(SHAKE256(public key, 64) || 0 || 0 || message, 64)."""
    for spec in (KeySpec.ML_DSA_44, KeySpec.ML_DSA_65, KeySpec.ML_DSA_87):
        pair = signing(spec)
        public: Any = load_der_public_key(pair.public_key())
        hashed_key = hashlib.shake_256(public.public_bytes_raw()).digest(64)
        mu = hashlib.shake_256(hashed_key + b"\0\0" + MESSAGE).digest(64)
        signature = pair.sign("ML_DSA_SHAKE_256", MessageType.EXTERNAL_MU, mu, random_draws())
        assert pair.is_signature("ML_DSA_SHAKE_256", MessageType.RAW, MESSAGE, signature)
        public.verify(signature, MESSAGE)


@pytest.mark.parametrize(("spec", "algorithm"), uses(KeyUsage.ENCRYPT_DECRYPT))
def test_decrypt_undoes_encrypt_and_refuses_the_rest_without_a_cause(spec: KeySpec, algorithm: str) -> None:
    pair = pair_of(spec)
    assert isinstance(pair, EncryptingPair)
    ciphertext = pair.encrypt(algorithm, MESSAGE, random_draws())
    assert pair.decrypt(algorithm, ciphertext) == MESSAGE
    assert pair.encrypt(algorithm, MESSAGE, random_draws()) != ciphertext
    wrong = [ciphertext[:-1], ciphertext + b"\0", b"x", bytes(len(ciphertext)), ciphertext[:-1] + b"\0\0"]
    wrong += [ciphertext[:at] + bytes([ciphertext[at] ^ 1]) + ciphertext[at + 1 :] for at in (0, 1, 5, 40, 90)]
    for presented in wrong:
        with pytest.raises(InvalidCiphertextException) as refused:
            pair.decrypt(algorithm, presented)
        assert (refused.value.message, refused.value.__cause__) == ("", None)


@pytest.mark.parametrize(
    ("spec", "algorithm"), [use for use in uses(KeyUsage.ENCRYPT_DECRYPT) if use[0].startswith("RSA")]
)
def test_an_independent_library_opens_oaep_and_is_opened(spec: KeySpec, algorithm: str) -> None:
    """One hash for label and MGF1, an empty label, a ciphertext as long as the modulus."""
    pair, hash_module = pair_of(spec), HASHES[algorithm.rpartition("_")[2]]
    assert isinstance(pair, EncryptingPair)
    ciphertext = pair.encrypt(algorithm, MESSAGE, random_draws())
    assert len(ciphertext) * 8 == int(spec.rpartition("_")[2])
    theirs = RSA.import_key(private_key(spec))
    assert PKCS1_OAEP.new(theirs, hashAlgo=hash_module).decrypt(ciphertext) == MESSAGE
    public = RSA.import_key(pair.public_key())
    assert pair.decrypt(algorithm, PKCS1_OAEP.new(public, hashAlgo=hash_module).encrypt(MESSAGE)) == MESSAGE


@pytest.mark.parametrize("spec", [spec for spec, _ in uses(KeyUsage.KEY_AGREEMENT)])
def test_two_ends_agree_on_the_x_coordinate(spec: KeySpec) -> None:
    ours, theirs = pair_of(spec), key_pair(spec, new_private_key(spec, random_draws()))
    assert isinstance(ours, AgreeingPair)
    assert isinstance(theirs, AgreeingPair)
    secret = ours.agree(theirs.public_key())
    assert secret == theirs.agree(ours.public_key())
    size = {"ECC_NIST_P384": 48, "ECC_NIST_P521": 66}.get(spec, 32)
    assert len(secret) == size
    if spec is not KeySpec.SM2:
        private, public = ECC.import_key(private_key(spec)), ECC.import_key(theirs.public_key())
        assert int.from_bytes(secret) == int((public.pointQ * private.d).x)


@pytest.mark.parametrize("spec", [spec for spec, _ in uses(KeyUsage.KEY_AGREEMENT)])
def test_a_peer_s_key_of_no_use_is_refused_without_text(spec: KeySpec) -> None:
    ours = pair_of(spec)
    assert isinstance(ours, AgreeingPair)
    public_key = ours.public_key()
    others = [pair_of(other).public_key() for other in PAIR_SPECS if other is not spec]
    off_the_curve = public_key[:-1] + bytes([public_key[-1] ^ 1])
    for wrong in (b"x", b"", public_key[:-1], public_key + b"\0", off_the_curve, *others):
        with pytest.raises(ValidationException) as refused:
            ours.agree(wrong)
        assert refused.value.message == ""


@pytest.mark.parametrize("spec", [spec for spec, _ in uses(KeyUsage.ENCAPSULATE_DECAPSULATE)])
def test_an_encapsulated_secret_comes_out_and_an_altered_one_is_another(spec: KeySpec) -> None:
    pair = pair_of(spec)
    assert isinstance(pair, EncapsulatingPair)
    made = pair.encapsulate()
    assert (len(made.shared_secret), len(made.ciphertext)) == (32, ENCAPSULATION_BYTES[spec])
    assert pair.decapsulate(made.ciphertext) == made.shared_secret
    assert made.shared_secret.hex() not in repr(made)
    altered = bytes([made.ciphertext[0] ^ 1]) + made.ciphertext[1:]
    implicit = pair.decapsulate(altered)
    assert implicit != made.shared_secret
    assert implicit == pair.decapsulate(altered)


@pytest.mark.parametrize(
    ("spec", "kind"),
    [(KeySpec.ML_KEM_768, mlkem.MLKEM768PrivateKey), (KeySpec.ML_KEM_1024, mlkem.MLKEM1024PrivateKey)],
)
def test_a_seed_expands_as_in_the_library_that_takes_seeds(spec: KeySpec, kind: Any) -> None:
    draws = seeded_draws()
    for _ in range(10):
        seed = draws.stream.bytes(64)
        assert expand(seed, spec).encapsulation == kind.from_seed_bytes(seed).public_key().public_bytes_raw()


@pytest.mark.parametrize("spec", QUICK)
def test_a_seed_gives_the_same_key_again_and_the_next_one_is_another(spec: KeySpec) -> None:
    draws = seeded_draws()
    first = new_private_key(spec, draws)
    assert first == new_private_key(spec, seeded_draws())
    assert first != new_private_key(spec, seeded_draws(2))
    if spec is not KeySpec.RSA_2048:
        assert first != new_private_key(spec, draws)
    assert first != private_key(spec)


@pytest.mark.parametrize(("spec", "algorithm"), [use for use in uses(KeyUsage.SIGN_VERIFY) if use[0].startswith("ECC")])
def test_signatures_on_curves_repeat_where_a_seed_is_and_only_there(spec: KeySpec, algorithm: str) -> None:
    message_type = MessageType.DIGEST if "_PH_" in algorithm else MessageType.RAW
    message = sample(algorithm, message_type)

    def twice(draws: Any) -> int:
        return len({signing(spec).sign(algorithm, message_type, message, draws) for _ in range(2)})

    assert twice(seeded_draws()) == 1
    assert twice(random_draws()) == (2 if algorithm.startswith("ECDSA") else 1)


@pytest.mark.parametrize("spec", [spec for spec in PAIR_SPECS if spec not in (KeySpec.SM2, KeySpec.ML_KEM_512)])
def test_private_keys_are_pkcs8_and_public_keys_belong_to_them(spec: KeySpec) -> None:
    loaded: Any = load_der_private_key(private_key(spec), None)
    public: Any = load_der_public_key(pair_of(spec).public_key())
    assert loaded.public_key() == public


def test_an_ml_kem_private_key_is_a_seed_in_every_size() -> None:
    """Source: botocore's model, GenerateDataKeyPair: the length is the same for all."""
    specs = (KeySpec.ML_KEM_512, KeySpec.ML_KEM_768, KeySpec.ML_KEM_1024)
    keys = [private_key(spec) for spec in specs]
    assert {len(key) for key in keys} == {86}
    oids = {key[:-64].hex()[:-8] for key in keys}
    assert len({oid[:-2] for oid in oids}) == 1 < len(oids) == 3


IMPORTED = [spec for spec in PAIR_SPECS if not spec.startswith("ML_")]


@pytest.mark.parametrize("spec", IMPORTED)
def test_a_private_key_from_outside_is_kept_in_one_form_and_no_other_kind_is_taken(spec: KeySpec) -> None:
    key = private_key(spec)
    assert imported_private_key(spec, key) == key
    for wrong in (b"", b"x", key[:-1], *(private_key(other) for other in IMPORTED if other is not spec)):
        with pytest.raises(ValueError, match=f"no {spec} key"):
            imported_private_key(spec, wrong)


@pytest.mark.parametrize("spec", PAIR_SPECS)
def test_who_searches_for_leaks_is_given_the_numbers_that_are_secret(spec: KeySpec) -> None:
    """All of them stand in the private key (RSA's, ML-KEM-512's: in what it expands to), none in the public one."""
    pair, private = pair_of(spec), private_key(spec)
    secrets = pair.secrets_for_scan()
    assert secrets
    assert all(len(secret) >= 32 and secret not in pair.public_key() for secret in secrets)
    if spec is not KeySpec.ML_KEM_512:
        assert all(secret in private for secret in secrets)


def test_key_pairs_say_nothing_of_themselves() -> None:
    for spec in PAIR_SPECS:
        assert repr(pair_of(spec)).endswith("contents withheld>")


# ----------------------------------------------------------------------------------------------------------------- SM2


def sm2_library(pair: SigningPair) -> SM2:
    """The library's own SM2, with our public key and AWS's distinguishing id."""
    return SM2(pk=b"\x04" + pair.public_key()[-64:], uid=b"1234567812345678")


def test_sm2_signatures_are_over_identity_and_message() -> None:
    pair = signing(KeySpec.SM2)
    signature = pair.sign("SM2DSA", MessageType.RAW, MESSAGE, random_draws())
    r, s = (number.to_bytes(32) for number in decode_dss_signature(signature))
    assert sm2_library(pair).verify(MESSAGE, r, s)
    secret = private_key(KeySpec.SM2)[36:68]
    r, s = SM2(sk=secret, uid=b"1234567812345678").sign(MESSAGE)
    theirs = encode_dss_signature(int.from_bytes(r), int.from_bytes(s))
    assert pair.is_signature("SM2DSA", MessageType.RAW, MESSAGE, theirs)


def test_sm2_ciphertexts_are_der_of_what_the_library_opens() -> None:
    """GM/T 0009: SEQUENCE of x, y, the hash, the hidden bytes."""
    pair = pair_of(KeySpec.SM2)
    assert isinstance(pair, EncryptingPair)
    ciphertext = pair.encrypt("SM2PKE", MESSAGE, random_draws())
    hidden = ciphertext[-len(MESSAGE) :]
    checksum = ciphertext[-len(MESSAGE) - 2 - 32 : -len(MESSAGE) - 2]
    numbers, at = [], 2
    for _ in range(2):
        length = ciphertext[at + 1]
        numbers.append(int.from_bytes(ciphertext[at + 2 : at + 2 + length]).to_bytes(32))
        at += 2 + length
    library = SM2(sk=private_key(KeySpec.SM2)[36:68])
    assert library.decrypt(b"\x04" + b"".join(numbers) + checksum + hidden) == MESSAGE


def test_sm2_draws_its_numbers_from_the_stream() -> None:
    pair = pair_of(KeySpec.SM2)
    assert isinstance(pair, SigningPair)
    assert isinstance(pair, EncryptingPair)
    signed = [pair.sign("SM2DSA", MessageType.RAW, MESSAGE, seeded_draws(seed)) for seed in (1, 1, 2)]
    assert signed[0] == signed[1] != signed[2]
    hidden = [pair.encrypt("SM2PKE", MESSAGE, seeded_draws(seed)) for seed in (1, 1, 2)]
    assert hidden[0] == hidden[1] != hidden[2]


def test_an_sm2_key_whose_halves_do_not_belong_together_is_not_taken() -> None:
    other = new_private_key(KeySpec.SM2, random_draws())
    mixed = private_key(KeySpec.SM2)[:-64] + other[-64:]
    with pytest.raises(ValueError, match="no SM2 key"):
        imported_private_key(KeySpec.SM2, mixed)
