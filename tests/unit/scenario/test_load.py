"""A scenario file becomes a checked scenario, or its mistakes with their places."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regionsim.faults.kinds import RegionOutage
from regionsim.faults.vocabulary import ACTED_ON, FAULT_WORDS, FaultError, parse_fault
from regionsim.names.mistakes import RegionsimError
from regionsim.scenario.errors import ScenarioError
from regionsim.scenario.load import load_scenario, read_scenario
from regionsim.scenario.model import (
    CallStep,
    ExpectMetricStep,
    ExpectStateStep,
    FaultStep,
    HealStep,
    Pace,
    SayStep,
)
from regionsim.scenario.source import place_of
from regionsim.scenario.values import AsBlob, Reference
from tests.unit.scenario.conftest import SMALL

SECOND = 1_000_000_000
MARK = "§"
MINIMAL = """\
regions: [us-east-1]
accounts: {"111122223333": {users: {alice: {}}}}
steps: [{say: hello}]
"""


def test_the_world(small):
    world = small.world
    assert world.regions == ("us-east-1", "eu-west-1")
    assert world.start_at_ns == 1_767_225_600 * SECOND
    assert (world.latencies, world.jitter_ns, world.loss) == ("aws", 300_000, 0.001)
    assert (world.hsm_per_region, world.hsm_profile) == (2, "host")
    account = world.directory.accounts["111122223333"]
    assert account.users["alice"].policies[0].name == "policy-1"
    assert (account.roles["app"].path, dict(account.roles["app"].tags)) == ("/team/", {"team": "blue"})
    assert (small.name, small.seed, small.until_ns) == ("Small", 3, 60 * SECOND)


def test_the_steps(small):
    create, encrypt, fault, heal, state, metric, say = small.steps
    assert isinstance(create, CallStep)
    assert (create.number, create.position.line, create.position.column) == (1, 21, 5)
    assert (create.at_ns, create.error, create.call.operation, create.call.parameters) == (None, None, "CreateKey", {})
    assert [(save.name, save.path.text) for save in create.saves] == [("key", "KeyMetadata.KeyId")]
    assert create.call.principal.arn == "arn:aws:iam::111122223333:user/alice"
    assert create.call.client.regions == ("us-east-1",)
    assert (create.call.client.near, create.call.client.timeout_ns) == ("us-east-1", 5 * SECOND)
    assert isinstance(encrypt, CallStep)
    assert encrypt.call.parameters == {"KeyId": Reference(name="key"), "Plaintext": b"hello"}
    assert isinstance(fault, FaultStep)
    assert (fault.fault, fault.for_ns, fault.name) == (RegionOutage(region="us-east-1"), 10 * SECOND, "storm")
    assert isinstance(heal, HealStep)
    assert (heal.at_ns, heal.name) == (12 * SECOND, "storm")
    assert isinstance(state, ExpectStateStep)
    assert (state.key, state.region, state.rotations) == (Reference(name="key"), "us-east-1", 0)
    assert [(part.path.text, part.wanted) for part in state.expectations] == [("KeyState", "Enabled")]
    assert isinstance(metric, ExpectMetricStep)
    assert (metric.workload, metric.region, metric.window_ns) == ("readers", None, (5 * SECOND, 20 * SECOND))
    assert [(e.metric.name, e.comparison.text) for e in metric.expectations] == [("failed", "== 0")]
    assert isinstance(say, SayStep)
    assert say.say == "done"


def test_the_workload(small):
    workload = small.workloads["readers"]
    assert workload.pace == Pace(pause_ns=SECOND // 2, is_random=False)
    assert (workload.from_ns, workload.until_ns) == (0, 50 * SECOND)
    assert workload.call.principal.role_arn == "arn:aws:iam::111122223333:role/team/app"
    assert workload.call.parameters == {"CiphertextBlob": AsBlob(of=Reference(name="secret"))}
    assert (workload.call.client.near, workload.call.client.regions) == ("us-east-1", ("eu-west-1",))


def test_defaults():
    scenario = read_scenario(MINIMAL, "folder/minimal.yaml")
    world = scenario.world
    assert (scenario.name, scenario.about, scenario.seed, scenario.until_ns) == ("minimal", "", 0, None)
    assert (world.latencies, world.jitter_ns, world.loss) == ("aws", 300_000, 0.0)
    assert (world.hsm_per_region, world.hsm_profile) == (3, "aws-like")
    assert dict(scenario.workloads) == {}


def test_one_latency_for_every_pair():
    scenario = read_scenario(MINIMAL.replace("[us-east-1]", "[us-east-1, eu-west-1]") + "links: {latencies: 40ms}", "f")
    assert scenario.world.latencies == {("us-east-1", "eu-west-1"): 40_000_000}


def test_a_file_is_read_by_its_path(tmp_path):
    path = tmp_path / "s.yaml"
    path.write_text(SMALL, encoding="utf-8")
    assert load_scenario(path).path == str(path)
    with pytest.raises(ScenarioError, match=r"none\.yaml:1:1: there is no such file"):
        load_scenario(tmp_path / "none.yaml")


# What is replaced in the small scenario, by what (the mark stands where the mistake must be found), what must be told.
MISTAKES = [
    ("name: Small", "§nam: Small", "a scenario has no key 'nam'; did you mean 'name'?"),
    ("name: Small", "name: §12", 'name must be text, this is a number; put it between quotes: "12"'),
    ("name: Small", "name: §[a]", "name must be text, this is a list"),
    ("seed: 3", "seed: §three", "seed must be a whole number, this is text"),
    ("seed: 3", "seed: §true", "seed must be a whole number, this is true or false"),
    ("seed: 3", "seed: §-1", "seed must be from 0 to 9223372036854775807, this is '-1'"),
    ("start: 2026-01-01T00:00:00Z", "start: §2026-01-01", "start: '2026-01-01' is no instant; write it like"),
    ("until: 1m", "until: §0s", "until must be longer than nothing"),
    ("{at: 40s, say: done}", "{when: {event: §rotation_instaled}, say: x}", "event cannot be 'rotation_instaled'; did you mean 'rotation_installed'?"),
    ("{at: 40s, say: done}", "{when: §{in: us-east-1}, say: x}", "when has no 'event'; add it: what must happen"),
    ("{at: 40s, say: done}", "{when: {event: answer, nth: §0}, say: x}", "nth must be from 1 to"),
    ("{at: 40s, say: done}", "{declare_lost: §eu-wst-1}", "declare_lost: there is no Region 'eu-wst-1'; did you mean 'eu-west-1'?"),
    ("{region_outage: us-east-1}", "{partition: [[us-east-1], [§us-east-1]]}", "'us-east-1' is in a group already"),
    ("Plaintext: hello", "Plaintext: §'$key-{n}'", "'$key-{n}' counts, and nothing counts here; add over: N"),
    ("save: {key: KeyMetadata.KeyId}", "save: {§key: KeyMetadata.KeyId}, over: 3", "3 calls would save the one name 'key'; write key-{n}"),
    ("save: {key: KeyMetadata.KeyId}", "save: {key: KeyMetadata.KeyId}, over: §many", "over must be a whole number, this is text"),
    ("until: 1m", "until: 1m\nreplication: {§lost_afer: 1h}", "replication has no key 'lost_afer'; did you mean 'lost_after'?"),
    ("until: 1m", "until: 1m\ngrants: {§dealy: 1s}", "grants has no key 'dealy'; did you mean 'delay'?"),
    ("until: 1m", "until: 1m\nkeys: [{§cuont: 3}]", "an entry of keys has no key 'cuont'; did you mean 'count'?"),
    ("until: 1m", "until: 1m\nkeys: [{count: 3, alias: alias/k-§{n}}]", 'put text with {n} between quotes: "order-{n}"'),
    ("until: 1m", "until: 1m\nkeys: [{count: 3, name: §k}]", "3 keys cannot share the one name 'k'; write k-{n}"),
    ("until: 1m", "until: 1m\nkeys: [{count: 3, alias: §'k-{n}'}]", "'k-{n}' is no alias of a customer; write alias/NAME"),
    ("until: 1m", "until: 1m\nkeys: [{alias: §alias/aws/k}]", "'alias/aws/k' is no alias of a customer"),
    ("until: 1m", "until: 1m\nkeys: [{alias: §alias/k k}]", "alias: Member must satisfy"),
    ("until: 1m", "until: 1m\nkeys: [{alias: alias/k}, {alias: §alias/k}]", "'alias/k' is taken in us-east-1 by an entry before"),
    ("until: 1m", "until: 1m\nkeys: [{name: k}, {name: §k}]", "'$k' is given in line 29 already"),
    ("until: 1m", "until: 1m\nkeys: [{spec: §RSA_2049}]", "spec cannot be 'RSA_2049'; did you mean 'RSA_2048'?"),
    ("until: 1m", "until: 1m\nkeys: [{spec: RSA_2048, usage: §SIGN}]", "usage cannot be 'SIGN'; valid: ENCAPSULATE_DECAPSULATE"),
    ("until: 1m", "until: 1m\nkeys: [{spec: HMAC_256, usage: §SIGN_VERIFY}]", "HMAC_256 keys are not for SIGN_VERIFY; they"),
    ("until: 1m", "until: 1m\nkeys: [{spec: RSA_2048, rotation: §90d}]", "RSA_2048 keys are not rotated; only symmetric"),
    ("until: 1m", "until: 1m\nkeys: [§{spec: SM2}]", "there are no SM2 keys in us-east-1; SM2 is in China Regions"),
    ("until: 1m", "until: 1m\nkeys: [{rotation: §89d}]", "rotation: this is no rotation period of KMS; whole days, 90d to 2560d"),
    ("until: 1m", "until: 1m\nkeys: [{replicas: §[us-east-1]}]", "us-east-1 is the primary's Region; leave it out of replicas"),
    ("until: 1m", "until: 1m\nkeys: [{multi_region: false, replicas: §[eu-west-1]}]", "single-Region keys have no replicas"),
    ("until: 1m", "until: 1m\nkeys: [{multi_region: §yes}]", "multi_region must be true or false, this is text"),
    ("until: 1m", "until: 1m\nkeys: [{account: §'999988887777'}]", "there is no account '999988887777'"),
    ("until: 1m", "until: 1m\nkeys: [{policy: {Statement: §[]}}]", "policy is malformed at $.Statement"),
    ("until: 1m", "until: 1m\nkeys: [{policy: {Statement: [{Effect: Allow, NotPrincipal: §{AWS: '111122223333'}, Action: '*', Resource: '*'}]}}]", "KMS does not take policy: NotPrincipal with Allow is not supported"),
    ("until: 1m", "until: 1m\nversions: §[]", "versions must be a mapping"),
    ("until: 1m", "until: §40000d", "until is longer than 100 years: '40000d'"),
    ("start: 2026-01-01T00:00:00Z", "start: §2200-01-01T00:00:01Z", "start must lie between 1970 and 2200"),
    ("until: 1m", "until: §[1m]", "until must be a duration, this is a list"),
    ("regions: [us-east-1, eu-west-1]", "regions: §[]", "regions: at least one Region is needed"),
    ("[us-east-1, eu-west-1]", "[us-east-1, §us-east-1]", "regions: the Region 'us-east-1' stands here twice"),
    ("[us-east-1, eu-west-1]", "§us-east-1", "regions must be a list, this is text"),
    ("regions: [", "§regons: [", "a scenario has no key 'regons'; did you mean 'regions'?"),
    ("jitter: 0.3ms", "jitter: §0.3mz", "jitter: '0.3mz' is no duration; write it like"),
    ("jitter: 0.3ms", "§jiter: 0.3ms", "links has no key 'jiter'; did you mean 'jitter'?"),
    ("loss: 0.1%", "loss: §110%", "loss: a probability is between 0 and 1"),
    ("loss: 0.1%", "loss: §[1]", "loss: 'a list' is not a probability"),
    ("latencies: aws", "latencies: §asw", "latencies (aws, or one way): 'asw' is no duration"),
    ("latencies: aws", "latencies: §{a: b}", "latencies for single pairs are not in this version"),
    ("per_region: 2", "per_region: §0", "per_region must be from 1 to 100"),
    ("profile: host", "profile: §hot", "profile cannot be 'hot'; did you mean 'host'?"),
    ('"111122223333":', "§111122223333:", 'an account id must be quoted; write "111122223333"'),
    ('"111122223333":', '§"1111":', "'1111' is not an account id; an account id has 12 digits"),
    ("    users:", "    §usrs:", "account 111122223333 has no key 'usrs'; did you mean 'users'?"),
    ("    in: eu-west-1", "    in: eu-west-1\n    context: {§aws:SourceAm: x}", "no call brings the condition value 'aws:SourceAm'; did you mean 'aws:SourceArn'?"),
    ("    in: eu-west-1", "    in: eu-west-1\n    context: {aws:SourceArn: §[a, b]}", "aws:SourceArn has one value, these are 2"),
    ("    in: eu-west-1", "    in: eu-west-1\n    context: {aws:SourceArn: §{}}", "aws:SourceArn must be text, a number, true or false, this is a mapping"),
    ("    in: eu-west-1", "    in: eu-west-1\n    context: {kms:ViaService: §s3}", "'s3' is no value of kms:ViaService; write SERVICE.REGION.amazonaws.com"),
    ("    users:", "    scps: §{}\n    users:", "scps must be a list, this is a mapping"),
    ("    users:", "    scps: [[FullAWSAccess], §FullAWSAccess]\n    users:", "scps: levels and policies are mixed"),
    ("    users:", "    scps: [§FullAccess]\n    users:", "the service control policy is malformed"),
    ("until: 1m", "until: 1m\norganization: {§managment: x}", "organization has no key 'managment'; did you mean 'management'?"),
    ("until: 1m", "until: 1m\norganization: {id: §acme}", "'acme' is not an organization's id; write o- and 10"),
    ("until: 1m", "until: 1m\norganization: {management: §'999988887777'}", "there is no account '999988887777'"),
    ("until: 1m", "until: 1m\norganization: {management: §111122223333}", 'an account id must be quoted; write "111122223333"'),
    ("until: 1m", "until: 1m\norganization: {units: {a: {accounts: ['111122223333']}, b: {accounts: [§'111122223333']}}}", "account '111122223333' is in a unit already"),
    ("{at: 40s, say: done}", "{at: 40s, iam: {detach_scp: §{account: '111122223333', name: FullAWSAccess}}}", "'FullAWSAccess' is the last policy of account '111122223333'"),
    ("{at: 40s, say: done}", "{at: 40s, iam: {detach_scp: §{account: '111122223333', name: FullAccess}}}", "has no service control policy 'FullAccess'; did you mean 'FullAWSAccess'?"),
    ("alice: {policies", "§al ice: {policies", "'al ice' cannot name a user"),
    ("alice: {policies", "alice: {§polices", "user alice has no key 'polices'; did you mean 'policies'?"),
    ("Effect: Allow", "Effect: §Alow", "the policy is malformed at $.Statement[0].Effect:"),
    ("Statement: [{Effect", "Statment: §[{Effect", "the policy is malformed at $.Statment: no such element"),
    ("path: /team/", "path: §team", "'team' is not a path; it begins and ends with a slash"),
    ("tags: {team: blue}", "tags: {team: §1}", "tag team must be text, this is a number; put it between"),
    ("as: role/app", "as: §role/ap", "no such principal: 'role/ap'; did you mean 'role/app'?"),
    ("as: role/app", "as: §{role: app}", "a session has no 'by'"),
    ("as: role/app", "as: §{role: app, by: alice, tags: {'aws:x': y}}", "STS takes no such session: Tag keys beginning with aws:"),
    ("as: role/app", "as: {role: §ap, by: alice}", "no such role: 'ap'; did you mean 'app'?"),
    ("as: role/app", "as: {role: app, by: §alise}", "no such principal: 'alise'; did you mean 'alice'?"),
    ("as: role/app", "as: {role: app, by: alice, §tgs: {}}", "a session has no key 'tgs'; did you mean 'tags'?"),
    ("as: role/app", "as: §111122223333", 'an account id must be quoted; write "111122223333/NAME"'),
    ("as: role/app", "as: §222233334444/app", "no such account: '222233334444'"),
    ("    in: eu-west-1", "    in: §eu-west-2", "in: the Region 'eu-west-2' is not in this world; its regions"),
    ("    in: eu-west-1", "    client: {regions: [eu-west-1], retries: §adaptiv}", "retries cannot be 'adaptiv'; did you mean 'adaptive'?"),
    ("    in: eu-west-1", "    client: {regions: [eu-west-1], retries: §3}", "retries cannot be '3'; valid: adaptive, none, standard"),
    ("    in: eu-west-1", "    client: {regions: [eu-west-1], retries: §non}", "retries cannot be 'non'; did you mean 'none'?"),
    ("    in: eu-west-1", "    client: {regions: [eu-west-1], timeout: §0s}", "timeout must be longer than nothing"),
    ("    in: eu-west-1", "    client: {near: §eu-wst-1, regions: [eu-west-1]}", "there is no Region 'eu-wst-1'; did you mean"),
    ("    in: eu-west-1", "    in: §us-east-1\n    client: {regions: [eu-west-1]}", "in: us-east-1 is not the client's first"),
    ("  readers:", "  §the readers:", "'the readers' cannot name a workload"),
    ("every: 500ms", "every: §exponential(5)", "every: '5' is no duration; write a pause like 500ms, or"),
    ("every: 500ms", "every: §0s", "every: 0s is too short a pause; write 100us or more"),
    ("    until: 50s", "    from: 51s\n    until: §50s", "workload readers ends before it begins"),
    ("CiphertextBlob: $secret", "CiphertextBlob: §$secrt", "no step saves '$secrt'; did you mean 'secret'?"),
    ("{at: 40s, say: done}", "§{at: 40s}", "this step does nothing; give it one of: call, fault, declare_lost"),
    ("{at: 40s, say: done}", "{at: 40s, §sai: done}", "a step has no key 'sai'; did you mean 'say'?"),
    ("{at: 40s, say: done}", "§[a]", "a step must be a mapping (key: value), this is a list"),
    ("{at: 40s, say: done}", "{at: 40s, iam: §{}}", "iam: wants one change"),
    ("{at: 40s, say: done}", "{at: 40s, iam: {§put_user_polcy: {}}}", "iam has no 'put_user_polcy'; did you mean 'put_user_policy'?"),
    ("{at: 40s, say: done}", "{at: 40s, iam: {§put_user_policy: {user: alice}}}", "put_user_policy has no 'policy'"),
    ("{at: 40s, say: done}", "{at: 40s, iam: {delete_user_policy: §{user: alice, name: none}}}", "user 'alice' has no policy 'none'"),
    ("{at: 40s, say: done}", "{at: 40s, iam: {detach_user_policy: {user: alice, §nme: none}}}", "detach_user_policy has no 'nme'; did you mean 'name'?"),
    ("{at: 40s, say: done}", "{at: 40s, expect_audit: {in: eu-west-1, event: §Decript}}", "nothing records an event 'Decript'; did you mean 'Decrypt'?"),
    ("{at: 40s, say: done}", "{at: 40s, expect_audit: {in: eu-west-1, event: Decrypt, error: §AccesDenied}}", "there is no error 'AccesDenied'"),
    ("{at: 40s, say: done}", "{at: 40s, expect_audit: {in: eu-west-1, event: Decrypt, count: §many}}", "count: 'many' is not a comparison"),
    ("{at: 40s, say: done}", "{at: 40s, when: §{event: answer}, say: x}", "a step begins at a time or at an event, this one has"),
    ("{at: 40s, say: done}", "{at: §29s, say: x}", "step 7 is at 29s, but step 6 before it is at 30s; steps"),
    ("{at: 40s, say: done}", "{at: §2h, say: x}", "step 7 is at 2h, but the run ends at 1m; move the step"),
    ("{at: 40s, say: done}", "{at: §40, say: x}", "at: '40' is no duration; write it like 90s"),
    ("{at: 40s, say: done}", "{§heal: all, fault: {link_loss: 1%}}", "a step does one thing, this one has 'fault'"),
    ("{at: 40s, say: done}", "{say: x, §for: 1s}", "'for' does not go with 'say'; it goes with fault"),
    ("{CreateKey: {}}", "{§CreateKy: {}}", "KMS has no operation 'CreateKy'; did you mean 'CreateKey'?"),
    ("{CreateKey: {}}", "§{CreateKey: {}, ListKeys: {}}", "call: one operation is wanted, these are 2"),
    ("{CreateKey: {}}", "§CreateKey", "call must be a mapping (key: value), this is text"),
    ("{CreateKey: {}}", "{CreateKey: {§Polcy: x}}", "CreateKey has no 'Polcy'; did you mean 'Policy'?"),
    ("{CreateKey: {}}", "{CreateKey: {MultiRegion: §'true'}}", "MultiRegion must be true or false, this is text; write it without"),
    ("{CreateKey: {}}", "{CreateKey: {KeySpec: §RSA_2047}}", "KeySpec cannot be 'RSA_2047'; did you mean 'RSA_2048'?"),
    ("{CreateKey: {}}", "{CreateKey: {Description: §5}}", 'Description must be text, this is a number; put it between quotes: "5"'),
    ("{CreateKey: {}}", "{CreateKey: {Tags: §{a: b}}}", "Tags must be a list, this is a mapping"),
    ("{CreateKey: {}}", "{CreateKey: {Tags: [§{TagKey: a}]}}", "Tags has no 'TagValue'; it needs TagKey, TagValue"),
    ("{CreateKey: {}}", "{CreateKey: {Policy: {Statement: §[]}}}", "Policy is malformed at $.Statement"),
    ("{CreateKey: {}}", "{CreateKey: {Policy: {file: §none.json}}}", "Policy: there is no file 'none.json'"),
    ("KeyId: $key, Plain", "KeyId: §$ky, Plain", "no step saves '$ky'; did you mean 'key'?"),
    ("KeyId: $key, Plain", "KeyId: §$secret, Plain", "no step before this one saves '$secret'; it is saved later, in line 22"),
    ("KeyId: $key, Plain", "KeyId: §x/$key, Plain", "a lone $ in 'x/$key'; a saved value inside text is $(name)"),
    ("Plaintext: hello", "Plaintext: §''", "Plaintext: Member must have length greater than or equal to 1"),
    ("Plaintext: hello", "Plaintext: §7", 'Plaintext must be text, this is a number; put it between quotes: "7"'),
    ("Plaintext: hello", "Plaintext: §~", "Plaintext must be text, this is nothing"),
    ("save: {key: KeyMetadata.KeyId}", "save: {key: §KeyMetadat.KeyId}", "CreateKey has no 'KeyMetadat'; did you mean"),
    ("save: {key: KeyMetadata.KeyId}", "save: {key: §KeyMetadata.KeyId.x}", "CreateKey has nothing below a string, so no 'x'"),
    ("save: {key: KeyMetadata.KeyId}", "save: {key: §'a..b'}", "'a..b' is not a JMESPath, from its character 3 on"),
    ("save: {key: KeyMetadata.KeyId}", "save: {key: KeyMetadata.KeyId, §'a b': x}", "'a b' cannot be a name"),
    ("save: {key: KeyMetadata.KeyId}", "expect: {error: DisabledException}, save: §{key: x}", "a refusal has no answer to save from; leave save: out"),
    ("save: {key: KeyMetadata.KeyId}", "save: {key: KeyMetadata.KeyId}, expect: {error: DisabledException, §KeyMetadata.Arn: x}", "a refusal has no answer to look into; leave only error:"),
    ("save: {key: KeyMetadata.KeyId}", "save: {key: KeyMetadata.KeyId}, expect: {KeyMetadata.KeyState: §enabled}", "KeyMetadata.KeyState cannot be 'enabled'; did you mean 'Enabled'?"),
    ("{region_outage: us-east-1}", "{§region_outge: us-east-1}", "no such fault: 'region_outge'; did you mean"),
    ("{region_outage: us-east-1}", "{region_outage: §us-est-1}", "'us-est-1' is not a Region here; did you mean"),
    ("{region_outage: us-east-1}", "{region_outage: §eu-west-2}", "'eu-west-2' is not a Region here"),
    ("{region_outage: us-east-1}", "{§region_data_loss: us-east-1}", "fault 'region_data_loss' is not in"),
    ("{region_outage: us-east-1}", "{link_cut: [us-east-1, §us-east-1]}", "a link joins two Regions"),
    ("{region_outage: us-east-1}", "§region_outage", "a fault is a mapping of one word"),
    ("for: 10s", "for: §0s", "for must be longer than nothing"),
    ("name: storm", "name: §all", "'all' cannot name a fault"),
    ("heal: storm", "heal: §strom", "no step before this one begins a fault named 'strom'; did you mean 'storm'?"),
    ("{at: 12s, heal: storm}", "{fault: {link_loss: 1%}, name: §storm}", "a fault is named 'storm' already, in line 23"),
    ("rotations: 0", "§rotatons: 0", "expect_state has no 'rotatons'; did you mean 'rotations'?"),
    ("rotations: 0", "rotations: §few", "rotations must be a whole number, this is text"),
    ("KeyState: Enabled", "KeyState: §Enabld", "KeyState cannot be 'Enabld'; did you mean 'Enabled'?"),
    ("{key: $key, in", "§{in", "expect_state has no 'key'; add it: the key"),
    ("workload: readers", "workload: §reader", "there is no workload 'reader'; did you mean 'readers'?"),
    ('failed: "== 0"', '§faild: "== 0"', "there is no metric 'faild'; did you mean 'failed'?"),
    ('failed: "== 0"', '§cost_usd: "== 0"', "cost_usd is measured of a Region; write region: REGION instead"),
    ('failed: "== 0"', 'failed: §"= 0"', "failed: '= 0' is not a comparison; write a comparison like"),
    ('failed: "== 0"', 'failed: §"< 5%"', "failed: '5%' does not fit, it is measured in count"),
    ('failed: "== 0"', "failed: §true", "failed: wanted a comparison, this is true or false"),
    ("window: [5s, 20s]", "window: [20s, §5s]", "window: it ends before it has begun"),
    ("window: [5s, 20s]", "window: §[5s]", "window: two instants are wanted, these are 1"),
    ("[us-east-1, eu-west-1]", "[us-east-1, §eu-wst-1]", "regions: there is no Region 'eu-wst-1'; did you mean 'eu-west-1'?"),
    ("Plaintext: hello", "Plaintext: §'base64:?'", "Plaintext: this is not base64"),
    ("save: {key: KeyMetadata.KeyId}", "save: {key: KeyMetadata.KeyId}, expect: {error: §DisabledExeption}", "no call ends in 'DisabledExeption'; did you mean 'DisabledException'?"),
]  # fmt: skip

LEFT_OUT = [
    ("    in: eu-west-1\n", "", "s.yaml:15:5: which Region is called?; add in: REGION"),
    ("    every: 500ms\n", "", "s.yaml:15:5: workload readers has no 'every'; add it"),
    (", Plaintext: hello", "", "s.yaml:22:56: Encrypt has no 'Plaintext'; it needs KeyId, Plaintext"),
    (", rotations: 0, KeyState: Enabled", "", "s.yaml:25:29: expect_state expects nothing; add rotations: 1"),
    ("workload: readers, ", "", "s.yaml:26:30: expect_metric measures one workload or one Region; name it"),
    ("workload: readers", "region: us-east-1, workload: readers", "s.yaml:26:30: expect_metric measures one workload or one Region"),
    (', failed: "== 0"', "", "s.yaml:26:30: expect_metric compares nothing; add a metric"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "told"), MISTAKES)
def test_every_mistake_is_told_at_its_place_with_advice(broken, old, new, told):
    line, column = place_of(broken.text(old, new), broken.text(old, new).index(MARK))
    errors = broken.errors(old, new.replace(MARK, ""))
    assert [error for error in errors if error.startswith(f"s.yaml:{line}:{column}: ") and told in error], errors


@pytest.mark.parametrize(("old", "new", "told"), MISTAKES)
def test_one_mistake_is_one_message(broken, old, new, told):
    errors = broken.errors(old, new.replace(MARK, ""))
    renames = ("usrs", "al ice", "the readers", "name: §all")  # whoever is named so is missing where it is used
    assert len(errors) == 1 or any(name in new for name in renames), errors


@pytest.mark.parametrize(("old", "new", "told"), LEFT_OUT)
def test_what_is_left_out_is_told_where_it_should_be(broken, old, new, told):
    (error,) = broken.errors(old, new)
    assert error.startswith(told)


def test_a_scenario_without_steps_is_none():
    with pytest.raises(ScenarioError, match=r"s\.yaml:3:8: there is no step; a scenario needs at least one"):
        read_scenario(MINIMAL.replace("[{say: hello}]", "[]"), "s.yaml")


def test_all_mistakes_of_a_file_are_told_in_order():
    text = SMALL.replace("seed: 3", "seed: x").replace("as: role/app", "as: nobody").replace("heal: storm", "heal: fog")
    with pytest.raises(ScenarioError) as caught:
        read_scenario(text, "s.yaml")
    assert [(error.line, error.column) for error in caught.value.all] == [(2, 7), (15, 9), (24, 21)]
    assert isinstance(caught.value, RegionsimError)
    assert caught.value.further == caught.value.all[1:]


@pytest.mark.parametrize("text", ["word", "[1, 2]", "12", "~", "'quoted'"])
def test_what_is_no_mapping_is_no_scenario(text):
    with pytest.raises(ScenarioError, match=r"s\.yaml:1:1: a scenario is a mapping, this is"):
        read_scenario(text, "s.yaml")


@pytest.mark.parametrize("missing", ["regions", "accounts", "steps"])
def test_what_is_required_is_asked_for(missing):
    lines = [line for line in MINIMAL.splitlines() if not line.startswith(missing)]
    with pytest.raises(ScenarioError, match=f"a scenario has no '{missing}'; add it"):
        read_scenario("\n".join(lines), "s.yaml")


def test_with_several_accounts_a_caller_names_its_own(broken):
    two = 'accounts:\n  "222233334444": {users: {bob: {}}}'
    assert "s.yaml:16:9: 'role/app' of which account? there are 2; write \"111122223333/role/app\"" in broken.errors(
        "accounts:", two
    )
    text = SMALL.replace("accounts:", two).replace("as: alice", "as: 111122223333/alice")
    text = text.replace("as: role/app", 'as: "arn:aws:iam::111122223333:role/team/app"')
    scenario = read_scenario(text, "s.yaml")
    assert scenario.workloads["readers"].call.principal.name == "app"


def test_a_step_that_expects_kms_to_refuse_a_value_may_hold_it(broken):
    old = "{as: alice, in: us-east-1, call: {CreateKey: {}}, save: {key: KeyMetadata.KeyId}}"
    new = "{as: alice, in: us-east-1, call: {CreateKey: {KeySpec: NONE}}, expect: {error: ValidationException}}\n  - "
    step = broken.scenario(old, new + old).steps[0]
    assert isinstance(step, CallStep)
    assert (step.call.parameters, step.error) == ({"KeySpec": "NONE"}, "ValidationException")


def test_null_parameters_are_none(broken):
    step = broken.scenario("{CreateKey: {}}", "{CreateKey: }").steps[0]
    assert isinstance(step, CallStep)
    assert step.call.parameters == {}


def test_anchors_share_what_they_name(broken):
    text = broken.text("{at: 40s, say: done}", "{at: 40s, as: alice, in: us-east-1, call: &c {ListKeys: {}}}\n"
                       "  - {at: 41s, as: alice, in: us-east-1, call: *c}")  # fmt: skip
    first, second = read_scenario(text, "s.yaml").steps[-2:]
    assert isinstance(first, CallStep)
    assert isinstance(second, CallStep)
    assert first.call == second.call


LINES = SMALL.splitlines()
WORDS = sorted({word.strip(',:{}[]"') for line in LINES for word in line.split()})


@settings(max_examples=150)
@given(st.data())
def test_a_damaged_file_is_read_or_refused_and_never_fails_otherwise(data):
    lines = list(LINES)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        line = lines[at]
        cut, end = sorted(data.draw(st.tuples(st.integers(0, len(line)), st.integers(0, len(line)))))
        new = data.draw(st.one_of(st.sampled_from(WORDS), st.text("{}[]:,-&*!|>'\"$#% a1\n", max_size=6)))
        lines[at] = line[:cut] + new + line[end:]
    errors: tuple[ScenarioError, ...] = ()
    try:
        read_scenario("\n".join(lines), "s.yaml")
    except ScenarioError as error:
        errors = error.all
    assert all(found.line >= 1 and found.column >= 1 and str(found).startswith("s.yaml:") for found in errors)


NINES = "9" * 5000
ALICE_S = 'Action: "kms:*", Resource: "*"'


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("until: 50s", "until: 70s", "until of workload readers is at 1m10s, but the run ends at 1m; move it, or the until: of the file"),
        ("until: 50s", "from: 70s", "from of workload readers is at 1m10s, but the run ends at 1m; move it, or"),
        ("for: 10s", "for: 51s", "the fault is over at 1m1s, but the run ends at 1m; shorten for:, leave it out, or move until:"),
        ("500ms\n    until: 50s", "100us\n    until: 300s", "until of workload readers is at 5m"),
        ("seed: 3", "seed: 1.5", "seed must be a whole number, this is '1.5'"),
        ("seed: 3", f"seed: {NINES}", "seed must be a whole number, this is a number of 5000 digits"),
        ("until: 50s", f"until: {NINES}", f"until: '{'9' * 60}...' is no duration; write it like"),
        ("every: 500ms", f"every: {NINES}", f"every: '{'9' * 60}...' is no duration; write a pause"),
        ("regions: [us-east-1, eu-west-1]", "regions: [1]", "regions: a Region has a name like us-east-1, this is a number"),
        ("key: $key, in: us-east-1", "key: $key, in: mars", "in: there is no Region 'mars'; valid: eu-west-1, us-east-1"),
        ("key: $key, in: us-east-1", "key: $key, in: us-west-1x", "in: there is no Region 'us-west-1x'; did you mean 'us-east-1'?"),
        (ALICE_S, ALICE_S + ", Condition: {StringEqual: {a: b}}", "no such condition operator: 'StringEqual', did you mean 'StringEquals'?"),
        ("{region_outage: us-east-1}", "{region_data_los: us-east-1}", "no such fault: 'region_data_los'; did you mean 'region_"),
        ("{region_outage: us-east-1}", "{netsplit: us-east-1}", "here the word is 'partition'"),
        ("{region_outage: us-east-1}", "{heal: storm}", "'heal' is a key of a step, it stands beside the fault, or alone: {heal: ...}"),
        ("call: {CreateKey: {}}", "call: {Zzz: {}}", "KMS has no operation 'Zzz'; valid: "),
    ],
)  # fmt: skip
def test_what_newcomers_wrote_is_told_so_that_they_can_mend_it(broken, old, new, told):
    errors = broken.errors(old, new)
    assert any(told in error for error in errors)
    assert max(map(len, errors)) < 1000


def test_a_workload_that_nobody_would_wait_for_is_refused(broken):
    text = (
        broken.text("every: 500ms", "every: 100us\n    sample: 1")
        .replace("until: 50s", "until: 300s")
        .replace("until: 1m", "until: 5m")
    )
    with pytest.raises(
        ScenarioError, match="workload readers makes about 3,000,000 calls, which is more than 2,000,000 for real"
    ):
        read_scenario(text, "s.yaml")


def test_advice_offers_no_fault_that_is_then_refused():
    for word in FAULT_WORDS:
        with pytest.raises(FaultError) as caught:
            parse_fault({word + "x": "us-east-1"})
        assert not [later for later in FAULT_WORDS if later not in ACTED_ON and later in caught.value.advice]


def test_a_missing_block_does_not_hide_the_mistakes_in_the_others():
    text = "regions: [us-esat-1]\nsteps:\n  - {as: alice, in: us-east-1, call: {CreateKy: {}}}\n"
    with pytest.raises(ScenarioError) as caught:
        read_scenario(text, "x.yaml")
    told = [str(mistake) for mistake in caught.value.all]
    assert any(" has no 'accounts'" in mistake for mistake in told)
    assert any("'us-esat-1'; did you mean" in mistake for mistake in told)
    assert any("'CreateKy'; did you mean 'CreateKey'?" in mistake for mistake in told)
