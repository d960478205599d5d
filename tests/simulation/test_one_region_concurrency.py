"""Many calls at once in one Region: locks, versions, group commit, and what never touches the store."""

from __future__ import annotations

import json
from typing import Any

from regionsim.accounts.model import Account
from regionsim.kms.errors import KmsError
from regionsim.kms.key import KeyState
from regionsim.kms.plan import Call
from regionsim.names.ids import new_uuid
from regionsim.runtime import tasks
from tests.simulation.one_region import HOME, OneRegion, directory_of_two_accounts, one_region

MILLISECOND = 1_000_000


def policy(*sids: str) -> str:
    statements = [
        {"Sid": sid, "Effect": "Allow", "Principal": {"AWS": HOME}, "Action": "kms:*", "Resource": "*"} for sid in sids
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def code_of(reply: object) -> str:
    return reply.code if isinstance(reply, KmsError) else "ok"


@one_region()
async def test_two_policies_put_at_once_are_put_one_after_the_other(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    both = [kms.begin("alice", "PutKeyPolicy", KeyId=key_id, Policy=policy(sid)) for sid in ("first", "second")]
    assert [code_of(await one) for one in both] == ["ok", "ok"]
    versions = [event.fields["version"] for event in kms.happened("key_changed", key=key_id)]
    assert versions == [1, 2, 3]
    assert '"second"' in kms.key(key_id).regional.policy
    await kms.reboot()
    assert kms.key(key_id).version == 3


@one_region()
async def test_every_change_of_a_key_grows_its_version_by_one_however_many_come_at_once(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    begun = []
    for number in range(10):
        begun.append(kms.begin("alice", "PutKeyPolicy", KeyId=kms.arn(key_id), Policy=policy(f"p{number}")))
        begun.append(kms.begin("alice", "DisableKey" if number % 2 else "EnableKey", KeyId=key_id))
    assert {code_of(await one) for one in begun} == {"ok"}
    versions = [event.fields["version"] for event in kms.happened("key_changed", key=key_id)]
    assert versions == list(range(1, len(versions) + 1))
    assert versions[-1] == 1 + 10 + 9  # the first EnableKey found it Enabled
    changed = kms.key(key_id)
    await kms.reboot()
    assert kms.key(key_id) == changed


@one_region()
async def test_an_alias_that_moved_while_a_change_waited_is_found_where_it_is_now(kms: OneRegion) -> None:
    old, new = await kms.create_key(), await kms.create_key()
    await kms.call("alice", "CreateAlias", AliasName="alias/x", TargetKeyId=old)
    moving = kms.begin("alice", "UpdateAlias", AliasName="alias/x", TargetKeyId=new)
    leaving = kms.begin("alice", "DeleteAlias", AliasName="alias/x")
    assert [code_of(await moving), code_of(await leaving)] == ["ok", "ok"]
    (record,) = await kms.records("DeleteAlias")
    assert record["responseElements"] == {"keyId": kms.arn(new)}
    assert kms.region.state.alias(HOME, "alias/x") is None
    assert kms.region.state.aliases_of(old) == kms.region.state.aliases_of(new) == ()


@one_region()
async def test_who_waited_for_an_alias_then_waits_for_the_key_that_it_has_now(kms: OneRegion) -> None:
    old, new = await kms.create_key(), await kms.create_key()
    await kms.call("alice", "CreateAlias", AliasName="alias/x", TargetKeyId=old)
    moving = kms.begin("alice", "UpdateAlias", AliasName="alias/x", TargetKeyId=new)
    leaving = kms.begin("alice", "DeleteAlias", AliasName="alias/x")
    # Gets the new key before `leaving`, which does not know yet that it needs it; and holds it while an HSM works.
    rotating = kms.begin("alice", "RotateKeyOnDemand", KeyId=new)
    assert code_of(await moving) == "ok"
    assert code_of(await leaving) == "ok"
    assert rotating.done()
    assert code_of(await rotating) == "ok"


@one_region()
async def test_an_alias_created_twice_at_once_is_created_once(kms: OneRegion) -> None:
    first, second = await kms.create_key(), await kms.create_key()
    both = [kms.begin("alice", "CreateAlias", AliasName="alias/x", TargetKeyId=key_id) for key_id in (first, second)]
    assert [code_of(await one) for one in both] == ["ok", "AlreadyExistsException"]
    assert [alias.name for alias in kms.region.state.aliases_of(first)] == ["alias/x"]


@one_region()
async def test_two_aliases_that_change_places_at_once_do_not_wait_for_each_other_for_ever(kms: OneRegion) -> None:
    first, second = await kms.create_key(), await kms.create_key()
    await kms.call("alice", "CreateAlias", AliasName="alias/a", TargetKeyId=first)
    await kms.call("alice", "CreateAlias", AliasName="alias/b", TargetKeyId=second)
    for _ in range(5):
        a, b = kms.region.state.alias(HOME, "alias/a"), kms.region.state.alias(HOME, "alias/b")
        assert a is not None
        assert b is not None
        both = [
            kms.begin("alice", "UpdateAlias", AliasName="alias/a", TargetKeyId=b.target_key_id),
            kms.begin("alice", "UpdateAlias", AliasName="alias/b", TargetKeyId=a.target_key_id),
        ]
        assert [code_of(await one) for one in both] == ["ok", "ok"]
    swapped = kms.region.state.alias(HOME, "alias/a")
    assert swapped is not None
    assert (swapped.target_key_id, swapped.version) == (second, 6)


@one_region()
async def test_the_last_place_for_an_alias_is_given_once(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    for number in range(49):
        await kms.call("alice", "CreateAlias", AliasName=f"alias/{number}", TargetKeyId=key_id)
    begun = [kms.begin("alice", "CreateAlias", AliasName=f"alias/x{n}", TargetKeyId=key_id) for n in range(4)]
    assert sorted([code_of(await one) for one in begun]) == ["LimitExceededException"] * 3 + ["ok"]
    assert len(kms.region.state.aliases_of(key_id)) == 50


@one_region()
async def test_the_last_rotation_on_demand_is_given_once(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    await kms.put_state(key_id, KeyState.ENABLED, shared={"on_demand_rotation_count": 24})
    begun = [kms.begin("alice", "RotateKeyOnDemand", KeyId=key_id) for _ in range(3)]
    assert [code_of(await one) for one in begun] == ["ok", "LimitExceededException", "LimitExceededException"]
    assert len(kms.key(key_id).shared.materials) == 2


@one_region()
async def test_work_in_flight_may_finish_after_disable_key_and_none_begins(kms: OneRegion) -> None:
    """A cryptographic call is decided when it looks the key up; DisableKey counts from its commit."""
    key_id = await kms.create_key()
    before = [kms.begin("alice", "Encrypt", KeyId=key_id, Plaintext=b"x") for _ in range(10)]
    disabling = kms.begin("alice", "DisableKey", KeyId=key_id)
    assert code_of(await disabling) == "ok"
    after = [kms.begin("alice", "Encrypt", KeyId=key_id, Plaintext=b"x") for _ in range(10)]
    assert {code_of(await one) for one in before} == {"ok"}
    assert {code_of(await one) for one in after} == {"DisabledException"}


@one_region()
async def test_cryptography_never_waits_for_a_lock(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    changing = kms.begin("alice", "RotateKeyOnDemand", KeyId=key_id)
    encrypting = kms.begin("alice", "Encrypt", KeyId=key_id, Plaintext=b"x")
    assert code_of(await encrypting) == "ok"
    assert not changing.done()
    assert code_of(await changing) == "ok"


# ----------------------------------------------------------------------------------------------------------- the store


@one_region()
async def test_no_statement_on_the_path_of_cryptography_and_reads(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    blob = (await kms.call("alice", "Encrypt", KeyId=key_id, Plaintext=b"x"))["CiphertextBlob"]
    await tasks.sleep(200 * MILLISECOND)  # the flush of what came before
    calls: list[tuple[str, dict[str, Any]]] = [
        ("Encrypt", {"KeyId": key_id, "Plaintext": b"x"}),
        ("Decrypt", {"CiphertextBlob": blob}),
        ("GenerateDataKey", {"KeyId": key_id, "KeySpec": "AES_256"}),
        ("ReEncrypt", {"CiphertextBlob": blob, "DestinationKeyId": key_id}),
        ("DescribeKey", {"KeyId": key_id}),
        ("ListKeys", {}),
        ("GetKeyPolicy", {"KeyId": key_id}),
    ]
    for operation, parameters in calls:
        statements = kms.region.store.statement_count
        await kms.call("alice", operation, **parameters)
        assert kms.region.store.statement_count == statements, operation
        await tasks.sleep(200 * MILLISECOND)
        assert kms.region.store.statement_count > statements, "the flush"


@one_region()
async def test_a_thousand_reads_are_one_flush(kms: OneRegion) -> None:
    key_id = await kms.create_key()
    await tasks.sleep(200 * MILLISECOND)
    commits = len(kms.happened("store.commit"))
    begun = [kms.begin("alice", "DescribeKey", KeyId=key_id) for _ in range(1000)]
    assert {code_of(await one) for one in begun} == {"ok"}
    await tasks.sleep(200 * MILLISECOND)
    assert len(kms.happened("store.commit")) == commits + 1
    assert len(await kms.stored_entries()) == 1001


MANY = [f"{number:012}" for number in range(1, 201)]


@one_region(
    directory=directory_of_two_accounts(extra=[Account(account_id=account) for account in MANY]), profile="host"
)
async def test_two_hundred_keys_created_at_once_share_their_commits(kms: OneRegion) -> None:
    commits, statements = len(kms.happened("store.commit")), kms.region.store.statement_count
    replies = []
    for number, account in enumerate(MANY):
        caller = kms.region.directory.principal(account, "root")
        request_id = new_uuid(number.to_bytes(16))
        reply = tasks.future()
        kms.region.accept(
            Call(operation="CreateKey", parameters={}, caller=caller, request_id=request_id), reply.set_result
        )
        replies.append(reply)
    assert {code_of(await reply) for reply in replies} == {"ok"}
    groups = kms.happened("store.commit")[commits:]
    assert sum(event.fields["outcomes"] for event in groups) == 200  # type: ignore[misc]
    assert len(groups) < 100
    assert sum(1 for _ in kms.region.state.all_keys()) == 200
    assert (kms.region.store.statement_count - statements) / 200 < 12
    await kms.reboot()
    assert {key.account for key in kms.region.state.all_keys()} == set(MANY)
    assert len(await kms.stored_entries()) == 200


@one_region()
async def test_a_crash_in_the_middle_leaves_whole_changes_or_none(kms: OneRegion) -> None:
    keys = [await kms.create_key() for _ in range(30)]
    begun = [kms.begin("alice", "DisableKey", KeyId=key_id) for key_id in keys]
    while not any(one.done() for one in begun):
        await tasks.sleep(10_000)
    answered = {key_id for key_id, one in zip(keys, begun, strict=True) if one.done()}
    assert answered
    await kms.reboot()
    disabled = {key_id for key_id in keys if kms.key(key_id).state is KeyState.DISABLED}
    assert answered <= disabled
    recorded = [entry for entry in await kms.stored_entries() if entry.event_name == "DisableKey"]
    assert {entry.parameters["KeyId"] for entry in recorded} == disabled
