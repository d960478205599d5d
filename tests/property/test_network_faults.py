"""Faults as values: whatever is written reads back, and rules add up whatever their order."""

from hypothesis import given
from hypothesis import strategies as st

from regionsim.faults.active import ActiveFaults
from regionsim.faults.kinds import (
    AzOutage,
    ControlPlaneOutage,
    DiskErrors,
    DiskFull,
    DiskSlow,
    DnsOutage,
    Fault,
    HsmErrors,
    HsmOffline,
    HsmSlow,
    HsmZeroised,
    IamOutage,
    LinkCut,
    LinkDuplicate,
    LinkLoss,
    LinkOneWay,
    LinkReorder,
    LinkSlow,
    OutageMode,
    RegionCrash,
    RegionOutage,
    Throttle,
)
from regionsim.faults.verdicts import DiskRule, LinkDraws, LinkRule, LinkVerdict, judge_link
from regionsim.faults.vocabulary import (
    FAULT_WORDS,
    FaultError,
    as_mapping,
    describe,
    format_probability,
    parse_fault,
    parse_probability,
    regions_of,
)
from regionsim.faults.words import ZONES

PROBABILITIES = st.floats(min_value=0, max_value=1)
DRAWS = st.builds(LinkDraws, *[st.floats(min_value=0, max_value=1, exclude_max=True)] * 6)
REGIONS = st.sampled_from(["us-east-1", "eu-west-1", "ap-southeast-2"])
PAIRS = st.permutations(["us-east-1", "eu-west-1", "ap-southeast-2"]).map(lambda regions: (regions[0], regions[1]))
SPANS = st.integers(0, 10**12)
ON_LINK = st.just({"between": st.none()}) | st.just({"between": PAIRS, "is_one_way": st.booleans()})
HSMS = st.none() | st.integers(1, 9)
FAULTS: st.SearchStrategy[Fault] = st.one_of(
    st.builds(RegionOutage, region=REGIONS, mode=st.sampled_from(OutageMode)),
    *[st.builds(kind, region=REGIONS) for kind in (RegionCrash, DiskFull, ControlPlaneOutage, DnsOutage, IamOutage)],
    st.builds(AzOutage, region=REGIONS, az=st.integers(1, ZONES)),
    *[st.builds(kind, region=REGIONS, hsms=HSMS) for kind in (HsmOffline, HsmZeroised)],
    st.builds(HsmSlow, region=REGIONS, hsms=HSMS, factor=st.floats(1, 1e6)),
    st.builds(HsmErrors, region=REGIONS, hsms=HSMS, probability=PROBABILITIES),
    st.builds(DiskErrors, region=REGIONS, probability=PROBABILITIES),
    st.builds(DiskSlow, region=REGIONS, latency_ns=SPANS),
    st.builds(Throttle, region=REGIONS, factor=PROBABILITIES),
    st.builds(LinkCut, between=PAIRS),
    st.builds(LinkOneWay, sender=st.just("us-east-1"), receiver=st.sampled_from(["eu-west-1", "ap-southeast-2"])),
    *[
        ON_LINK.flatmap(lambda place, kind=kind: st.builds(kind, **place, probability=PROBABILITIES))
        for kind in (LinkLoss, LinkDuplicate, LinkReorder)
    ],
    ON_LINK.flatmap(
        lambda place: st.builds(
            LinkSlow,
            **place,
            latency_ns=SPANS,
            jitter_ns=SPANS,
            bandwidth_bytes_per_s=st.none() | st.integers(1, 10**9),
        )
    ),
)
ACTIVE = st.lists(FAULTS, max_size=5).map(
    lambda faults: ActiveFaults(by_name={f"fault {number}": fault for number, fault in enumerate(faults)})
)
RULES = st.builds(
    LinkRule,
    cut_by=st.sampled_from(["", "link_cut", "region_outage"]),
    loss=PROBABILITIES,
    duplicate=PROBABILITIES,
    reorder=PROBABILITIES,
    delay_ns=st.integers(0, 10**9),
    jitter_ns=st.integers(0, 10**9),
    bandwidth_bytes_per_s=st.none() | st.integers(1, 10**9),
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)
WORDS = st.sampled_from([*FAULT_WORDS, "nonsense"])


@given(FAULTS)
def test_every_fault_reads_back(fault: Fault) -> None:
    assert parse_fault(as_mapping(fault)) == fault
    assert all(region in describe(fault) for region in regions_of(fault))


