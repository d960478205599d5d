"""Two fleets exchange backing keys over a channel that is not to be trusted."""

from dataclasses import dataclass, replace

import pytest

from regionsim.hsm.algorithms.p384 import P384Key
from regionsim.hsm.algorithms.symmetric import length_prefixed, material_id_of
from regionsim.hsm.fleet import Fleet
from regionsim.kms.errors import InvalidCiphertextException, KmsError
from regionsim.kms.hsm_jobs import (
    AcceptAgreement,
    AgreementAccepted,
    AgreementCompleted,
    AgreementOffered,
    CompleteAgreement,
    InstallMaterials,
    MaterialRef,
    MaterialsInstalled,
    MaterialsWrapped,
    OfferAgreement,
    WrapMaterials,
    WrappedMaterial,
)
from regionsim.runtime.entropy import SeededEntropy
from regionsim.runtime.tasks import sleep
from tests.unit.hsm.worlds import DAY_NS, OTHER_KEY_ID, World, create, decrypt, encrypt, in_virtual_time

SOURCE, TARGET, THIRD = "us-east-1", "eu-west-1", "ap-southeast-2"


@dataclass
class Exchange:
    """The two ends, and each message of one exchange."""

    world: World
    source: Fleet
    target: Fleet

    async def offer(self) -> AgreementOffered:
        answer = await self.target.perform(OfferAgreement(peer_region=SOURCE))
        assert isinstance(answer, AgreementOffered)
        return answer

    async def accept(self, public_key: bytes, signature: bytes, *, peer: str = TARGET) -> AgreementAccepted:
        job = AcceptAgreement(peer_region=peer, public_key=public_key, signature=signature)
        answer = await self.source.perform(job)
        assert isinstance(answer, AgreementAccepted)
        return answer

    async def complete(
        self, offer_token: bytes, public_key: bytes, signature: bytes, *, peer: str = SOURCE
    ) -> AgreementCompleted:
        job = CompleteAgreement(peer_region=peer, offer_token=offer_token, public_key=public_key, signature=signature)
        answer = await self.target.perform(job)
        assert isinstance(answer, AgreementCompleted)
        return answer

    async def agreed(self) -> tuple[bytes, bytes]:
        """The wrapping key's tokens at the source and at the target."""
        offered = await self.offer()
        accepted = await self.accept(offered.public_key, offered.signature)
        completed = await self.complete(offered.token, accepted.public_key, accepted.signature)
        return accepted.token, completed.token

    async def wrap(self, token: bytes, *materials: MaterialRef) -> tuple[WrappedMaterial, ...]:
        answer = await self.source.perform(WrapMaterials(agreement_token=token, materials=materials))
        assert isinstance(answer, MaterialsWrapped)
        return answer.materials

    async def install(self, token: bytes, *materials: WrappedMaterial) -> tuple[MaterialRef, ...]:
        answer = await self.target.perform(InstallMaterials(agreement_token=token, materials=materials))
        assert isinstance(answer, MaterialsInstalled)
        return answer.materials


async def two_regions(seed: int = 1) -> Exchange:
    world = World(seed)
    return Exchange(world, await world.started(SOURCE, 2), await world.started(TARGET, 2))


@in_virtual_time
async def test_both_regions_decrypt_each_other_s_ciphertexts() -> None:
    exchange = await two_regions()
    first, second = await create(exchange.source), await create(exchange.source, OTHER_KEY_ID)
    at_source, at_target = await exchange.agreed()
    wrapped = await exchange.wrap(at_source, first, second)
    installed = await exchange.install(at_target, *wrapped)
    assert [material.material_id for material in installed] == [first.material_id, second.material_id]
    for here, there in zip((first, second), installed, strict=True):
        assert here.token != there.token
        blob = await encrypt(exchange.source, here, b"to Europe", a="b")
        assert await decrypt(exchange.target, there, blob, a="b") == b"to Europe"
        blob = await encrypt(exchange.target, there, b"to America", a="b")
        assert await decrypt(exchange.source, here, blob, a="b") == b"to America"


@in_virtual_time
async def test_nothing_that_travels_or_is_kept_holds_a_secret() -> None:
    exchange = await two_regions()
    material = await create(exchange.source)
    offered = await exchange.offer()
    accepted = await exchange.accept(offered.public_key, offered.signature)
    completed = await exchange.complete(offered.token, accepted.public_key, accepted.signature)
    (wrapped,) = await exchange.wrap(accepted.token, material)
    (installed,) = await exchange.install(completed.token, wrapped)
    blob = await encrypt(exchange.target, installed, b"x")
    outside = [
        *(offered.public_key, offered.signature, offered.token, accepted.public_key, accepted.signature),
        *(accepted.token, completed.token, wrapped.wrapped, material.token, installed.token, blob),
    ]
    secrets = [*exchange.source.secrets_for_scan(), *exchange.target.secrets_for_scan()]
    assert len(set(secrets)) == 5, "two domain keys, two signing keys, one backing key"
    assert not any(secret in content for secret in secrets for content in outside)
    texts = repr([offered, accepted, completed, wrapped, installed]) + repr(exchange.world.trace.recent(1000))
    assert not any(secret.hex() in texts or repr(secret)[2:-1] in texts for secret in secrets)
    assert not any(token.hex() in texts or repr(token)[2:-1] in texts for token in (offered.token, accepted.token))


