"""What KMS may ask an HSM, and the answers. Each job is one visit to one HSM; plaintext backing keys stay inside it.

A backing key is named by a `MaterialRef`: its public name and its exported key token, the backing key wrapped under the
Region's domain key (opaque here). Whatever an HSM finds wrapped under a retired domain key it returns wrapped anew in
`rewrapped`, so that tokens follow the rotation of domain keys by being used.

Source: AWS KMS Cryptographic Details; the job list itself is ours.
"""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum

from regionsim.kms.key_specs import SYMMETRIC_ALGORITHM, KeySpec
from regionsim.kms.secret_jobs import OpenSecret, RewrapSecret, SealSecret
from regionsim.kms.signatures import MessageType
from regionsim.kms.wrapping import WrappingAlgorithm, WrappingKeySpec
from regionsim.names.dataclass import dataclass
from regionsim.names.made_often import made_often


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class MaterialRef:
    """One backing key as the world outside the HSM knows it; `token` is its exported key token."""

    key_id: str
    material_id: str
    token: bytes = field(repr=False)


CLUSTER_HANDLE = b"\x02"
"""How a token begins that no HSM of ours made: the handle by which a CloudHSM cluster knows a key. Ours: with 1."""


class BlobKind(StrEnum):
    """What a ciphertext blob holds: Encrypt's output, or a data key's. AWS marks it in the header."""

    PLAINTEXT = "plaintext"
    DATA_KEY = "data_key"


# Jobs of the request path: at most one a call.


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateBackingKey:
    """Make a new backing key. Answer: `BackingKeyCreated`."""

    key_id: str
    spec: KeySpec


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Encrypt:
    """Encrypt; `context` is the canonical encryption context of a symmetric key, which encrypts under a key derived for
    this call. Answer: `Encrypted`."""

    material: MaterialRef
    plaintext: bytes = field(repr=False)
    context: bytes
    spec: KeySpec = KeySpec.SYMMETRIC_DEFAULT
    algorithm: str = SYMMETRIC_ALGORITHM


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Decrypt:
    """Open a blob. Answer: `Decrypted`. Errors: InvalidCiphertextException (any cryptographic failure)."""

    material: MaterialRef
    blob: bytes
    context: bytes
    spec: KeySpec = KeySpec.SYMMETRIC_DEFAULT
    algorithm: str = SYMMETRIC_ALGORITHM


@dataclass(frozen=True, slots=True, kw_only=True)
class ReEncrypt:
    """Decrypt and encrypt in one visit; the plaintext never leaves the HSM. Answer: `Encrypted`.

    Errors: InvalidCiphertextException; ValidationException when the destination's algorithm cannot take so much.
    """

    source: MaterialRef
    blob: bytes
    source_context: bytes
    destination: MaterialRef
    destination_context: bytes
    source_spec: KeySpec = KeySpec.SYMMETRIC_DEFAULT
    source_algorithm: str = SYMMETRIC_ALGORITHM
    destination_spec: KeySpec = KeySpec.SYMMETRIC_DEFAULT
    destination_algorithm: str = SYMMETRIC_ALGORITHM


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateDataKey:
    """Make `byte_count` random bytes and wrap them under the backing key. Answer: `DataKeyGenerated`."""

    material: MaterialRef
    context: bytes
    byte_count: int
    wants_plaintext: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateDataKeyPair:
    """Make a key pair of `spec` for use elsewhere and wrap its private key under the (symmetric) backing key.

    Answer: `DataKeyPairGenerated`.
    """

    material: MaterialRef
    context: bytes
    spec: KeySpec
    wants_plaintext: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateRandom:
    """Answer: `RandomGenerated`."""

    byte_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeWrappingKey:
    """Make a key under which material may be imported. Answer: `WrappingKeyMade`. `names` are authenticated with
    its token."""

    wrapping_spec: WrappingKeySpec
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportMaterial:
    """Unwrap what a key's owner wrapped under a wrapping key, and make it a backing key. Answer: `MaterialImported`.

    Errors: InvalidImportTokenException for a token that does not bear `names`; InvalidCiphertextException when nothing
    was wrapped so under its key; IncorrectKeyMaterialException for what is no material of `spec`.
    """

    key_id: str
    spec: KeySpec
    algorithm: WrappingAlgorithm
    wrapping_token: bytes = field(repr=False)
    names: tuple[str, ...]
    wrapped: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateMac:
    """Answer: `MacGenerated`."""

    material: MaterialRef
    spec: KeySpec
    message: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyMac:
    """Answer: an empty one. Errors: KMSInvalidMacException."""

    material: MaterialRef
    spec: KeySpec
    message: bytes = field(repr=False)
    mac: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPublicKey:
    """Answer: `PublicKeyRead`."""

    material: MaterialRef
    spec: KeySpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """Sign a message that the algorithm takes (`regionsim.kms.signatures`). Answer: `Signed`."""

    material: MaterialRef
    spec: KeySpec
    algorithm: str
    message_type: MessageType
    message: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify:
    """Answer: an empty one. Errors: KMSInvalidSignatureException."""

    material: MaterialRef
    spec: KeySpec
    algorithm: str
    message_type: MessageType
    message: bytes = field(repr=False)
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DeriveSharedSecret:
    """Agree with the holder of a public key (DER). Answer: `SharedSecretDerived`.

    Errors: ValidationException when it is no public key on the same curve.
    """

    material: MaterialRef
    spec: KeySpec
    public_key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Encapsulate:
    """Answer: `Encapsulated`."""

    material: MaterialRef
    spec: KeySpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Decapsulate:
    """Open an encapsulation of the length that the spec has. Answer: `SharedSecretDerived`, of another secret when the
    ciphertext was altered."""

    material: MaterialRef
    spec: KeySpec
    ciphertext: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ForRecipient:
    """Do the job, and encrypt its plaintext for an attested enclave, so that it is known to nobody else.

    Answer: `SealedForRecipient`. Errors: those of the job.
    """

    job: Decrypt | DeriveSharedSecret | GenerateDataKey | GenerateDataKeyPair | GenerateRandom
    public_key: bytes = field(repr=False)


