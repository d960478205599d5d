"""Calls with keys of every kind and parameters that do not fit them: an answer or one of AWS's refusals, never a bug.

Public keys, signatures and ciphertexts are altered ones as often as good ones: that is what reaches an HSM unread.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regionsim.hsm.algorithms.key_pair import Draws
from regionsim.hsm.domain import DomainState
from regionsim.hsm.memory import HsmMemory
from regionsim.hsm.replication_keys import ReplicationRegistry
from regionsim.kms.errors import (
    InvalidCiphertextException,
    KMSInvalidMacException,
    KMSInvalidSignatureException,
    ValidationException,
)
from regionsim.kms.hsm_jobs import (
    BackingKeyCreated,
    CreateBackingKey,
    Decapsulate,
    Decrypt,
    DeriveSharedSecret,
    Encapsulate,
    Encapsulated,
    Encrypt,
    Encrypted,
    GenerateMac,
    HsmJob,
    MacGenerated,
    MaterialRef,
    PublicKeyRead,
    ReadPublicKey,
    Sign,
    Signed,
    Verify,
    VerifyMac,
)
from regionsim.kms.key_specs import ENCAPSULATION_BYTES, USES, KeySpec, KeyUsage, is_offered
from regionsim.kms.signatures import MessageType, digest_bytes
from regionsim.runtime.entropy import OsEntropy

REFUSALS = (InvalidCiphertextException, KMSInvalidMacException, KMSInvalidSignatureException, ValidationException)
SLOW_TO_MAKE = (KeySpec.RSA_3072, KeySpec.RSA_4096)
COMMON = {"aws": "us-east-1", "aws-cn": "cn-north-1"}


class Hsm:
    """One HSM's memory, with a key of every kind that its partition has."""

    def __init__(self, partition: str) -> None:
        draws = Draws(stream=OsEntropy().stream("test"), is_seeded=False)
        domain = DomainState.found(COMMON[partition], 0, draws.stream)
        self.memory = HsmMemory(domain, ReplicationRegistry(), draws)
        self.keys: dict[KeySpec, MaterialRef] = {}
        for spec in KeySpec:
            if is_offered(spec, partition) and spec not in SLOW_TO_MAKE:
                made = self.memory.perform(CreateBackingKey(key_id="mrk-" + "0" * 32, spec=spec))
                assert isinstance(made, BackingKeyCreated)
                self.keys[spec] = made.material

    def uses(self, usage: KeyUsage) -> list[tuple[KeySpec, str]]:
        return [
            (spec, algorithm)
            for spec in self.keys
            for use in USES[spec]
            if use.usage is usage
            for algorithm in use.algorithms
        ]

    def may_be_refused(self, job: HsmJob) -> None:
        try:
            self.memory.perform(job)
        except REFUSALS as refusal:
            assert refusal.message == ""


@pytest.fixture(scope="module", params=list(COMMON))
def hsm(request: Any) -> Hsm:
    return Hsm(request.param)


altered = st.tuples(st.integers(0, 4096), st.integers(0, 255), st.sampled_from(["replace", "cut", "add", "insert"]))


def alter(content: bytes, how: tuple[int, int, str]) -> bytes:
    place, byte, way = how
    at = place % max(1, len(content))
    match way:
        case "replace":
            return content[:at] + bytes([byte]) + content[at + 1 :]
        case "cut":
            return content[:at]
        case "add":
            return content + bytes([byte])
        case _:
            return content[:at] + bytes([byte]) + content[at:]


@given(data=st.data(), message=st.binary(min_size=1, max_size=200), how=altered)
def test_signatures_that_were_altered_are_refused_and_nothing_else_happens(
    hsm: Hsm, data: st.DataObject, message: bytes, how: tuple[int, int, str]
) -> None:
    spec, algorithm = data.draw(st.sampled_from(hsm.uses(KeyUsage.SIGN_VERIFY)))
    kind = MessageType.RAW
    if algorithm == "ED25519_PH_SHA_512" or (data.draw(st.booleans()) and not algorithm.startswith("ED25519")):
        kind = MessageType.EXTERNAL_MU if algorithm.startswith("ML_DSA") else MessageType.DIGEST
        message = message.ljust(digest_bytes(algorithm), b"\0")[: digest_bytes(algorithm)]
    asked: dict[str, Any] = {
        "material": hsm.keys[spec],
        "spec": spec,
        "algorithm": algorithm,
        "message_type": kind,
        "message": message,
    }
    signed = hsm.memory.perform(Sign(**asked))
    assert isinstance(signed, Signed)
    hsm.memory.perform(Verify(**asked, signature=signed.signature))
    changed = alter(signed.signature, how)
    if changed != signed.signature:
        with pytest.raises(KMSInvalidSignatureException):
            hsm.memory.perform(Verify(**asked, signature=changed))


