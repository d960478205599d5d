"""Which jobs leave the loop's thread in real time: those that take a quarter of a millisecond or more."""

from __future__ import annotations

import threading

import pytest

from regionsim.hsm import hsm as hsm_module
from regionsim.hsm.slow_jobs import is_slow
from regionsim.kms.hsm_jobs import (
    BackingKeyCreated,
    CreateBackingKey,
    Decrypt,
    DeriveSharedSecret,
    Encrypt,
    GenerateDataKey,
    GenerateDataKeyPair,
    GenerateMac,
    MaterialRef,
    OfferAgreement,
    ReEncrypt,
    RewrapTokens,
    Sign,
    Verify,
)
from regionsim.kms.key_specs import KeySpec
from regionsim.kms.signatures import MessageType
from regionsim.runtime.entropy import OsEntropy
from regionsim.runtime.loop import run_real_time
from tests.unit.hsm.worlds import KEY_ID, World

MATERIAL = MaterialRef(key_id=KEY_ID, material_id="ab" * 32, token=b"")
SIGNING = {"material": MATERIAL, "algorithm": "", "message_type": MessageType.RAW, "message": b""}
REENCRYPT = {
    "source": MATERIAL,
    "blob": b"",
    "source_context": b"",
    "destination": MATERIAL,
    "destination_context": b"",
}


@pytest.mark.parametrize(
    ("job", "wanted"),
    [
        (Encrypt(material=MATERIAL, plaintext=b"", context=b""), False),
        (Encrypt(material=MATERIAL, plaintext=b"", context=b"", spec=KeySpec.RSA_4096), False),
        (Encrypt(material=MATERIAL, plaintext=b"", context=b"", spec=KeySpec.SM2), True),
        (Decrypt(material=MATERIAL, blob=b"", context=b""), False),
        (Decrypt(material=MATERIAL, blob=b"", context=b"", spec=KeySpec.RSA_2048), True),
        (GenerateDataKey(material=MATERIAL, context=b"", byte_count=32, wants_plaintext=True), False),
        (GenerateDataKeyPair(material=MATERIAL, context=b"", spec=KeySpec.RSA_2048, wants_plaintext=True), True),
        (GenerateDataKeyPair(material=MATERIAL, context=b"", spec=KeySpec.ECC_NIST_P256, wants_plaintext=True), False),
        (CreateBackingKey(key_id=KEY_ID, spec=KeySpec.SYMMETRIC_DEFAULT), False),
        (CreateBackingKey(key_id=KEY_ID, spec=KeySpec.RSA_3072), True),
        (GenerateMac(material=MATERIAL, spec=KeySpec.HMAC_512, message=b""), False),
        (Sign(**SIGNING, spec=KeySpec.ECC_NIST_P384), False),
        (Sign(**SIGNING, spec=KeySpec.ECC_NIST_P521), True),
        (Sign(**SIGNING, spec=KeySpec.ECC_SECG_P256K1), True),
        (Sign(**SIGNING, spec=KeySpec.ECC_NIST_EDWARDS25519), False),
        (Sign(**SIGNING, spec=KeySpec.RSA_2048), True),
        (Sign(**SIGNING, spec=KeySpec.ML_DSA_65), True),
        (Verify(**SIGNING, spec=KeySpec.RSA_2048, signature=b""), False),
        (Verify(**SIGNING, spec=KeySpec.SM2, signature=b""), True),
        (Verify(**SIGNING, spec=KeySpec.ECC_NIST_P256, signature=b""), False),
        (Verify(**SIGNING, spec=KeySpec.ECC_NIST_P384, signature=b""), True),
        (Verify(**SIGNING, spec=KeySpec.ML_DSA_65, signature=b""), False),
        (DeriveSharedSecret(material=MATERIAL, spec=KeySpec.ECC_NIST_P256, public_key=b""), False),
        (DeriveSharedSecret(material=MATERIAL, spec=KeySpec.ECC_NIST_P384, public_key=b""), True),
        (ReEncrypt(**REENCRYPT), False),
        (ReEncrypt(**REENCRYPT, source_spec=KeySpec.RSA_2048), True),
        (ReEncrypt(**REENCRYPT, destination_spec=KeySpec.RSA_2048), False),
        (ReEncrypt(**REENCRYPT, destination_spec=KeySpec.SM2), True),
        (OfferAgreement(peer_region="eu-west-1"), True),
        (RewrapTokens(materials=(MATERIAL,) * 64), False),
        (RewrapTokens(materials=(MATERIAL,) * 65), True),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, bool) else str(value),
)  # fmt: skip
def test_slow_jobs_are_told_from_quick_ones(job, wanted) -> None:
    assert is_slow(job) is wanted


def test_in_real_time_a_signature_with_rsa_is_made_on_the_hsm_s_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    computed_on: dict[str, bool] = {}
    perform = hsm_module.HsmMemory.perform

    def noting(self, job):
        computed_on[type(job).__name__] = threading.current_thread() is threading.main_thread()
        return perform(self, job)

    monkeypatch.setattr(hsm_module.HsmMemory, "perform", noting)

    async def main() -> None:
        fleet = await World(entropy=OsEntropy()).started(hsm_count=1)
        made = await fleet.perform(CreateBackingKey(key_id=KEY_ID, spec=KeySpec.RSA_2048))
        assert isinstance(made, BackingKeyCreated)
        asked = {
            "material": made.material,
            "spec": KeySpec.RSA_2048,
            "algorithm": "RSASSA_PSS_SHA_256",
            "message_type": MessageType.RAW,
            "message": b"m",
        }
        signed = await fleet.perform(Sign(**asked))
        await fleet.perform(Verify(**asked, signature=signed.signature))  # type: ignore[attr-defined]
        fleet.close()

    run_real_time(main())
    assert computed_on == {"CreateBackingKey": False, "Sign": False, "Verify": True}
