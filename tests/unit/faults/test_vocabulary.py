import pytest

from regionsim.faults.kinds import (
    KINDS,
    AzOutage,
    ClockSkew,
    CloudHsmHsmsLost,
    CloudHsmOutage,
    CloudHsmUserLockedOut,
    ControlPlaneOutage,
    DiskErrors,
    DiskFull,
    DiskSlow,
    DiskTornWrite,
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
    Partition,
    ProxyAnswer,
    RegionCrash,
    RegionOutage,
    ServiceState,
    Throttle,
    XksProxyErrors,
    XksProxyOutage,
    XksProxySlow,
    XksVpcServiceBroken,
)
from regionsim.faults.vocabulary import (
    ACTED_ON,
    FAULT_WORDS,
    FaultError,
    as_mapping,
    describe,
    format_probability,
    name_of,
    parse_fault,
    parse_probability,
    regions_of,
)
from regionsim.faults.words import OTHER_TOOLS_WORDS, Kind

US, EU, AP = "us-east-1", "eu-west-1", "ap-southeast-2"
MS = 1_000_000

FORMS: list[tuple[dict[str, object], Fault, str]] = [
    ({"region_outage": US}, RegionOutage(region=US), "region_outage us-east-1"),
    ({"region_outage": {"region": US}}, RegionOutage(region=US), "region_outage us-east-1"),
    (
        {"region_outage": {"region": US, "mode": "refuse"}},
        RegionOutage(region=US, mode=OutageMode.REFUSE),
        "region_outage us-east-1 (refuse)",
    ),
    ({"region_crash": EU}, RegionCrash(region=EU), "region_crash eu-west-1"),
    ({"iam_outage": EU}, IamOutage(region=EU), "iam_outage eu-west-1"),
    ({"link_cut": [US, EU]}, LinkCut(between=(US, EU)), "link_cut us-east-1 <-> eu-west-1"),
    ({"link_cut": {"between": (US, EU)}}, LinkCut(between=(US, EU)), "link_cut us-east-1 <-> eu-west-1"),
    (
        {"link_loss": {"between": [EU, US], "loss": "30%"}},
        LinkLoss(between=(EU, US), probability=0.3),
        "link_loss 30% eu-west-1 <-> us-east-1",
    ),
    ({"link_loss": "0.1%"}, LinkLoss(probability=0.001), "link_loss 0.1% every link"),
    ({"link_loss": {"loss": 0.5}}, LinkLoss(probability=0.5), "link_loss 50% every link"),
    (
        {"partition": [[US], [EU, AP]]},
        Partition(groups=((US,), (EU, AP))),
        "partition us-east-1 | eu-west-1 ap-southeast-2",
    ),
    ({"partition": {"groups": [[AP], [US]]}}, Partition(groups=((AP,), (US,))), "partition ap-southeast-2 | us-east-1"),
    (
        {"link_one_way": {"from": US, "to": EU}},
        LinkOneWay(sender=US, receiver=EU),
        "link_one_way us-east-1 -> eu-west-1",
    ),
    ({"link_slow": "250ms"}, LinkSlow(latency_ns=250 * MS), "link_slow +250ms every link"),
    ({"link_slow": "0s"}, LinkSlow(), "link_slow +0s every link"),
    (
        {"link_slow": {"between": [US, EU], "one_way": True, "jitter": "5ms", "bandwidth": 64000}},
        LinkSlow(between=(US, EU), is_one_way=True, jitter_ns=5 * MS, bandwidth_bytes_per_s=64_000),
        "link_slow jitter 5ms 64000 bytes/s us-east-1 -> eu-west-1",
    ),
    (
        {"link_duplicate": {"duplicate": 0.25, "between": [US, EU], "one_way": False}},
        LinkDuplicate(between=(US, EU), probability=0.25),
        "link_duplicate 25% us-east-1 <-> eu-west-1",
    ),
    ({"link_reorder": "5%"}, LinkReorder(probability=0.05), "link_reorder 5% every link"),
    ({"az_outage": US}, AzOutage(region=US), "az_outage us-east-1 (zone 1)"),
    ({"az_outage": {"region": US, "az": 3}}, AzOutage(region=US, az=3), "az_outage us-east-1 (zone 3)"),
    ({"hsm_offline": US}, HsmOffline(region=US), "hsm_offline us-east-1"),
    ({"hsm_offline": {"region": US, "hsms": 1}}, HsmOffline(region=US, hsms=1), "hsm_offline us-east-1 (1 HSM)"),
    ({"hsm_zeroised": {"region": US, "hsms": 2}}, HsmZeroised(region=US, hsms=2), "hsm_zeroised us-east-1 (2 HSMs)"),
    ({"hsm_slow": {"region": US, "factor": 10}}, HsmSlow(region=US, factor=10), "hsm_slow x10 us-east-1"),
    (
        {"hsm_errors": {"region": US, "probability": "5%", "hsms": 1}},
        HsmErrors(region=US, probability=0.05, hsms=1),
        "hsm_errors 5% us-east-1 (1 HSM)",
    ),
    (
        {"disk_slow": {"region": US, "latency": "20ms"}},
        DiskSlow(region=US, latency_ns=20 * MS),
        "disk_slow +20ms us-east-1",
    ),
    (
        {"disk_errors": {"region": US, "probability": 0.1}},
        DiskErrors(region=US, probability=0.1),
        "disk_errors 10% us-east-1",
    ),
    ({"disk_full": US}, DiskFull(region=US), "disk_full us-east-1"),
    ({"disk_torn_write": US}, DiskTornWrite(region=US), "disk_torn_write us-east-1"),
    (
        {"clock_skew": {"region": US, "skew": "-5m"}},
        ClockSkew(region=US, skew_ns=-300_000 * MS),
        "clock_skew -5m us-east-1",
    ),
    (
        {"clock_skew": {"region": US, "skew": "+1s"}},
        ClockSkew(region=US, skew_ns=1000 * MS),
        "clock_skew +1s us-east-1",
    ),
    ({"throttle": {"region": US, "factor": 0.1}}, Throttle(region=US, factor=0.1), "throttle x0.1 us-east-1"),
    ({"control_plane_outage": US}, ControlPlaneOutage(region=US), "control_plane_outage us-east-1"),
    ({"dns_outage": US}, DnsOutage(region=US), "dns_outage us-east-1"),
    ({"xks_proxy_outage": US}, XksProxyOutage(region=US), "xks_proxy_outage us-east-1"),
    (
        {"xks_proxy_outage": {"region": US, "proxy": "https://k.example"}},
        XksProxyOutage(region=US, proxy="https://k.example"),
        "xks_proxy_outage us-east-1 (https://k.example)",
    ),
    (
        {"xks_proxy_slow": {"region": US, "latency": "200ms"}},
        XksProxySlow(region=US, latency_ns=200 * MS),
        "xks_proxy_slow +200ms us-east-1",
    ),
    (
        {"xks_proxy_errors": {"region": US, "answer": "throttled", "probability": "5%"}},
        XksProxyErrors(region=US, answer=ProxyAnswer.THROTTLED, probability=0.05),
        "xks_proxy_errors throttled 5% us-east-1",
    ),
    (
        {"xks_proxy_errors": {"region": US, "answer": "denied"}},
        XksProxyErrors(region=US, answer=ProxyAnswer.DENIED),
        "xks_proxy_errors denied us-east-1",
    ),
    ({"cloudhsm_outage": US}, CloudHsmOutage(region=US), "cloudhsm_outage us-east-1"),
    (
        {"cloudhsm_hsms_lost": {"region": US, "hsms": 1, "cluster": "cluster-a"}},
        CloudHsmHsmsLost(region=US, hsms=1, cluster="cluster-a"),
        "cloudhsm_hsms_lost us-east-1 (1 HSM, cluster-a)",
    ),
    (
        {"cloudhsm_user_locked_out": {"region": US, "cluster": "cluster-a"}},
        CloudHsmUserLockedOut(region=US, cluster="cluster-a"),
        "cloudhsm_user_locked_out us-east-1 (cluster-a)",
    ),
    ({"xks_vpc_service_broken": US}, XksVpcServiceBroken(region=US), "xks_vpc_service_broken missing us-east-1"),
    (
        {"xks_vpc_service_broken": {"region": US, "state": "unfit"}},
        XksVpcServiceBroken(region=US, state=ServiceState.UNFIT),
        "xks_vpc_service_broken unfit us-east-1",
    ),
]


