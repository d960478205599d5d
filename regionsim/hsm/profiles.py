"""How long HSM jobs take: profiles by name.

A job has two times. Its *service* occupies the HSM; jobs wait for each other's service. Its *transit* is everything
else on the way of a call from host to HSM and back (session, hops, the host's own work); any number of jobs can be in
transit.

`host` adds nothing: a job takes what the machine takes. `aws-like` draws both times by kind of job, two draws for
every job. Source: UNVERIFIED (ours): AWS publishes no latency of KMS. The figures are chosen so that end to end a
symmetric operation has a median of 4-8 ms and a 99th percentile of 15-40 ms, and CreateKey takes 50-300 ms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import NamedTuple

from regionsim.kms.hsm_jobs import (
    AcceptAgreement,
    CompleteAgreement,
    CreateBackingKey,
    Decapsulate,
    Decrypt,
    DeriveSharedSecret,
    Encapsulate,
    Encrypt,
    ForRecipient,
    GenerateDataKey,
    GenerateDataKeyPair,
    GenerateMac,
    GenerateRandom,
    HsmJob,
    ImportMaterial,
    InstallMaterials,
    MakeWrappingKey,
    OfferAgreement,
    ReadPublicKey,
    ReEncrypt,
    RewrapTokens,
    Sign,
    Verify,
    VerifyMac,
    WrapMaterials,
)
from regionsim.kms.key_specs import KeySpec
from regionsim.kms.secret_jobs import OpenSecret, RewrapSecret, SealSecret
from regionsim.names.dataclass import dataclass
from regionsim.names.mistakes import ConfigError, advice
from regionsim.runtime.entropy import Stream

_US = 1_000
_MS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantiles:
    """A distribution of durations, given by some of its quantiles and straight between them.

    Only additions and multiplications turn a draw into a duration, so it is the same on every machine.
    """

    points: tuple[tuple[float, int], ...]
    """(share, nanoseconds), rising from share 0.0 to 1.0."""

    def at(self, share: float) -> int:
        """The duration that this share of jobs does not exceed, in nanoseconds."""
        below_share, below_ns = self.points[0]
        for above_share, above_ns in self.points[1:]:
            if share <= above_share:
                part = (share - below_share) / (above_share - below_share)
                return below_ns + round((above_ns - below_ns) * part)
            below_share, below_ns = above_share, above_ns
        return below_ns


class JobTime(NamedTuple):
    """Both times of one job, in nanoseconds."""

    service_ns: int
    transit_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTimes:
    """Both distributions of one kind of job; a batch's service grows with its `materials` after the first."""

    service: Quantiles
    transit: Quantiles
    each_further_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The times of all kinds of job, and how long an HSM takes to join its domain."""

    name: str
    join_ns: int = 0
    times: Mapping[type, JobTimes] = field(default_factory=dict)
    """By kind of job, with a key of the usual spec."""

    times_by_spec: Mapping[tuple[type, KeySpec], JobTimes] = field(default_factory=dict)
    """By kind of job and key spec, where the spec makes a difference."""

    def draw(self, job: HsmJob, stream: Stream) -> JobTime:
        """The times of `job`: two draws, or none when this profile has no times at all."""
        if not self.times:
            return _NO_TIME
        return _drawn(self._times_of(job), stream, material_count(job))

    def draw_kind(self, kind: type[HsmJob], stream: Stream) -> JobTime:
        """As `draw`, for any job of that kind with a key of the usual spec."""
        return _drawn(self.times[kind], stream) if self.times else _NO_TIME

    def _times_of(self, job: HsmJob) -> JobTimes:
        if isinstance(job, ForRecipient):
            return self._times_of(job.job)
        if isinstance(job, ReEncrypt):
            halves = ((Decrypt, job.source_spec), (Encrypt, job.destination_spec))
            slowest = (self.times_by_spec[half] for half in halves if half in self.times_by_spec)
            return next(slowest, self.times[ReEncrypt])
        spec = getattr(job, "spec", None)
        return (
            self.times[type(job)] if spec is None else self.times_by_spec.get((type(job), spec), self.times[type(job)])
        )


def _drawn(times: JobTimes, stream: Stream, materials: int = 0) -> JobTime:
    service_share, transit_share = stream.random(), stream.random()
    service_ns = times.service.at(service_share) + times.each_further_ns * max(0, materials - 1)
    return JobTime(service_ns, times.transit.at(transit_share))


def material_count(job: HsmJob) -> int:
    """How many backing keys a batch is about; 0 for a job that is no batch."""
    return len(job.materials) if isinstance(job, _BATCHES) else 0


def profile_named(name: str) -> Profile:
    """Errors: ConfigError naming the profiles there are."""
    try:
        return PROFILES[name]
    except KeyError:
        raise ConfigError(f"no such HSM profile: '{name}'; {advice(name, PROFILES)}") from None


_NO_TIME = JobTime(0, 0)
_BATCHES = (WrapMaterials, InstallMaterials, RewrapTokens)

_SYMMETRIC_TRANSIT = Quantiles(
    points=(
        (0.0, 2_600 * _US),
        (0.5, 4_600 * _US),
        (0.9, 8 * _MS),
        (0.99, 19 * _MS),
        (0.999, 45 * _MS),
        (1.0, 90 * _MS),
    )
)
_CREATION_TRANSIT = Quantiles(points=((0.0, 45 * _MS), (0.5, 80 * _MS), (0.99, 240 * _MS), (1.0, 400 * _MS)))


def _service(median_ns: int) -> Quantiles:
    points = (
        (0.0, median_ns * 7 // 10),
        (0.5, median_ns),
        (0.9, median_ns * 2),
        (0.99, median_ns * 5),
        (1.0, median_ns * 15),
    )
    return Quantiles(points=points)


def _symmetric_way(median_ns: int) -> JobTimes:
    """That service, and the way of every call of cryptography."""
    return JobTimes(service=_service(median_ns), transit=_SYMMETRIC_TRANSIT)


_SYMMETRIC = _symmetric_way(300 * _US)
_AGREEMENT = JobTimes(service=_service(3 * _MS), transit=_SYMMETRIC_TRANSIT)
_BATCH = JobTimes(service=_service(300 * _US), transit=_SYMMETRIC_TRANSIT, each_further_ns=60 * _US)

_CURVE = _symmetric_way(500 * _US)
_PUBLIC = _symmetric_way(400 * _US)
"""RSA with the public exponent, and what is no more work than that."""

_PRIVATE_NS: Mapping[KeySpec, int] = MappingProxyType(
    {
        KeySpec.RSA_2048: 3 * _MS,
        KeySpec.RSA_3072: 8 * _MS,
        KeySpec.RSA_4096: 14 * _MS,
        KeySpec.ECC_NIST_P384: 1_200 * _US,
        KeySpec.ECC_NIST_P521: 1_800 * _US,
        KeySpec.ECC_SECG_P256K1: 900 * _US,
        KeySpec.ML_DSA_44: 2 * _MS,
        KeySpec.ML_DSA_65: 3 * _MS,
        KeySpec.ML_DSA_87: 4 * _MS,
        KeySpec.SM2: 1_500 * _US,
    }
)
"""Median of one operation with the private key, where it is not that of the smaller curves."""

_MAKING_NS: Mapping[KeySpec, int] = MappingProxyType(
    {KeySpec.RSA_2048: 100 * _MS, KeySpec.RSA_3072: 300 * _MS, KeySpec.RSA_4096: 900 * _MS}
)
"""Median of the search for an RSA key."""


def _making(median_ns: int) -> Quantiles:
    """A search for primes: as good as memoryless, but never at once."""
    points = (
        (0.0, median_ns * 4 // 10),
        (0.5, median_ns),
        (0.9, median_ns * 16 // 10),
        (0.99, median_ns * 22 // 10),
        (1.0, median_ns * 3),
    )
    return Quantiles(points=points)


_AWS_LIKE_BY_SPEC: Mapping[tuple[type, KeySpec], JobTimes] = MappingProxyType(
    {
        (kind, spec): _symmetric_way(median_ns)
        for spec, median_ns in _PRIVATE_NS.items()
        for kind in (Decrypt, Sign, DeriveSharedSecret)
    }
    | {
        (kind, spec): _symmetric_way(_PRIVATE_NS[spec])
        for spec in (KeySpec.ECC_NIST_P384, KeySpec.ECC_NIST_P521, KeySpec.ECC_SECG_P256K1, KeySpec.SM2)
        for kind in (Encrypt, Verify)
    }
    | {
        (CreateBackingKey, spec): JobTimes(service=_making(median_ns), transit=_CREATION_TRANSIT)
        for spec, median_ns in _MAKING_NS.items()
    }
    | {
        (GenerateDataKeyPair, spec): JobTimes(service=_making(median_ns), transit=_SYMMETRIC_TRANSIT)
        for spec, median_ns in _MAKING_NS.items()
    }
)

HOST = Profile(name="host")

AWS_LIKE = Profile(
    name="aws-like",
    join_ns=2_000 * _MS,
    times=MappingProxyType(
        {
            Encrypt: _SYMMETRIC,
            Decrypt: _SYMMETRIC,
            GenerateDataKey: _SYMMETRIC,
            ReEncrypt: JobTimes(service=_service(500 * _US), transit=_SYMMETRIC_TRANSIT),
            GenerateRandom: JobTimes(service=_service(150 * _US), transit=_SYMMETRIC_TRANSIT),
            CreateBackingKey: JobTimes(service=_service(600 * _US), transit=_CREATION_TRANSIT),
            MakeWrappingKey: JobTimes(service=_service(90 * _MS), transit=_CREATION_TRANSIT),
            ImportMaterial: JobTimes(service=_service(3 * _MS), transit=_CREATION_TRANSIT),
            GenerateDataKeyPair: _symmetric_way(700 * _US),
            GenerateMac: _SYMMETRIC,
            VerifyMac: _SYMMETRIC,
            ReadPublicKey: _PUBLIC,
            Sign: _CURVE,
            Verify: _PUBLIC,
            DeriveSharedSecret: _CURVE,
            Encapsulate: _PUBLIC,
            Decapsulate: _PUBLIC,
            OfferAgreement: _AGREEMENT,
            AcceptAgreement: _AGREEMENT,
            CompleteAgreement: _AGREEMENT,
            WrapMaterials: _BATCH,
            InstallMaterials: _BATCH,
            RewrapTokens: _BATCH,
            SealSecret: _SYMMETRIC,
            OpenSecret: _SYMMETRIC,
            RewrapSecret: _SYMMETRIC,
        }
    ),
    times_by_spec=_AWS_LIKE_BY_SPEC,
)

PROFILES: Mapping[str, Profile] = MappingProxyType({profile.name: profile for profile in (HOST, AWS_LIKE)})
"""Name -> profile."""
