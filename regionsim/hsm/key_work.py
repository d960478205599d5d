"""What an HSM does with MAC keys and key pairs: the job and the key in, the answer out."""

from __future__ import annotations

from typing import assert_never

from regionsim.hsm.algorithms.key_pair import AgreeingPair, Draws, EncapsulatingPair, SigningPair
from regionsim.hsm.backing_key import BackingKey
from regionsim.kms.errors import KMSInvalidMacException, KMSInvalidSignatureException
from regionsim.kms.hsm_jobs import (
    AsymmetricJob,
    Decapsulate,
    DeriveSharedSecret,
    Encapsulate,
    Encapsulated,
    GenerateMac,
    HsmAnswer,
    MacGenerated,
    MacJob,
    MaterialRef,
    PublicKeyRead,
    ReadPublicKey,
    SharedSecretDerived,
    Sign,
    Signed,
    Verify,
    VerifyMac,
)

Rewrapped = tuple[MaterialRef, ...]


def work_of_mac(key: BackingKey, job: MacJob, rewrapped: Rewrapped) -> HsmAnswer:
    """Errors: KMSInvalidMacException."""
    match job:
        case GenerateMac():
            return MacGenerated(mac=key.mac_key.mac(job.message), rewrapped=rewrapped)
        case VerifyMac():
            if not key.mac_key.is_mac(job.message, job.mac):
                raise KMSInvalidMacException
            return HsmAnswer(rewrapped=rewrapped)
        case _:
            assert_never(job)


def work_of_pair(key: BackingKey, job: AsymmetricJob, draws: Draws, rewrapped: Rewrapped) -> HsmAnswer:
    """Errors: KMSInvalidSignatureException; ValidationException for a peer's public key that is of no use."""
    pair = key.pair
    match job:
        case ReadPublicKey():
            return PublicKeyRead(public_key=pair.public_key(), rewrapped=rewrapped)
        case Sign():
            assert isinstance(pair, SigningPair), f"{key.spec} signs nothing"
            signature = pair.sign(job.algorithm, job.message_type, job.message, draws)
            return Signed(signature=signature, rewrapped=rewrapped)
        case Verify():
            assert isinstance(pair, SigningPair), f"{key.spec} signs nothing"
            if not pair.is_signature(job.algorithm, job.message_type, job.message, job.signature):
                raise KMSInvalidSignatureException
            return HsmAnswer(rewrapped=rewrapped)
        case DeriveSharedSecret():
            assert isinstance(pair, AgreeingPair), f"{key.spec} agrees on nothing"
            return SharedSecretDerived(shared_secret=pair.agree(job.public_key), rewrapped=rewrapped)
        case Encapsulate() | Decapsulate():
            assert isinstance(pair, EncapsulatingPair), f"{key.spec} encapsulates nothing"
            return _encapsulation(pair, job, rewrapped)
        case _:
            assert_never(job)


def _encapsulation(pair: EncapsulatingPair, job: Encapsulate | Decapsulate, rewrapped: Rewrapped) -> HsmAnswer:
    if isinstance(job, Decapsulate):
        return SharedSecretDerived(shared_secret=pair.decapsulate(job.ciphertext), rewrapped=rewrapped)
    made = pair.encapsulate()
    return Encapsulated(shared_secret=made.shared_secret, ciphertext=made.ciphertext, rewrapped=rewrapped)