@pytest.mark.parametrize(("mapping", "fault", "description"), FORMS)
def test_every_form_is_read_and_told_again(mapping: dict[str, object], fault: Fault, description: str) -> None:
    assert describe(fault) == description
    assert description.startswith(name_of(fault))
    if name_of(fault) in ACTED_ON:
        assert parse_fault(mapping) == fault
        assert parse_fault(as_mapping(fault)) == fault


def test_regions_of() -> None:
    assert regions_of(RegionOutage(region=US)) == (US,)
    assert regions_of(RegionCrash(region=EU)) == (EU,)
    assert regions_of(LinkCut(between=(US, EU))) == (US, EU)
    assert regions_of(LinkLoss(between=(EU, US), probability=0.1)) == (EU, US)
    assert regions_of(LinkLoss(probability=0.1)) == ()
    assert regions_of(Partition(groups=((US,), (EU, AP)))) == (US, EU, AP)


def test_the_words_are_those_of_the_interface_and_those_of_key_stores() -> None:
    of_stores = {name for name in FAULT_WORDS if name.startswith(("xks_", "cloudhsm_"))}
    assert len(of_stores) == 7
    assert " ".join(name for name in FAULT_WORDS if name not in of_stores) == (
        "region_outage region_crash region_data_loss az_outage hsm_offline hsm_zeroised hsm_slow hsm_errors "
        "link_cut link_one_way link_slow link_loss link_duplicate link_reorder partition disk_slow disk_errors "
        "disk_full disk_torn_write clock_skew throttle control_plane_outage dns_outage iam_outage"
    )
    assert set(ACTED_ON) <= set(KINDS) == set(FAULT_WORDS) - {"region_data_loss"}