@given(PROBABILITIES)
def test_every_probability_reads_back_exactly(probability: float) -> None:
    assert parse_probability(format_probability(probability)) == probability


@given(st.dictionaries(WORDS, ANYTHING, max_size=2) | ANYTHING)
def test_whatever_is_written_is_a_fault_or_one_kind_of_mistake(written: object) -> None:
    try:
        fault = parse_fault(written)
    except FaultError as mistake:
        fault = None
        lines = str(mistake).splitlines()
    if fault is None:
        assert len(lines) == 1
    else:
        assert parse_fault(as_mapping(fault)) == fault


@given(RULES, RULES)
def test_rules_add_up_in_any_order(a: LinkRule, b: LinkRule) -> None:
    assert a + b == b + a
    assert a + LinkRule() == a
    for total, part in ((a + b).loss, a.loss), ((a + b).duplicate, a.duplicate), ((a + b).reorder, a.reorder):
        assert part - 1e-15 <= total <= 1


@given(PROBABILITIES, PROBABILITIES, st.integers(0, 10**9))
def test_disk_rules_add_up_in_any_order(error: float, torn: float, slow_ns: int) -> None:
    a, b = DiskRule(error=error, slow_ns=slow_ns), DiskRule(torn=torn, error=torn, is_full=True)
    assert a + b == b + a
    assert a + DiskRule() == a


@given(ACTIVE, FAULTS, PAIRS, DRAWS)
def test_one_more_fault_never_saves_an_envelope(
    active: ActiveFaults, fault: Fault, pair: tuple[str, str], draws: LinkDraws
) -> None:
    before = active.link_verdict(*pair, draws)
    after = active.add("one more", fault).link_verdict(*pair, draws)
    assert after.dropped_by or not before.dropped_by


@given(ACTIVE, FAULTS)
def test_healing_undoes_adding(active: ActiveFaults, fault: Fault) -> None:
    name = active.free_name(fault)
    assert active.add(name, fault).heal(name) == active


@given(ACTIVE, st.permutations(range(5)), PAIRS)
def test_the_order_of_faults_does_not_matter(active: ActiveFaults, order: list[int], pair: tuple[str, str]) -> None:
    faults = list(active.by_name.items())
    shuffled = ActiveFaults(by_name=dict(faults[index] for index in order if index < len(faults)))
    a, b = active.link_rule(*pair), shuffled.link_rule(*pair)
    assert abs(a.loss - b.loss) < 1e-12
    assert bool(a.cut_by) == bool(b.cut_by)
    for region in pair:
        assert active.call_verdict(region) is shuffled.call_verdict(region)
        assert active.dns_verdict(region) is shuffled.dns_verdict(region)
        assert active.has_power(region) == shuffled.has_power(region)
        for one, other in zip(active.hsm_rules(region, 4), shuffled.hsm_rules(region, 4), strict=True):
            assert (one.is_offline, one.is_wiped) == (other.is_offline, other.is_wiped)


@given(FAULTS)
def test_every_fault_acts_on_something_in_each_region_that_it_names(fault: Fault) -> None:
    """A word that is read, told and then forgotten acts on nothing."""
    active = ActiveFaults(by_name={"one": fault})
    meeting = {
        name
        for region in regions_of(fault) or ("us-east-1", "eu-west-1")
        for names in (
            active.names_making_unreachable(region),
            active.names_hiding(region),
            active.names_on_hsms(region),
            active.names_on_disk(region),
            active.names_freezing_iam(region),
            active.names_taking_power(region),
            active.door_rule(region).throttled_by,
            active.door_rule(region).control_plane_out_by,
            *(active.names_on_link(region, other) for other in ("us-east-1", "eu-west-1", "ap-southeast-2")),
        )
        for name in names
    }
    harmless = getattr(fault, "probability", 1) == 0 or getattr(fault, "factor", 0) == 1
    does_nothing = harmless or fault in (
        LinkSlow(between=getattr(fault, "between", None), is_one_way=getattr(fault, "is_one_way", False)),
        DiskSlow(region=getattr(fault, "region", ""), latency_ns=0),
    )
    assert meeting == {"one"} or does_nothing


@given(RULES, DRAWS)
def test_a_drop_is_moot_otherwise(rule: LinkRule, draws: LinkDraws) -> None:
    verdict = judge_link(rule, draws)
    if verdict.dropped_by:
        assert verdict == LinkVerdict(dropped_by=verdict.dropped_by)
    else:
        assert not rule.cut_by
        assert draws.loss >= rule.loss
