"""The HSMs' algorithms against the library's own forms of them, and against forged input."""

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFHMAC, CounterLocation, Mode

from regionsim.hsm.algorithms.p384 import P384Key, verify
from regionsim.hsm.algorithms.symmetric import (
    DATA_KEY_LABEL,
    AeadKey,
    DataKeys,
    length_prefixed,
    material_id_of,
    seal_plainly,
)
from regionsim.kms.errors import InvalidCiphertextException
from regionsim.runtime.entropy import SeededEntropy, Stream

P384_ORDER = 2**384 - 1388124618062372383947042015309946732620727252194336364173


@pytest.fixture
def stream() -> Stream:
    return SeededEntropy(1).stream("test")


def kbkdf(backing_key: bytes, nonce: bytes) -> bytes:
    return KBKDFHMAC(
        algorithm=hashes.SHA256(),
        mode=Mode.CounterMode,
        length=32,
        rlen=4,
        llen=4,
        location=CounterLocation.BeforeFixed,
        label=DATA_KEY_LABEL,
        context=nonce,
        fixed=None,
    ).derive(backing_key)


def test_data_keys_are_those_of_sp_800_108_in_counter_mode(stream: Stream) -> None:
    for _ in range(50):
        backing_key, nonce = stream.bytes(32), stream.bytes(16)
        assert DataKeys(backing_key).derive(nonce) == kbkdf(backing_key, nonce)


def test_what_bench_measures_as_bare_cryptography_is_the_same(stream: Stream) -> None:
    backing_key, nonce, iv = stream.bytes(32), stream.bytes(16), stream.bytes(12)
    assert seal_plainly(backing_key, nonce, iv, b"plaintext", b"context") == DataKeys(backing_key).seal(
        nonce, iv, b"plaintext", b"context"
    )


def test_one_derivation_leaves_no_trace_in_the_next(stream: Stream) -> None:
    data_keys = DataKeys(stream.bytes(32))
    first = data_keys.derive(b"n" * 16)
    assert data_keys.derive(b"m" * 16) != first
    assert data_keys.derive(b"n" * 16) == first


def test_sealing_is_aes_256_gcm_under_the_derived_key(stream: Stream) -> None:
    backing_key, nonce, iv = stream.bytes(32), stream.bytes(16), stream.bytes(12)
    sealed = DataKeys(backing_key).seal(nonce, iv, b"plain", b"associated")
    assert AESGCM(kbkdf(backing_key, nonce)).decrypt(iv, sealed, b"associated") == b"plain"
    assert DataKeys(backing_key).unseal(nonce, iv, sealed, b"associated") == b"plain"


@pytest.mark.parametrize(
    ("nonce", "iv", "tail", "associated"),
    [
        (b"m" * 16, b"i" * 12, b"", b"a"),
        (b"n" * 16, b"j" * 12, b"", b"a"),
        (b"n" * 16, b"i" * 12, b"", b"b"),
        (b"n" * 16, b"i" * 12, b"x", b"a"),
    ],
)
def test_whatever_is_wrong_the_refusal_is_one_and_tells_nothing(
    nonce: bytes, iv: bytes, tail: bytes, associated: bytes
) -> None:
    data_keys = DataKeys(b"k" * 32)
    sealed = data_keys.seal(b"n" * 16, b"i" * 12, b"plain", b"a")
    with pytest.raises(InvalidCiphertextException) as refused:
        data_keys.unseal(nonce, iv, sealed + tail, associated)
    assert refused.value.message == ""
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


@pytest.mark.parametrize("sealed", [b"", b"short", bytes(40)])
def test_a_key_in_use_refuses_in_the_same_way(sealed: bytes) -> None:
    with pytest.raises(InvalidCiphertextException) as refused:
        AeadKey(b"k" * 32).unseal(bytes(12), sealed, b"")
    assert str(refused.value) == "InvalidCiphertextException"
    assert refused.value.__suppress_context__


