"""Sessions of roles in a scenario: decided when they are needed, by the copy of IAM of the Region that is called."""

from __future__ import annotations

from regionsim.scenario.results import Verdict
from tests.scenarios.test_play import CREATE, messages, play

TRUST = """trust: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {AWS: "arn:aws:iam::111122223333:user/mallory"}, Action: "sts:AssumeRole"}]}"""
ROLES = {
    "      mallory: {}\n": "      mallory: {}\n"
    + "    roles:\n"
    + f"""      app: {{policies: [{{Version: "2012-10-17", Statement: [{{Effect: Allow, Action: "kms:*", Resource: "*"}}]}}], {TRUST}}}\n"""
}
NOBODY = """iam: {update_assume_role_policy: {role: app, policy: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {AWS: "arn:aws:iam::111122223333:user/alice"}, Action: "sts:AssumeRole"}]}}}"""
AS_APP = "as: {role: app, by: mallory}, in: us-east-1, call: {DescribeKey: {KeyId: $key}}"
REFUSED = (
    "User: arn:aws:iam::111122223333:user/mallory is not authorized to perform: sts:AssumeRole on resource: "
    "arn:aws:iam::111122223333:role/app because no role trust policy allows the sts:AssumeRole action"
)


def test_trust_is_looked_at_when_the_step_begins():
    result = play(
        CREATE,
        f"{{at: 10s, {AS_APP}}}",
        f"{{at: 20s, {NOBODY}}}",
        f"{{at: 21s, {AS_APP}}}",
        f"{{at: 23s, {AS_APP}}}",
        f"{{at: 24s, {AS_APP}, expect: {{error: AccessDenied}}}}",
        head_instead=ROLES,
    )
    assert messages(result) == {5: f"wanted an answer, got AccessDenied ({REFUSED})"}


def test_a_call_without_a_session_reaches_no_region():
    result = play(
        f"{{at: 1s, {NOBODY}}}",
        "{at: 4s, as: {role: app, by: mallory}, in: us-east-1, call: {ListKeys: {}}, expect: {error: AccessDenied}}",
        "{at: 5s, as: alice, in: us-east-1, call: {ListKeys: {}}}",
        "{expect_audit: {in: us-east-1, event: ListKeys, count: '== 1'}}",
        head_instead=ROLES,
    )
    assert messages(result) == {}
    assert result.regions["us-east-1"].requests == 1


def test_the_copy_of_the_region_that_is_called_decides():
    result = play(
        "{at: 1s, fault: {iam_outage: eu-west-1}}",
        f"{{at: 2s, {NOBODY}}}",
        "{at: 10s, as: {role: app, by: mallory}, in: us-east-1, call: {ListKeys: {}}, expect: {error: AccessDenied}}",
        "{at: 11s, as: {role: app, by: mallory}, in: eu-west-1, call: {ListKeys: {}}}",
        head_instead=ROLES,
    )
    assert messages(result) == {}


def test_a_role_that_assumed_a_role():
    both = dict(ROLES)
    (head,) = both
    both[head] += (
        TRUST.join(["      first: {", "}\n"])
        + "      last: {trust: "
        + (
            """{Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {AWS: "arn:aws:iam::111122223333:role/first"}, Action: "sts:AssumeRole"}]}}\n"""
        )
    )
    chained = "as: {role: last, by: {role: first, by: mallory}}, in: us-east-1, call: {ListKeys: {}}"
    result = play(
        f"{{{chained}, expect: {{error: AccessDeniedException}}}}",
        "{expect_audit: {in: us-east-1, event: ListKeys, as: role/last, count: '== 1'}}",
        "{as: {role: last, by: mallory}, in: us-east-1, call: {ListKeys: {}}, expect: {error: AccessDenied}}",
        head_instead=both,
    )
    assert messages(result) == {}


def test_a_workload_keeps_its_session_for_an_hour():
    workload = """\
until: 2h
workloads:
  night: {as: {role: app, by: mallory}, in: us-east-1, every: 10m, from: 5m, call: {ListKeys: {}}}
"""
    result = play(
        f"{{at: 10m, {NOBODY}}}",
        "{at: 64m, expect_metric: {workload: night, requests: '== 6', denied: '== 0'}}",
        "{at: 119m, expect_metric: {workload: night, requests: '== 12', denied: '== 6', failed: '== 0'}}",
        head_instead=ROLES,
        more=workload,
    )
    assert messages(result) == {}
    assert result.verdict is Verdict.OK
