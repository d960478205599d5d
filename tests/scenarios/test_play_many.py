"""Many at once: `over:`, bulk `keys:`; and steps that wait for an event, or give a Region up."""

from __future__ import annotations

import pytest

from regionsim.region.wire import unpack_audit
from regionsim.runtime.virtual_loop import VirtualLoop, run_virtual
from regionsim.scenario.errors import ScenarioError
from regionsim.scenario.load import read_scenario
from regionsim.scenario.report import last_lines
from regionsim.scenario.results import Verdict
from regionsim.scenario.run import RunOptions, run_scenario
from regionsim.simulation.ground import virtual_ground
from regionsim.simulation.simulation import Simulation
from tests.scenarios.test_play import CREATE, HEAD, instants, messages, play

BULK = """\
keys:
  - {count: 3, name: "k-{n}", alias: "alias/k-{n}", primary: eu-west-1, replicas: [us-east-1], rotation: 90d}
  - {name: alone, primary: us-east-1}
"""
ENCRYPT = 'as: alice, in: us-east-1, call: {Encrypt: {KeyId: "alias/k-{n}", Plaintext: "order {n}"}}'


def lines(result, event):
    return [line.subject for line in result.transcript if line.event == event]


def test_one_step_makes_many_calls_one_after_the_other():
    result = play(
        f'{{over: 3, {ENCRYPT}, save: {{"order-{{n}}": CiphertextBlob}}}}',
        '{over: 3, as: alice, in: eu-west-1, call: {Decrypt: {CiphertextBlob: "$order-{n}"}}, expect: {Plaintext: "order {n}"}}',
        "{as: alice, in: eu-west-1, call: {Decrypt: {CiphertextBlob: $order-2}}, expect: {Plaintext: order 2}}",
        more=BULK,
    )
    assert messages(result) == {}
    assert result.verdict is Verdict.OK
    assert lines(result, "Encrypt") == ["alice KeyId=alias/k-{n}: 3 ok, saved $order-{n}"]
    assert lines(result, "Decrypt") == ["alice CiphertextBlob=$order-{n}: 3 ok", "alice CiphertextBlob=$order-2: ok"]
    assert (result.regions["us-east-1"].requests, result.regions["eu-west-1"].requests) == (3, 4)


def test_each_of_many_calls_is_held_against_what_is_expected_of_it():
    result = play(
        f'{{over: 3, {ENCRYPT}, save: {{"order-{{n}}": CiphertextBlob}}}}',
        "{as: alice, in: us-east-1, call: {DisableKey: {KeyId: $k-2}}}",
        '{over: 3, as: alice, in: us-east-1, call: {Decrypt: {CiphertextBlob: "$order-{n}"}}, expect: {Plaintext: "order {n}"}}',
        '{over: 3, as: alice, in: eu-west-1, call: {Decrypt: {CiphertextBlob: "$order-{n}"}}, expect: {Plaintext: order 1}}',
        more=BULK,
    )
    told = messages(result)
    assert list(told) == [3, 4]
    assert told[3].startswith("1 of 3 were otherwise: 2: wanted an answer, got DisabledException")
    assert told[4].startswith("2 of 3 were otherwise: 2: Plaintext: wanted 'order 1', got 'order 2'; 3: ")
    assert lines(result, "Decrypt")[0] == "alice CiphertextBlob=$order-{n}: 2 ok, 1 DisabledException"


def test_expect_state_looks_at_many_keys_by_alias():
    result = play(
        "{as: alice, in: us-east-1, call: {DisableKey: {KeyId: $k-3}}}",
        '{over: 2, expect_state: {key: "alias/k-{n}", in: us-east-1, KeyState: Enabled}}',
        '{over: 3, expect_state: {key: "$k-{n}", in: us-east-1, KeyState: Enabled}}',
        "{expect_state: {key: alias/none, in: us-east-1, KeyState: Enabled}}",
        more=BULK,
    )
    assert messages(result) == {
        3: "1 of 3 were otherwise: 3: KeyState: wanted 'Enabled', got 'Disabled'",
        4: "us-east-1 has no alias 'alias/none' of account 111122223333",
    }
    assert lines(result, "expect_state")[0] == "alias/k-{n}: KeyState Enabled (2 keys)"


