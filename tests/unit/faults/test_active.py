import pytest

from regionsim.faults.active import ActiveFaults
from regionsim.faults.kinds import (
    LinkCut,
    LinkDuplicate,
    LinkLoss,
    LinkOneWay,
    LinkReorder,
    LinkSlow,
    OutageMode,
    Partition,
    RegionCrash,
    RegionOutage,
)
from regionsim.faults.verdicts import PASS, CallVerdict, LinkDraws, LinkRule
from regionsim.faults.vocabulary import FaultError

US, EU, AP = "us-east-1", "eu-west-1", "ap-southeast-2"
OUTAGE = RegionOutage(region=US)
CUT = LinkCut(between=(US, EU))
NOTHING = ActiveFaults()


def test_nothing_is_on_at_first() -> None:
    assert len(NOTHING) == 0
    assert NOTHING.region_reachable(US)
    assert NOTHING.call_verdict(US) is CallVerdict.PASS
    assert NOTHING.link_rule(US, EU) == LinkRule()


def test_adding_and_healing_give_new_values() -> None:
    both = NOTHING.add("first", OUTAGE).add("second", CUT)
    assert list(both) == [OUTAGE, CUT]
    assert list(both.heal("first")) == [CUT]
    assert both.heal("first").region_reachable(US)
    assert not both.region_reachable(US)
    assert both.heal("all") == NOTHING
    assert len(NOTHING) == 0


def test_the_set_cannot_be_changed_behind_its_back() -> None:
    faults = {"first": OUTAGE}
    active = ActiveFaults(by_name=faults)
    faults.clear()
    assert len(active) == 1
    with pytest.raises(TypeError):
        active.by_name["second"] = CUT  # type: ignore[index]


@pytest.mark.parametrize(
    ("name", "what"), [("first", "'first' is on already"), ("all", "cannot be named 'all'"), ("", "cannot be named ''")]
)
def test_names_that_cannot_be_added(name: str, what: str) -> None:
    with pytest.raises(FaultError, match=what):
        NOTHING.add("first", OUTAGE).add(name, CUT)


def test_healing_what_is_not_on_names_the_nearest() -> None:
    with pytest.raises(FaultError, match="no fault named 'strom' is on; did you mean 'storm'"):
        NOTHING.add("storm", CUT).heal("strom")
    with pytest.raises(FaultError, match="there is none"):
        NOTHING.heal("storm")


def test_free_names_are_the_word_and_then_numbered() -> None:
    assert NOTHING.free_name(OUTAGE) == "region_outage"
    one = NOTHING.add("region_outage", OUTAGE)
    two = one.add(one.free_name(OUTAGE), OUTAGE)
    assert list(two.by_name) == ["region_outage", "region_outage-2"]
    assert two.free_name(OUTAGE) == "region_outage-3"
    assert two.free_name(CUT) == "link_cut"


@pytest.mark.parametrize(
    ("faults", "verdict"),
    [
        ([RegionOutage(region=US)], CallVerdict.STALL),
        ([RegionOutage(region=US, mode=OutageMode.REFUSE)], CallVerdict.FAIL),
        ([RegionCrash(region=US)], CallVerdict.FAIL),
        ([RegionCrash(region=US), RegionOutage(region=US)], CallVerdict.STALL),
        ([RegionOutage(region=US), RegionCrash(region=US)], CallVerdict.STALL),
        ([LinkCut(between=(US, EU)), LinkLoss(probability=1.0)], CallVerdict.PASS),  # callers' paths are not links
        ([RegionOutage(region=EU)], CallVerdict.PASS),
    ],
)
def test_what_a_caller_meets(
    faults: list[RegionOutage | RegionCrash | LinkCut | LinkLoss], verdict: CallVerdict
) -> None:
    active = ActiveFaults(by_name={str(number): fault for number, fault in enumerate(faults)})
    assert active.call_verdict(US) is verdict
    assert active.region_reachable(US) == (verdict is CallVerdict.PASS)


def test_a_region_stays_unreachable_until_its_last_fault_is_healed() -> None:
    active = NOTHING.add("storm", OUTAGE).add("power", RegionCrash(region=US))
    assert active.unreachable_by(US) == "region_outage"
    assert active.heal("storm").unreachable_by(US) == "region_crash"
    assert active.heal("storm").heal("power").unreachable_by(US) == ""
    assert active.unreachable_by(EU) == ""


