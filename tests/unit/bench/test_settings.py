"""What `bench` may be asked for."""

from __future__ import annotations

import math

import pytest

from regionsim.bench.settings import REGIONS, BenchSettings, operations_of, regions_of
from regionsim.names.mistakes import ConfigError


def test_a_number_takes_the_first_regions_and_names_take_themselves():
    assert regions_of("2") == REGIONS[:2]
    assert regions_of(str(len(REGIONS))) == REGIONS
    assert regions_of("eu-west-1, us-east-1") == ("eu-west-1", "us-east-1")
    assert operations_of("Encrypt, DescribeKey") == ("Encrypt", "DescribeKey")


@pytest.mark.parametrize("text", ["0", "13", "99999", "00000"])
def test_a_number_of_regions_that_there_are_not(text):
    with pytest.raises(ConfigError, match="1 to 12 Regions by number"):
        regions_of(text)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"regions": ("eu-wst-1",)}, "did you mean 'eu-west-1'"),
        ({"regions": ("",)}, "no such Region"),
        ({"regions": ("eu-west-1", "eu-west-1")}, "named once"),
        ({"regions": ("eu-west-1", "cn-north-1")}, "several partitions"),
        ({"operations": ("Encript",)}, "did you mean 'Encrypt'"),
        ({"operations": ("ScheduleKeyDeletion",)}, "valid: CreateKey, Decapsulate"),
        ({"operations": ()}, "at least one"),
        ({"seconds": 0.0}, "seconds"),
        ({"seconds": math.nan}, "seconds"),
        ({"seconds": 3601.0}, "seconds"),
        ({"concurrency": 0}, "concurrency"),
        ({"concurrency": 10_001}, "concurrency"),
    ],
)
def test_what_cannot_be_measured_is_told(wrong, told):
    with pytest.raises(ConfigError, match=told):
        BenchSettings(**wrong)


def test_other_partitions_have_their_own_worlds():
    assert BenchSettings(regions=("cn-north-1", "cn-northwest-1")).partition == "aws-cn"