def test_words_are_complete() -> None:
    for word in FAULT_WORDS.values():
        assert word.means
        assert word.short in {"", *(parameter.name for parameter in word.parameters)}
        for parameter in word.parameters:
            assert bool(parameter.choices) == (parameter.kind is Kind.CHOICE)
    assert set(OTHER_TOOLS_WORDS.values()) <= set(ACTED_ON)
    assert not set(OTHER_TOOLS_WORDS) & set(FAULT_WORDS)
    assert FAULT_WORDS["link_loss"].grammar == "{link_loss: {[between], [one_way], loss}}"


def test_every_word_that_is_acted_on_can_be_built() -> None:
    assert {name_of(fault) for _, fault, _ in FORMS} == set(KINDS)


@pytest.mark.parametrize("name", [name for name in FAULT_WORDS if name not in ACTED_ON])
def test_a_known_word_of_a_later_version_says_so(name: str) -> None:
    with pytest.raises(FaultError) as caught:
        parse_fault({name: US})
    assert caught.value.path == (name,)
    assert caught.value.what == f"fault '{name}' is not in this version"
    assert caught.value.advice == f"it has: {', '.join(ACTED_ON)}"


MISTAKES: list[tuple[object, tuple[str | int, ...], str, str]] = [
    (None, (), "a fault is a mapping of one word, not nothing", "write one word"),
    ("region_outage", (), "not 'region_outage'", "{region_outage: us-east-1}"),
    ({}, (), "not {}", "one word"),
    ({"region_outage": US, "region_crash": EU}, (), "a mapping of one word", "one word"),
    ({"region_outrage": US}, ("region_outrage",), "no such fault: 'region_outrage'", "did you mean 'region_outage'?"),
    ({"zzz": US}, ("zzz",), "no such fault: 'zzz'", "valid: "),
    ({None: US}, ("None",), "no such fault: nothing", "valid"),
    ({"latency": US}, ("latency",), "no such fault: 'latency'", "here the word is 'link_slow'"),
    ({"region_outage": "us-eastt-1"}, ("region_outage",), "'us-eastt-1' is not a Region here", "'us-east-1'"),
    ({"region_outage": None}, ("region_outage",), "nothing is not a Region here", ""),
    ({"region_crash": [US]}, ("region_crash",), "['us-east-1'] is not a Region here", ""),
    ({"region_outage": {"region": "x"}}, ("region_outage", "region"), "'x' is not a Region here", ""),
    ({"region_outage": {}}, ("region_outage",), "wants 'region'", "{region_outage: {region, [mode]}}"),
    ({"region_outage": {"region": US, "mode": "hung"}}, ("region_outage", "mode"), "cannot be 'hung'", "'hang'"),
    ({"region_outage": {"region": US, "mode": 3}}, ("region_outage", "mode"), "cannot be 3", "hang, refuse"),
    ({"region_outage": {"regions": US}}, ("region_outage", "regions"), "has no 'regions'", "did you mean 'region'?"),
    ({"region_outage": {1: US}}, ("region_outage", "1"), "has no '1'", "mode, region"),
    ({"xks_proxy_outage": {"region": US, "proxy": 3}}, ("xks_proxy_outage", "proxy"), "proxy cannot be 3", "endpoint"),
    ({"cloudhsm_outage": {"region": US, "cluster": ""}}, ("cloudhsm_outage", "cluster"), "cannot be ''", "its id"),
    (
        {"xks_proxy_errors": {"region": US, "answer": "deny"}},
        ("xks_proxy_errors", "answer"),
        "answer cannot be 'deny'",
        "did you mean 'denied'?",
    ),
    ({"link_cut": US}, ("link_cut",), "wanted two Regions, found 'us-east-1'", "[us-east-1, eu-west-1]"),
    ({"link_cut": [US]}, ("link_cut",), "wanted two Regions", "[us-east-1, eu-west-1]"),
    ({"link_cut": [US, EU, AP]}, ("link_cut",), "wanted two Regions", ""),
    ({"link_cut": [US, "eu-west-l"]}, ("link_cut", 1), "'eu-west-l' is not a Region here", "did you mean 'eu-west-"),
    ({"link_cut": {"between": [5, US]}}, ("link_cut", "between", 0), "5 is not a Region here", ""),
    ({"link_cut": [US, US]}, ("link_cut", 1), "'us-east-1' is both of them", "name another Region"),
    ({"link_loss": {"between": [US, EU]}}, ("link_loss",), "wants 'loss'", "{link_loss: {[between], [one_way], loss}}"),
    ({"link_loss": {"loss": "lots"}}, ("link_loss", "loss"), "'lots' is not a probability", "0.05 or 5%"),
    ({"link_loss": 5}, ("link_loss",), "between 0 and 1 (0% and 100%), not 5", "0.05 or 5%"),
    ({"link_loss": [US, EU]}, ("link_loss",), "is not a probability", "0.05 or 5%"),
    ({"link_one_way": [US, EU]}, ("link_one_way",), "link_one_way wants a mapping", "{link_one_way: {from, to}}"),
    ({"link_one_way": {"from": US}}, ("link_one_way",), "wants 'to'", "{link_one_way: {from, to}}"),
    ({"link_slow": 250}, ("link_slow",), "250 is no duration", "write it like 250ms"),
    ({"link_slow": {"latency": "5 s"}}, ("link_slow", "latency"), "'5 s' is no duration", "without spaces"),
    ({"link_slow": {"between": [US, EU]}}, ("link_slow",), "wants latency, jitter or bandwidth", "write {link_slow: {"),
    ({"link_slow": {"latency": "1s", "one_way": True}}, ("link_slow", "one_way"), "one way of which link?", "between:"),
    ({"link_slow": {"latency": "1s", "one_way": "yes"}}, ("link_slow", "one_way"), "cannot be 'yes'", "true or false"),
    ({"link_slow": {"bandwidth": 0}}, ("link_slow", "bandwidth"), "cannot be 0", "a whole number from 1"),
    ({"link_slow": {"bandwidth": 1.5}}, ("link_slow", "bandwidth"), "cannot be 1.5", "a whole number from 1"),
    ({"link_slow": {"bandwidth": True}}, ("link_slow", "bandwidth"), "cannot be True", "a whole number from 1"),
    ({"partition": US}, ("partition",), "wanted two or more groups of Regions, found 'us-east-1'", "[[us-east-1], ["),
    ({"partition": [[US, EU]]}, ("partition",), "wanted two or more groups", "[[us-east-1], ["),
    ({"partition": [US, EU]}, ("partition", 0), "a group is a list of Regions, this is 'us-east-1'", "[[us-east-1], ["),
    ({"partition": [[US], []]}, ("partition", 1), "a group is a list of Regions, this is []", "[[us-east-1], ["),
    ({"partition": [[US], [EU, US]]}, ("partition", 1, 1), "'us-east-1' is in a group already", "once"),
    ({"partition": {"groups": [[US], ["eu"]]}}, ("partition", "groups", 1, 0), "'eu' is not a Region here", "valid"),
]