# Jobs of replication and upkeep.


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferAgreement:
    """Make an agreement key pair for receiving material from `peer_region`, and sign its public half.

    Answer: `AgreementOffered`.
    """

    peer_region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptAgreement:
    """Verify another Region's offer, make our half, derive the replication wrapping key. Answer: `AgreementAccepted`.

    Errors: InvalidCiphertextException when the signature is not that Region's.
    """

    peer_region: str
    public_key: bytes
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteAgreement:
    """Verify the acceptance of our offer and derive the same replication wrapping key. Answer: `AgreementCompleted`.

    `offer_token` is the token of `AgreementOffered`. Errors: InvalidCiphertextException.
    """

    peer_region: str
    offer_token: bytes = field(repr=False)
    public_key: bytes
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WrapMaterials:
    """Wrap backing keys under the replication wrapping key of an agreement. Answer: `MaterialsWrapped`, same order."""

    agreement_token: bytes = field(repr=False)
    materials: tuple[MaterialRef, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WrappedMaterial:
    """One backing key on its way between two Regions' HSMs."""

    key_id: str
    material_id: str
    wrapped: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallMaterials:
    """Unwrap what another Region's HSM wrapped, and export each under our domain key. Answer: `MaterialsInstalled`.

    Errors: InvalidCiphertextException when one was altered or its name does not fit its bytes (then none is installed).
    """

    agreement_token: bytes = field(repr=False)
    materials: tuple[WrappedMaterial, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RewrapTokens:
    """Wrap tokens anew under the active domain key, whatever domain key they are under now. Answer:
    `TokensRewrapped`."""

    materials: tuple[MaterialRef, ...]


# Answers.


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class HsmAnswer:
    """What every answer may carry besides its own: tokens that were wrapped anew while in use."""

    rewrapped: tuple[MaterialRef, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BackingKeyCreated(HsmAnswer):
    material: MaterialRef


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Encrypted(HsmAnswer):
    blob: bytes


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Decrypted(HsmAnswer):
    plaintext: bytes = field(repr=False)


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class DataKeyGenerated(HsmAnswer):
    blob: bytes
    plaintext: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataKeyPairGenerated(HsmAnswer):
    """`public_key` is DER SubjectPublicKeyInfo, `private_key` DER PKCS #8."""

    blob: bytes
    public_key: bytes
    private_key: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MacGenerated(HsmAnswer):
    mac: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKeyRead(HsmAnswer):
    """`public_key` is DER SubjectPublicKeyInfo."""

    public_key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed(HsmAnswer):
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedSecretDerived(HsmAnswer):
    shared_secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Encapsulated(HsmAnswer):
    shared_secret: bytes = field(repr=False)
    ciphertext: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomGenerated(HsmAnswer):
    random_bytes: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedForRecipient(HsmAnswer):
    """The job's own answer, its plaintext taken out, and that plaintext as CMS EnvelopedData."""

    answer: HsmAnswer
    sealed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WrappingKeyMade(HsmAnswer):
    """`token` is the private half under our domain key; the import token carries it."""

    public_key: bytes
    token: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterialImported(HsmAnswer):
    material: MaterialRef


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementOffered(HsmAnswer):
    """`token` is the private half under our domain key; the host keeps it in memory, never on disk."""

    public_key: bytes
    signature: bytes
    token: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementAccepted(HsmAnswer):
    """`token` is the replication wrapping key under our domain key."""

    public_key: bytes
    signature: bytes
    token: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementCompleted(HsmAnswer):
    token: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterialsWrapped(HsmAnswer):
    materials: tuple[WrappedMaterial, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterialsInstalled(HsmAnswer):
    materials: tuple[MaterialRef, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensRewrapped(HsmAnswer):
    materials: tuple[MaterialRef, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSealed(HsmAnswer):
    token: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretOpened(HsmAnswer):
    secret: str = field(repr=False)


AsymmetricJob = ReadPublicKey | Sign | Verify | DeriveSharedSecret | Encapsulate | Decapsulate
"""What only key pairs do."""

MacJob = GenerateMac | VerifyMac

RequestJob = (
    CreateBackingKey
    | Encrypt
    | Decrypt
    | ReEncrypt
    | GenerateDataKey
    | GenerateDataKeyPair
    | GenerateRandom
    | MakeWrappingKey
    | ImportMaterial
    | SealSecret
    | MacJob
    | AsymmetricJob
    | ForRecipient
)
"""What a KMS call may ask."""

SecretJob = OpenSecret | RewrapSecret

UpkeepJob = (
    OfferAgreement | AcceptAgreement | CompleteAgreement | WrapMaterials | InstallMaterials | RewrapTokens | SecretJob
)
"""What replication, domain key rotation and connections of custom key stores ask."""

HsmJob = RequestJob | UpkeepJob
