"""Backing keys on their way from one Region's HSMs to another's: agreement, wrapping, installing.

    target: offer      makes an agreement key pair, signs its public half with the Region's replication signing key
    source: accept     verifies, makes its own pair, derives the replication wrapping key, signs both public halves
    source: wrap       wraps backing keys under it, many for one agreement
    target: complete   verifies, derives the same wrapping key
    target: install    unwraps, checks each name against the bytes, exports under its own domain key

What is signed covers both Regions' names in their roles and every public half so far, and the wrapping key is derived
over the same: a message altered, turned round or meant for another pair of Regions is refused. A message repeated is
harmless: it leads to a wrapping key that only the same two HSM domains can derive.

Source: AWS KMS Cryptographic Details, "Replication process for multi-Region keys" (parties, keys and order); the bytes
are ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from regionsim.hsm.algorithms.p384 import P384Key, verify
from regionsim.hsm.algorithms.symmetric import GCM_NONCE_BYTES, AeadKey, length_prefixed, material_id_of
from regionsim.hsm.confined import Confined
from regionsim.hsm.domain import DomainState
from regionsim.hsm.tokens import Purpose, unwrap, wrap
from regionsim.kms.errors import InvalidCiphertextException
from regionsim.kms.hsm_jobs import (
    AcceptAgreement,
    AgreementAccepted,
    AgreementCompleted,
    AgreementOffered,
    CompleteAgreement,
    OfferAgreement,
    WrappedMaterial,
)
from regionsim.names.dataclass import dataclass
from regionsim.runtime.entropy import Stream

_OFFER_LABEL = b"regionsim agreement offer\0"
_ACCEPTANCE_LABEL = b"regionsim agreement acceptance\0"
_WRAPPING_KEY_LABEL = b"regionsim replication wrapping key\0"
_MATERIAL_LABEL = b"regionsim replicated material\0"
_MATERIAL_VERSION = b"\x01"
_SPEC_AT = 1 + 4


class ReplicationRegistry:
    """The public halves of the Regions' replication signing keys: public, and the same for all Regions of a world.

    AWS's operators register them across a partition; here each fleet registers its own when it starts. `on_register`
    hears of that, to tell the registries of other processes.
    """

    def __init__(self, on_register: Callable[[str, bytes], object] = lambda region, public_key: None) -> None:
        self._public_keys: dict[str, bytes] = {}
        self._on_register = on_register

    def register(self, region: str, public_key: bytes) -> None:
        """Let `region` sign with that key from now on, in place of an older one."""
        self._public_keys[region] = public_key
        self._on_register(region, public_key)

    def heard(self, region: str, public_key: bytes) -> None:
        """Know the key of a Region of another process."""
        self._public_keys[region] = public_key

    def public_key_of(self, region: str) -> bytes:
        """Errors: InvalidCiphertextException when that Region has none, as for a signature that is not its own."""
        try:
            return self._public_keys[region]
        except KeyError:
            raise InvalidCiphertextException from None


class Passage(NamedTuple):
    """The way of the material: from which Region's HSMs to which."""

    source: str
    target: str

    @property
    def label(self) -> str:
        return f"{self.source}>{self.target}"

    def transcript(self, purpose: bytes, *public_keys: bytes) -> bytes:
        """What is signed or derived over, at one point of the exchange."""
        halves = b"".join(len(half).to_bytes(4) + half for half in public_keys)
        return purpose + length_prefixed(*self) + halves


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class ClearMaterial(Confined):
    """A backing key in clear, inside an HSM, with its names."""

    key_id: str
    material_id: str
    spec: str
    raw: bytes


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class MaterialExchange(Confined):
    """One HSM's part in exchanging backing keys with other Regions."""

    domain: DomainState
    registry: ReplicationRegistry
    stream: Stream

    @property
    def region(self) -> str:
        return self.domain.region

    def offer(self, job: OfferAgreement) -> AgreementOffered:
        """Our agreement key pair for receiving from that Region."""
        passage = self._between(source=job.peer_region, target=self.region)
        half = P384Key.generate(self.stream)
        token = wrap(
            self.domain, Purpose.AGREEMENT_KEY, half.raw, label=passage.label, names=(), nonce=self._fresh_nonce()
        )
        signature = self.domain.signing_key.sign(passage.transcript(_OFFER_LABEL, half.public))
        return AgreementOffered(public_key=half.public, signature=signature, token=token)

    def accept(self, job: AcceptAgreement) -> AgreementAccepted:
        """The wrapping key for sending to the Region that made the offer."""
        passage = self._between(source=self.region, target=job.peer_region)
        peer_signs_with = self.registry.public_key_of(job.peer_region)
        verify(peer_signs_with, job.signature, passage.transcript(_OFFER_LABEL, job.public_key))
        half = P384Key.generate(self.stream)
        wrapping_key = half.agree(job.public_key, passage.transcript(_WRAPPING_KEY_LABEL, job.public_key, half.public))
        signature = self.domain.signing_key.sign(passage.transcript(_ACCEPTANCE_LABEL, job.public_key, half.public))
        token = self._wrapping_key_token(passage, wrapping_key)
        return AgreementAccepted(public_key=half.public, signature=signature, token=token)

    def complete(self, job: CompleteAgreement) -> AgreementCompleted:
        """The same wrapping key, at the Region that made the offer."""
        passage = self._between(source=job.peer_region, target=self.region)
        offered = unwrap(self.domain, Purpose.AGREEMENT_KEY, job.offer_token, names=())
        if offered.label != passage.label:
            raise InvalidCiphertextException
        half = P384Key(offered.secret)
        peer_signs_with = self.registry.public_key_of(job.peer_region)
        verify(peer_signs_with, job.signature, passage.transcript(_ACCEPTANCE_LABEL, half.public, job.public_key))
        wrapping_key = half.agree(job.public_key, passage.transcript(_WRAPPING_KEY_LABEL, half.public, job.public_key))
        return AgreementCompleted(token=self._wrapping_key_token(passage, wrapping_key))

    def wrap_materials(self, token: bytes, materials: tuple[ClearMaterial, ...]) -> tuple[WrappedMaterial, ...]:
        """The backing keys under the wrapping key of an agreement in which we are the source."""
        passage, wrapping_key = self._agreed(token)
        if passage.source != self.region:
            raise InvalidCiphertextException
        return tuple(self._wrapped(passage, wrapping_key, material) for material in materials)

    def unwrap_materials(self, token: bytes, materials: tuple[WrappedMaterial, ...]) -> tuple[ClearMaterial, ...]:
        """The backing keys in clear, all of them or none, of an agreement in which we are the target."""
        passage, wrapping_key = self._agreed(token)
        if passage.target != self.region:
            raise InvalidCiphertextException
        return tuple(_unwrapped(passage, wrapping_key, material) for material in materials)

    def _between(self, *, source: str, target: str) -> Passage:
        if source == target:
            raise InvalidCiphertextException
        return Passage(source, target)

    def _wrapping_key_token(self, passage: Passage, wrapping_key: bytes) -> bytes:
        return wrap(
            self.domain,
            Purpose.REPLICATION_WRAPPING_KEY,
            wrapping_key,
            label=passage.label,
            names=(),
            nonce=self._fresh_nonce(),
        )

    def _agreed(self, token: bytes) -> tuple[Passage, AeadKey]:
        agreed = unwrap(self.domain, Purpose.REPLICATION_WRAPPING_KEY, token, names=())
        return Passage(*agreed.label.split(">")), AeadKey(agreed.secret)

    def _wrapped(self, passage: Passage, wrapping_key: AeadKey, material: ClearMaterial) -> WrappedMaterial:
        clear = _MATERIAL_VERSION + length_prefixed(material.spec)
        nonce = self._fresh_nonce()
        associated = _material_names(passage, material.key_id, material.material_id) + clear
        return WrappedMaterial(
            key_id=material.key_id,
            material_id=material.material_id,
            wrapped=clear + nonce + wrapping_key.seal(nonce, material.raw, associated),
        )

    def _fresh_nonce(self) -> bytes:
        return self.stream.bytes(GCM_NONCE_BYTES)


def _unwrapped(passage: Passage, wrapping_key: AeadKey, material: WrappedMaterial) -> ClearMaterial:
    wrapped = material.wrapped
    spec_end = _SPEC_AT + int.from_bytes(wrapped[1:_SPEC_AT])
    nonce_end = spec_end + GCM_NONCE_BYTES
    clear = wrapped[:spec_end]
    associated = _material_names(passage, material.key_id, material.material_id) + clear
    raw = wrapping_key.unseal(wrapped[spec_end:nonce_end], wrapped[nonce_end:], associated)
    if clear[:1] != _MATERIAL_VERSION or material_id_of(material.key_id, raw) != material.material_id:
        raise InvalidCiphertextException
    return ClearMaterial(
        key_id=material.key_id, material_id=material.material_id, spec=clear[_SPEC_AT:].decode(), raw=raw
    )


def _material_names(passage: Passage, key_id: str, material_id: str) -> bytes:
    return _MATERIAL_LABEL + length_prefixed(*passage, key_id, material_id)
