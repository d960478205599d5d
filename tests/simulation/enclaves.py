"""An enclave for tests: a platform that signs attestation documents, and the enclave that opens what is sealed for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from regionsim.hsm.algorithms.attestation import to_be_signed
from regionsim.hsm.cbor import Tagged, encode
from tests.simulation.one_region import START_NS

START = datetime.fromtimestamp(START_NS / 1_000_000_000, UTC)
IMAGE = bytes(range(48))
OTHER_IMAGE = bytes(48)
PROTECTED = encode({1: -35})


def certificate(
    name: str, key: Any, issuer: str, issuer_key: Any, *, is_ca: bool = True, days: float = 30
) -> x509.Certificate:
    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    return (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(START - timedelta(days=1))
        .not_valid_after(START + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .sign(issuer_key, SHA384())
    )


@dataclass
class Platform:
    """Whose root a Region trusts; it signs for the enclaves that run on it."""

    root_key: Any = field(default_factory=lambda: ec.generate_private_key(ec.SECP384R1()))
    host_key: Any = field(default_factory=lambda: ec.generate_private_key(ec.SECP384R1()))
    leaf_key: Any = field(default_factory=lambda: ec.generate_private_key(ec.SECP384R1()))

    def __post_init__(self) -> None:
        self.root = certificate("root", self.root_key, "root", self.root_key, days=9000)
        self.host = certificate("host", self.host_key, "root", self.root_key)
        self.leaf = certificate("leaf", self.leaf_key, "host", self.host_key, is_ca=False)

    @property
    def root_der(self) -> bytes:
        return self.root.public_bytes(Encoding.DER)

    def payload(self, public_key: bytes, **changes: Any) -> dict[str, Any]:
        said = {
            "module_id": "i-0123456789abcdef0-enc0123456789abcdef",
            "digest": "SHA384",
            "timestamp": START_NS // 1_000_000,
            "pcrs": {0: IMAGE, 1: bytes(48), 8: bytes([8]) * 48},
            "certificate": self.leaf.public_bytes(Encoding.DER),
            "cabundle": [self.root_der, self.host.public_bytes(Encoding.DER)],
            "public_key": public_key,
            "user_data": None,
            "nonce": None,
        }
        return {**said, **changes}

    def signed(self, said: dict[str, Any], key: Any = None, *, is_tagged: bool = True) -> bytes:
        payload = encode(said)
        signature = (key or self.leaf_key).sign(to_be_signed(PROTECTED, payload), ec.ECDSA(SHA384()))
        raw = b"".join(number.to_bytes(48) for number in decode_dss_signature(signature))
        parts = [PROTECTED, {}, payload, raw]
        return encode(Tagged(18, parts) if is_tagged else parts)


class Enclave:
    """One enclave with its key pair."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.key = rsa.generate_private_key(65537, 2048)
        self.public = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def recipient(self, **changes: Any) -> dict[str, Any]:
        document = self.platform.signed(self.platform.payload(self.public, **changes))
        return {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": document}

    def opened(self, sealed: bytes) -> bytes:
        """What was sealed for this enclave; the DER is taken apart by hand, from what RFC 5652 says."""
        (content_info,) = elements(sealed)
        _, explicit = elements(content_info[1])
        (enveloped,) = elements(explicit[1])
        _, recipients, encrypted = elements(enveloped[1])
        (recipient,) = elements(recipients[1])
        _, _, algorithm, wrapped = elements(recipient[1])
        assert elements(algorithm[1])[0][1].hex() == "2a864886f70d010107", "RSAES-OAEP"
        _, cipher, content = elements(encrypted[1])
        oid, iv = elements(cipher[1])
        assert oid[1].hex() == "60864801650304012a", "aes256-CBC"
        key = self.key.decrypt(wrapped[1], OAEP(mgf=MGF1(SHA256()), algorithm=SHA256(), label=None))
        decryptor = Cipher(AES256(key), CBC(iv[1])).decryptor()
        padded = decryptor.update(content[1]) + decryptor.finalize()
        return padded[: -padded[-1]]


def elements(der: bytes) -> list[tuple[int, bytes]]:
    """The elements of DER on end: tag and content."""
    found, at = [], 0
    while at < len(der):
        tag, length, at = der[at], der[at + 1], at + 2
        if length >= 0x80:
            count = length & 0x7F
            length, at = int.from_bytes(der[at : at + count]), at + count
        found.append((tag, der[at : at + length]))
        at += length
    return found