@in_virtual_time
async def test_an_agreement_belongs_to_its_direction() -> None:
    exchange = await two_regions()
    material = await create(exchange.source)
    at_source, at_target = await exchange.agreed()
    wrapped = await exchange.wrap(at_source, material)
    back = Exchange(exchange.world, exchange.target, exchange.source)
    with pytest.raises(InvalidCiphertextException):
        await back.wrap(at_target, *(await exchange.install(at_target, *wrapped)))
    with pytest.raises(InvalidCiphertextException):
        await back.install(at_source, *wrapped)


def flipped(content: bytes) -> list[bytes]:
    """Some ways to alter a message."""
    middle = len(content) // 2
    changed = [content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :] for at in (0, 1, middle, len(content) - 1)]
    return [*changed, content[:-1], b"", content + b"\0"]


@in_virtual_time
async def test_an_altered_offer_is_refused() -> None:
    exchange = await two_regions()
    offered = await exchange.offer()
    other = await exchange.offer()
    attempts = [
        *((public_key, offered.signature) for public_key in (*flipped(offered.public_key), other.public_key)),
        *((offered.public_key, signature) for signature in (*flipped(offered.signature), other.signature)),
    ]
    for public_key, signature in attempts:
        with pytest.raises(InvalidCiphertextException) as refused:
            await exchange.accept(public_key, signature)
        assert refused.value.message == ""


@in_virtual_time
async def test_an_altered_acceptance_is_refused() -> None:
    exchange = await two_regions()
    offered, other_offer = await exchange.offer(), await exchange.offer()
    accepted = await exchange.accept(offered.public_key, offered.signature)
    again = await exchange.accept(offered.public_key, offered.signature)
    attempts = [
        *((offered.token, public_key, accepted.signature) for public_key in flipped(accepted.public_key)),
        *((offered.token, accepted.public_key, signature) for signature in flipped(accepted.signature)),
        *((token, accepted.public_key, accepted.signature) for token in flipped(offered.token)),
        (other_offer.token, accepted.public_key, accepted.signature),
        (offered.token, again.public_key, accepted.signature),
        (accepted.token, accepted.public_key, accepted.signature),
        (offered.token, offered.public_key, offered.signature),
    ]
    for token, public_key, signature in attempts:
        with pytest.raises(KmsError):
            await exchange.complete(token, public_key, signature)


@in_virtual_time
async def test_altered_materials_are_refused_and_none_of_the_batch_is_installed() -> None:
    exchange = await two_regions()
    good, bad = await create(exchange.source), await create(exchange.source)
    at_source, at_target = await exchange.agreed()
    first, second = await exchange.wrap(at_source, good, bad)
    attempts = [
        *(replace(second, wrapped=wrapped) for wrapped in flipped(second.wrapped)),
        replace(second, key_id=OTHER_KEY_ID),
        replace(second, material_id=first.material_id),
        replace(second, wrapped=first.wrapped),
        replace(second, key_id="\ud800", material_id="x" * 100_000),
    ]
    for altered in attempts:
        with pytest.raises(InvalidCiphertextException):
            await exchange.install(at_target, first, altered)
    assert len(await exchange.install(at_target, first, second)) == 2


@in_virtual_time
async def test_altered_agreement_tokens_are_refused() -> None:
    exchange = await two_regions()
    material = await create(exchange.source)
    at_source, at_target = await exchange.agreed()
    wrapped = await exchange.wrap(at_source, material)
    other_at_source, other_at_target = await exchange.agreed()
    for token in (*flipped(at_source)[:-1], material.token, at_target):
        with pytest.raises(KmsError):
            await exchange.wrap(token, material)
    for token in (*flipped(at_target)[:-1], other_at_target, at_source):
        with pytest.raises(KmsError):
            await exchange.install(token, *wrapped)
    assert other_at_source != at_source


@in_virtual_time
async def test_every_message_may_come_twice() -> None:
    exchange = await two_regions()
    material = await create(exchange.source)
    blob = await encrypt(exchange.source, material, b"once")
    offered = await exchange.offer()
    accepted = await exchange.accept(offered.public_key, offered.signature)
    repeated = await exchange.accept(offered.public_key, offered.signature)
    assert repeated.public_key != accepted.public_key, "each acceptance makes its own key pair"
    for acceptance in (accepted, repeated, accepted):
        completed = await exchange.complete(offered.token, acceptance.public_key, acceptance.signature)
        wrapped = await exchange.wrap(acceptance.token, material)
        for _ in range(2):
            (installed,) = await exchange.install(completed.token, *wrapped)
            assert await decrypt(exchange.target, installed, blob) == b"once"


