"""Which requests have a price of their own."""

from __future__ import annotations

from typing import Any

import pytest

from regionsim.kms import hsm_jobs
from regionsim.kms.hsm_jobs import MaterialRef
from regionsim.kms.key_specs import KeySpec
from regionsim.kms.signatures import MessageType
from regionsim.region.charges import Charge, charge_of

MATERIAL = MaterialRef(key_id="mrk-" + "0" * 32, material_id="ab" * 32, token=b"")
SIGNED: dict[str, Any] = {"material": MATERIAL, "algorithm": "", "message_type": MessageType.RAW, "message": b""}
PAIR: dict[str, Any] = {"material": MATERIAL, "context": b"", "wants_plaintext": False}
MOVED: dict[str, Any] = {
    "source": MATERIAL,
    "blob": b"",
    "source_context": b"",
    "destination": MATERIAL,
    "destination_context": b"",
}


@pytest.mark.parametrize(
    ("job", "charge"),
    [
        (hsm_jobs.Encrypt(material=MATERIAL, plaintext=b"", context=b""), None),
        (hsm_jobs.GenerateMac(material=MATERIAL, spec=KeySpec.HMAC_512, message=b""), None),
        (hsm_jobs.GenerateRandom(byte_count=1), None),
        (hsm_jobs.CreateBackingKey(key_id="", spec=KeySpec.RSA_4096), None),
        (hsm_jobs.Sign(**SIGNED, spec=KeySpec.RSA_2048), None),
        (hsm_jobs.Sign(**SIGNED, spec=KeySpec.RSA_3072), Charge.ASYMMETRIC),
        (hsm_jobs.Sign(**SIGNED, spec=KeySpec.ML_DSA_44), Charge.ASYMMETRIC),
        (hsm_jobs.ReadPublicKey(material=MATERIAL, spec=KeySpec.ECC_NIST_P256), Charge.ASYMMETRIC),
        (hsm_jobs.ReEncrypt(**MOVED), None),
        (hsm_jobs.ReEncrypt(**MOVED, destination_spec=KeySpec.RSA_4096), Charge.ASYMMETRIC),
        (hsm_jobs.GenerateDataKeyPair(**PAIR, spec=KeySpec.RSA_2048), Charge.RSA_DATA_KEY_PAIR),
        (hsm_jobs.GenerateDataKeyPair(**PAIR, spec=KeySpec.ECC_NIST_P256), Charge.ECC_DATA_KEY_PAIR),
    ],
    ids=lambda value: type(value).__name__,
)
def test_key_pairs_cost_more_but_rsa_2048(job: Any, charge: Charge | None) -> None:
    assert charge_of(job) is charge


def test_a_request_of_an_enclave_costs_what_it_would_without() -> None:
    job = hsm_jobs.GenerateDataKeyPair(**PAIR, spec=KeySpec.RSA_2048)
    assert charge_of(hsm_jobs.ForRecipient(job=job, public_key=b"")) is Charge.RSA_DATA_KEY_PAIR
