"""Profiles: their figures, and that every job costs the same draws."""

import pytest

from regionsim.hsm.profiles import AWS_LIKE, HOST, PROFILES, JobTime, Quantiles, material_count, profile_named
from regionsim.kms import hsm_jobs
from regionsim.kms.hsm_jobs import (
    CreateBackingKey,
    Decrypt,
    Encrypt,
    GenerateRandom,
    MaterialRef,
    ReEncrypt,
    RewrapTokens,
    Sign,
)
from regionsim.kms.key_specs import KeySpec
from regionsim.kms.signatures import MessageType
from regionsim.names.mistakes import ConfigError
from regionsim.runtime.tasks import now_ns
from tests.unit.hsm.worlds import EMPTY_CONTEXT, KEY_ID, MS, World, create, fixed_profile, in_virtual_time

MATERIAL = MaterialRef(key_id=KEY_ID, material_id="00" * 32, token=b"")
RAW = MessageType.RAW
ENCRYPT = Encrypt(material=MATERIAL, plaintext=b"x", context=EMPTY_CONTEXT)


def reencrypt(source: KeySpec, destination: KeySpec) -> ReEncrypt:
    return ReEncrypt(
        source=MATERIAL,
        blob=b"",
        source_context=b"",
        destination=MATERIAL,
        destination_context=b"",
        source_spec=source,
        destination_spec=destination,
    )


class CountingStream:
    """Counts draws."""

    def __init__(self, share: float = 0.5) -> None:
        self.draw_count = 0
        self._share = share

    def random(self) -> float:
        self.draw_count += 1
        return self._share


def test_quantiles_are_straight_between_their_points() -> None:
    quantiles = Quantiles(points=((0.0, 100), (0.5, 200), (1.0, 1200)))
    assert Quantiles(points=((0.0, 100), (0.5, 200))).at(0.75) == 200, "the last point holds beyond itself"
    shares = (0.0, 0.25, 0.5, 0.75, 0.999, 1.0)
    assert [quantiles.at(share) for share in shares] == [100, 150, 200, 700, 1198, 1200]


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_every_distribution_rises_from_share_0_to_share_1(profile) -> None:
    for times in profile.times.values():
        for quantiles in (times.service, times.transit):
            assert [quantiles.points[0][0], quantiles.points[-1][0]] == [0.0, 1.0]
            assert list(quantiles.points) == sorted(quantiles.points)
            assert sorted(duration for _, duration in quantiles.points) == [ns for _, ns in quantiles.points]


def test_aws_like_knows_every_job() -> None:
    # What is for an enclave takes as long as what is inside it.
    kinds = {*hsm_jobs.RequestJob.__args__, *hsm_jobs.UpkeepJob.__args__} - {hsm_jobs.ForRecipient}
    assert set(AWS_LIKE.times) == kinds


def test_every_job_costs_two_draws_and_host_none() -> None:
    jobs = [ENCRYPT, GenerateRandom(byte_count=1), RewrapTokens(materials=(MATERIAL,) * 9)]
    for job in jobs:
        drawn, undrawn = CountingStream(), CountingStream()
        AWS_LIKE.draw(job, drawn)  # type: ignore[arg-type]
        assert HOST.draw(job, undrawn) == JobTime(0, 0)  # type: ignore[arg-type]
        assert (drawn.draw_count, undrawn.draw_count) == (2, 0)


def test_a_batch_takes_longer_the_more_it_holds() -> None:
    profile = fixed_profile(100, each_further_ns=7)
    stream = CountingStream()
    batches = [RewrapTokens(materials=(MATERIAL,) * count) for count in (0, 1, 2, 50)]
    service = [profile.draw(batch, stream).service_ns for batch in batches]  # type: ignore[arg-type]
    assert service == [100, 100, 107, 100 + 49 * 7]
    assert [material_count(batch) for batch in batches] == [0, 1, 2, 50]
    assert material_count(ENCRYPT) == 0


@pytest.mark.parametrize(
    ("job", "median_ms"),
    [
        (Sign(material=MATERIAL, spec=KeySpec.ECC_NIST_P256, algorithm="", message_type=RAW, message=b""), 0.5),
        (Sign(material=MATERIAL, spec=KeySpec.RSA_2048, algorithm="", message_type=RAW, message=b""), 3),
        (Sign(material=MATERIAL, spec=KeySpec.RSA_4096, algorithm="", message_type=RAW, message=b""), 14),
        (Decrypt(material=MATERIAL, blob=b"", context=b"", spec=KeySpec.RSA_4096), 14),
        (Decrypt(material=MATERIAL, blob=b"", context=b""), 0.3),
        (Encrypt(material=MATERIAL, plaintext=b"", context=b"", spec=KeySpec.RSA_4096), 0.3),
        (CreateBackingKey(key_id=KEY_ID, spec=KeySpec.RSA_4096), 900),
        (CreateBackingKey(key_id=KEY_ID, spec=KeySpec.ECC_NIST_P521), 0.6),
        (reencrypt(KeySpec.SYMMETRIC_DEFAULT, KeySpec.SYMMETRIC_DEFAULT), 0.5),
        (reencrypt(KeySpec.RSA_4096, KeySpec.SYMMETRIC_DEFAULT), 14),
        (reencrypt(KeySpec.SYMMETRIC_DEFAULT, KeySpec.RSA_4096), 0.5),
        (reencrypt(KeySpec.SYMMETRIC_DEFAULT, KeySpec.SM2), 1.5),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_job_takes_what_its_key_spec_takes(job, median_ms) -> None:
    assert AWS_LIKE.draw(job, CountingStream(0.5)).service_ns == median_ms * MS  # type: ignore[arg-type]


def test_profiles_go_by_name() -> None:
    assert (profile_named("host"), profile_named("aws-like")) == (HOST, AWS_LIKE)
    with pytest.raises(ConfigError, match="no such HSM profile: 'aws-lik'; did you mean 'aws-like'"):
        profile_named("aws-lik")


@in_virtual_time
async def test_aws_like_gives_the_working_defaults_end_to_end() -> None:
    """Symmetric p50 4-8 ms and p99 15-40 ms; CreateKey 50-300 ms. Source: UNVERIFIED (ours)."""
    fleet = await World().started(hsm_count=3, profile=AWS_LIKE)
    material = await create(fleet)
    took = sorted([await timed(fleet, encrypt_job(material)) for _ in range(3000)])
    assert 4 * MS <= took[1500] <= 8 * MS
    assert 15 * MS <= took[2970] <= 40 * MS
    creation = CreateBackingKey(key_id=KEY_ID, spec=KeySpec.SYMMETRIC_DEFAULT)
    created = sorted([await timed(fleet, creation) for _ in range(300)])
    assert created[0] >= 40 * MS
    assert created[295] <= 300 * MS


def encrypt_job(material: MaterialRef) -> Encrypt:
    return Encrypt(material=material, plaintext=b"x", context=EMPTY_CONTEXT)


async def timed(fleet, job) -> int:
    began_ns = now_ns()
    await fleet.perform(job)
    return now_ns() - began_ns


def test_the_median_symmetric_job_is_the_documented_one() -> None:
    assert AWS_LIKE.draw(ENCRYPT, CountingStream(0.5)) == JobTime(300_000, 4_600_000)  # type: ignore[arg-type]