def test_an_unreachable_region_cuts_its_own_links_and_no_others() -> None:
    active = NOTHING.add("power", RegionCrash(region=US))
    assert active.link_rule(US, EU).cut_by == "region_crash"
    assert active.link_rule(EU, US) == LinkRule()  # judged on arrival
    assert active.link_rule(EU, AP) == LinkRule()


def test_a_cut_and_a_loss_work_in_both_directions_between_their_two() -> None:
    active = NOTHING.add("cut", CUT).add("loss", LinkLoss(between=(AP, EU), probability=0.5))
    assert active.link_rule(US, EU).cut_by == active.link_rule(EU, US).cut_by == "link_cut"
    assert active.link_rule(US, AP) == LinkRule()
    assert active.link_rule(AP, EU) == active.link_rule(EU, AP) == LinkRule(loss=0.5)


def test_a_partition_parts_groups_and_leaves_others_alone() -> None:
    active = NOTHING.add("split", Partition(groups=((US,), (EU, "eu-central-1"))))
    assert active.link_rule(US, EU).cut_by == active.link_rule("eu-central-1", US).cut_by == "partition"
    assert active.link_rule(EU, "eu-central-1") == LinkRule()
    assert active.link_rule(AP, US) == active.link_rule(EU, AP) == LinkRule()  # in no group: reaches everybody
    assert active.call_verdict(US) is CallVerdict.PASS  # callers' paths are not links
    assert active.names_on_link(US, EU) == ("split",)
    assert active.names_on_link(US, AP) == ()


def test_losses_add_up_and_may_be_everywhere() -> None:
    active = NOTHING.add("here", LinkLoss(between=(US, EU), probability=0.5)).add("all over", LinkLoss(probability=0.5))
    assert active.link_rule(US, EU).loss == 0.75
    assert active.link_rule(AP, US).loss == 0.5


def test_one_way_is_from_the_first_to_the_second() -> None:
    active = NOTHING.add("dumb", LinkOneWay(sender=US, receiver=EU))
    assert active.link_rule(US, EU).cut_by == "link_one_way"
    assert active.link_rule(EU, US) == LinkRule()
    slow = NOTHING.add("slow", LinkSlow(between=(US, EU), is_one_way=True, latency_ns=5))
    assert slow.link_rule(US, EU) == LinkRule(delay_ns=5)
    assert slow.link_rule(EU, US) == slow.link_rule(US, AP) == LinkRule()
    assert slow.names_on_link(US, EU) == ("slow",)
    assert slow.names_on_link(EU, US) == ()


def test_slow_links_add_up_and_the_narrowest_place_counts() -> None:
    active = (
        NOTHING.add("far", LinkSlow(latency_ns=5, jitter_ns=2))
        .add("narrow", LinkSlow(between=(EU, US), bandwidth_bytes_per_s=64_000))
        .add("narrower", LinkSlow(bandwidth_bytes_per_s=1_000))
    )
    assert active.link_rule(US, EU) == LinkRule(delay_ns=5, jitter_ns=2, bandwidth_bytes_per_s=1_000)
    assert active.heal("narrower").link_rule(US, EU).bandwidth_bytes_per_s == 64_000
    assert active.heal("narrower").link_rule(AP, EU).bandwidth_bytes_per_s is None


def test_duplicates_and_reordering() -> None:
    active = NOTHING.add("twice", LinkDuplicate(probability=0.5)).add(
        "mixed", LinkReorder(between=(US, EU), probability=0.25)
    )
    assert active.link_rule(EU, US) == LinkRule(duplicate=0.5, reorder=0.25)
    assert active.link_rule(EU, AP) == LinkRule(duplicate=0.5)


def test_link_verdict() -> None:
    draws = LinkDraws(loss=0.6, jitter=0.0, duplicate=0.0, duplicate_lag=0.0, reorder=0.0, reorder_lag=0.0)
    active = NOTHING.add("here", LinkLoss(between=(US, EU), probability=0.5))
    assert active.link_verdict(US, EU, draws) is PASS
    worse = active.add("all over", LinkLoss(probability=0.5))
    assert worse.link_verdict(US, EU, draws).dropped_by == "loss"
    assert worse.add("cut", CUT).link_verdict(EU, US, draws).dropped_by == "link_cut"
