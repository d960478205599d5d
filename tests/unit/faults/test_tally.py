"""Which faults met something."""

from __future__ import annotations

from regionsim.faults.active import ActiveFaults
from regionsim.faults.kinds import LinkCut, LinkLoss, RegionCrash, RegionOutage
from regionsim.faults.tally import FaultTally

US, EU, AP = "us-east-1", "eu-west-1", "ap-southeast-2"


def test_a_fault_is_idle_until_it_meets_something():
    tally = FaultTally()
    tally.begin("storm")
    tally.begin("cut")
    assert tally.idle == ("storm", "cut")
    tally.met(("cut",))
    tally.met(())
    assert tally.idle == ("storm",)


def test_a_name_that_is_used_again_is_another_fault():
    tally = FaultTally()
    tally.begin("storm")
    tally.met(("storm",))
    tally.begin("storm")
    assert tally.idle == ("storm",)


def test_every_fault_that_makes_a_region_unreachable_is_named():
    faults = ActiveFaults(
        by_name={"a": RegionOutage(region=US), "b": RegionCrash(region=US), "c": RegionOutage(region=EU)}
    )
    assert faults.names_making_unreachable(US) == ("a", "b")
    assert faults.names_making_unreachable(EU) == ("c",)
    assert faults.names_making_unreachable(AP) == ()


def test_every_fault_on_a_link_is_named_and_an_unreachable_receiver_only_as_the_envelope_arrives():
    faults = ActiveFaults(
        by_name={
            "out": RegionOutage(region=US),
            "cut": LinkCut(between=(US, EU)),
            "loss": LinkLoss(probability=0.1, between=None),
            "nothing": LinkLoss(probability=0.0, between=None),
        }
    )
    assert faults.names_on_link(US, EU) == ("out", "cut", "loss")
    assert faults.names_on_link(EU, US) == ("cut", "loss")
    assert faults.names_on_link(AP, EU) == ("loss",)