def test_a_workload_takes_the_numbers_round_and_round():
    result = play(
        f'{{over: 3, {ENCRYPT}, save: {{"order-{{n}}": CiphertextBlob}}}}',
        "{as: alice, in: eu-west-1, call: {DisableKey: {KeyId: $k-2}}}",
        '{at: 20s, expect_metric: {workload: readers, requests: "== 9", refused: "== 3", failed: "== 0"}}',
        more=BULK
        + """\
workloads:
  readers: {as: alice, in: eu-west-1, every: 1s, from: 5s, until: 14s, over: 3, call: {Decrypt: {CiphertextBlob: "$order-{n}"}}}
""",
    )
    assert messages(result) == {}


@pytest.mark.parametrize(
    ("step", "told"),
    [
        ('{over: 4, as: alice, in: us-east-1, call: {DescribeKey: {KeyId: "$k-{n}"}}}', "there are 3 of '$k-{n}'"),
        ("{as: alice, in: us-east-1, call: {DescribeKey: {KeyId: $k-4}}}", "no step saves '$k-4'"),
        ("{as: alice, in: us-east-1, call: {DescribeKey: {KeyId: $k-0}}}", "no step saves '$k-0'"),
        ("{as: alice, in: us-east-1, call: {DescribeKey: {KeyId: $k-02}}}", "no step saves '$k-02'"),
    ],
)
def test_a_number_that_is_none_of_the_series_is_a_mistake(step, told):
    with pytest.raises(ScenarioError, match=r"s\.yaml:") as caught:
        read_scenario(HEAD + BULK + f"steps: [{step}]\n", "s.yaml")
    assert told in str(caught.value)


def installed(text, tmp_path):
    """Keys, aliases and audit entries of each Region before anything has happened."""
    scenario = read_scenario(HEAD + text + "steps: [{say: x}]\n", "s.yaml")
    found = {}

    async def main():
        ground = virtual_ground(seed=1, start_at_ns=scenario.world.start_at_ns, folder=tmp_path)
        simulation = Simulation(scenario.world, ground)
        await simulation.start()
        for name, region in simulation.regions.items():
            segments = await region.store.read_audit()
            entries = [entry for segment in segments for entry in unpack_audit(segment.body)]
            found[name] = (list(region.state.all_keys()), region.state, entries)
        await simulation.stop()
        return simulation

    return run_virtual(main(), loop=VirtualLoop()), found


def test_bulk_keys_are_there_when_the_regions_boot(tmp_path):
    simulation, found = installed(BULK, tmp_path)
    us, eu = found["us-east-1"], found["eu-west-1"]
    assert [len(keys) for keys, _, _ in (us, eu)] == [4, 3]
    assert set(simulation.named_keys) == {"k-1", "k-2", "k-3", "alone"}
    for keys, state, entries in (us, eu):
        for number in (1, 2, 3):
            alias = state.alias("111122223333", f"alias/k-{number}")
            assert alias.target_key_id == simulation.named_keys[f"k-{number}"]
        assert [(entry.caller, entry.user_agent) for entry in entries] == [(None, "regionsim setup")] * len(keys)
    primary, replica = eu[1].key(simulation.named_keys["k-1"]), us[1].key(simulation.named_keys["k-1"])
    assert primary.is_primary
    assert replica.is_replica
    assert primary.shared == replica.shared
    assert primary.regional.created_at_ns == simulation.world.start_at_ns, "no time has passed"
    assert primary.shared.automatic_rotation.period_days == 90
    assert eu[1].material_ids(primary.key_id) == us[1].material_ids(primary.key_id)
    alone = us[1].key(simulation.named_keys["alone"])
    assert not alone.shared.is_multi_region


