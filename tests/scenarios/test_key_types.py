"""`keys:` of every spec: there before the run, in every Region of theirs, and the same in all."""

from __future__ import annotations

import pytest

from regionsim.kms.key_specs import CHINA_ONLY, USES, KeySpec
from regionsim.scenario.outcome import Verdict
from tests.scenarios.test_play import messages, play

QUICK = [spec for spec in KeySpec if spec not in (KeySpec.RSA_3072, KeySpec.RSA_4096, *CHINA_ONLY)]


@pytest.mark.parametrize("spec", QUICK)
def test_keys_of_every_spec_and_usage_can_be_there(spec: KeySpec) -> None:
    uses = USES[spec]
    keys = "".join(
        f"  - {{name: k{number}, spec: {spec}, usage: {use.usage}, primary: us-east-1, replicas: [eu-west-1]}}\n"
        for number, use in enumerate(uses)
    )
    describe = "as: alice, in: eu-west-1, call: {DescribeKey: {KeyId: $k%d}}, expect: {KeyMetadata.KeyUsage: %s}"
    steps = [f"{{{describe % (number, use.usage)}}}" for number, use in enumerate(uses)]
    result = play(*steps, more=f"keys:\n{keys}")
    assert messages(result) == {}
    assert result.verdict is Verdict.OK
    agrees = next(one for one in result.invariants if one.name == "material_agrees")
    assert (agrees.passed, agrees.checked) == (True, len(uses))
