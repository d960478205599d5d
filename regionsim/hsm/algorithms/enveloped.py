"""CMS EnvelopedData for one recipient with an RSA key: what an attested enclave gets instead of a plaintext.

    ContentInfo { envelopedData, EnvelopedData { version 2,
        { KeyTransRecipientInfo { version 2, [0] key identifier, RSAES-OAEP with SHA-256, encrypted key } },
        { data, aes256-CBC with its IV, [0] encrypted content } } }

Source: RFC 5652, 6; RFC 3560 (OAEP in CMS); RFC 3565 (AES in CMS). The recipient is named by the SHA-1 of its public
key's bits, as RFC 5280, 4.2.1.2 (1) has it.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, Hash
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from regionsim.kms.errors import ValidationException
from regionsim.kms.recipients import MALFORMED
from regionsim.runtime.entropy import Stream

AES_KEY_BYTES = 32
_BLOCK_BYTES = 16
_SMALLEST_BITS = 2048

_ENVELOPED_DATA = bytes.fromhex("06092a864886f70d010703")
_DATA = bytes.fromhex("06092a864886f70d010701")
_AES256_CBC = bytes.fromhex("060960864801650304012a")
_OAEP = bytes.fromhex("06092a864886f70d010107")
_MGF1 = bytes.fromhex("06092a864886f70d010108")
_SHA256 = bytes.fromhex("300d06096086480165030402010500")
_VERSION_2 = bytes.fromhex("020102")


def recipient_key(public_key: bytes) -> rsa.RSAPublicKey:
    """The RSA key that a document names. Errors: ValidationException for anything else."""
    try:
        key = load_der_public_key(public_key)
    except (ValueError, UnsupportedAlgorithm):
        raise ValidationException(MALFORMED) from None
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < _SMALLEST_BITS:
        raise ValidationException(MALFORMED)
    return key


def enveloped(plaintext: bytes, public_key: bytes, stream: Stream) -> bytes:
    """The plaintext for the holder of the private key. Errors: ValidationException for a key that is none."""
    key = recipient_key(public_key)
    content_key, iv = stream.bytes(AES_KEY_BYTES), stream.bytes(_BLOCK_BYTES)
    padder = PKCS7(8 * _BLOCK_BYTES).padder()
    padded = padder.update(plaintext) + padder.finalize()
    encryptor = Cipher(AES256(content_key), CBC(iv)).encryptor()
    content = encryptor.update(padded) + encryptor.finalize()
    wrapped = key.encrypt(content_key, OAEP(mgf=MGF1(SHA256()), algorithm=SHA256(), label=None))
    recipient = _sequence(
        _VERSION_2, _tagged(0x80, _key_identifier(key)), _sequence(_OAEP, _oaep_parameters()), _tagged(0x04, wrapped)
    )
    encrypted = _sequence(_DATA, _sequence(_AES256_CBC, _tagged(0x04, iv)), _tagged(0x80, content))
    data = _sequence(_VERSION_2, _tagged(0x31, recipient), encrypted)
    return _sequence(_ENVELOPED_DATA, _tagged(0xA0, data))


def opened(envelope: bytes, unwrap: Callable[[bytes], bytes]) -> bytes:
    """What `enveloped` made, for its recipient, whose private key `unwrap` stands for. Errors: ValueError."""
    try:
        (content_info,) = _elements(envelope)
        _, explicit = _elements(content_info)
        (data,) = _elements(explicit)
        _, recipients, encrypted = _elements(data)
        (recipient,) = _elements(recipients)
        wrapped = _elements(recipient)[3]
        _, cipher, content = _elements(encrypted)
        iv = _elements(cipher)[1]
        decryptor = Cipher(AES256(unwrap(wrapped)), CBC(iv)).decryptor()
        padded = decryptor.update(content) + decryptor.finalize()
        unpadder = PKCS7(8 * _BLOCK_BYTES).unpadder()
        return unpadder.update(padded) + unpadder.finalize()
    except (ValueError, TypeError, IndexError):
        raise ValueError("this is no envelope for this recipient") from None


def _elements(der: bytes) -> list[bytes]:
    """The contents of the elements of DER that stand one behind the other. Errors: IndexError."""
    found, at = [], 0
    while at < len(der):
        length, at = der[at + 1], at + 2
        if length >= 0x80:
            count = length & 0x7F
            length, at = int.from_bytes(der[at : at + count]), at + count
        found.append(der[at : at + length])
        at += length
    return found


def _oaep_parameters() -> bytes:
    return _sequence(_tagged(0xA0, _SHA256), _tagged(0xA1, _sequence(_MGF1, _SHA256)))


def _key_identifier(key: rsa.RSAPublicKey) -> bytes:
    digest = Hash(SHA1())
    digest.update(key.public_bytes(Encoding.DER, PublicFormat.PKCS1))
    return digest.finalize()


def _sequence(*parts: bytes) -> bytes:
    return _tagged(0x30, b"".join(parts))


def _tagged(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    said = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(said))) + said + content
