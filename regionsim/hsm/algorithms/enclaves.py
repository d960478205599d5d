"""Enclaves for tests and scenarios: a platform that signs attestation documents, and enclaves that run on it.

    platform = regionsim.EnclavePlatform()
    with regionsim.serve(attestation_roots=[platform.root_pem]) as world:
        enclave = platform.enclave("billing 1.0")
        answer = world.client("kms").decrypt(CiphertextBlob=blob, Recipient=enclave.recipient())
        plaintext = enclave.open(answer["CiphertextForRecipient"])

It stands in for Nitro's hypervisor: whoever trusts its root believes what it signs. Documents have AWS's shape; what
they measure is simpler (`measure`), and certificates hold for 200 years, so that no clock of a scenario passes them.

Source: AWS Nitro Enclaves, "Cryptographic attestation" and "Verifying the root of trust"; the rest is ours.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from itertools import count
from typing import TypedDict

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from regionsim.hsm.algorithms.attestation import to_be_signed
from regionsim.hsm.algorithms.enveloped import opened
from regionsim.hsm.cbor import Tagged, encode
from regionsim.hsm.confined import Confined
from regionsim.runtime.clock import WallClock

_BEGIN, _END = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_PROTECTED = encode({1: -35})  # ES384
_COSE_SIGN1 = 18
_DIGEST = re.compile(r"[0-9a-fA-F]{96}")
_KERNEL, _APPLICATION = "kernel", "application"
_NS_PER_MS = 1_000_000


class Recipient(TypedDict):
    """`Recipient` of a call, as boto3 takes it."""

    KeyEncryptionAlgorithm: str
    AttestationDocument: bytes


def measure(of: str | bytes) -> bytes:
    """A measurement: 96 hexadecimal digits as they are, else the SHA-384 of the text or the bytes."""
    if isinstance(of, str) and _DIGEST.fullmatch(of):
        return bytes.fromhex(of)
    return hashlib.sha384(of.encode() if isinstance(of, str) else of).digest()


class EnclavePlatform(Confined):
    """Who signs for the enclaves that run on it, under a root of its own."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._leaf_key = ec.generate_private_key(ec.SECP384R1())
        root_key, host_key = (ec.generate_private_key(ec.SECP384R1()) for _ in range(2))
        root = self._certificate("regionsim.enclaves", root_key, "regionsim.enclaves", root_key)
        host = self._certificate("host", host_key, "regionsim.enclaves", root_key)
        leaf = self._certificate("enclave", self._leaf_key, "host", host_key, is_ca=False)
        self._root, self._leaf = root, leaf.public_bytes(Encoding.DER)
        self._bundle = [root.public_bytes(Encoding.DER), host.public_bytes(Encoding.DER)]

    @property
    def root_der(self) -> bytes:
        """The root certificate, in DER."""
        return self._bundle[0]

    @property
    def root_pem(self) -> str:
        """The root certificate, in PEM: what `attestation_roots` and `--attestation-root` take."""
        return self._root.public_bytes(Encoding.PEM).decode("ascii")

    def enclave(
        self, image: str | bytes, *, pcrs: Mapping[int, str | bytes] | None = None, module_id: str | None = None
    ) -> Enclave:
        """An enclave of that image. PCR 0 is the image's measure; `pcrs` are others, or others than usual."""
        number = next(self._numbers)
        usual: dict[int, str | bytes] = {0: image, 1: _KERNEL, 2: _APPLICATION}
        measures = {index: measure(of) for index, of in sorted({**usual, **(pcrs or {})}.items())}
        return Enclave(self, measures, module_id or f"i-0123456789abcdef0-enc{number:016x}")

    def instance(self, pcrs: Mapping[int, str | bytes], *, module_id: str | None = None) -> Enclave:
        """An EC2 instance with a NitroTPM, which is attested as enclaves are: by its registers, and no image."""
        measures = {index: measure(of) for index, of in sorted(pcrs.items())}
        number = next(self._numbers)
        return Enclave(self, measures, module_id or f"i-{number:017x}-tpm{number:016x}", is_tpm=True)

    def sign(self, said: dict[str, object]) -> bytes:
        """The document that says so: a COSE_Sign1 with this platform's certificates in it."""
        payload = encode({**said, "certificate": self._leaf, "cabundle": self._bundle})
        der = self._leaf_key.sign(to_be_signed(_PROTECTED, payload), ec.ECDSA(SHA384()))
        signature = b"".join(number.to_bytes(48) for number in decode_dss_signature(der))
        return encode(Tagged(_COSE_SIGN1, [_PROTECTED, {}, payload, signature]))

    def _certificate(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        issuer: str,
        issuer_key: ec.EllipticCurvePrivateKey,
        *,
        is_ca: bool = True,
    ) -> x509.Certificate:
        return (
            x509.CertificateBuilder()
            .subject_name(_named(name))
            .issuer_name(_named(issuer))
            .public_key(key.public_key())
            .serial_number(next(self._numbers))
            .not_valid_before(_BEGIN)
            .not_valid_after(_END)
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .sign(issuer_key, SHA384())
        )


class Enclave(Confined):
    """One enclave, or instance: what was measured of it, and a key pair that it alone has."""

    def __init__(
        self, platform: EnclavePlatform, measures: Mapping[int, bytes], module_id: str, *, is_tpm: bool = False
    ) -> None:
        self.module_id = module_id
        self._registers = "nitrotpm_pcrs" if is_tpm else "pcrs"
        self._platform = platform
        self._measures = measures

    @property
    def image_sha384(self) -> str:
        """What `kms:RecipientAttestation:ImageSha384` is compared with."""
        return self.pcr(0)

    def pcr(self, index: int) -> str:
        """What `kms:RecipientAttestation:PCR<index>` (of an instance `NitroTPMPCR<index>`) is compared with."""
        return self._measures[index].hex()

    def document(self, *, nonce: bytes | None = None, user_data: bytes | None = None) -> bytes:
        """A new attestation document."""
        return self._platform.sign(
            {
                "module_id": self.module_id,
                "digest": "SHA384",
                "timestamp": WallClock().now_ns() // _NS_PER_MS,
                self._registers: dict(self._measures),
                "public_key": self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
                "user_data": user_data,
                "nonce": nonce,
            }
        )

    def recipient(self) -> Recipient:
        """`Recipient` of a call for this enclave, with a new document."""
        return {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": self.document()}

    def open(self, ciphertext_for_recipient: bytes) -> bytes:
        """The plaintext in `CiphertextForRecipient`. Errors: ValueError for one that is for somebody else, or none."""
        return opened(ciphertext_for_recipient, self._unwrap)

    @cached_property
    def _key(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(65537, 2048)

    def _unwrap(self, wrapped: bytes) -> bytes:
        return self._key.decrypt(wrapped, OAEP(mgf=MGF1(SHA256()), algorithm=SHA256(), label=None))


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
