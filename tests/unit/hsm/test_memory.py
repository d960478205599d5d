"""The jobs of the request path and the upkeep of tokens, through a fleet of one HSM."""

import pytest

from regionsim.hsm import memory
from regionsim.hsm.tokens import domain_key_id_of
from regionsim.kms.ciphertext import parse
from regionsim.kms.encryption_context import canonical
from regionsim.kms.errors import InvalidCiphertextException, KeyUnavailableException, KmsError
from regionsim.kms.hsm_jobs import (
    BlobKind,
    DataKeyGenerated,
    Decrypt,
    Decrypted,
    Encrypt,
    Encrypted,
    GenerateDataKey,
    GenerateRandom,
    MaterialRef,
    RandomGenerated,
    ReEncrypt,
    RewrapTokens,
    SecretOpened,
    SecretSealed,
    TokensRewrapped,
)
from regionsim.kms.secret_jobs import OpenSecret, RewrapSecret, SealSecret
from regionsim.names.ids import is_material_id, key_id_bytes
from regionsim.runtime.tasks import sleep
from tests.unit.hsm.worlds import (
    DAY_NS,
    EMPTY_CONTEXT,
    KEY_ID,
    OTHER_KEY_ID,
    World,
    create,
    decrypt,
    encrypt,
    in_virtual_time,
)


@in_virtual_time
async def test_a_new_backing_key_has_a_name_and_a_token() -> None:
    fleet = await World().started()
    first, second = await create(fleet), await create(fleet)
    assert first.key_id == second.key_id == KEY_ID
    assert is_material_id(first.material_id)
    assert first.material_id != second.material_id
    assert domain_key_id_of(first.token) == fleet.domain_keys[-1].id


@pytest.mark.parametrize("plaintext", [b"x", b"order 4711", b"p" * 4096, bytes(35), bytes(36)])
@in_virtual_time
async def test_decrypt_undoes_encrypt(plaintext: bytes) -> None:
    fleet = await World().started()
    material = await create(fleet)
    blob = await encrypt(fleet, material, plaintext, tenant="a", purpose="b")
    assert await decrypt(fleet, material, blob, purpose="b", tenant="a") == plaintext
    header = parse(blob)
    assert (header.kind, header.key_id_bytes) == (BlobKind.PLAINTEXT, key_id_bytes(KEY_ID))
    assert header.material_prefix == bytes.fromhex(material.material_id)[:16]
    assert len(header.sealed) == len(plaintext) + 27


@in_virtual_time
async def test_the_same_plaintext_twice_gives_different_blobs() -> None:
    fleet = await World().started()
    material = await create(fleet)
    one, other = [parse(await encrypt(fleet, material, b"same")) for _ in range(2)]
    assert one.nonce != other.nonce
    assert one.iv != other.iv
    assert one.sealed != other.sealed


@in_virtual_time
async def test_wrong_context_wrong_material_and_altered_blobs_are_one_refusal_without_text() -> None:
    fleet = await World().started()
    material, newer, other_key = await create(fleet), await create(fleet), await create(fleet, OTHER_KEY_ID)
    blob = await encrypt(fleet, material, b"secret", a="bc")
    attempts = [
        (material, blob, {}),
        (material, blob, {"ab": "c"}),
        (material, blob, {"A": "bc"}),
        (material, blob, {"a": "bc", "d": ""}),
        (newer, blob, {"a": "bc"}),
        (other_key, blob, {"a": "bc"}),
        (material, b"", {"a": "bc"}),
        (material, b"garbage" * 30, {"a": "bc"}),
        *((material, blob[:at] + bytes([blob[at] ^ 0x10]) + blob[at + 1 :], {"a": "bc"}) for at in range(len(blob))),
    ]
    for used, presented, context in attempts:
        with pytest.raises(InvalidCiphertextException) as refused:
            await decrypt(fleet, used, presented, **context)
        assert refused.value.message == ""
        assert refused.value.__cause__ is None
    assert await decrypt(fleet, material, blob, a="bc") == b"secret"


@in_virtual_time
async def test_the_kind_in_the_clear_header_cannot_be_changed() -> None:
    fleet = await World().started()
    material = await create(fleet)
    blob = await encrypt(fleet, material, b"secret")
    with pytest.raises(InvalidCiphertextException):
        await decrypt(fleet, material, blob[:2] + b"\x03" + blob[3:])