def test_bulk_keys_have_the_default_policy_of_their_region_or_the_one_that_is_written(tmp_path):
    policy = '{Version: "2012-10-17", Statement: [{Effect: Allow, Principal: "*", Action: "kms:*", Resource: "*"}]}'
    text = f"keys: [{{name: own, policy: {policy}}}, {{name: usual, replicas: [eu-west-1], policy: default}}]\n"
    simulation, found = installed(text, tmp_path)
    state = found["us-east-1"][1]
    assert '"Principal" : "*"' in state.key(simulation.named_keys["own"]).regional.policy
    usual = state.key(simulation.named_keys["usual"])
    assert usual.shared.is_multi_region
    assert "Enable IAM User Permissions" in usual.regional.policy


def test_a_year_of_bulk_keys_rotates_them():
    result = play(
        '{at: 91d, over: 3, expect_state: {key: "$k-{n}", in: us-east-1, rotations: 1}}',
        "{expect_state: {key: $alone, in: us-east-1, rotations: 0}}",
        more=BULK,
    )
    assert messages(result) == {}
    assert lines(result, "rotation_completed") == ["3 keys", "3 keys"]
    assert sorted(key.rotations for key in result.keys) == [0, 1, 1, 1]


def test_bulk_keys_come_from_the_seed():
    step = "{as: alice, in: us-east-1, call: {DescribeKey: {KeyId: $alone}}}"
    assert play(step, more=BULK).keys == play(step, more=BULK).keys
    assert play(step, more=BULK).keys != play(step, more=BULK, seed=2).keys


UNTIL = "until: 10m\n"


def test_a_step_begins_at_the_nth_event_in_its_region_whatever_stands_before_it():
    result = play(
        CREATE,
        "{as: alice, in: us-east-1, call: {ReplicateKey: {KeyId: $key, ReplicaRegion: eu-west-1}}}",
        "{when: {event: rotation_installed, in: eu-west-1, nth: 2}, say: twice}",
        "{when: {event: rotation_installed, in: us-east-1}, say: never here}",
        "{at: 1m, as: alice, in: us-east-1, call: {RotateKeyOnDemand: {KeyId: $key}}}",
        "{at: 5m, as: alice, in: us-east-1, call: {RotateKeyOnDemand: {KeyId: $key}}}",
        more=UNTIL,
    )
    assert messages(result) == {
        4: "rotation_installed in us-east-1 was seen 0 x until the end, and this step waited for number 1"
    }
    assert instants(result, "say") == instants(result, "rotation_installed")[1:]


def test_what_follows_a_waiting_step_waits_for_its_answer():
    result = play(
        CREATE,
        "{when: {event: fault_ends}, say: healed}",
        "{say: after}",
        "{at: 20s, fault: {region_outage: eu-west-1}, for: 30s}",
        more=UNTIL,
    )
    # The steps stand in the order of the file, so the fault begins only after them.
    assert result.verdict is not Verdict.OK


def test_a_fault_can_hit_within_an_instant_of_an_event():
    """The Region is gone before the replica's acknowledgement reaches it, and everything agrees in the end."""
    result = play(
        CREATE,
        "{as: alice, in: us-east-1, call: {ReplicateKey: {KeyId: $key, ReplicaRegion: eu-west-1}}}",
        "{when: {event: replica_creating, in: eu-west-1}, fault: {region_crash: us-east-1}, for: 1m}",
        "{at: 5m, expect_state: {key: $key, in: eu-west-1, KeyState: Enabled}}",
        more=UNTIL,
    )
    assert messages(result) == {}
    assert result.verdict is Verdict.OK
    assert instants(result, "fault_begins") == instants(result, "replica_creating")


def test_declaring_a_region_lost_lets_the_rotation_go_on():
    result = play(
        "{fault: {region_outage: us-east-1}}",
        "{as: alice, in: eu-west-1, client: {near: eu-west-1, regions: [eu-west-1]}, call: {RotateKeyOnDemand: {KeyId: $k-1}}}",
        "{at: 2h, expect_state: {key: $k-1, in: eu-west-1, rotations: 0}}",
        "{declare_lost: us-east-1}",
        "{at: 3h, expect_state: {key: $k-1, in: eu-west-1, rotations: 1}}",
        "{declare_lost: eu-west-1}",
        "{heal: all}",
        more=BULK,
    )
    assert messages(result) == {6: "no primary in reach has a replica in eu-west-1"}


