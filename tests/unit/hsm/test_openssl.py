"""Key pairs against the `openssl` command: it verifies, opens and derives what the HSMs made, and the reverse."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from regionsim.hsm.algorithms.key_pair import AgreeingPair, EncryptingPair, SigningPair
from regionsim.hsm.algorithms.macs import MacKey, mac_key_bytes
from regionsim.kms.key_specs import KeySpec, KeyUsage
from regionsim.kms.signatures import MessageType
from tests.unit.hsm.pairs import pair_of, private_key, random_draws, uses

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl command here"),
]
MESSAGE = b"order 4711"
DIGESTS = {"256": "sha256", "384": "sha384", "512": "sha512", "1": "sha1"}
KNOWN = [
    use
    for use in uses(KeyUsage.SIGN_VERIFY, with_the_largest=True)
    if use[1].startswith(("RSASSA", "ECDSA", "SM2DSA", "ED25519_SHA"))
]


def openssl(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, check=False, timeout=20)


def put(folder: Path, spec: KeySpec) -> None:
    """Both halves as files in DER, and the message."""
    (folder / "private.der").write_bytes(private_key(spec))
    (folder / "public.der").write_bytes(pair_of(spec).public_key())
    (folder / "message").write_bytes(MESSAGE)


def options(algorithm: str) -> list[str]:
    if algorithm == "SM2DSA":
        return ["-rawin", "-digest", "sm3", "-pkeyopt", "distid:1234567812345678"]
    if algorithm.startswith("ED25519"):
        return ["-rawin"]
    chosen = ["-rawin", "-digest", DIGESTS[algorithm.rpartition("_")[2]]]
    if "PSS" in algorithm:
        chosen += ["-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:digest"]
    return chosen


@pytest.mark.parametrize(("spec", "algorithm"), KNOWN)
def test_openssl_verifies_our_signatures_and_we_its(tmp_path: Path, spec: KeySpec, algorithm: str) -> None:
    put(tmp_path, spec)
    pair = pair_of(spec)
    assert isinstance(pair, SigningPair)
    signature = pair.sign(algorithm, MessageType.RAW, MESSAGE, random_draws())
    (tmp_path / "signature").write_bytes(signature)
    common = ["-in", "message", *options(algorithm)]
    public = ["-pubin", "-inkey", "public.der", "-keyform", "DER"]
    said = openssl(tmp_path, "pkeyutl", "-verify", *public, "-sigfile", "signature", *common)
    assert said.returncode == 0, said.stdout + said.stderr
    (tmp_path / "signature").write_bytes(signature[:-1] + bytes([signature[-1] ^ 1]))
    assert openssl(tmp_path, "pkeyutl", "-verify", *public, "-sigfile", "signature", *common).returncode != 0
    made = openssl(tmp_path, "pkeyutl", "-sign", "-inkey", "private.der", "-keyform", "DER", *common)
    assert made.returncode == 0, made.stderr
    assert pair.is_signature(algorithm, MessageType.RAW, MESSAGE, made.stdout)


def test_openssl_verifies_a_digest_that_we_signed(tmp_path: Path) -> None:
    put(tmp_path, KeySpec.ECC_NIST_P384)
    pair = pair_of(KeySpec.ECC_NIST_P384)
    assert isinstance(pair, SigningPair)
    digest = hashlib.sha384(MESSAGE).digest()
    (tmp_path / "signature").write_bytes(pair.sign("ECDSA_SHA_384", MessageType.DIGEST, digest, random_draws()))
    said = openssl(
        tmp_path, "dgst", "-sha384", "-verify", "public.der", "-keyform", "DER", "-signature", "signature", "message"
    )
    assert b"Verified OK" in said.stdout, said.stderr


@pytest.mark.parametrize(("spec", "algorithm"), uses(KeyUsage.ENCRYPT_DECRYPT, with_the_largest=True))
def test_openssl_opens_what_we_encrypt_and_we_what_it_does(tmp_path: Path, spec: KeySpec, algorithm: str) -> None:
    put(tmp_path, spec)
    pair = pair_of(spec)
    assert isinstance(pair, EncryptingPair)
    chosen: list[str] = []
    if spec is not KeySpec.SM2:
        digest = DIGESTS[algorithm.rpartition("_")[2]]
        chosen = ["-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", f"rsa_oaep_md:{digest}",
                  "-pkeyopt", f"rsa_mgf1_md:{digest}"]  # fmt: skip
    (tmp_path / "hidden").write_bytes(pair.encrypt(algorithm, MESSAGE, random_draws()))
    opened = openssl(
        tmp_path, "pkeyutl", "-decrypt", "-inkey", "private.der", "-keyform", "DER", "-in", "hidden", *chosen
    )
    assert opened.stdout == MESSAGE, opened.stderr
    made = openssl(
        tmp_path, "pkeyutl", "-encrypt", "-pubin", "-inkey", "public.der", "-keyform", "DER", "-in", "message", *chosen
    )
    assert pair.decrypt(algorithm, made.stdout) == MESSAGE


@pytest.mark.parametrize("spec", [KeySpec.ECC_NIST_P256, KeySpec.ECC_NIST_P384, KeySpec.ECC_NIST_P521])
def test_openssl_derives_the_same_secret(tmp_path: Path, spec: KeySpec) -> None:
    put(tmp_path, spec)
    curve = {"P256": "P-256", "P384": "P-384", "P521": "P-521"}[spec.rpartition("_")[2]]
    made = openssl(tmp_path, "genpkey", "-algorithm", "EC", "-pkeyopt", f"group:{curve}", "-out", "peer.pem")
    assert made.returncode == 0, made.stderr
    openssl(tmp_path, "pkey", "-in", "peer.pem", "-pubout", "-outform", "DER", "-out", "peer.der")
    openssl(tmp_path, "pkey", "-pubin", "-inform", "DER", "-in", "public.der", "-out", "public.pem")
    pair = pair_of(spec)
    assert isinstance(pair, AgreeingPair)
    derived = openssl(tmp_path, "pkeyutl", "-derive", "-inkey", "peer.pem", "-peerkey", "public.pem")
    assert derived.stdout == pair.agree((tmp_path / "peer.der").read_bytes()), derived.stderr


@pytest.mark.parametrize("bits", [224, 256, 384, 512])
def test_openssl_makes_the_same_macs(tmp_path: Path, bits: int) -> None:
    spec = KeySpec(f"HMAC_{bits}")
    key = random_draws().stream.bytes(mac_key_bytes(spec))
    (tmp_path / "message").write_bytes(MESSAGE)
    chosen = ["-mac", "HMAC", "-macopt", f"hexkey:{key.hex()}", "-binary"]
    assert openssl(tmp_path, "dgst", f"-sha{bits}", *chosen, "message").stdout == MacKey(spec, key).mac(MESSAGE)


def test_openssl_reads_the_der_of_sm2(tmp_path: Path) -> None:
    put(tmp_path, KeySpec.SM2)
    shown = openssl(tmp_path, "pkey", "-inform", "DER", "-in", "private.der", "-noout", "-text", "-check")
    assert shown.returncode == 0, shown.stderr
    assert b"SM2" in shown.stdout
    assert openssl(tmp_path, "pkey", "-pubin", "-inform", "DER", "-in", "public.der", "-noout", "-text").returncode == 0
