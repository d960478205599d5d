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
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from regionsim.kms.hsm_jobs import (
    AcceptAgreement,
    CompleteAgreement,
    CreateBackingKey,
    Decrypt,
    Encrypt,
    GenerateDataKey,
    GenerateRandom,
    HsmJob,
    ImportMaterial,
    InstallMaterials,
    MakeWrappingKey,
    OfferAgreement,
    ReEncrypt,
    RewrapTokens,
    WrapMaterials,
)
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

    def draw(self, job: HsmJob, stream: Stream) -> JobTime:
        """The times of `job`: two draws, or none when this profile has no times at all."""
        return self.draw_kind(type(job), stream, material_count(job))

    def draw_kind(self, kind: type[HsmJob], stream: Stream, materials: int = 0) -> JobTime:
        """As `draw`, for any job of that kind, about so many materials when it is a batch."""
        if not self.times:
            return _NO_TIME
        service_share, transit_share = stream.random(), stream.random()
        times = self.times[kind]
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


_SYMMETRIC = JobTimes(service=_service(300 * _US), transit=_SYMMETRIC_TRANSIT)
_AGREEMENT = JobTimes(service=_service(3 * _MS), transit=_SYMMETRIC_TRANSIT)
_BATCH = JobTimes(service=_service(300 * _US), transit=_SYMMETRIC_TRANSIT, each_further_ns=60 * _US)

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
            OfferAgreement: _AGREEMENT,
            AcceptAgreement: _AGREEMENT,
            CompleteAgreement: _AGREEMENT,
            WrapMaterials: _BATCH,
            InstallMaterials: _BATCH,
            RewrapTokens: _BATCH,
        }
    ),
)

PROFILES: Mapping[str, Profile] = MappingProxyType({profile.name: profile for profile in (HOST, AWS_LIKE)})
"""Name -> profile."""
