"""Vectors from elsewhere: NIST's, the RFCs' and the PKCS's, as the package `cryptography-vectors` ships them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

import cryptography_vectors
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from regionsim.hsm.algorithms.ec_pairs import EcPair
from regionsim.hsm.algorithms.edwards import Ed25519Pair
from regionsim.hsm.algorithms.macs import MacKey
from regionsim.hsm.algorithms.ml_dsa import MlDsaPair
from regionsim.hsm.algorithms.ml_kem import MlKem512Pair, MlKemPair
from regionsim.hsm.algorithms.ml_kem_seed import expand
from regionsim.hsm.algorithms.rsa_pairs import RsaPair
from regionsim.hsm.algorithms.sm2 import Sm2Pair
from regionsim.kms.errors import ValidationException
from regionsim.kms.key_specs import KeySpec
from regionsim.kms.signatures import MessageType
from tests.unit.hsm.pairs import random_draws

RAW = MessageType.RAW
SEEDED_PKCS8 = "30{total}020100300b0609{oid}04{octets}"


def records(name: str) -> Iterator[dict[str, str]]:
    """Groups of `name = value` lines, with the section in brackets above them as `section`."""
    section, record = "", {}
    with cryptography_vectors.open_vector_file(name, "r") as lines:
        for line in map(str.strip, lines):
            if line.startswith("["):
                section = line.strip("[]")
            elif " = " in line:
                key, _, value = line.partition(" = ")
                record[key] = value
            elif not line and record:
                yield {"section": section, **record}
                record = {}
    if record:
        yield {"section": section, **record}


def der(private: Any) -> bytes:
    key: bytes = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return key


@pytest.mark.parametrize("bits", [224, 256, 384, 512])
def test_hmac_of_rfc_4231(bits: int) -> None:
    found = [record for record in records(f"HMAC/rfc-4231-sha{bits}.txt") if "MD" in record]
    assert len(found) >= 5
    for record in found:
        key, message, mac = (bytes.fromhex(record[name]) for name in ("Key", "Msg", "MD"))
        hmac = MacKey(KeySpec(f"HMAC_{bits}"), key)
        assert hmac.mac(message) == mac
        assert hmac.is_mac(message, mac)
        assert not hmac.is_mac(message, mac[:-1])


CURVES = {
    "P-256,SHA-256": (KeySpec.ECC_NIST_P256, "ECDSA_SHA_256", ec.SECP256R1()),
    "P-384,SHA-384": (KeySpec.ECC_NIST_P384, "ECDSA_SHA_384", ec.SECP384R1()),
    "P-521,SHA-512": (KeySpec.ECC_NIST_P521, "ECDSA_SHA_512", ec.SECP521R1()),
    "K-256,SHA-256": (KeySpec.ECC_SECG_P256K1, "ECDSA_SHA_256", ec.SECP256K1()),
}


def test_ecdsa_signatures_of_nist_are_verified() -> None:
    """FIPS 186-3 SigGen, and the package's own in its form: private keys, messages and signatures of each curve that KMS has."""
    seen = dict.fromkeys(CURVES, 0)
    for record in chain(*(records(f"asymmetric/ECDSA/{one}/SigGen.txt") for one in ("FIPS_186-3", "SECP256K1"))):
        if record["section"] not in CURVES or "d" not in record:
            continue
        spec, algorithm, curve = CURVES[record["section"]]
        pair = EcPair(spec, der(ec.derive_private_key(int(record["d"], 16), curve)))
        message = bytes.fromhex(record["Msg"])
        signature = encode_dss_signature(int(record["R"], 16), int(record["S"], 16))
        assert pair.is_signature(algorithm, RAW, message, signature)
        assert not pair.is_signature(algorithm, RAW, message + b"\0", signature)
        seen[record["section"]] += 1
    assert min(seen.values()) >= 10


ZZ = {"EC": (KeySpec.ECC_NIST_P256, ec.SECP256R1()), "ED": (KeySpec.ECC_NIST_P384, ec.SECP384R1()),
      "EE": (KeySpec.ECC_NIST_P521, ec.SECP521R1())}  # fmt: skip


def test_ecdh_of_nist_gives_the_secret_or_refuses_the_point() -> None:
    counts = {"P": 0, "F": 0}
    for record in records("asymmetric/ECDH/KASValidityTest_ECCStaticUnified_NOKC_ZZOnly_init.fax"):
        parameter_set = record["section"].partition(" ")[0]
        if parameter_set not in ZZ or "Z" not in record:
            continue
        spec, curve = ZZ[parameter_set]
        outcome = re.match(r"[PF]", record["Result"])
        assert outcome
        peer = ec.EllipticCurvePublicNumbers(int(record["QsCAVSx"], 16), int(record["QsCAVSy"], 16), curve)
        try:
            public = peer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            own = ec.derive_private_key(int(record["dsIUT"], 16), curve)
        except ValueError:
            assert outcome[0] == "F"  # not on the curve, or not of its order: the library makes no such key
            counts["F"] += 1
            continue
        pair = EcPair(spec, der(own))
        secret = int.from_bytes(pair.agree(public))
        if outcome[0] == "P":
            assert secret == int(record["Z"], 16)
        counts[outcome[0]] += 1
    assert counts["P"] >= 20
    assert counts["F"] >= 5


