"""The JSON Schema of scenario files: valid itself, open to what is right, closed to what is wrong."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator

from regionsim.scenario.library import shipped_paths
from regionsim.scenario.nodes import plain
from regionsim.scenario.parse import parse
from regionsim.scenario.schema import scenario_schema
from regionsim.scenario.vocabulary import (
    ACCOUNT,
    CLIENT,
    HSM,
    LINKS,
    METRIC_OF,
    ROLE,
    SCENARIO,
    STATE,
    STEPS,
    USER,
    WORKLOAD,
)
from tests.unit.scenario.conftest import SMALL

VALIDATOR = Draft202012Validator(scenario_schema())


def errors(text: str) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(plain(parse(text, "s.yaml")))]


def test_it_is_a_schema_and_json():
    Draft202012Validator.check_schema(scenario_schema())
    assert json.loads(json.dumps(scenario_schema())) == scenario_schema()


def test_every_reference_leads_somewhere():
    schema = scenario_schema()
    text = json.dumps(schema)
    used = {part.split('"')[0] for part in text.split("#/$defs/")[1:]}
    assert used <= set(schema["$defs"])


def test_every_kind_of_value_is_defined():
    tables = [SCENARIO, LINKS, HSM, ACCOUNT, USER, ROLE, CLIENT, WORKLOAD, STATE, METRIC_OF, *STEPS.values()]
    taken = {key.takes for table in tables for key in table.values() if not key.is_later}
    assert taken <= set(scenario_schema()["$defs"])


def test_the_small_scenario_fits():
    assert errors(SMALL) == []


@pytest.mark.parametrize(
    "fault",
    [
        "{hsm_offline: us-east-1}",
        "{hsm_errors: {region: us-east-1, probability: 5%, hsms: 1}}",
        "{az_outage: {region: us-east-1, az: 3}}",
        "{throttle: {region: us-east-1, factor: 0}}",
        "{link_slow: 250ms}",
        "{link_slow: {between: [us-east-1, eu-west-1], one_way: true, jitter: 5ms, bandwidth: 64000}}",
        "{link_one_way: {from: us-east-1, to: eu-west-1}}",
        "{clock_skew: {region: us-east-1, skew: -5m}}",
        "{disk_slow: {region: us-east-1, latency: 20ms}}",
        "{dns_outage: us-east-1}",
    ],
)
def test_faults_fit_in_their_short_and_their_long_form(fault):
    assert errors(SMALL.replace("{region_outage: us-east-1}", fault)) == []


@pytest.mark.parametrize("name", sorted(shipped_paths()))
def test_every_shipped_scenario_fits(name):
    assert errors(shipped_paths()[name].read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: Small", "nam: Small"),
        ("seed: 3", "seed: x"),
        ("us-east-1, eu-west-1]", "us-east-1, eu-wst-1]"),
        ("jitter: 0.3ms", "jitter: 0.3mz"),
        ("profile: host", "profile: hot"),
        ('"111122223333":', '"1111":'),
        ("every: 500ms", "every: soon"),
        ("{CreateKey: {}}", "{CreateKy: {}}"),
        ("{CreateKey: {}}", "{CreateKey: {Polcy: x}}"),
        ("{CreateKey: {}}", "{CreateKey: {MultiRegion: maybe}}"),
        ("{region_outage: us-east-1}", "{region_outge: us-east-1}"),
        ("{region_outage: us-east-1}", "{region_outage: {region: us-east-1, mode: explode}}"),
        ("{region_outage: us-east-1}", "{throttle: {region: us-east-1, factor: 2}}"),
        ("{region_outage: us-east-1}", "{throttle: us-east-1}"),
        ("{region_outage: us-east-1}", "{hsm_offline: {region: us-east-1, hsms: 0}}"),
        ("{region_outage: us-east-1}", "{link_slow: {between: [us-east-1, eu-west-1]}}"),
        ("{region_outage: us-east-1}", "{clock_skew: {region: us-east-1, skew: soon}}"),
        ("{region_outage: us-east-1}", "{region_data_loss: us-east-1}"),
        ('failed: "== 0"', 'faild: "== 0"'),
        ('failed: "== 0"', 'failed: "= 0"'),
        ("heal: storm", "hael: storm"),
    ],
)
def test_what_is_wrong_does_not_fit(broken, old, new):
    assert errors(broken.text(old, new))


def test_saved_names_fit_wherever_a_value_is_wanted(broken):
    assert errors(broken.text("{CreateKey: {}}", "{CreateKey: {MultiRegion: $flag, Tags: $tags}}")) == []