@pytest.mark.parametrize(("mapping", "path", "what", "hint"), MISTAKES)
def test_mistakes_say_where_what_and_what_to_do(
    mapping: object, path: tuple[str | int, ...], what: str, hint: str
) -> None:
    with pytest.raises(FaultError) as caught:
        parse_fault(mapping)
    mistake = caught.value
    assert mistake.path == path
    assert what in mistake.what
    assert hint in mistake.advice
    assert str(mistake) == f"{mistake.what}; {mistake.advice}"


def test_regions_are_those_of_the_world_when_it_is_given() -> None:
    assert parse_fault({"region_crash": EU}, regions=[EU, US]) == RegionCrash(region=EU)
    with pytest.raises(FaultError) as caught:
        parse_fault({"region_crash": AP}, regions=[EU, US])
    assert caught.value.advice == "valid: eu-west-1, us-east-1"


def test_what_was_found_is_shown_on_one_short_line() -> None:
    for value in ("a\nb", "x" * 5000, list(range(5000))):
        with pytest.raises(FaultError) as caught:
            parse_fault({"link_cut": value})
        assert "\n" not in caught.value.what
        assert len(caught.value.what) < 120


@pytest.mark.parametrize(
    ("value", "probability"),
    [
        (0, 0.0),
        (1, 1.0),
        (0.001, 0.001),
        ("0.1%", 0.001),
        ("0.7%", 0.007),
        ("5%", 0.05),
        ("100%", 1.0),
        ("1", 1.0),
        (".5", 0.5),
        ("5.%", 0.05),
        ("0.25", 0.25),
    ],
)
def test_probabilities(value: object, probability: float) -> None:
    assert parse_probability(value) == probability
    assert type(parse_probability(value)) is float


@pytest.mark.parametrize(
    "value", [True, None, "", "%", "5 %", "-1%", "101%", "1e-3", "nan", float("nan"), float("inf"), -0.1, 1.1, "٥%", []]
)
def test_what_is_no_probability(value: object) -> None:
    with pytest.raises(ValueError, match=r"; write a share of one or a percentage, like 0\.05 or 5%$"):
        parse_probability(value)


@pytest.mark.parametrize(
    ("probability", "text"),
    [(0.0, "0%"), (1.0, "100%"), (0.001, "0.1%"), (0.1, "10%"), (0.07, "7%"), (1e-9, "0.0000001%")],
)
def test_probabilities_are_told_as_percentages(probability: float, text: str) -> None:
    assert format_probability(probability) == text
