"""A small scenario that is right, for tests that break it in one place."""

from __future__ import annotations

import pytest

from regionsim.scenario.errors import ScenarioError
from regionsim.scenario.load import read_scenario
from regionsim.scenario.model import Scenario

SMALL = """\
name: Small
seed: 3
start: 2026-01-01T00:00:00Z
regions: [us-east-1, eu-west-1]
links: {latencies: aws, jitter: 0.3ms, loss: 0.1%}
hsm: {per_region: 2, profile: host}
accounts:
  "111122223333":
    users:
      alice: {policies: [{Version: "2012-10-17", Statement: [{Effect: Allow, Action: "kms:*", Resource: "*"}]}]}
    roles:
      app: {path: /team/, tags: {team: blue}}
workloads:
  readers:
    as: role/app
    in: eu-west-1
    every: 500ms
    until: 50s
    call: {Decrypt: {CiphertextBlob: $secret}}
steps:
  - {as: alice, in: us-east-1, call: {CreateKey: {}}, save: {key: KeyMetadata.KeyId}}
  - {at: 5s, as: alice, in: us-east-1, call: {Encrypt: {KeyId: $key, Plaintext: hello}}, save: {secret: CiphertextBlob}}
  - {at: 10s, fault: {region_outage: us-east-1}, for: 10s, name: storm}
  - {at: 12s, heal: storm}
  - {at: 20s, expect_state: {key: $key, in: us-east-1, rotations: 0, KeyState: Enabled}}
  - {at: 30s, expect_metric: {workload: readers, failed: "== 0", window: [5s, 20s]}}
  - {at: 40s, say: done}
until: 1m
"""


class Broken:
    """The small scenario with one text in it replaced by another."""

    def text(self, old: str, new: str) -> str:
        assert SMALL.count(old) == 1, f"{old!r} must stand in the small scenario once"
        return SMALL.replace(old, new)

    def scenario(self, old: str, new: str) -> Scenario:
        return read_scenario(self.text(old, new), "s.yaml")

    def errors(self, old: str, new: str) -> list[str]:
        with pytest.raises(ScenarioError) as caught:
            self.scenario(old, new)
        return [str(error) for error in caught.value.all]


@pytest.fixture
def broken() -> Broken:
    return Broken()


@pytest.fixture
def small() -> Scenario:
    return read_scenario(SMALL, "s.yaml")
