"""Material agrees: what one Region's HSM encrypts with a material, every other Region's HSM that holds it decrypts.

Asked of the HSMs themselves, after the timeline: the only way to know, since nobody else may see the bytes. Regions
that are down at the end hold what their file says and cannot be asked.
"""

from __future__ import annotations

from regionsim.invariants.key_changes import KeyChanges
from regionsim.invariants.verdicts import Finding, Kind, Kinds
from regionsim.kms.errors import InvalidCiphertextException, KeyUnavailableException, KMSInternalException
from regionsim.kms.hsm_jobs import Decrypt, Decrypted, Encrypt, Encrypted, MaterialRef
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
            for holders in _holders(simulation, key_id):
                if self.finding.checked >= _CHECKED_AT_MOST:
                    self.finding.detail = f"the first {_CHECKED_AT_MOST} materials were checked"
                    return
                await self._probe(simulation, holders)

    async def _probe(self, simulation: Simulation, holders: dict[str, MaterialRef]) -> None:
        (first, material), *others = holders.items()
        try:
            sealed = await simulation.regions[first].fleet.perform(
                Encrypt(material=material, plaintext=_PROBE, context=_CONTEXT)
            )
        except KMSInternalException:
            return  # no HSM of that Region serves: nobody can ask it
        except _NOT_USABLE:
            self.finding.checked += 1
            self._violate(simulation, f"{first} cannot use its own token", material)
            return
        assert isinstance(sealed, Encrypted)
        for region, other in others:
            opens = await _opens(simulation, region, other, sealed.blob)
            if opens is None:
                continue
            self.finding.checked += 1
            if not opens:
                self._violate(simulation, f"{region} cannot open what {first} made", material)

    def _violate(self, simulation: Simulation, what: str, material: MaterialRef) -> None:
        at_ns = simulation.clock.now_ns() - simulation.world.start_at_ns
        self.finding.violate(at_ns, f"{what} with material {material.material_id[:12]} of {material.key_id}")


async def _opens(simulation: Simulation, region: str, material: MaterialRef, blob: bytes) -> bool | None:
    """Whether the Region's HSMs open it; None when none of them answered."""
    try:
        opened = await simulation.regions[region].fleet.perform(Decrypt(material=material, blob=blob, context=_CONTEXT))
    except _NOT_USABLE:
        return False
    except KMSInternalException:
        return None
    assert isinstance(opened, Decrypted)
    return opened.plaintext == _PROBE


def _holders(simulation: Simulation, key_id: str) -> list[dict[str, MaterialRef]]:
    """For each material of a key: the Regions that hold it, two at least."""
    by_material: dict[str, dict[str, MaterialRef]] = {}
    for name, region in simulation.regions.items():
        if not region.is_up:
            continue
        for material_id in region.state.material_ids(key_id):
            material = region.state.material(key_id, material_id)
            assert material is not None
            by_material.setdefault(material_id, {})[name] = material
    return [holders for holders in by_material.values() if len(holders) > 1]
