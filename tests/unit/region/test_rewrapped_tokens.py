"""Tokens that an HSM wrapped anew in use: seen only once they are committed, and never an older one for a newer."""

from __future__ import annotations

from pathlib import Path

from regionsim.hsm.tokens import domain_key_id_of
from regionsim.kms.hsm_jobs import Encrypt, MaterialRef
from regionsim.region.region import Region
from tests.simulation.many_regions import US, Play, play

REGIONS = (US,)


def token(region: Region, key_id: str) -> MaterialRef:
    (material_id,) = region.state.material_ids(key_id)
    found = region.state.material(key_id, material_id)
    assert found is not None
    return found


async def a_key(world: Play) -> str:
    key_id: str = (await world.call(US, "CreateKey"))["KeyMetadata"]["KeyId"]
    return key_id


def test_a_token_is_seen_once_it_is_committed(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        region, key_id = world.region(US), await a_key(world)
        old = token(region, key_id)
        region.fleet.rotate_domain_key()
        await world.call(US, "Encrypt", KeyId=key_id, Plaintext=b"x")
        assert token(region, key_id) == old, "a crash now would take the new one back"
        await world.rest(0.2)
        new = token(region, key_id)
        assert domain_key_id_of(new.token) == region.fleet.domain_keys[-1].id != domain_key_id_of(old.token)
        await region.crash()
        await region.boot()
        assert token(region, key_id) == new

    play(script, tmp_path, regions=REGIONS)


def test_a_token_of_a_crash_before_the_flush_was_never_seen(tmp_path: Path) -> None:
    async def script(world: Play) -> None:
        region, key_id = world.region(US), await a_key(world)
        old = token(region, key_id)
        region.fleet.rotate_domain_key()
        await world.call(US, "Encrypt", KeyId=key_id, Plaintext=b"x")
        await region.crash()
        await region.boot()
        assert token(region, key_id) == old

    play(script, tmp_path, regions=REGIONS)


def test_an_older_token_never_replaces_a_newer_one(tmp_path: Path) -> None:
    """Jobs may end in another order than they began: the older token comes last."""

    async def script(world: Play) -> None:
        region, key_id = world.region(US), await a_key(world)
        host, first = region._host, token(region, key_id)
        job = Encrypt(material=first, plaintext=b"x", context=b"")
        region.fleet.rotate_domain_key()
        (second,) = (await host.perform(job, request="r1")).rewrapped
        region.fleet.rotate_domain_key()
        assert host.trail.waiting_token(first.material_id) == second
        (third,) = (await host.perform(job, request="r2")).rewrapped
        newest = host.trail.waiting_token(first.material_id)
        assert newest == third
        assert [host._is_token_newer(one) for one in (first, second, third)] == [False, False, False]
        await region.flush_audit()
        assert token(region, key_id) == newest
        assert host.trail.waiting_token(first.material_id) is None
        assert not host._is_token_newer(second), "and once it is committed"

    play(script, tmp_path, regions=REGIONS)