def test_a_nonce_cut_short_is_a_refusal_too() -> None:
    with pytest.raises(InvalidCiphertextException):
        AeadKey(b"k" * 32).unseal(b"", b"", b"")


def test_signatures_verify_with_the_library_and_repeat(stream: Stream) -> None:
    key = P384Key.generate(stream)
    signature = key.sign(b"message")
    assert key.sign(b"message") == signature
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), key.public)
    public.verify(signature, b"message", ec.ECDSA(hashes.SHA384()))
    verify(key.public, signature, b"message")


def test_forged_signatures_are_refused(stream: Stream) -> None:
    key, other = P384Key.generate(stream), P384Key.generate(stream)
    signature = key.sign(b"message")
    for public, forged, message in [
        (key.public, signature, b"massage"),
        (other.public, signature, b"message"),
        (key.public, b"", b"message"),
        (key.public, signature[:-1], b"message"),
        (b"", signature, b"message"),
        (b"\x02" + b"\xff" * 48, signature, b"message"),
    ]:
        with pytest.raises(InvalidCiphertextException) as refused:
            verify(public, forged, message)
        assert refused.value.message == ""


def test_both_ends_agree_on_the_key_that_the_library_derives(stream: Stream) -> None:
    here, there = P384Key.generate(stream), P384Key.generate(stream)
    agreed = here.agree(there.public, b"transcript")
    assert there.agree(here.public, b"transcript") == agreed
    assert here.agree(there.public, b"another") != agreed
    private = ec.derive_private_key(int.from_bytes(here.raw), ec.SECP384R1())
    shared = private.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), there.public))
    assert ConcatKDFHash(hashes.SHA384(), 32, b"transcript").derive(shared) == agreed


@pytest.mark.parametrize("public", [b"", b"\0", b"\x04" + bytes(96), b"\x02" + b"\xff" * 48, bytes(49)])
def test_agreement_with_no_point_of_the_curve_is_refused(public: bytes) -> None:
    with pytest.raises(InvalidCiphertextException):
        P384Key((1).to_bytes(48)).agree(public, b"")


@pytest.mark.parametrize("scalar", [bytes(48), b"\xff" * 48, P384_ORDER.to_bytes(48), b"\x01", bytes(47) + b"\x01\x01"])
def test_a_scalar_outside_the_group_is_no_private_key(scalar: bytes) -> None:
    with pytest.raises(InvalidCiphertextException):
        P384Key(scalar)


class ExtremeStream:
    """Draws all bits equal, where the arithmetic of key generation is at its edge."""

    def __init__(self, byte: int) -> None:
        self._byte = byte

    def bytes(self, n: int) -> bytes:
        return bytes([self._byte]) * n


@pytest.mark.parametrize("byte", [0x00, 0xFF])
def test_generated_keys_lie_in_the_group_at_its_edges(byte: int) -> None:
    key = P384Key.generate(ExtremeStream(byte))  # type: ignore[arg-type]
    assert 1 <= int.from_bytes(key.raw) < P384_ORDER


def test_generated_keys_are_the_library_s(stream: Stream) -> None:
    key = P384Key.generate(stream)
    private = ec.derive_private_key(int.from_bytes(key.raw), ec.SECP384R1())
    encoding, form = serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint
    assert private.public_key().public_bytes(encoding, form) == key.public
    assert P384Key(key.raw).public == key.public


def test_material_ids_name_key_and_bytes_together() -> None:
    ids = {material_id_of(key_id, raw) for key_id in ("k", "kk") for raw in (b"k" * 32, b"l" * 32)}
    assert len(ids) == 4
    assert all(len(material_id) == 64 and int(material_id, 16) for material_id in ids)
    assert material_id_of("a", b"b" + bytes(31)) != material_id_of("ab", bytes(31))


def test_length_prefixed_names_never_run_together() -> None:
    assert length_prefixed("a", "bc") == b"\0\0\0\1a\0\0\0\2bc"
    assert length_prefixed("a", "bc") != length_prefixed("ab", "c")
    assert length_prefixed("\ud800") != length_prefixed("?")
