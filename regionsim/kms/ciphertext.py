"""The ciphertext blob of a symmetric KMS key: its layout, built and parsed. No cryptography here.

    offset  bytes
         0      2   01 02                    version
         2      1   02 | 03                  output of Encrypt | a data key
         3      2   00 78                    length of the header part, as AWS counts it
         5     32   backing key              16 bytes of the key id, first 16 bytes of the material id
        37      1   01                       a nonce follows
        38     16   nonce                    of the key derivation
        54      4   n                        length of what follows
        58      n   DER, PKCS #7 EncryptedData: aes256-GCM with a 12-byte IV and a 16-byte tag, [0] the sealed bytes

The sealed bytes are AES-256-GCM of an inner header (11 bytes: version, kind, five zeros, plaintext length) and the
plaintext, so a blob is 152 bytes longer than a plaintext of up to 35 bytes, and begins `AQICAH` or `AQIDAH` in
base64. Everything before offset 54 is authenticated together with the encryption context; after it the DER leaves no
freedom but IV and sealed bytes.

Source: observed; what the 32 and the 11 bytes hold is ours.
"""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from regionsim.kms.hsm_jobs import BlobKind
from regionsim.names.ids import key_id_bytes

NONCE_BYTES = 16
IV_BYTES = 12
TAG_BYTES = 16
CLEAR_BYTES = 54
"""How much of a blob, from its start, is authenticated in clear."""

INNER_BYTES = 11
_LEAST_SEALED_BYTES = INNER_BYTES + TAG_BYTES + 1

_VERSION = bytes.fromhex("0102")
_HEADER_LENGTH = bytes.fromhex("0078")
_HAS_NONCE = b"\x01"
_KIND_BYTE = MappingProxyType({BlobKind.PLAINTEXT: b"\x02", BlobKind.DATA_KEY: b"\x03"})
_KIND_OF = MappingProxyType({_VERSION + byte + _HEADER_LENGTH: kind for kind, byte in _KIND_BYTE.items()})
_INNER_VERSION = b"\x01"

_ENCRYPTED_DATA = bytes.fromhex("06092a864886f70d010706")  # OID 1.2.840.113549.1.7.6
_DATA = bytes.fromhex("06092a864886f70d010701")  # OID 1.2.840.113549.1.7.1
_AES256_GCM = bytes.fromhex("060960864801650304012e")  # OID 2.16.840.1.101.3.4.1.46
_INTEGER_0 = bytes.fromhex("020100")
_INTEGER_16 = bytes.fromhex("020110")


class MalformedBlob(ValueError):
    """The bytes are not a ciphertext blob of a symmetric KMS key."""


class Header(NamedTuple):
    """A blob taken apart (a tuple: each Decrypt makes one). `clear` is what is authenticated besides the context."""

    kind: BlobKind
    key_id_bytes: bytes
    material_prefix: bytes
    nonce: bytes
    iv: bytes
    sealed: bytes
    clear: bytes


class Form(NamedTuple):
    """What all blobs of one kind under one backing key have in common; made once, since every Encrypt needs it."""

    fixed: bytes
    """A blob's first 38 bytes; the nonce follows them."""

    inner: bytes
    """The inner header up to the plaintext's length."""

    def inner_header(self, plaintext_bytes: int) -> bytes:
        """The 11 bytes that are encrypted in front of a plaintext."""
        return self.inner + plaintext_bytes.to_bytes(4)


def form(kind: BlobKind, key_id: str, material_id: str) -> Form:
    """The form of blobs of that kind under that backing key."""
    kind_byte = _KIND_BYTE[kind]
    backing_key = key_id_bytes(key_id) + material_prefix(material_id)
    return Form(
        _VERSION + kind_byte + _HEADER_LENGTH + backing_key + _HAS_NONCE,
        _INNER_VERSION + kind_byte + bytes(5),
    )