def test_pss_signatures_of_nist_are_judged_as_nist_does() -> None:
    """FIPS 186-3 SigVer with a salt of ten bytes: none is accepted here, whose salts are as long as the hash; those of
    SigGen with 20 bytes neither. What is accepted is `test_pss_of_this_salt`."""
    n = None
    for record in islice(records("asymmetric/RSA/FIPS_186-2/SigVerPSS_186-3.rsp"), 400):
        n = record.get("n", n)
        if (
            record.get("SHAAlg") != "SHA256"
            or record["section"] != "mod = 2048"
            or not record["Result"].startswith("P")
        ):
            continue
        public = rsa.RSAPublicNumbers(int(record["e"], 16), int(str(n), 16))
        assert not verifies(public, "RSASSA_PSS_SHA_256", bytes.fromhex(record["Msg"]), bytes.fromhex(record["S"]))


def verifies(public: rsa.RSAPublicNumbers, algorithm: str, message: bytes, signature: bytes) -> bool:
    """As `RsaPair.is_signature`, for a public key whose private half nobody has told."""
    pair = RsaPair.__new__(RsaPair)
    pair._public = public.public_key()
    return pair.is_signature(algorithm, RAW, message, signature)


def test_pkcs1_signatures_of_nist_are_judged_as_nist_does() -> None:
    n, counts = None, {"P": 0, "F": 0}
    for record in records("asymmetric/RSA/FIPS_186-2/SigVer15_186-3.rsp"):
        n = record.get("n", n)
        bits = record["section"].rpartition(" ")[2]
        hashed = record.get("SHAAlg", "").removeprefix("SHA")
        if bits not in ("2048", "3072") or hashed not in ("256", "384", "512"):
            continue
        public = rsa.RSAPublicNumbers(int(record["e"], 16), int(str(n), 16))
        outcome = record["Result"][0]
        message, signature = bytes.fromhex(record["Msg"]), bytes.fromhex(record["S"])
        assert verifies(public, f"RSASSA_PKCS1_V1_5_SHA_{hashed}", message, signature) == (outcome == "P")
        counts[outcome] += 1
    assert counts["P"] >= 5
    assert counts["F"] >= 20


OAEP_FILES = {
    1: "asymmetric/RSA/pkcs-1v2-1d2-vec/oaep-vect.txt",
    256: "asymmetric/RSA/oaep-custom/oaep-sha256-sha256.txt",
}
OAEP_NAMES = {"modulus": "n", "rsa modulus n": "n", "public exponent": "e", "rsa public exponent e": "e",
              "prime 1": "p", "prime p": "p", "prime 2": "q", "prime q": "q", "message": "m", "message to be encrypted": "m",
              "encryption": "c"}  # fmt: skip


@pytest.mark.parametrize("used", [1, 256])
def test_oaep_of_the_pkcs(used: int) -> None:
    """One hash for label and MGF1, no label."""
    count = 0
    with cryptography_vectors.open_vector_file(OAEP_FILES[used], "r") as lines:
        for values in oaep_examples(lines):
            p, q, e = (int.from_bytes(values[name]) for name in "pqe")
            d = rsa.rsa_recover_private_exponent(e, p, q)
            numbers = rsa.RSAPrivateNumbers(
                p=p,
                q=q,
                d=d,
                dmp1=rsa.rsa_crt_dmp1(d, p),
                dmq1=rsa.rsa_crt_dmq1(d, q),
                iqmp=rsa.rsa_crt_iqmp(p, q),
                public_numbers=rsa.RSAPublicNumbers(e, p * q),
            )
            pair = RsaPair(der(numbers.private_key(unsafe_skip_rsa_key_validation=True)), is_ours=True)
            assert pair.decrypt(f"RSAES_OAEP_SHA_{used}", values["c"]) == values["m"]
            count += 1
    assert count >= 6


def oaep_examples(lines: Iterable[str]) -> Iterator[dict[str, bytes]]:
    """A key with each thing that was encrypted under it; the files have `# Heading:` and hexadecimal lines."""
    values: dict[str, str] = {"": ""}
    name = ""
    for line in (*map(str.strip, lines), "#"):
        if line.startswith("#"):
            if name == "c" and len(values["n"]) >= 512:  # the library takes no shorter modulus than 1,024 bits
                yield {each: bytes.fromhex(text.rjust(len(text) + len(text) % 2, "0")) for each, text in values.items()}
            name = OAEP_NAMES.get(line.strip("# :").lower(), "")
            values[name] = ""
        else:
            values[name] += line.replace(" ", "")


