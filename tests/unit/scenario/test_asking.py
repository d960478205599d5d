"""What a scenario may want of integrated services, and its mistakes."""

from __future__ import annotations

import pytest

from regionsim.scenario.errors import ScenarioError
from regionsim.scenario.load import read_scenario
from regionsim.scenario.model import AskStep
from regionsim.scenario.values import Reference

TEXT = """\
name: Services
regions: [us-east-1]
accounts: {"111122223333": {users: {alice: {}}}}
until: 10m
workloads:
  buckets: {service: s3, in: us-east-1, objects_per_second: 20, key: $orders, bucket_keys: true}
steps:
  - {as: alice, in: us-east-1, call: {CreateKey: {}}, save: {orders: KeyMetadata.KeyId}}
  - as: alice
    in: us-east-1
    ask: {s3: {CreateBucket: {Bucket: b, KMSMasterKeyID: $orders}}}
    expect: {Location: /b, calls: []}
"""


def test_workloads_and_steps_of_services() -> None:
    scenario = read_scenario(TEXT, "s.yaml")
    workload = scenario.service_workloads["buckets"]
    assert (workload.service, workload.region, workload.pause_ns) == ("s3", "us-east-1", 50_000_000)
    assert dict(workload.given) == {"key": Reference(name="orders"), "bucket_keys": True}
    assert getattr(workload.principal, "arn", "") == "arn:aws:iam::111122223333:root"
    assert scenario.every_workload == (workload,)
    step = scenario.steps[1]
    assert isinstance(step, AskStep)
    assert (step.request.service, step.request.operation, step.error) == ("s3", "CreateBucket", None)
    assert [(part.name, part.value) for part in step.wanted] == [("Location", "/b"), ("calls", [])]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("service: s3", "service: s4", "service"),
        ("objects_per_second: 20, ", "", "how often? workload buckets needs one pace"),
        ("objects_per_second: 20", "objects_per_second: 0", "is no pace"),
        ("objects_per_second: 20", "objects_per_second: 20, requests_per_second: 1", "needs one pace"),
        ("bucket_keys: true", "bucket_kys: true", "has no key 'bucket_kys'"),
        ("bucket_keys: true", "until: 11m", "after the run"),
        ("$orders, bucket", "$order, bucket", "no step saves '$order'"),
        ("ask: {s3:", "ask: {s4:", "there is no service 's4'; valid: cloudtrail, dynamodb"),
        ("ask: {s3:", "ask: {ebs:", "there is no service 'ebs'; write ec2"),
        ("expect: {Location", "expct: {Location", "an ask step has no key 'expct'"),
        ("CreateBucket", "MakeBucket", "s3 has no operation 'MakeBucket'"),
        ("{Bucket: b, ", "{", "CreateBucket has no 'Bucket'"),
        ("KMSMasterKeyID", "KmsMasterKeyId", "CreateBucket takes no 'KmsMasterKeyId'"),
        ("Location: /b, calls", "error: X, Location: /b, calls", "an error has no answer to look into"),
    ],
)
def test_mistakes_are_told(old: str, new: str, said: str) -> None:
    assert TEXT.count(old) == 1
    with pytest.raises(ScenarioError) as found:
        read_scenario(TEXT.replace(old, new), "s.yaml")
    assert said in str(found.value)