@pytest.mark.parametrize("wants_plaintext", [True, False])
@in_virtual_time
async def test_a_data_key_is_returned_wrapped_and_perhaps_plain(wants_plaintext: bool) -> None:
    fleet = await World().started()
    material = await create(fleet)
    job = GenerateDataKey(
        material=material, context=canonical({"a": "b"}), byte_count=32, wants_plaintext=wants_plaintext
    )
    answer = await fleet.perform(job)
    assert isinstance(answer, DataKeyGenerated)
    assert parse(answer.blob).kind is BlobKind.DATA_KEY
    data_key = await decrypt(fleet, material, answer.blob, a="b")
    assert len(data_key) == 32
    assert answer.plaintext == (data_key if wants_plaintext else None)


@in_virtual_time
async def test_random_bytes_come_in_the_number_asked_for() -> None:
    fleet = await World().started()
    answers = [await fleet.perform(GenerateRandom(byte_count=count)) for count in (1, 1024, 1024)]
    drawn = [answer.random_bytes for answer in answers if isinstance(answer, RandomGenerated)]
    assert [len(content) for content in drawn] == [1, 1024, 1024]
    assert drawn[1] != drawn[2]


@pytest.mark.parametrize("kind", list(BlobKind))
@in_virtual_time
async def test_reencrypt_moves_the_plaintext_to_another_key_and_context(kind: BlobKind) -> None:
    fleet = await World().started()
    source, destination = await create(fleet), await create(fleet, OTHER_KEY_ID)
    if kind is BlobKind.PLAINTEXT:
        blob = await encrypt(fleet, source, b"moved", a="1")
    else:
        job = GenerateDataKey(material=source, context=canonical({"a": "1"}), byte_count=16, wants_plaintext=False)
        blob = (await fleet.perform(job)).blob  # type: ignore[attr-defined]
    before = await decrypt(fleet, source, blob, a="1")
    answer = await fleet.perform(
        ReEncrypt(
            source=source,
            blob=blob,
            source_context=canonical({"a": "1"}),
            destination=destination,
            destination_context=canonical({"b": "2"}),
        )
    )
    assert isinstance(answer, Encrypted)
    assert await decrypt(fleet, destination, answer.blob, b="2") == before
    assert parse(answer.blob).kind is kind
    with pytest.raises(InvalidCiphertextException):
        await decrypt(fleet, source, answer.blob, b="2")


@in_virtual_time
async def test_reencrypt_with_a_wrong_source_context_is_refused() -> None:
    fleet = await World().started()
    material = await create(fleet)
    blob = await encrypt(fleet, material, b"x", a="1")
    job = ReEncrypt(
        source=material,
        blob=blob,
        source_context=EMPTY_CONTEXT,
        destination=material,
        destination_context=EMPTY_CONTEXT,
    )
    with pytest.raises(InvalidCiphertextException):
        await fleet.perform(job)


@in_virtual_time
async def test_a_key_at_hand_serves_only_its_own_token_and_names() -> None:
    fleet = await World().started()
    material, other = await create(fleet), await create(fleet)
    await encrypt(fleet, material, b"x")
    forged = [
        MaterialRef(key_id=OTHER_KEY_ID, material_id=material.material_id, token=material.token),
        MaterialRef(key_id=KEY_ID, material_id=other.material_id, token=material.token),
        MaterialRef(key_id=KEY_ID, material_id=material.material_id, token=other.token),
        MaterialRef(key_id=KEY_ID, material_id=material.material_id, token=b""),
        MaterialRef(key_id=KEY_ID, material_id=material.material_id, token=material.token[:-1] + b"\0"),
    ]
    for reference in forged:
        with pytest.raises(KmsError):
            await encrypt(fleet, reference, b"x")


# -------------------------------------------------------------------------------------------- tokens and domain rotation


async def one_rotation_later(*, is_at_hand: bool):
    """A key whose token is under a retired domain key, at an HSM that has the key at hand or not."""
    fleet = await World().started()
    material = await create(fleet)
    blob = await encrypt(fleet, material, b"kept")
    if not is_at_hand:
        token, sealing_key = fleet.seal_domain(b"k" * 32), b"k" * 32
        fleet.zeroise(0)
        await fleet.restore_domain(token, sealing_key)
    await sleep(DAY_NS)
    fleet.rotate_domain_key()
    return fleet, material, blob


