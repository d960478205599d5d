"""Which jobs take a quarter of a millisecond or more, and so compute on the HSM's own thread in real time.

Source: measured (`regionsim bench`, cryptography alone): RSA private operations, SM2 (pure Python), ML-DSA signatures,
what the library does slowly on curves other than P-256 and Ed25519, the making of RSA keys, agreements between Regions
and large batches. What is AES-sized gains nothing from a thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from regionsim.hsm.profiles import material_count
from regionsim.kms import hsm_jobs
from regionsim.kms.hsm_jobs import ForRecipient, HsmJob, ReEncrypt
from regionsim.kms.key_specs import KeySpec

_MANY_MATERIALS = 64
"""A batch of so many takes half a millisecond."""

_ALWAYS = frozenset(
    {
        hsm_jobs.OfferAgreement,
        hsm_jobs.AcceptAgreement,
        hsm_jobs.CompleteAgreement,
        hsm_jobs.MakeWrappingKey,
        hsm_jobs.ImportMaterial,
    }
)

_RSA = frozenset({KeySpec.RSA_2048, KeySpec.RSA_3072, KeySpec.RSA_4096})
_ML_DSA = frozenset({KeySpec.ML_DSA_44, KeySpec.ML_DSA_65, KeySpec.ML_DSA_87})
_SM2 = frozenset({KeySpec.SM2})
_SIGNING_CURVES = frozenset({KeySpec.ECC_NIST_P521, KeySpec.ECC_SECG_P256K1})
_AGREEING_CURVES = frozenset({KeySpec.ECC_NIST_P384, KeySpec.ECC_NIST_P521})
_EXPANDED = frozenset({KeySpec.ML_KEM_512})
"""Its private key is expanded in Python when it is taken up."""

_SLOW: Mapping[type[HsmJob], frozenset[KeySpec]] = MappingProxyType(
    {
        hsm_jobs.CreateBackingKey: _RSA | _SM2,
        hsm_jobs.GenerateDataKeyPair: _RSA | _SM2 | _EXPANDED,
        hsm_jobs.Encrypt: _SM2,
        hsm_jobs.Decrypt: _RSA | _SM2,
        hsm_jobs.Sign: _RSA | _ML_DSA | _SM2 | _SIGNING_CURVES,
        hsm_jobs.Verify: _SM2 | _SIGNING_CURVES | {KeySpec.ECC_NIST_P384, KeySpec.ML_DSA_87},
        hsm_jobs.DeriveSharedSecret: _SM2 | _AGREEING_CURVES,
        hsm_jobs.Encapsulate: _EXPANDED,
        hsm_jobs.Decapsulate: _EXPANDED,
        hsm_jobs.ReadPublicKey: _EXPANDED,
    }
)


def is_slow(job: HsmJob) -> bool:
    """True when the job belongs on the HSM's thread."""
    if isinstance(job, ReEncrypt):
        return job.source_spec in _RSA or KeySpec.SM2 in (job.source_spec, job.destination_spec)
    if isinstance(job, ForRecipient):
        return is_slow(job.job)
    slow_specs = _SLOW.get(type(job))
    if slow_specs is not None:
        spec: KeySpec = job.spec  # type: ignore[union-attr]  # every kind in the table has one
        return spec in slow_specs
    return type(job) in _ALWAYS or material_count(job) > _MANY_MATERIALS


def kind_of(job: HsmJob) -> object:
    """What jobs have in common that take about the same time."""
    if isinstance(job, ForRecipient):
        return kind_of(job.job)
    if isinstance(job, ReEncrypt):
        return ReEncrypt, job.source_spec, job.destination_spec
    return type(job), getattr(job, "spec", None)