@given(signature=st.binary(min_size=1, max_size=5000))
def test_any_bytes_may_be_said_to_be_a_signature(hsm: Hsm, signature: bytes) -> None:
    for spec, algorithm in hsm.uses(KeyUsage.SIGN_VERIFY):
        kind = MessageType.DIGEST if "_PH_" in algorithm else MessageType.RAW
        job = Verify(
            material=hsm.keys[spec],
            spec=spec,
            algorithm=algorithm,
            message_type=kind,
            message=bytes(64),
            signature=signature,
        )
        with pytest.raises(KMSInvalidSignatureException):
            hsm.memory.perform(job)


@given(data=st.data(), plaintext=st.binary(min_size=1, max_size=190), how=altered)
def test_ciphertexts_that_were_altered_do_not_open(
    hsm: Hsm, data: st.DataObject, plaintext: bytes, how: tuple[int, int, str]
) -> None:
    spec, algorithm = data.draw(st.sampled_from(hsm.uses(KeyUsage.ENCRYPT_DECRYPT)))
    asked: dict[str, Any] = {"material": hsm.keys[spec], "context": b"", "spec": spec, "algorithm": algorithm}
    sealed = hsm.memory.perform(Encrypt(**asked, plaintext=plaintext))
    assert isinstance(sealed, Encrypted)
    hsm.memory.perform(Decrypt(**asked, blob=sealed.blob))
    changed = alter(sealed.blob, how)
    if changed != sealed.blob:
        with pytest.raises(InvalidCiphertextException):
            hsm.memory.perform(Decrypt(**asked, blob=changed))


@given(blob=st.binary(min_size=1, max_size=600))
def test_any_bytes_may_be_said_to_be_a_ciphertext(hsm: Hsm, blob: bytes) -> None:
    for spec, algorithm in hsm.uses(KeyUsage.ENCRYPT_DECRYPT):
        asked: dict[str, Any] = {"material": hsm.keys[spec], "context": b"", "spec": spec, "algorithm": algorithm}
        with pytest.raises(InvalidCiphertextException):
            hsm.memory.perform(Decrypt(**asked, blob=blob))


@given(data=st.data(), how=altered, other=st.booleans())
def test_public_keys_that_were_altered_or_are_others_agree_on_something_or_are_refused(
    hsm: Hsm, data: st.DataObject, how: tuple[int, int, str], other: bool
) -> None:
    spec, _ = data.draw(st.sampled_from(hsm.uses(KeyUsage.KEY_AGREEMENT)))
    pairs = [each for each in hsm.keys if not each.startswith(("SYMMETRIC", "HMAC"))]
    of = data.draw(st.sampled_from(pairs)) if other else spec
    read = hsm.memory.perform(ReadPublicKey(material=hsm.keys[of], spec=of))
    assert isinstance(read, PublicKeyRead)
    peer = alter(read.public_key, how)
    hsm.may_be_refused(DeriveSharedSecret(material=hsm.keys[spec], spec=spec, public_key=peer))


@given(peer=st.binary(min_size=1, max_size=300))
def test_any_bytes_may_be_said_to_be_a_public_key(hsm: Hsm, peer: bytes) -> None:
    for spec, _ in hsm.uses(KeyUsage.KEY_AGREEMENT):
        with pytest.raises(ValidationException):
            hsm.memory.perform(DeriveSharedSecret(material=hsm.keys[spec], spec=spec, public_key=peer))


@given(data=st.data(), filler=st.binary(min_size=1, max_size=64))
def test_any_capsule_of_the_right_length_gives_a_secret(hsm: Hsm, data: st.DataObject, filler: bytes) -> None:
    uses = hsm.uses(KeyUsage.ENCAPSULATE_DECAPSULATE)
    if not uses:
        return  # there are none in China
    spec, _ = data.draw(st.sampled_from(uses))
    made = hsm.memory.perform(Encapsulate(material=hsm.keys[spec], spec=spec))
    assert isinstance(made, Encapsulated)
    length = ENCAPSULATION_BYTES[spec]
    capsule = (filler * length)[:length]
    secrets = [
        hsm.memory.perform(Decapsulate(material=hsm.keys[spec], spec=spec, ciphertext=sent)).shared_secret  # type: ignore[attr-defined]
        for sent in (made.ciphertext, capsule, capsule)
    ]
    assert secrets[0] == made.shared_secret
    assert secrets[1] == secrets[2] != made.shared_secret


@given(message=st.binary(min_size=1, max_size=4096), how=altered)
def test_macs_that_were_altered_are_refused(hsm: Hsm, message: bytes, how: tuple[int, int, str]) -> None:
    for spec, _ in hsm.uses(KeyUsage.GENERATE_VERIFY_MAC):
        asked: dict[str, Any] = {"material": hsm.keys[spec], "spec": spec, "message": message}
        made = hsm.memory.perform(GenerateMac(**asked))
        assert isinstance(made, MacGenerated)
        hsm.memory.perform(VerifyMac(**asked, mac=made.mac))
        changed = alter(made.mac, how)
        if changed != made.mac:
            with pytest.raises(KMSInvalidMacException):
                hsm.memory.perform(VerifyMac(**asked, mac=changed))
