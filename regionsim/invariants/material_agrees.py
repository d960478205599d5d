"""Material agrees: what one Region's HSM does with a material, every other holder can undo or repeat.

What one encrypts, the others decrypt; of HMAC keys all give the same MAC, of key pairs the same public key. Asked of
the HSMs themselves, after the timeline: the only way to know, since nobody else may see the bytes. Regions that are
down at the end hold what their file says and cannot be asked.
"""

from __future__ import annotations

from regionsim.invariants.key_changes import KeyChanges
from regionsim.invariants.verdicts import Finding, Kind, Kinds
from regionsim.kms.errors import InvalidCiphertextException, KeyUnavailableException, KMSInternalException
from regionsim.kms.hsm_jobs import (
    Decrypt,
    Decrypted,
    Encrypt,
    Encrypted,
    GenerateMac,
    HsmAnswer,
    HsmJob,
    MacGenerated,
    MaterialRef,
    PublicKeyRead,
    ReadPublicKey,
)
from regionsim.kms.key_specs import KeySpec, is_mac, is_symmetric
from regionsim.runtime.trace import Event
from regionsim.simulation.simulation import Simulation

_PROBE = b"the same in every Region"
_CONTEXT = b""
_CHECKED_AT_MOST = 2_000
_NOT_USABLE = (InvalidCiphertextException, KeyUnavailableException)
"""Not that key, or a token that this Region's HSMs have no domain key for."""


class MaterialAgrees:
    """One encryption by the first holder, one decryption by each other, for up to 2,000 materials."""

    kinds: Kinds = frozenset()

    def __init__(self, changes: KeyChanges) -> None:
        self.finding = Finding(name="material_agrees", kind=Kind.SAFETY)
        self._changes = changes

    def watch(self, event: Event) -> None:
        """Nothing: this is about the end."""

    async def conclude(self, simulation: Simulation) -> None:
        """Probe every material that two Regions hold."""
        for key_id in self._changes.key_ids():
            for spec, holders in _holders(simulation, key_id):
                if self.finding.checked >= _CHECKED_AT_MOST:
                    self.finding.detail = f"the first {_CHECKED_AT_MOST} materials were checked"
                    return
                await self._probe(simulation, spec, holders)

    async def _probe(self, simulation: Simulation, spec: KeySpec, holders: dict[str, MaterialRef]) -> None:
        (first, material), *others = holders.items()
        try:
            given = await simulation.regions[first].fleet.perform(_first_job(spec, material))
        except KMSInternalException:
            return  # no HSM of that Region serves: nobody can ask it
        except _NOT_USABLE:
            self.finding.checked += 1
            self._violate(simulation, f"{first} cannot use its own token", material)
            return
        for region, other in others:
            agrees = await _agrees(simulation, region, spec, other, given)
            if agrees is None:
                continue
            self.finding.checked += 1
            if not agrees:
                self._violate(simulation, f"{region} cannot open what {first} made", material)

    def _violate(self, simulation: Simulation, what: str, material: MaterialRef) -> None:
        at_ns = simulation.clock.now_ns() - simulation.world.start_at_ns
        self.finding.violate(at_ns, f"{what} with material {material.material_id[:12]} of {material.key_id}")


def _first_job(spec: KeySpec, material: MaterialRef) -> HsmJob:
    if is_symmetric(spec):
        return Encrypt(material=material, plaintext=_PROBE, context=_CONTEXT)
    if is_mac(spec):
        return GenerateMac(material=material, spec=spec, message=_PROBE)
    return ReadPublicKey(material=material, spec=spec)


async def _agrees(
    simulation: Simulation, region: str, spec: KeySpec, material: MaterialRef, given: HsmAnswer
) -> bool | None:
    """Whether the Region's HSMs have what the first had that gave this; None when none of them answered."""
    job = _first_job(spec, material)
    if isinstance(given, Encrypted):
        job = Decrypt(material=material, blob=given.blob, context=_CONTEXT)
    try:
        answer = await simulation.regions[region].fleet.perform(job)
    except _NOT_USABLE:
        return False
    except KMSInternalException:
        return None
    match answer:
        case Decrypted():
            return answer.plaintext == _PROBE
        case MacGenerated():
            return isinstance(given, MacGenerated) and answer.mac == given.mac
        case _:
            assert isinstance(answer, PublicKeyRead)
            return isinstance(given, PublicKeyRead) and answer.public_key == given.public_key


def _holders(simulation: Simulation, key_id: str) -> list[tuple[KeySpec, dict[str, MaterialRef]]]:
    """For each material of a key: its spec, and the Regions that hold it, two at least."""
    by_material: dict[str, dict[str, MaterialRef]] = {}
    specs: dict[str, KeySpec] = {}
    for name, region in simulation.regions.items():
        if not region.is_up:
            continue
        for material_id in region.state.material_ids(key_id):
            material = region.state.material(key_id, material_id)
            assert material is not None
            by_material.setdefault(material_id, {})[name] = material
            key = region.state.key(key_id)
            if key is not None:
                specs[material_id] = key.shared.spec
    return [(specs[one], holders) for one, holders in by_material.items() if len(holders) > 1 and one in specs]
