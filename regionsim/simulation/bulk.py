"""Keys that are there when a world begins to run.

What callers and months of replication would have brought about is written into the Regions' files before they boot: the
backing keys are made by the real HSMs of the primary's Region and travel to the replicas' under real agreements, but
no time passes, no link is used and no quota counts. Every key is in the audit trail of its Regions as set up by KMS
itself. Source: ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import TypeVar

from regionsim.hsm.fleet import Fleet
from regionsim.kms.bulk import BulkKeys
from regionsim.kms.hsm_jobs import (
    AcceptAgreement,
    AgreementAccepted,
    AgreementCompleted,
    AgreementOffered,
    BackingKeyCreated,
    CompleteAgreement,
    CreateBackingKey,
    HsmAnswer,
    HsmJob,
    InstallMaterials,
    MaterialRef,
    MaterialsInstalled,
    MaterialsWrapped,
    OfferAgreement,
    WrapMaterials,
)
from regionsim.kms.key import (
    Alias,
    KeyMaterial,
    KeyState,
    KmsKey,
    RegionalProperties,
    SharedProperties,
    replicas_in,
)
from regionsim.kms.key_policies import default_policy
from regionsim.kms.rotation import automatic_rotation
from regionsim.kms.writes import PutAlias, PutKey, PutToken, Write
from regionsim.names.dataclass import dataclass
from regionsim.names.ids import new_key_id, new_uuid
from regionsim.region.audit import segments
from regionsim.region.audit_entry import AuditEntry
from regionsim.runtime.entropy import Entropy
from regionsim.store.values import Commit

USER_AGENT = "regionsim setup"
_RECORDS_PER_SEGMENT = 1024

Answer = TypeVar("Answer", bound=HsmAnswer)


@dataclass(slots=True, kw_only=True)
class _Share:
    """What one Region gets."""

    writes: list[Write] = field(default_factory=list)
    entries: list[AuditEntry] = field(default_factory=list)

    def commit(self) -> Commit:
        starts = range(0, len(self.entries), _RECORDS_PER_SEGMENT)
        audit = (segments(self.entries[start : start + _RECORDS_PER_SEGMENT]) for start in starts)
        return Commit(writes=tuple(self.writes), audit=tuple(one for some in audit for one in some))


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """What each Region's file must hold, the ids of the keys that scenarios have names for, and of those that are one
    of many."""

    commits: Mapping[str, Commit]
    named: Mapping[str, str]
    key_ids: frozenset[str]


def make_bulk(bulk: tuple[BulkKeys, ...], fleets: Mapping[str, Fleet], entropy: Entropy, start_at_ns: int) -> Installed:
    """Make all keys of a world as of its first instant; the fleets have joined their domains and serve nobody yet."""
    maker = _Maker(fleets, entropy, start_at_ns)
    named: dict[str, str] = {}
    many: set[str] = set()
    for keys in bulk:
        ids = maker.make(keys)
        named.update(zip(keys.names, ids, strict=False))
        many.update(ids if keys.count > 1 else ())
    commits = {name: share.commit() for name, share in maker.shares.items()}
    return Installed(commits=commits, named=named, key_ids=frozenset(many))


class _Maker:
    def __init__(self, fleets: Mapping[str, Fleet], entropy: Entropy, start_at_ns: int) -> None:
        self.shares: dict[str, _Share] = {name: _Share() for name in fleets}
        self._fleets = fleets
        self._stream = entropy.stream("bulk")
        self._start_at_ns = start_at_ns

    def make(self, keys: BulkKeys) -> list[str]:
        """Make the keys of one entry; their ids in order."""
        made = [self._material(keys) for _ in range(keys.count)]
        tokens = {keys.primary: made}
        for region in keys.replicas:
            tokens[region] = self._across(keys.primary, region, made)
        for region in keys.regions:
            self._put(region, keys, made, tokens[region])
        return [material.key_id for material in made]

    def _material(self, keys: BulkKeys) -> MaterialRef:
        key_id = new_key_id(self._stream.bytes(16), multi_region=keys.is_multi_region)
        job = CreateBackingKey(key_id=key_id, spec=keys.spec)
        return self._ask(keys.primary, job, BackingKeyCreated).material

    def _across(self, source: str, target: str, materials: list[MaterialRef]) -> list[MaterialRef]:
        """The materials as the target's HSMs export them, brought there as replication brings them."""
        offered = self._ask(target, OfferAgreement(peer_region=source), AgreementOffered)
        accept = AcceptAgreement(peer_region=target, public_key=offered.public_key, signature=offered.signature)
        accepted = self._ask(source, accept, AgreementAccepted)
        wrap = WrapMaterials(agreement_token=accepted.token, materials=tuple(materials))
        wrapped = self._ask(source, wrap, MaterialsWrapped)
        complete = CompleteAgreement(
            peer_region=source,
            offer_token=offered.token,
            public_key=accepted.public_key,
            signature=accepted.signature,
        )
        agreed = self._ask(target, complete, AgreementCompleted)
        install = InstallMaterials(agreement_token=agreed.token, materials=wrapped.materials)
        return list(self._ask(target, install, MaterialsInstalled).materials)

    def _ask(self, region: str, job: HsmJob, kind: type[Answer]) -> Answer:
        answer = self._fleets[region].perform_at_once(job)
        assert isinstance(answer, kind)
        return answer

    def _put(self, region: str, keys: BulkKeys, made: list[MaterialRef], tokens: list[MaterialRef]) -> None:
        share, policy = self.shares[region], keys.policy or default_policy(region, keys.account)
        for number, (material, token) in enumerate(zip(made, tokens, strict=True)):
            key = self._key(region, keys, material, policy)
            share.writes += (PutKey(key=key), PutToken(material=token))
            share.writes += self._alias(keys, number, key)
            share.entries.append(self._entry(key, is_primary=region == keys.primary))

    def _key(self, region: str, keys: BulkKeys, material: MaterialRef, policy: str) -> KmsKey:
        at_ns, days = self._start_at_ns, keys.rotation_days
        shared = SharedProperties(
            key_id=material.key_id,
            account=keys.account,
            spec=keys.spec,
            usage=keys.usage,
            primary_region=keys.primary if keys.is_multi_region else None,
            replicas=replicas_in(keys.replicas),
            materials=(KeyMaterial(material_id=material.material_id, created_at_ns=at_ns),),
            current_material_id=material.material_id,
            automatic_rotation=None if days is None else automatic_rotation(days, at_ns),
        )
        regional = RegionalProperties(region=region, state=KeyState.ENABLED, policy=policy, created_at_ns=at_ns)
        return KmsKey(shared=shared, regional=regional)

    def _alias(self, keys: BulkKeys, number: int, key: KmsKey) -> Iterator[Write]:
        for name in keys.aliases[number : number + 1]:
            at_ns = self._start_at_ns
            yield PutAlias(
                alias=Alias(
                    account=keys.account,
                    name=name,
                    target_key_id=key.key_id,
                    created_at_ns=at_ns,
                    updated_at_ns=at_ns,
                )
            )

    def _entry(self, key: KmsKey, *, is_primary: bool) -> AuditEntry:
        return AuditEntry(
            event_name="CreateKey" if is_primary else "ReplicateKey",
            instant_ns=self._start_at_ns,
            region=key.region,
            request_id=new_uuid(self._stream.bytes(16)),
            recipients=(key.account,),
            user_agent=USER_AGENT,
            is_read_only=False,
            resources=(key.arn,),
        )
