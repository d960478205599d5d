"""What a run is measured by besides its calls: cost, recovery, open rotations, how busy HSMs were."""

from __future__ import annotations

import pytest

from regionsim.scenario.prices import MONTH_NS
from tests.scenarios.test_play import CREATE, messages, play

DAY = 86_400 * 10**9
MONTHS = DAY / MONTH_NS
BULK = "keys:\n  - {count: 2, name: 'k-{n}', primary: us-east-1, replicas: [eu-west-1]}\n  - {name: alone}\n"


def test_a_key_costs_a_dollar_a_month_in_each_region():
    result = play("{at: 73d, say: x}", more=BULK)
    assert result.cost_usd.keys == pytest.approx(5 * 73 * MONTHS)
    assert result.cost_usd.requests == 0
    assert result.cost_usd.total == result.cost_usd.keys


def test_a_replica_costs_from_its_beginning_and_requests_three_cents_per_ten_thousand():
    result = play(
        CREATE,
        "{at: 10d, as: alice, in: us-east-1, call: {ReplicateKey: {KeyId: $key, ReplicaRegion: eu-west-1}}}",
        "{at: 30d, expect_metric: {region: eu-west-1, cost_usd: '> 0.65', recovery_seconds: '== 0'}}",
    )
    assert result.cost_usd.keys == pytest.approx((30 + 20) * MONTHS, rel=1e-6)
    assert result.cost_usd.requests == pytest.approx(2 * 0.03 / 10_000)
    assert messages(result) == {3: "recovery_seconds: there is nothing to measure"}


def test_key_pairs_have_prices_of_their_own_and_rsa_2048_the_usual_one():
    def keyed(name: str, operation: str, **parameters: str) -> str:
        words = ", ".join(f"{word}: {value}" for word, value in {"KeyId": f"${name}", **parameters}.items())
        return f"as: alice, in: us-east-1, call: {{{operation}: {{{words}}}}}"

    sign = {"Message": "x", "SigningAlgorithm": "ECDSA_SHA_256"}
    result = play(
        f"{{{keyed('curve', 'Sign', **sign)}}}",
        f"{{{keyed('rsa', 'Encrypt', Plaintext='x', EncryptionAlgorithm='RSAES_OAEP_SHA_256')}}}",
        f"{{{keyed('plain', 'GenerateDataKeyPair', KeyPairSpec='ECC_NIST_P256')}}}",
        f"{{{keyed('plain', 'GenerateDataKeyPairWithoutPlaintext', KeyPairSpec='RSA_2048')}}}",
        f"{{{keyed('mac', 'GenerateMac', Message='x', MacAlgorithm='HMAC_SHA_256')}}}",
        more="keys:\n  - {name: curve, spec: ECC_NIST_P256}\n  - {name: rsa, spec: RSA_2048}\n  - {name: plain}\n"
        "  - {name: mac, spec: HMAC_256}\n",
    )
    assert messages(result) == {}
    assert result.cost_usd.requests == pytest.approx((0.15 + 0.03 + 0.10 + 12 + 0.03) / 10_000)


def test_the_first_two_rotations_cost_more_and_later_ones_do_not():
    rotate = "as: alice, in: us-east-1, call: {RotateKeyOnDemand: {KeyId: $key}}"
    result = play(CREATE, *(f"{{at: {day}d, {rotate}}}" for day in (10, 20, 30)), "{at: 40d, say: x}")
    assert result.cost_usd.keys == pytest.approx((10 * 1 + 10 * 2 + 20 * 3) * MONTHS, rel=1e-6)


def test_a_key_whose_deletion_is_scheduled_costs_nothing_unless_that_is_cancelled():
    result = play(
        CREATE,
        "{at: 10d, as: alice, in: us-east-1, call: {ScheduleKeyDeletion: {KeyId: $key, PendingWindowInDays: 7}}}",
        "{at: 15d, as: alice, in: us-east-1, call: {CancelKeyDeletion: {KeyId: $key}}}",
        "{at: 20d, as: alice, in: us-east-1, call: {ScheduleKeyDeletion: {KeyId: $key, PendingWindowInDays: 7}}}",
        "{at: 40d, say: it is gone}",
    )
    assert result.cost_usd.keys == pytest.approx(20 * MONTHS, rel=1e-6)


def test_recovery_is_from_the_heal_until_the_regions_agree():
    result = play(
        "{fault: {region_outage: eu-west-1}}",
        "{at: 1m, as: alice, in: us-east-1, call: {RotateKeyOnDemand: {KeyId: $k-1}}}",
        "{at: 2m, heal: all}",
        "{at: 5m, expect_metric: {region: us-east-1, recovery_seconds: '< 60'}}",
        more=BULK,
    )
    assert messages(result) == {}
    assert 0.02 < result.resilience.recovery_seconds < 60, "two one-way trips of 10 ms at the least"