def test_ed25519_of_its_authors() -> None:
    """sign.input: every 32nd of the 1,024 vectors."""
    with cryptography_vectors.open_vector_file("asymmetric/Ed25519/sign.input", "r") as lines:
        vectors = [line.strip().split(":") for line in islice(lines, 0, None, 32)]
    assert len(vectors) == 32
    for secret, _, message, signed, _ in vectors:
        pair = Ed25519Pair(bytes.fromhex("302e020100300506032b657004220420" + secret[:64]))
        signature = bytes.fromhex(signed)[:64]
        assert pair.sign("ED25519_SHA_512", RAW, bytes.fromhex(message), random_draws()) == signature
        assert pair.is_signature("ED25519_SHA_512", RAW, bytes.fromhex(message), signature)


@pytest.mark.parametrize("size", [44, 65, 87])
def test_ml_dsa_known_answers(size: int) -> None:
    """Keys from their seeds, and the deterministic signatures over them (ours are hedged, and verified alike)."""
    oid = {44: "11", 65: "12", 87: "13"}[size]
    for record in islice(records(f"asymmetric/MLDSA/kat_MLDSA_{size}_det_pure.rsp"), 8):
        private = bytes.fromhex(f"3034020100300b06096086480165030403{oid}04228020{record['xi']}")
        pair = MlDsaPair(KeySpec(f"ML_DSA_{size}"), private)
        public_key = bytes.fromhex(record["pk"])
        assert pair.public_key().endswith(public_key)
        message, signed, context = (bytes.fromhex(record[name]) for name in ("msg", "sm", "ctx"))
        signature = signed[: len(signed) - len(message)]
        # The vectors have contexts, which KMS has not; but mu may be made outside, with any context.
        tagged = hashlib.shake_256(public_key).digest(64) + b"\0" + bytes([len(context)]) + context + message
        mu = hashlib.shake_256(tagged).digest(64)
        assert pair.is_signature("ML_DSA_SHAKE_256", MessageType.EXTERNAL_MU, mu, signature)
        assert pair.is_signature("ML_DSA_SHAKE_256", RAW, message, signature) == (not context)


@pytest.mark.parametrize("size", [512, 768, 1024])
def test_ml_kem_known_answers(size: int) -> None:
    """Both keys from their seeds, and what comes out of a capsule, good or altered."""
    oid = {512: "01", 768: "02", 1024: "03"}[size]
    spec = KeySpec(f"ML_KEM_{size}")
    for record in islice(records(f"asymmetric/MLKEM/kat_MLKEM_{size}.rsp"), 8):
        seed = record["d"] + record["z"]
        assert expand(bytes.fromhex(seed), spec) == (bytes.fromhex(record["pk"]), bytes.fromhex(record["sk"]))
        private = bytes.fromhex(f"3054020100300b06096086480165030404{oid}04428040{seed}")
        pair = MlKem512Pair(private) if size == 512 else MlKemPair(private)
        assert pair.public_key().endswith(bytes.fromhex(record["pk"]))
        assert pair.decapsulate(bytes.fromhex(record["ct"])) == bytes.fromhex(record["ss"])
        if "ct_n" in record:
            assert pair.decapsulate(bytes.fromhex(record["ct_n"])) == bytes.fromhex(record["ss_n"])


def test_a_point_at_infinity_is_no_peer() -> None:
    pair = EcPair(KeySpec.ECC_NIST_P256, der(ec.derive_private_key(7, ec.SECP256R1())))
    header = "3019301306072a8648ce3d020106082a8648ce3d030107030200"
    with pytest.raises(ValidationException):
        pair.agree(bytes.fromhex(header + "00"))


def test_sm2_of_the_standard() -> None:
    """The signature and the ciphertext that the standard itself gives. Source: GB/T 32918.5-2017, annexes A and C."""
    secret = "3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8"
    x = "09f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020"
    y = "ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13"
    head = "308187020100301306072a8648ce3d020106082a811ccf5501822d046d306b0201010420"
    pair = Sm2Pair(bytes.fromhex(f"{head}{secret}a14403420004{x}{y}"))
    signature = encode_dss_signature(
        0xF5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3,
        0xB1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA,
    )
    assert pair.is_signature("SM2DSA", RAW, b"message digest", signature)
    assert not pair.is_signature("SM2DSA", RAW, b"message digests", signature)
    x_1 = 0x04EBFC718E8D1798620432268E77FEB6415E2EDE0E073C0F4F640ECD2E149A73
    y_1 = 0xE858F9D81E5430A57B36DAAB8F950A3C64E6EE6A63094D99283AFF767E124DF0
    hashed = "59983c18f809e262923c53aec295d30383b54e39d609d160afcb1908d0bd8766"
    hidden = "21886ca989ca9c7d58087307ca93092d651efa"
    point = encode_dss_signature(x_1, y_1)[2:]  # two INTEGERs
    rest = bytes.fromhex(f"0420{hashed}0413{hidden}")
    ciphertext = bytes([0x30, len(point) + len(rest)]) + point + rest
    assert pair.decrypt("SM2PKE", ciphertext) == b"encryption standard"