def material_prefix(material_id: str) -> bytes:
    """The 16 bytes by which a blob names a material of its key."""
    return bytes.fromhex(material_id)[:16]


def build(clear: bytes, iv: bytes, sealed: bytes) -> bytes:
    """The blob of these parts; `clear` is a form's `fixed` and a nonce."""
    assert len(clear) == CLEAR_BYTES, "a form's fixed part and a nonce"
    before_iv, after_iv = _frame(len(sealed))
    return b"".join((clear, before_iv, iv, after_iv, sealed))


def parse(blob: bytes) -> Header:
    """The parts of `blob`. Strict: there is exactly one blob with these parts.

    Errors: MalformedBlob.
    """
    kind = _KIND_OF.get(blob[:5])
    if kind is None or blob[37:38] != _HAS_NONCE:
        raise MalformedBlob("not a blob of this version")
    before_iv, after_iv, iv_at, sealed_at = _frame_of_blob(len(blob))
    if not blob.startswith(before_iv, CLEAR_BYTES) or not blob.startswith(after_iv, iv_at + IV_BYTES):
        raise MalformedBlob("the DER part is not the one that a blob of this length has")
    return Header(
        kind,
        blob[5:21],
        blob[21:37],
        blob[38:CLEAR_BYTES],
        blob[iv_at : iv_at + IV_BYTES],
        blob[sealed_at:],
        blob[:CLEAR_BYTES],
    )


def _tagged(tag: int, content_bytes: int) -> bytes:
    """Tag and DER length of a value with that many bytes."""
    if content_bytes < 0x80:
        return bytes((tag, content_bytes))
    length = content_bytes.to_bytes((content_bytes.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(length))) + length


@lru_cache(maxsize=8192)
def _frame(sealed_bytes: int) -> tuple[bytes, bytes]:
    """What stands between a blob's clear part and its IV, and between the IV and that many sealed bytes."""
    sealed_tag = _tagged(0x80, sealed_bytes)
    parameters_bytes = 2 + IV_BYTES + len(_INTEGER_16)
    algorithm = _tagged(0x30, len(_AES256_GCM) + 2 + parameters_bytes) + _AES256_GCM + _tagged(0x30, parameters_bytes)
    content_bytes = len(_DATA) + len(algorithm) + parameters_bytes + len(sealed_tag) + sealed_bytes
    content = _tagged(0x30, content_bytes) + _DATA + algorithm + _tagged(0x04, IV_BYTES)
    after_iv = _INTEGER_16 + sealed_tag
    for tag, first in ((0x30, _INTEGER_0), (0xA0, b""), (0x30, _ENCRYPTED_DATA)):
        content = first + content
        content = _tagged(tag, len(content) + IV_BYTES + len(after_iv) + sealed_bytes) + content
    der_bytes = len(content) + IV_BYTES + len(after_iv) + sealed_bytes
    return der_bytes.to_bytes(4) + content, after_iv


@lru_cache(maxsize=8192)
def _frame_of_blob(blob_bytes: int) -> tuple[bytes, bytes, int, int]:
    """The frame of a blob of that length, and where its IV and its sealed bytes begin.

    Errors: MalformedBlob when no blob has that length.
    """
    smallest = _LEAST_SEALED_BYTES
    overhead = sum(map(len, _frame(smallest))) + CLEAR_BYTES + IV_BYTES
    # Lengths above 127 and 255 take more bytes to write, in up to five places.
    for sealed_bytes in range(blob_bytes - overhead, max(smallest, blob_bytes - overhead - 5 * 4) - 1, -1):
        before_iv, after_iv = _frame(sealed_bytes)
        iv_at = CLEAR_BYTES + len(before_iv)
        sealed_at = iv_at + IV_BYTES + len(after_iv)
        if sealed_at + sealed_bytes == blob_bytes:
            return before_iv, after_iv, iv_at, sealed_at
    raise MalformedBlob("no blob has that length")