def test_an_adaptive_client_is_throttled_less_than_a_standard_one():
    def throttled(mode):
        client = f"client: {{regions: [us-east-1], retries: {mode}}}"
        calls = f"as: alice, {client}, every: 50ms, from: 1s, until: 31s, call: {{CreateKey: {{}}}}"
        step = '{at: 60s, expect_metric: {workload: makers, requests: "== 600"}}'
        result = play(step, more=f"workloads:\n  makers: {{{calls}}}\n")
        assert messages(result) == {}
        return result.regions["us-east-1"].throttled

    assert throttled("adaptive") < throttled("standard") / 2


def test_a_sampled_workload_makes_every_so_manieth_call_and_the_others_load_the_hsms():
    def run(sample):
        calls = f"as: alice, in: us-east-1, every: 100ms, until: 100s, sample: {sample}"
        step = '{at: 100s, expect_metric: {workload: many, requests: "== 1000", failed: "== 0"}}'
        region = '{expect_metric: {region: us-east-1, requests: "== 1000"}}'
        workload = f"  many: {{{calls}, call: {{GenerateDataKey: {{KeyId: $alone, KeySpec: AES_256}}}}}}\n"
        result = play(step, region, more=f"{BULK}workloads:\n{workload}")
        assert messages(result) == {}
        return result

    whole, sampled = run(1), run(10)
    assert (whole.workloads["many"].real_calls, sampled.workloads["many"].real_calls) == (1000, 100)
    assert whole.workloads["many"].calls == sampled.workloads["many"].calls == 1000
    assert sampled.workloads["many"].calls_per_second == pytest.approx(10, rel=0.01)
    assert sampled.regions["us-east-1"].hsm_jobs == whole.regions["us-east-1"].hsm_jobs
    assert sampled.regions["us-east-1"].requests == 100
    told = "workload  many: 1,000 calls, 100 of them real, the others load, 10.00 per second"
    assert told in last_lines(sampled, RunOptions())


def test_load_makes_real_calls_wait_for_the_hsms():
    """3 HSMs at 0.45 ms on average take some 6,600 jobs a second: 5,000 offered in bursts queue, 50 do not."""

    def slowest_ms(sample):
        pace = "200us" if sample > 1 else "20ms"
        calls = f"as: alice, in: us-east-1, every: exponential({pace}), from: 1s, until: 3s, sample: {sample}"
        workload = f"  many: {{{calls}, call: {{GenerateDataKey: {{KeyId: $alone, KeySpec: AES_256}}}}}}\n"
        more = f"{BULK}workloads:\n{workload}".replace("host", "aws-like")
        text = HEAD.replace("profile: host", "profile: aws-like, per_region: 1") + more + "steps: [{at: 4s, say: x}]\n"
        result = run_scenario(read_scenario(text, "s.yaml"), RunOptions(seed=1))
        return result.regions["us-east-1"].latency_ms["p50"]

    assert slowest_ms(100) > 5 * slowest_ms(1)


def test_of_very_many_calls_a_hundred_thousand_are_real_unless_the_file_says_otherwise():
    def sample(more, operation="GenerateRandom: {NumberOfBytes: 8}"):
        calls = f"as: alice, in: us-east-1, every: 1s, until: 10d{more}, call: {{{operation}}}"
        text = f"{HEAD}workloads: {{many: {{{calls}}}}}\nsteps: [{{say: x}}]\n"
        return read_scenario(text, "s.yaml").workloads["many"].sample

    assert sample("") == 9  # 864,000 calls
    assert sample(", sample: 1") == 1
    assert sample("", "CreateKey: {}") == 1
    with pytest.raises(ScenarioError, match="CreateKey changes keys, so every call is made"):
        sample(", sample: 5", "CreateKey: {}")
