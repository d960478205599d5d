import pytest

from regionsim.faults.vocabulary import (
    ACTED_ON,
    FAULT_WORDS,
    Fault,
    FaultError,
    IamOutage,
    LinkCut,
    LinkLoss,
    OutageMode,
    Partition,
    RegionCrash,
    RegionOutage,
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
]


@pytest.mark.parametrize(("mapping", "fault", "description"), FORMS)
def test_every_form_is_read_and_told_again(mapping: dict[str, object], fault: Fault, description: str) -> None:
    assert parse_fault(mapping) == fault
    assert describe(fault) == description
    assert parse_fault(as_mapping(fault)) == fault
    assert description.startswith(name_of(fault))


def test_regions_of() -> None:
    assert regions_of(RegionOutage(region=US)) == (US,)
    assert regions_of(RegionCrash(region=EU)) == (EU,)
    assert regions_of(LinkCut(between=(US, EU))) == (US, EU)
    assert regions_of(LinkLoss(between=(EU, US), probability=0.1)) == (EU, US)
    assert regions_of(LinkLoss(probability=0.1)) == ()
    assert regions_of(Partition(groups=((US,), (EU, AP)))) == (US, EU, AP)


def test_the_words_are_those_of_the_interface() -> None:
    assert " ".join(FAULT_WORDS) == (
        "region_outage region_crash region_data_loss az_outage hsm_offline hsm_zeroised hsm_slow hsm_errors "
        "link_cut link_one_way link_slow link_loss link_duplicate link_reorder partition disk_slow disk_errors "
        "disk_full disk_torn_write clock_skew throttle control_plane_outage dns_outage iam_outage"
    )
    assert ACTED_ON == ("region_outage", "region_crash", "link_cut", "link_loss", "partition", "iam_outage")


def test_words_are_complete() -> None:
    for word in FAULT_WORDS.values():
        assert word.means
        assert word.short in {parameter.name for parameter in word.parameters}
        for parameter in word.parameters:
            assert bool(parameter.choices) == (parameter.kind is Kind.CHOICE)
    assert set(OTHER_TOOLS_WORDS.values()) <= set(FAULT_WORDS)
    assert not set(OTHER_TOOLS_WORDS) & set(FAULT_WORDS)
    assert FAULT_WORDS["link_loss"].grammar == "{link_loss: {[between], loss}}"


def test_every_word_that_is_acted_on_can_be_built() -> None:
    """The table and the builder agree: a word said to be acted on never ends in the builder's assertion."""
    made = {name_of(parse_fault(mapping)) for mapping, _, _ in FORMS}
    assert made == set(ACTED_ON)


@pytest.mark.parametrize("name", [name for name in FAULT_WORDS if name not in ACTED_ON])
def test_a_known_word_of_a_later_version_says_so(name: str) -> None:
    with pytest.raises(FaultError) as caught:
        parse_fault({name: US})
    assert caught.value.path == (name,)
    assert caught.value.what == f"fault '{name}' is not in this version"
    assert caught.value.advice == "it has: region_outage, region_crash, link_cut, link_loss, partition, iam_outage"


MISTAKES: list[tuple[object, tuple[str | int, ...], str, str]] = [
    (None, (), "a fault is a mapping of one word, not nothing", "write one word"),
    ("region_outage", (), "not 'region_outage'", "{region_outage: us-east-1}"),
    ({}, (), "not {}", "one word"),
    ({"region_outage": US, "region_crash": EU}, (), "a mapping of one word", "one word"),
    ({"region_outrage": US}, ("region_outrage",), "no such fault: 'region_outrage'", "did you mean 'region_outage'?"),
    ({"zzz": US}, ("zzz",), "no such fault: 'zzz'", "valid: iam_outage, link_cut, link_loss, partition, region_crash"),
    ({None: US}, ("None",), "no such fault: nothing", "valid"),
    (
        {"latency": US},
        ("latency",),
        "no such fault: 'latency'",
        "here the word is 'link_slow', which is not in this version; it has: region_outage",
    ),
    ({"region_outage": "us-eastt-1"}, ("region_outage",), "'us-eastt-1' is not a Region here", "'us-east-1'"),
    ({"region_outage": None}, ("region_outage",), "nothing is not a Region here", ""),
    ({"region_crash": [US]}, ("region_crash",), "['us-east-1'] is not a Region here", ""),
    ({"region_outage": {"region": "x"}}, ("region_outage", "region"), "'x' is not a Region here", ""),
    ({"region_outage": {}}, ("region_outage",), "wants 'region'", "{region_outage: {region, [mode]}}"),
    ({"region_outage": {"region": US, "mode": "hung"}}, ("region_outage", "mode"), "cannot be 'hung'", "'hang'"),
    ({"region_outage": {"region": US, "mode": 3}}, ("region_outage", "mode"), "cannot be 3", "hang, refuse"),
    ({"region_outage": {"regions": US}}, ("region_outage", "regions"), "has no 'regions'", "did you mean 'region'?"),
    ({"region_outage": {1: US}}, ("region_outage", "1"), "has no '1'", "mode, region"),
    ({"link_cut": US}, ("link_cut",), "wanted two Regions, found 'us-east-1'", "[us-east-1, eu-west-1]"),
    ({"link_cut": [US]}, ("link_cut",), "wanted two Regions", "[us-east-1, eu-west-1]"),
    ({"link_cut": [US, EU, AP]}, ("link_cut",), "wanted two Regions", ""),
    ({"link_cut": [US, "eu-west-l"]}, ("link_cut", 1), "'eu-west-l' is not a Region here", "did you mean 'eu-west-"),
    ({"link_cut": {"between": [5, US]}}, ("link_cut", "between", 0), "5 is not a Region here", ""),
    ({"link_cut": [US, US]}, ("link_cut", 1), "'us-east-1' is both of them", "name another Region"),
    ({"link_loss": {"between": [US, EU]}}, ("link_loss",), "wants 'loss'", "{link_loss: {[between], loss}}"),
    ({"link_loss": {"loss": "lots"}}, ("link_loss", "loss"), "'lots' is not a probability", "0.05 or 5%"),
    ({"link_loss": 5}, ("link_loss",), "between 0 and 1 (0% and 100%), not 5", "0.05 or 5%"),
    ({"link_loss": [US, EU]}, ("link_loss",), "is not a probability", "0.05 or 5%"),
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
