from __future__ import annotations

import botocore.session
import pytest
from botocore.loaders import Loader

from regionsim.names.mistakes import ConfigError
from regionsim.names.regions import PARTITION_OF, PARTITIONS, REGION_PATTERN, partition_of

SESSION = botocore.session.get_session()


def test_partitions_are_botocores():
    assert [partition.name for partition in PARTITIONS] == SESSION.get_available_partitions()


@pytest.mark.parametrize("partition", PARTITIONS, ids=lambda partition: partition.name)
def test_a_partition_holds_the_regions_where_kms_is(partition):
    theirs = SESSION.get_available_regions("kms", partition.name)
    assert sorted(partition.regions) == sorted(theirs)
    assert all(partition_of(region) is partition for region in theirs)


@pytest.mark.parametrize("partition", PARTITIONS, ids=lambda partition: partition.name)
def test_a_partition_has_its_dns_suffix(partition):
    theirs = {entry["partition"]: entry["dnsSuffix"] for entry in Loader().load_data("endpoints")["partitions"]}
    assert partition.dns_suffix == theirs[partition.name]


def test_no_region_is_in_two_partitions():
    assert len(PARTITION_OF) == sum(len(partition.regions) for partition in PARTITIONS)


def test_every_region_is_one_that_a_request_may_name():
    assert all(REGION_PATTERN.fullmatch(region) for region in PARTITION_OF)


def test_an_unknown_region_is_a_mistake_that_names_the_nearest():
    with pytest.raises(ConfigError, match=r"no such Region: 'eu-wst-1'; did you mean 'eu-west-1'\?"):
        partition_of("eu-wst-1")
