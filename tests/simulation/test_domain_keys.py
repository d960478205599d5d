"""Domain keys by the calendar: a new one each day, and every token outlives the one that it was wrapped under."""

from __future__ import annotations

import pytest

from regionsim.hsm.domain import DOMAIN_KEY_RETENTION_DAYS
from regionsim.hsm.keepers import Cluster
from regionsim.hsm.tokens import domain_key_id_of
from regionsim.region import calendar
from tests.simulation.key_stores import CLUSTER, ON_CLUSTER
from tests.simulation.one_region import HERE, OneRegion, one_region

DAY_S = 86_400


async def days(kms: OneRegion, count: float) -> None:
    await kms.sleep_seconds(count * DAY_S)


def token_of(kms: OneRegion, key_id: str) -> bytes:
    (material_id,) = kms.region.state.material_ids(key_id)
    material = kms.region.state.material(key_id, material_id)
    assert material is not None
    return material.token


@one_region()
async def test_the_domain_key_is_rotated_each_day_and_kept_for_30(kms: OneRegion) -> None:
    first = kms.region.fleet.domain_keys[0].id
    await days(kms, 10.5)
    assert len(kms.region.fleet.domain_keys) == 11
    await days(kms, 100)
    keys = kms.region.fleet.domain_keys
    assert len(keys) == DOMAIN_KEY_RETENTION_DAYS + 1
    assert first not in {key.id for key in keys}


@one_region()
async def test_a_key_that_nobody_uses_for_a_year_can_still_be_used(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    blob = (await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"x"))["CiphertextBlob"]
    tokens = set()
    for _ in range(13):
        await days(kms, 29)
        tokens.add(token_of(kms, key_id))
    assert (await kms.call("alice", "Decrypt", CiphertextBlob=blob))["Plaintext"] == b"x"
    assert 10 <= len(tokens) <= 13, "wrapped anew once in a retention, not each day"
    assert len(kms.happened("hsm_request", job="RewrapTokens")) == 12


@one_region()
async def test_the_secret_of_a_custom_key_store_outlives_the_domain_key_that_it_was_sealed_under(
    kms: OneRegion,
) -> None:
    kms.simulation.key_stores[HERE].clusters[CLUSTER] = Cluster(password=ON_CLUSTER["KeyStorePassword"])
    made = await kms.call("alice", "CreateCustomKeyStore", CustomKeyStoreName="ours", **ON_CLUSTER)
    await days(kms, 100)
    await kms.call("alice", "ConnectCustomKeyStore", CustomKeyStoreId=made["CustomKeyStoreId"])
    await kms.sleep_seconds(301)
    (store,) = kms.region.state.key_stores()
    assert store.is_connected, store.error_code
    assert len(kms.happened("hsm_request", job="RewrapSecret")) == 3


@one_region()
async def test_a_token_in_use_is_wrapped_anew_by_being_used(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    for _ in range(70):
        await days(kms, 1)
        await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"x")
        await kms.sleep_seconds(1)
    assert domain_key_id_of(token_of(kms, key_id)) == kms.region.fleet.domain_keys[-1].id
    assert not kms.happened("hsm_request", job="RewrapTokens")


@one_region()
async def test_many_tokens_are_wrapped_anew_in_batches(kms: OneRegion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calendar, "TOKENS_PER_BATCH", 8)
    keys = [await kms.create_key() for _ in range(20)]
    await days(kms, 32)
    assert len(kms.happened("hsm_request", job="RewrapTokens")) == 3
    for key_id in keys:
        await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"x")


@one_region()
async def test_while_nothing_can_be_wrapped_anew_nothing_is_forgotten(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    await days(kms, 30.9)
    kms.break_disk()
    await days(kms, 5)
    assert domain_key_id_of(token_of(kms, key_id)) in {key.id for key in kms.region.fleet.domain_keys}
    assert kms.happened("tokens_not_rewrapped")
    kms.mend_disk()
    await days(kms, 1)
    assert (await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"x"))["KeyId"] == kms.arn(key_id)


@one_region()
async def test_without_an_hsm_the_domain_key_stays_and_is_rotated_once_afterwards(kms: OneRegion) -> None:
    await days(kms, 1.5)
    for index in range(3):
        kms.region.fleet.go_offline(index)
    await days(kms, 4)
    for index in range(3):
        kms.region.fleet.come_online(index)
    before = len(kms.region.fleet.domain_keys)
    await days(kms, 0.1)
    assert len(kms.region.fleet.domain_keys) == before + 1
    await days(kms, 1)
    assert len(kms.region.fleet.domain_keys) == before + 2


@one_region()
async def test_hosts_that_were_down_for_days_rotate_it_when_they_are_up(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    await days(kms, 20)
    await kms.region.crash()
    await days(kms, 60)
    await kms.region.boot()
    await days(kms, 0.1)
    assert kms.region.fleet.domain_keys[-1].active_since_ns > kms.simulation.clock.now_ns() - DAY_S * 10**9
    await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"x")
    await days(kms, 40)
    await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"x")