@pytest.mark.parametrize("is_at_hand", [True, False])
@in_virtual_time
async def test_a_token_under_a_retired_domain_key_works_and_is_wrapped_anew(is_at_hand: bool) -> None:
    fleet, old, blob = await one_rotation_later(is_at_hand=is_at_hand)
    retired, active = fleet.domain_keys
    answer = await fleet.perform(Decrypt(material=old, blob=blob, context=EMPTY_CONTEXT))
    assert isinstance(answer, Decrypted)
    assert answer.plaintext == b"kept"
    (renewed,) = answer.rewrapped
    assert (renewed.key_id, renewed.material_id) == (old.key_id, old.material_id)
    assert (domain_key_id_of(old.token), domain_key_id_of(renewed.token)) == (retired.id, active.id)
    again = await fleet.perform(Decrypt(material=renewed, blob=blob, context=EMPTY_CONTEXT))
    assert again == Decrypted(plaintext=b"kept")


@in_virtual_time
async def test_every_job_that_uses_a_token_wraps_it_anew() -> None:
    fleet, old, blob = await one_rotation_later(is_at_hand=True)
    other = await create(fleet, OTHER_KEY_ID)
    context = EMPTY_CONTEXT
    jobs = [
        Encrypt(material=old, plaintext=b"x", context=context),
        GenerateDataKey(material=old, context=context, byte_count=16, wants_plaintext=False),
        ReEncrypt(source=old, blob=blob, source_context=context, destination=old, destination_context=context),
        ReEncrypt(source=old, blob=blob, source_context=context, destination=other, destination_context=context),
    ]
    for job in jobs:
        answer = await fleet.perform(job)
        assert [renewed.material_id for renewed in answer.rewrapped] == [old.material_id], job
    assert (await fleet.perform(Encrypt(material=other, plaintext=b"x", context=context))).rewrapped == ()


@in_virtual_time
async def test_a_batch_of_tokens_is_wrapped_anew_in_order() -> None:
    fleet, old, blob = await one_rotation_later(is_at_hand=False)
    fresh = await create(fleet)
    answer = await fleet.perform(RewrapTokens(materials=(old, fresh)))
    assert isinstance(answer, TokensRewrapped)
    assert [renewed.material_id for renewed in answer.materials] == [old.material_id, fresh.material_id]
    assert {domain_key_id_of(renewed.token) for renewed in answer.materials} == {fleet.domain_keys[-1].id}
    assert await decrypt(fleet, answer.materials[0], blob) == b"kept"
    with pytest.raises(InvalidCiphertextException):
        await fleet.perform(
            RewrapTokens(materials=(MaterialRef(key_id=OTHER_KEY_ID, material_id=old.material_id, token=old.token),))
        )


@in_virtual_time
async def test_after_the_retention_an_old_token_is_lost_even_for_a_key_at_hand() -> None:
    fleet, old, blob = await one_rotation_later(is_at_hand=True)
    (renewed,) = (await fleet.perform(Decrypt(material=old, blob=blob, context=EMPTY_CONTEXT))).rewrapped
    await sleep(29 * DAY_NS)
    fleet.rotate_domain_key()
    assert await decrypt(fleet, old, blob) == b"kept"
    await sleep(DAY_NS)
    fleet.rotate_domain_key()
    with pytest.raises(KeyUnavailableException):
        await decrypt(fleet, old, blob)
    assert await decrypt(fleet, renewed, blob) == b"kept"


@in_virtual_time
async def test_no_more_keys_stay_at_hand_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "KEYS_AT_HAND", 3)
    fleet = await World().started()
    materials = [await create(fleet) for _ in range(5)]
    assert len(list(fleet.secrets_for_scan())) == 2 + 3
    blobs = [await encrypt(fleet, material, b"x") for material in materials]
    assert [await decrypt(fleet, *pair) for pair in zip(materials, blobs, strict=True)] == [b"x"] * 5
    assert len(list(fleet.secrets_for_scan())) == 2 + 3


# ------------------------------------------------------------------------------------------------------------ determinism


async def some_bytes(world: World) -> list[bytes]:
    fleet = await world.started(hsm_count=2)
    material = await create(fleet)
    blobs = [await encrypt(fleet, material, b"x") for _ in range(4)]
    fleet.rotate_domain_key()
    answer = await fleet.perform(RewrapTokens(materials=(material,)))
    assert isinstance(answer, TokensRewrapped)
    return [material.token, *blobs, answer.materials[0].token, *fleet.secrets_for_scan()]


