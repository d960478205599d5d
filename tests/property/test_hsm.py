"""The HSM fleet under arbitrary plaintexts, contexts, arrivals and faults."""

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regionsim.hsm.fleet import Fleet
from regionsim.hsm.hsm import HsmState
from regionsim.kms.errors import InvalidCiphertextException, KmsError, KMSInternalException
from regionsim.kms.hsm_jobs import Decrypt, GenerateRandom, HsmAnswer, MaterialRef
from regionsim.runtime.loop import run_virtual
from regionsim.runtime.tasks import now_ns, sleep
from tests.unit.hsm.worlds import DAY_NS, World, create, decrypt, encrypt, fixed_profile

_WORDS = st.text(alphabet="ab", max_size=3)
_CONTEXTS = st.dictionaries(_WORDS, _WORDS, max_size=3)


@given(st.binary(min_size=1, max_size=200), _CONTEXTS, _CONTEXTS, st.integers(0, 2**32))
def test_a_blob_opens_with_its_own_context_and_no_other(
    plaintext: bytes, context: dict[str, str], other: dict[str, str], seed: int
) -> None:
    async def main() -> None:
        fleet = await World(seed).started()
        material = await create(fleet)
        blob = await encrypt(fleet, material, plaintext, **context)
        assert await decrypt(fleet, material, blob, **context) == plaintext
        if other != context:
            with pytest.raises(InvalidCiphertextException):
                await decrypt(fleet, material, blob, **other)

    run_virtual(main())


@given(st.integers(0, 183), st.integers(1, 255))
def test_no_altered_blob_opens(position: int, flipped: int) -> None:
    async def main() -> None:
        fleet = await World().started()
        material = await create(fleet)
        blob = await encrypt(fleet, material, b"p" * 32, a="b")
        altered = blob[:position] + bytes([blob[position] ^ flipped]) + blob[position + 1 :]
        with pytest.raises(InvalidCiphertextException):
            await decrypt(fleet, material, altered, a="b")

    run_virtual(main())


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=25),
    st.integers(1, 20),
    st.integers(0, 20),
)
def test_one_hsm_is_a_first_come_first_served_queue(gaps: list[int], service_ns: int, transit_ns: int) -> None:
    """Lindley's recurrence, computed beside the actor."""
    expected, arrived_ns, free_ns = [], 0, 0
    for gap_ns in gaps:
        arrived_ns += gap_ns
        free_ns = max(free_ns, arrived_ns) + service_ns
        expected.append(free_ns + transit_ns)

    async def main() -> list[int]:
        world = World()
        fleet = await world.started(profile=fixed_profile(service_ns, transit_ns))

        async def ask() -> int:
            assert isinstance(await fleet.perform(GenerateRandom(byte_count=1)), HsmAnswer)
            return now_ns()

        tasks = []
        for gap_ns in gaps:
            if gap_ns:
                await sleep(gap_ns)
            tasks.append(world.spawn(ask()))
        answered = [await task for task in tasks]
        assert fleet.busy_ns == service_ns * len(gaps)
        return answered

    assert run_virtual(main()) == expected


_FAULTS = ["zeroise", "restart", "go_offline", "come_online"]
_STEPS = st.lists(
    st.tuples(st.sampled_from(["create", "use", "rotate", "recover", *_FAULTS]), st.integers(0, 1)),
    max_size=30,
)


class Tenant:
    """Keys of a Region as its hosts keep them, and what was encrypted under each."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.kept: list[tuple[MaterialRef, bytes]] = []

    async def create(self) -> None:
        try:
            material = await create(self.fleet)
            self.kept.append((material, await encrypt(self.fleet, material, b"kept")))
        except KMSInternalException:
            assert not self.fleet.is_serving

    async def use(self, index: int) -> None:
        """Decrypt, and keep the token that came back wrapped anew."""
        material, blob = self.kept[index % len(self.kept)]
        try:
            answer = await self.fleet.perform(Decrypt(material=material, blob=blob, context=b"\0\0"))
        except KMSInternalException:
            assert not self.fleet.is_serving
            return
        assert answer.plaintext == b"kept"
        for renewed in answer.rewrapped:
            self.kept[index % len(self.kept)] = (renewed, blob)


@settings(max_examples=300)
@given(_STEPS, st.integers(0, 1000))
def test_keys_outlive_faults_as_long_as_the_domain_does(steps: list[tuple[str, int]], seed: int) -> None:
    """Whatever happens to HSMs: a Region that serves decrypts what it encrypted, and one that does not answers with a 500.

    A sealed domain token is made after each rotation, so recovery loses nothing. Tokens follow by lazy re-wrapping.
    """
    sealing_key = b"k" * 32

    async def main() -> None:
        fleet = await World(seed).started(hsm_count=2)
        tenant = Tenant(fleet)
        await tenant.create()
        token = fleet.seal_domain(sealing_key)
        for step, index in steps:
            match step:
                case "create":
                    await tenant.create()
                case "use":
                    await tenant.use(index)
                case "rotate" if fleet.is_serving:
                    await sleep(DAY_NS)
                    fleet.rotate_domain_key()
                    token = fleet.seal_domain(sealing_key)
                case "rotate":
                    await sleep(DAY_NS)
                case "restart":
                    await fleet.restart(index)
                case "recover":
                    await fleet.restore_domain(token, sealing_key)
                case _:
                    getattr(fleet, step)(index)
            assert_consistent(fleet)
        for index in range(2):
            fleet.come_online(index)
        await fleet.restore_domain(token, sealing_key)
        assert [hsm.state for hsm in fleet.hsms] == [HsmState.OPERATIONAL] * 2
        for material, blob in tenant.kept:
            assert [await decrypt(fleet, material, blob) for _ in range(2)] == [b"kept"] * 2

    run_virtual(main())


def assert_consistent(fleet: Fleet) -> None:
    domains = {tuple(hsm.domain.keys) for hsm in fleet.hsms if hsm.domain is not None}
    assert len(domains) <= 1, "members know one domain, whether they are in reach or not"
    for hsm in fleet.hsms:
        assert (hsm.domain is None) == (hsm.state is not HsmState.OPERATIONAL)
        assert (hsm.domain is None) == (not list(hsm.secrets_for_scan()))


@given(st.binary(max_size=200), st.binary(max_size=40))
def test_forged_tokens_and_blobs_are_refusals_and_nothing_else(token: bytes, blob: bytes) -> None:
    async def main() -> None:
        fleet = await World().started()
        material = await create(fleet)
        forgeries: Iterable[bytes] = (token, material.token[: len(token)] + token, material.token + token + b"\0")
        for forged in forgeries:
            reference = MaterialRef(key_id=material.key_id, material_id=material.material_id, token=forged)
            with pytest.raises(KmsError):
                await decrypt(fleet, reference, blob)

    run_virtual(main())
