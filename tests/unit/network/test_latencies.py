from itertools import combinations, product

import pytest

from regionsim.names.mistakes import ConfigError
from regionsim.names.regions import PARTITION_OF
from regionsim.network.latencies import is_measured, one_way_ns, rtt_ms

MS = 1_000_000
PAIRS = list(combinations(PARTITION_OF, 2))


def test_every_pair_of_every_partition_has_a_latency_the_same_both_ways() -> None:
    for a, b in PAIRS:
        assert 0.5 * MS <= one_way_ns(a, b) == one_way_ns(b, a) <= 250 * MS, (a, b)


def test_inside_a_region() -> None:
    assert {one_way_ns(region, region) for region in PARTITION_OF} == {125_000}


@pytest.mark.parametrize(
    ("a", "b", "rtt"),
    [
        ("us-east-1", "us-east-2", 10.5),
        ("us-east-1", "eu-west-1", 70.5),
        ("us-east-1", "ap-southeast-2", 197.9),
        ("eu-west-1", "ap-southeast-2", 253.6),
        ("ap-northeast-1", "ap-southeast-2", 103.7),
        ("af-south-1", "ap-southeast-2", 412.8),
        ("eu-west-2", "eu-west-3", 7.7),
        ("me-south-1", "ap-south-1", 34.6),
        ("us-west-2", "ap-northeast-1", 100.8),
        ("sa-east-1", "ap-southeast-1", 338.1),
    ],
)
def test_measured_pairs(a: str, b: str, rtt: float) -> None:
    assert is_measured(a, b)
    assert is_measured(b, a)
    assert rtt_ms(b, a) == rtt
    assert one_way_ns(a, b) == round(rtt * 10) * MS // 20


def test_nineteen_regions_were_measured_with_each_other() -> None:
    measured = [pair for pair in PAIRS if is_measured(*pair)]
    regions = {region for pair in measured for region in pair}
    assert len(regions) == 19
    assert len(measured) == 19 * 18 // 2


@pytest.mark.parametrize(
    ("a", "b", "rtt"),
    [
        ("ap-northeast-2", "ap-northeast-1", 35.0),
        ("ap-northeast-3", "ap-northeast-1", 9.0),
        ("ca-west-1", "us-west-2", 27.5),
        ("il-central-1", "eu-central-1", 47.5),
        ("mx-central-1", "us-east-1", 52.5),
        ("us-gov-west-1", "eu-west-1", 126.8),  # as us-west-2
        ("us-gov-east-1", "us-gov-west-1", 48.3),  # as us-east-2 to us-west-2
        ("us-gov-east-1", "us-east-2", 1.0),  # the same place
        ("us-iso-east-1", "us-east-1", 1.0),
    ],
)
def test_estimates_near_an_anchor(a: str, b: str, rtt: float) -> None:
    assert not is_measured(a, b)
    assert rtt_ms(a, b) == rtt_ms(b, a) == rtt


@pytest.mark.parametrize(
    ("a", "b", "low", "high"),
    [
        ("cn-north-1", "cn-northwest-1", 12, 18),  # 990 km
        ("eu-south-2", "us-east-1", 80, 100),  # 6,100 km
        ("ap-southeast-6", "ap-southeast-2", 30, 36),  # 2,160 km
    ],
)
def test_estimates_by_great_circle(a: str, b: str, low: float, high: float) -> None:
    assert low < rtt_ms(a, b) < high


def test_the_great_circle_is_a_fair_estimate_where_the_truth_is_known() -> None:
    """The far pairs of an estimated Region are within a factor of two of its measured neighbour's."""
    near = {"ap-northeast-3": "ap-northeast-1", "eu-central-2": "eu-central-1", "me-central-1": "me-south-1"}
    far = ("us-east-1", "us-west-2", "sa-east-1", "ap-southeast-1")
    for (estimated, measured), other in product(near.items(), far):
        assert 0.5 < rtt_ms(estimated, other) / rtt_ms(measured, other) < 2, (estimated, other)


def test_an_unknown_region_is_a_mistake_with_advice() -> None:
    for a, b in (("us-east-1", "eu-west-9"), ("eu-west-9", "us-east-1"), ("eu-west-9", "eu-west-9")):
        with pytest.raises(ConfigError, match="no such Region: 'eu-west-9'"):
            one_way_ns(a, b)