@in_virtual_time
async def test_one_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    first, again, other = [await some_bytes(World(seed)) for seed in (1, 1, 2)]
    assert first == again
    assert not set(first) & set(other)


@in_virtual_time
async def test_no_two_hsms_of_a_world_share_a_stream() -> None:
    world = World()
    drawn = []
    for region in ("us-east-1", "eu-west-1"):
        fleet = await world.started(region, hsm_count=3)
        drawn += [hsm.draw(32) for hsm in fleet.hsms]
    assert len(set(drawn)) == 6


# -------------------------------------------------------------------------------------------------------- the blob format

_OLD_BACKING_KEY = bytes(range(32))
_OLD_BLOB = bytes.fromhex(
    "01020200781234abcd1234abcd1234abcd1234abcdabababababababababababababababab01000102030405060708090a0b"
    "0c0d0e0f00000068306606092a864886f70d010706a0593057020100305206092a864886f70d010701301e06096086480165"
    "0304012e3011040c101112131415161718191a1b020110802586829bd6ef079cc11dcb6dbf5f516d80126a1f466a858160df"
    "b3208231269289e66b31ad44"
)


def backing_key(key_id: str = KEY_ID) -> memory.BackingKey:
    material = memory.ClearMaterial(
        key_id=key_id, material_id="ab" * 32, spec="SYMMETRIC_DEFAULT", raw=_OLD_BACKING_KEY
    )
    return memory.BackingKey(material, b"\x01tokn")


def test_a_blob_of_the_first_version_still_opens() -> None:
    """Ciphertexts outlive releases: this one was made when the format was settled."""
    assert backing_key().decrypt(_OLD_BLOB, canonical({"tenant": "a"})) == (BlobKind.PLAINTEXT, b"order 4711")


def test_two_keys_with_the_same_bytes_do_not_open_each_other_s_blobs() -> None:
    """Imported material may be the same for two KMS keys."""
    with pytest.raises(InvalidCiphertextException):
        backing_key(OTHER_KEY_ID).decrypt(_OLD_BLOB, canonical({"tenant": "a"}))


@pytest.mark.parametrize("inner", ["0202" + "00" * 5, "0103" + "00" * 5, "0102" + "00" * 4 + "01"])
def test_an_inner_header_that_does_not_fit_is_refused(inner: str) -> None:
    key = backing_key()
    wrong_start = key.form_of(BlobKind.PLAINTEXT)._replace(inner=bytes.fromhex(inner))
    blob = key.encrypt(wrong_start, b"x", EMPTY_CONTEXT, bytes(28))
    with pytest.raises(InvalidCiphertextException):
        key.decrypt(blob, EMPTY_CONTEXT)
    assert (
        key.decrypt(key.encrypt(key.form_of(BlobKind.PLAINTEXT), b"x", EMPTY_CONTEXT, bytes(28)), EMPTY_CONTEXT)[1]
        == b"x"
    )


@in_virtual_time
async def test_the_secret_of_a_key_store_is_opened_for_that_store_alone() -> None:
    fleet, *_ = await one_rotation_later(is_at_hand=False)
    sealed = await fleet.perform(SealSecret(store_id="cks-1", secret="correct-horse"))
    assert isinstance(sealed, SecretSealed)
    assert b"correct-horse" not in sealed.token
    assert "correct-horse" not in repr(SealSecret(store_id="cks-1", secret="correct-horse"))
    opened = await fleet.perform(OpenSecret(store_id="cks-1", token=sealed.token))
    assert opened == SecretOpened(secret="correct-horse")
    assert "correct-horse" not in repr(opened)
    for store_id, token in (("cks-2", sealed.token), ("cks-1", sealed.token[:-1])):
        with pytest.raises(InvalidCiphertextException):
            await fleet.perform(OpenSecret(store_id=store_id, token=token))
    fleet.rotate_domain_key()
    again = await fleet.perform(RewrapSecret(store_id="cks-1", token=sealed.token))
    assert isinstance(again, SecretSealed)
    assert domain_key_id_of(again.token) == fleet.domain_keys[-1].id != domain_key_id_of(sealed.token)
    assert await fleet.perform(OpenSecret(store_id="cks-1", token=again.token)) == opened
