"""Invariants about keys: each fails when its property is broken, and only then."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from regionsim.faults.kinds import LinkCut, RegionCrash
from regionsim.invariants.verdicts import Finding, Kind
from regionsim.kms.errors import KMSInternalException
from regionsim.kms.hsm_jobs import MaterialRef
from regionsim.kms.key import replicas_in
from regionsim.kms.messages import CreateReplica, Message, Synchronize
from regionsim.kms.writes import PutKey, PutToken, RemoveKey
from regionsim.region.exchange import Exchange
from regionsim.region.peer import Peer
from regionsim.store.values import Commit
from tests.simulation.many_regions import AP, EU, US, Play
from tests.unit.invariants.broken_worlds import failed, findings_of, forge

KEY_INVARIANTS = ("single_primary", "shared_properties_agree", "related_keys_converge", "material_agrees")


async def a_life(world: Play) -> str:
    key_id = await world.multi_region_key(US, EU, AP)
    await world.call(US, "RotateKeyOnDemand", KeyId=key_id)
    await world.settled()
    await world.call(US, "UpdatePrimaryRegion", KeyId=key_id, PrimaryRegion=EU)
    await world.settled()
    return key_id


def test_all_hold_and_have_counted_in_a_world_that_works(tmp_path: Path) -> None:
    findings = findings_of(a_life, tmp_path)
    assert failed(findings) == set()
    assert findings["single_primary"].checked >= 10
    assert findings["shared_properties_agree"].checked >= 10
    assert findings["related_keys_converge"].checked == 1
    assert findings["material_agrees"].checked == 4, "two materials, two other Regions"
    assert list(findings)[:4] == list(KEY_INVARIANTS)


def test_single_region_keys_are_not_their_business(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        await world.call(US, "CreateKey")

    findings = findings_of(script, tmp_path)
    assert [findings[name].checked for name in KEY_INVARIANTS] == [0, 0, 0, 0]


def test_two_primaries_are_found_at_once(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        key = world.key(EU, key_id)
        shared = key.shared.changed(primary_region=EU, replicas=replicas_in((US,)))
        await forge(world, EU, key.with_shared(shared))
        await forge(world, EU, world.key(EU, key_id).with_shared(key.shared.changed()))

    findings = findings_of(script, tmp_path)
    assert failed(findings) >= {"single_primary"}
    assert f"primary in {US} and {EU}" in findings["single_primary"].detail
    assert findings["single_primary"].violated_at_ns is not None


def test_a_second_primary_is_found_also_while_the_first_is_down(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        world.break_with(RegionCrash(region=US))
        await world.rest(1)
        key = world.key(EU, key_id)
        await forge(world, EU, key.with_shared(key.shared.changed(primary_region=EU, replicas=replicas_in((US,)))))

    assert "single_primary" in failed(findings_of(script, tmp_path))


def test_a_second_primary_that_comes_out_of_a_file_is_found(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        key = world.key(EU, key_id)
        forged = key.with_shared(key.shared.changed(primary_region=EU, replicas=replicas_in((US,))))
        # Straight into the file: nothing of it is in the trace until the Region boots.
        await world.region(EU).store.commit(Commit(writes=(PutKey(key=forged),)))
        await world.region(EU).crash()
        await world.region(EU).boot()
        await forge(world, EU, world.key(EU, key_id).with_regional(description="any change"))

    assert "single_primary" in failed(findings_of(script, tmp_path))


def test_shared_properties_that_differ_at_one_version_are_found(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        key = world.key(EU, key_id)
        await forge(world, EU, key.with_shared(replace(key.shared, on_demand_rotation_count=7)))

    findings = findings_of(script, tmp_path)
    assert failed(findings) == {"shared_properties_agree", "related_keys_converge"}
    assert f"{US} and {EU} differ in version 2" in findings["shared_properties_agree"].detail


def test_regional_properties_may_differ(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        await forge(world, EU, world.key(EU, key_id).with_regional(description="here only"))

    assert failed(findings_of(script, tmp_path)) == set()


def test_a_replica_that_stays_behind_is_found(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        key = world.key(US, key_id)
        await forge(world, US, key.with_shared(key.shared.changed()))

    findings = findings_of(script, tmp_path)
    assert failed(findings) == {"related_keys_converge"}
    assert f"in {EU} has shared version 2 instead of 3" in findings["related_keys_converge"].detail
    assert findings["related_keys_converge"].kind is Kind.CONVERGENCE


def test_a_replica_that_is_missing_is_found(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US)
        key = world.key(US, key_id)
        await forge(world, US, key.with_shared(key.shared.changed(replicas=replicas_in((AP,)))))

    findings = findings_of(script, tmp_path)
    assert f"is missing in {AP}" in findings["related_keys_converge"].detail


def test_convergence_is_not_claimed_of_a_world_that_is_not_healed(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        world.break_with(LinkCut(between=(US, EU)))
        await world.call(US, "RotateKeyOnDemand", KeyId=key_id)

    finding = findings_of(script, tmp_path)["related_keys_converge"]
    assert finding.passed is None
    assert (finding.checked, finding.detail) == (0, "not checked: the run ended with fault on")


def test_replication_that_never_delivers_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Peer.take_due

    def announces_nothing(self: Peer, now_ns: int, limit: int | None = None) -> list[Message]:
        return [
            message for message in kept(self, now_ns, limit) if not isinstance(message, CreateReplica | Synchronize)
        ]

    keys = []

    async def script(world: Play) -> None:
        keys.append(await world.multi_region_key(US))
        monkeypatch.setattr(Peer, "take_due", announces_nothing)
        await world.call(US, "ReplicateKey", KeyId=keys[0], ReplicaRegion=EU)

    findings = findings_of(script, tmp_path)
    assert failed(findings) == {"related_keys_converge"}
    owed = f"{US} -> {EU}: 1 not acknowledged ({keys[0]})"
    assert findings["related_keys_converge"].detail == f"no fault is on, yet {owed}"


def test_material_that_never_comes_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuses(self: Exchange, peer: str, request: object) -> None:
        raise KMSInternalException

    monkeypatch.setattr(Exchange, "serve", refuses)

    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US)
        await world.call(US, "ReplicateKey", KeyId=key_id, ReplicaRegion=EU)

    detail = findings_of(script, tmp_path)["related_keys_converge"].detail
    assert f"{EU} -> {US}: 1 materials not received (mrk-" in detail


def test_a_region_that_stays_down_without_a_fault_is_found(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        await world.multi_region_key(US, EU)
        await world.region(AP).crash()

    assert findings_of(script, tmp_path)["related_keys_converge"].detail == f"no fault is on, yet {AP} is down"


def test_a_key_that_no_region_that_is_up_has_is_not_checked(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US)
        # RemoveKey is applied by no rule of this version.
        world.region(US).state.apply(RemoveKey(key_id=key_id))

    findings = findings_of(script, tmp_path)
    assert findings["related_keys_converge"].checked == 0


async def swap_tokens(world: Play, first: str, second: str, region: str) -> None:
    """Let a Region keep the backing key of one KMS key under the name of another, as a bug in its store would."""
    state = world.region(region).state
    (one,), (other,) = state.material_ids(first), state.material_ids(second)
    ours, theirs = state.material(first, one), state.material(second, other)
    assert ours is not None
    assert theirs is not None
    state.apply(PutToken(material=MaterialRef(key_id=first, material_id=one, token=theirs.token)))
    state.apply(PutToken(material=MaterialRef(key_id=second, material_id=other, token=ours.token)))


def test_swapped_material_is_found_in_a_replica(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        keys = [await world.multi_region_key(US, EU) for _ in range(2)]
        await swap_tokens(world, keys[0], keys[1], EU)

    findings = findings_of(script, tmp_path)
    assert failed(findings) == {"material_agrees"}
    assert f"{EU} cannot open what {US} made with material" in findings["material_agrees"].detail


def test_swapped_material_is_found_in_the_primary(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        keys = [await world.multi_region_key(US, EU) for _ in range(2)]
        await swap_tokens(world, keys[0], keys[1], US)

    findings = findings_of(script, tmp_path)
    assert failed(findings) == {"material_agrees"}
    assert f"{US} cannot use its own token" in findings["material_agrees"].detail


@pytest.mark.parametrize(
    ("spec", "usage"),
    [("HMAC_256", "GENERATE_VERIFY_MAC"), ("ECC_NIST_P256", "SIGN_VERIFY"), ("ML_KEM_768", "ENCAPSULATE_DECAPSULATE")],
)
def test_keys_of_every_kind_are_asked_and_a_wrong_one_is_found(tmp_path: Path, spec: str, usage: str) -> None:
    async def made(world: Play) -> str:
        key_id: str = (await world.call(US, "CreateKey", MultiRegion=True, KeySpec=spec, KeyUsage=usage))[
            "KeyMetadata"
        ]["KeyId"]
        await world.call(US, "ReplicateKey", KeyId=key_id, ReplicaRegion=EU)
        await world.settled()
        return key_id

    async def right(world: Play) -> None:
        await made(world)

    async def wrong(world: Play) -> None:
        await swap_tokens(world, await made(world), await made(world), EU)

    folders = [tmp_path / name for name in ("right", "wrong")]
    for folder in folders:
        folder.mkdir()
    good = findings_of(right, folders[0])
    assert (failed(good), good["material_agrees"].checked) == (set(), 1)
    assert "material_agrees" in failed(findings_of(wrong, folders[1]))


def test_a_token_of_another_regions_domain_is_found(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        key_id = await world.multi_region_key(US, EU)
        (material_id,) = world.region(US).state.material_ids(key_id)
        theirs = world.region(US).state.material(key_id, material_id)
        assert theirs is not None
        world.region(EU).state.apply(PutToken(material=theirs))

    assert failed(findings_of(script, tmp_path)) == {"material_agrees", "calendar_kept"}


def test_regions_that_cannot_be_asked_are_no_violation(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        await world.multi_region_key(US, EU, AP)
        for index in range(3):
            world.region(EU).fleet.go_offline(index)
        world.break_with(RegionCrash(region=AP))
        await world.rest(1)

    finding = findings_of(script, tmp_path)["material_agrees"]
    assert (finding.passed, finding.checked) == (None, 0), "only what was answered counts"


def test_when_the_first_holder_cannot_be_asked_nothing_is_counted(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        await world.multi_region_key(US, EU)
        for index in range(3):
            world.region(US).fleet.go_offline(index)

    findings = findings_of(script, tmp_path)
    assert findings["material_agrees"].passed is None
    assert findings["material_agrees"].checked == 0


def test_only_so_many_materials_are_probed_and_the_finding_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("regionsim.invariants.material_agrees._CHECKED_AT_MOST", 2)

    async def script(world: Play) -> None:
        for _ in range(3):
            await world.multi_region_key(US, EU)

    finding = findings_of(script, tmp_path)["material_agrees"]
    assert finding.checked == 2
    assert finding.detail == "the first 2 materials were checked"


def test_a_finding_keeps_its_first_violation() -> None:
    finding = Finding(name="x", kind=Kind.SAFETY)
    assert finding.passed is None, "of nothing checked nothing is claimed"
    finding.checked = 1
    assert finding.passed is True
    finding.violate(5, "first")
    finding.violate(6, "second")
    assert (finding.passed, finding.violated_at_ns, finding.detail) == (False, 5, "first")
