"""Key material from one Region's HSMs to another's: agreements, requests, batches.

The Region that lacks material opens an agreement (its HSM makes a key pair and signs the public half) and asks; the
other Region's HSM accepts it, both derive the same replication wrapping key, and any number of backing keys travel
under it. An agreement lives for a day or until one side's hosts crash: a request always carries its offer, a batch
always its acceptance, so either side can begin anew at any message. A request of which nothing can be given
is answered, too, and what cannot be given holds up nothing else. What the hosts remember of an agreement is
wrapped by their HSMs.

Source: AWS KMS Cryptographic Details, "Replication process for multi-Region keys".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field

from regionsim.kms.errors import KeyUnavailableException
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
from regionsim.kms.messages import AgreementHalf, MaterialBatch, MaterialRequest
from regionsim.names.dataclass import dataclass
from regionsim.region.incarnation import Incarnation
from regionsim.runtime.clock import NS_PER_DAY

MATERIALS_PER_BATCH = 32


@dataclass(slots=True, kw_only=True)
class _Offer:
    """Our open offer to one Region, and the replication wrapping keys agreed under it, by the other's public half.

    `made_at_ns` is by the Region's clock, as the life of the domain key is that its token is under.
    """

    half: AgreementHalf
    token: bytes = field(repr=False)
    made_at_ns: int
    agreed: dict[bytes, bytes] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Acceptance:
    """The last offer of one Region that we accepted."""

    offer: AgreementHalf
    half: AgreementHalf
    token: bytes = field(repr=False)


class Exchange:
    """Both sides of the exchange, for one incarnation of a Region's hosts."""

    def __init__(self, host: Incarnation) -> None:
        self._host = host
        self._offers: dict[str, _Offer] = {}
        self._acceptances: dict[str, _Acceptance] = {}

    async def request(self, peer: str, wanted: Sequence[tuple[str, str]]) -> MaterialRequest:
        """The message that asks `peer` for the materials (key id, material id). Errors: ServerFault."""
        offer = await self._offer(peer)
        return MaterialRequest(offer=offer.half, wanted=tuple(wanted[:MATERIALS_PER_BATCH]))

    async def serve(self, peer: str, request: MaterialRequest) -> MaterialBatch | None:
        """What `peer` asked for, as far as it is there and `peer` is entitled to it; None when nothing is.

        Errors: InvalidCiphertextException for an offer that is not that Region's, ServerFault.
        """
        materials = self._entitled(peer, request)
        if not materials:
            return None
        acceptance = await self._accept(peer, request.offer)
        wrapped = await self._wrapped(peer, acceptance.token, materials)
        if not wrapped:
            self._acceptances.pop(peer, None)  # should it be the agreement that our HSMs know no more
            return None
        return MaterialBatch(offer=request.offer, acceptance=acceptance.half, materials=wrapped)

    async def install(self, peer: str, batch: MaterialBatch) -> tuple[MaterialRef, ...]:
        """The batch's materials under our own domain key; none when it answers an offer that we no longer have.

        Errors: InvalidCiphertextException for anything altered on the way, ServerFault.
        """
        offer = self._offers.get(peer)
        if offer is None or offer.half != batch.offer:
            return ()
        token = await self._complete(peer, offer, batch.acceptance)
        installed = await self._host.perform(InstallMaterials(agreement_token=token, materials=batch.materials))
        assert isinstance(installed, MaterialsInstalled)
        return installed.materials

    def forget(self, peer: str) -> None:
        """Begin anew with `peer` at the next request."""
        self._offers.pop(peer, None)

    def _entitled(self, peer: str, request: MaterialRequest) -> tuple[MaterialRef, ...]:
        """The materials that we hold of keys whose set has `peer` in it: no Region gets a stranger's key."""
        found = []
        for key_id, material_id in request.wanted[:MATERIALS_PER_BATCH]:
            key = self._host.state.key(key_id)
            material = self._host.state.material(key_id, material_id)
            if key is not None and material is not None and peer in key.shared.regions:
                found.append(material)
        return tuple(found)

    async def _wrapped(
        self, peer: str, token: bytes, materials: tuple[MaterialRef, ...]
    ) -> tuple[WrappedMaterial, ...]:
        """The materials that our HSMs can still unwrap, wrapped for `peer`; one that is lost holds up no other.

        Errors: ServerFault when no HSM serves.
        """
        try:
            wrapped = await self._host.perform(WrapMaterials(agreement_token=token, materials=materials))
        except KeyUnavailableException as refusal:
            if len(materials) == 1:
                fields = {"peer": peer, "error": refusal.code, "key": materials[0].key_id}
                self._host.trace.emit(self._host.region, "exchange_failed", **fields)
                return ()
            middle = len(materials) // 2
            first = await self._wrapped(peer, token, materials[:middle])
            return (*first, *await self._wrapped(peer, token, materials[middle:]))
        assert isinstance(wrapped, MaterialsWrapped)
        return wrapped.materials

    async def _offer(self, peer: str) -> _Offer:
        async with self._host.locks.hold([f"offer/{peer}"]):
            known = self._offers.get(peer)
            if known is not None and self._host.clock.now_ns() - known.made_at_ns < NS_PER_DAY:
                return known
            offered = await self._host.perform(OfferAgreement(peer_region=peer))
            assert isinstance(offered, AgreementOffered)
            half = AgreementHalf(public_key=offered.public_key, signature=offered.signature)
            offer = self._offers[peer] = _Offer(half=half, token=offered.token, made_at_ns=self._host.clock.now_ns())
            return offer

    async def _accept(self, peer: str, offer: AgreementHalf) -> _Acceptance:
        async with self._host.locks.hold([f"acceptance/{peer}"]):
            known = self._acceptances.get(peer)
            if known is not None and known.offer == offer:
                return known
            job = AcceptAgreement(peer_region=peer, public_key=offer.public_key, signature=offer.signature)
            accepted = await self._host.perform(job)
            assert isinstance(accepted, AgreementAccepted)
            half = AgreementHalf(public_key=accepted.public_key, signature=accepted.signature)
            acceptance = self._acceptances[peer] = _Acceptance(offer=offer, half=half, token=accepted.token)
            return acceptance

    async def _complete(self, peer: str, offer: _Offer, acceptance: AgreementHalf) -> bytes:
        async with self._host.locks.hold([f"agreement/{peer}"]):
            known = offer.agreed.get(acceptance.public_key)
            if known is not None:
                return known
            job = CompleteAgreement(
                peer_region=peer,
                offer_token=offer.token,
                public_key=acceptance.public_key,
                signature=acceptance.signature,
            )
            completed = await self._host.perform(job)
            assert isinstance(completed, AgreementCompleted)
            offer.agreed = {acceptance.public_key: completed.token}
            return completed.token