@in_virtual_time
async def test_another_region_cannot_take_either_part() -> None:
    exchange = await two_regions()
    third = await exchange.world.started(THIRD)
    offered = await exchange.offer()
    thirds_offer = await third.perform(OfferAgreement(peer_region=SOURCE))
    assert isinstance(thirds_offer, AgreementOffered)
    with pytest.raises(InvalidCiphertextException):
        await exchange.accept(thirds_offer.public_key, thirds_offer.signature, peer=TARGET)
    with pytest.raises(InvalidCiphertextException):
        await exchange.accept(offered.public_key, offered.signature, peer=THIRD)
    with pytest.raises(InvalidCiphertextException):
        await exchange.accept(offered.public_key, offered.signature, peer="sa-east-1")
    meant_for_source = AcceptAgreement(peer_region=TARGET, public_key=offered.public_key, signature=offered.signature)
    with pytest.raises(InvalidCiphertextException):
        await third.perform(meant_for_source)
    accepted = await exchange.accept(offered.public_key, offered.signature)
    with pytest.raises(InvalidCiphertextException):
        await exchange.complete(offered.token, accepted.public_key, accepted.signature, peer=THIRD)


@in_virtual_time
async def test_an_offer_to_one_region_cannot_be_completed_by_another_that_signs_well() -> None:
    exchange = await two_regions()
    offered = await exchange.offer()
    thirds_signing_key, thirds_half = (P384Key.generate(SeededEntropy(9).stream(name)) for name in "ab")
    exchange.world.registry.register(THIRD, thirds_signing_key.public)
    message = b"regionsim agreement acceptance\0" + length_prefixed(THIRD, TARGET)
    for half in (offered.public_key, thirds_half.public):
        message += len(half).to_bytes(4) + half
    with pytest.raises(InvalidCiphertextException):
        await exchange.complete(offered.token, thirds_half.public, thirds_signing_key.sign(message), peer=THIRD)


@in_virtual_time
async def test_no_region_agrees_with_itself() -> None:
    exchange = await two_regions()
    with pytest.raises(InvalidCiphertextException):
        await exchange.source.perform(OfferAgreement(peer_region=SOURCE))
    offered = await exchange.offer()
    with pytest.raises(InvalidCiphertextException):
        await exchange.accept(offered.public_key, offered.signature, peer=SOURCE)


@in_virtual_time
async def test_a_region_that_registers_a_new_signing_key_is_believed_with_that_one_only() -> None:
    exchange = await two_regions()
    offered = await exchange.offer()
    newcomer = P384Key.generate(SeededEntropy(9).stream("new signing key"))
    exchange.world.registry.register(TARGET, newcomer.public)
    with pytest.raises(InvalidCiphertextException):
        await exchange.accept(offered.public_key, offered.signature)
    message = b"regionsim agreement offer\0" + length_prefixed(SOURCE, TARGET)
    message += len(offered.public_key).to_bytes(4) + offered.public_key
    await exchange.accept(offered.public_key, newcomer.sign(message))


@in_virtual_time
async def test_a_material_whose_name_does_not_fit_its_bytes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that lies about the name (a faulty HSM) is found out by the target, which computes it anew."""
    exchange = await two_regions()
    with monkeypatch.context() as patched:
        patched.setattr("regionsim.hsm.memory.material_id_of", lambda key_id, raw: material_id_of("another", raw))
        misnamed = await create(exchange.source)
    at_source, at_target = await exchange.agreed()
    wrapped = await exchange.wrap(at_source, misnamed)
    with pytest.raises(InvalidCiphertextException):
        await exchange.install(at_target, *wrapped)


@in_virtual_time
async def test_a_material_of_a_spec_that_is_not_offered_here_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    exchange = await two_regions()
    at_source, at_target = await exchange.agreed()
    wrapped = await exchange.wrap(at_source, await create(exchange.source))
    with monkeypatch.context() as patched:
        patched.setattr("regionsim.hsm.memory.is_offered", lambda spec, partition: False)
        with pytest.raises(InvalidCiphertextException):
            await exchange.install(at_target, *wrapped)


@in_virtual_time
async def test_wrapping_for_another_region_renews_retired_tokens_and_outlives_a_rotation() -> None:
    exchange = await two_regions()
    old = await create(exchange.source)
    at_source, at_target = await exchange.agreed()
    await sleep(DAY_NS)
    exchange.source.rotate_domain_key()
    exchange.target.rotate_domain_key()
    answer = await exchange.source.perform(WrapMaterials(agreement_token=at_source, materials=(old,)))
    assert isinstance(answer, MaterialsWrapped)
    assert [renewed.material_id for renewed in answer.rewrapped] == [old.material_id]
    (installed,) = await exchange.install(at_target, *answer.materials)
    assert installed.material_id == old.material_id


@in_virtual_time
async def test_one_seed_gives_one_exchange() -> None:
    runs = []
    for seed in (1, 1, 2):
        exchange = await two_regions(seed)
        at_source, at_target = await exchange.agreed()
        wrapped = await exchange.wrap(at_source, await create(exchange.source))
        runs.append((at_source, at_target, wrapped))
    assert runs[0] == runs[1]
    assert not set(runs[0]) & set(runs[2])