def test_a_recovery_that_is_not_over_counts_until_now():
    result = play(
        "{fault: {region_outage: eu-west-1}}",
        "{at: 1m, as: alice, in: us-east-1, call: {RotateKeyOnDemand: {KeyId: $k-1}}}",
        "{at: 2m, fault: {link_cut: [us-east-1, eu-west-1]}, for: 1h}",
        "{at: 3m, heal: region_outage}",
        "{at: 13m, expect_metric: {region: us-east-1, recovery_seconds: '== 600'}}",
        more=BULK,
    )
    assert messages(result) == {}


def test_rotations_that_are_open_at_once():
    result = play(
        "{fault: {region_outage: eu-west-1}}",
        "{at: 1m, as: alice, in: us-east-1, call: {RotateKeyOnDemand: {KeyId: $alone}}}",
        "{at: 2m, as: alice, in: us-east-1, call: {RotateKeyOnDemand: {KeyId: $k-1}}}",
        "{at: 3m, as: alice, in: us-east-1, call: {RotateKeyOnDemand: {KeyId: $k-2}}}",
        "{at: 4m, heal: all}",
        more=BULK,
    )
    assert result.resilience.unreplicated_rotations_max == 2, "a rotation that nobody waits for is never open"


def test_availability_counts_refusals_as_answers():
    describe = "in: us-east-1, call: {DescribeKey: {KeyId: $alone}}"
    result = play(
        f"{{as: mallory, {describe}, expect: {{error: AccessDeniedException}}}}",
        f"{{as: alice, {describe}}}",
        f"{{as: alice, {describe}}}",
        "{fault: {region_outage: us-east-1}}",
        f"{{as: alice, {describe}, expect: {{error: ConnectTimeout}}}}",
        "{heal: all}",
        more=BULK,
    )
    assert result.resilience.availability == 0.75
    assert result.resilience.failed_calls == 1


def test_how_busy_the_hsms_were_in_a_window():
    """One HSM, a short job every 10 ms: about 2 % busy while they come, idle before."""
    workload = (
        "workloads: {many: {as: alice, in: us-east-1, every: 10ms, from: 10s, until: 20s, "
        "call: {GenerateRandom: {NumberOfBytes: 32}}}}\n"
    )
    hsm = "hsm: {profile: aws-like, per_region: 1}\n"
    result = play(
        "{at: 40s, expect_metric: {region: us-east-1, window: [10s, 20s], hsm_utilisation: '> 1%'}}",
        "{expect_metric: {region: us-east-1, window: [0s, 9s], hsm_utilisation: '== 0'}}",
        "{expect_metric: {region: us-east-1, hsm_utilisation: '< 1%'}}",
        more=BULK + workload,
        head_instead={"hsm: {profile: host}\n": hsm},
    )
    assert messages(result) == {}


def test_hsms_are_as_busy_as_their_number_makes_them():
    """The same calls, one HSM or four: a job takes as long, so four are a quarter as busy."""
    workload = (
        "workloads: {many: {as: alice, in: us-east-1, every: 10ms, from: 10s, until: 20s, "
        "call: {GenerateRandom: {NumberOfBytes: 32}}}}\n"
    )
    step = "{at: 40s, expect_metric: {region: us-east-1, window: [10s, 20s], hsm_utilisation: '%s'}}"
    for number, wanted in ((1, "> 1.5%"), (4, "< 1%")):
        hsm = f"hsm: {{profile: aws-like, per_region: {number}}}\n"
        result = play(step % wanted, more=BULK + workload, head_instead={"hsm: {profile: host}\n": hsm})
        assert messages(result) == {}


def test_the_99th_percentile_of_lag_is_no_median():
    """Nineteen changes are acknowledged within two round trips; one waits for a cut link."""
    rotate = "as: alice, in: us-east-1, call: {RotateKeyOnDemand: {KeyId: $k-%d}}"
    result = play(
        *(f"{{at: {number}m, {rotate % number}}}" for number in range(1, 20)),
        "{at: 29m, fault: {link_cut: [us-east-1, eu-west-1]}, for: 2m}",
        f"{{at: 30m, {rotate % 20}}}",
        "{at: 40m, expect_metric: {region: us-east-1, replication_lag_p99_ms: '> 60000'}}",
        more="keys:\n  - {count: 20, name: 'k-{n}', primary: us-east-1, replicas: [eu-west-1]}\n",
    )
    assert messages(result) == {}
    assert result.regions["us-east-1"].replication_lag_ms["p50"] < 100
