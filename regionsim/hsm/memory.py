"""The memory of one OPERATIONAL HSM: its domain, the backing keys it has at hand, and what it does with them.

It is made when an HSM joins its domain and dropped when the HSM is zeroised or loses power; nothing else holds a
backing key in clear. A backing key stays at hand until `KEYS_AT_HAND` newer ones have come, so that the next job with
the same exported key token need not unwrap it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, assert_never

from regionsim.hsm.algorithms.enveloped import enveloped
from regionsim.hsm.algorithms.importing import new_wrapping_key, wrapping_key_of
from regionsim.hsm.algorithms.key_pair import Draws, EncryptingPair
from regionsim.hsm.algorithms.key_pairs import key_pair, new_private_key
from regionsim.hsm.algorithms.symmetric import GCM_NONCE_BYTES, material_id_of
from regionsim.hsm.backing_key import BackingKey
from regionsim.hsm.confined import Confined
from regionsim.hsm.domain import DomainState
from regionsim.hsm.key_work import work_of_mac, work_of_pair
from regionsim.hsm.raw_keys import imported_raw, new_raw
from regionsim.hsm.replication_keys import ClearMaterial, MaterialExchange, ReplicationRegistry
from regionsim.hsm.tokens import Purpose, unwrap, wrap
from regionsim.kms.ciphertext import IV_BYTES, NONCE_BYTES
from regionsim.kms.errors import InvalidCiphertextException, InvalidImportTokenException
from regionsim.kms.hsm_jobs import (
    AcceptAgreement,
    BackingKeyCreated,
    BlobKind,
    CompleteAgreement,
    CreateBackingKey,
    DataKeyGenerated,
    DataKeyPairGenerated,
    Decapsulate,
    Decrypt,
    Decrypted,
    DeriveSharedSecret,
    Encapsulate,
    Encrypt,
    Encrypted,
    ForRecipient,
    GenerateDataKey,
    GenerateDataKeyPair,
    GenerateMac,
    GenerateRandom,
    HsmAnswer,
    HsmJob,
    ImportMaterial,
    InstallMaterials,
    MakeWrappingKey,
    MaterialImported,
    MaterialRef,
    MaterialsInstalled,
    MaterialsWrapped,
    OfferAgreement,
    RandomGenerated,
    ReadPublicKey,
    ReEncrypt,
    RewrapTokens,
    SealedForRecipient,
    SecretJob,
    SecretOpened,
    SecretSealed,
    SharedSecretDerived,
    Sign,
    TokensRewrapped,
    UpkeepJob,
    Verify,
    VerifyMac,
    WrapMaterials,
    WrappingKeyMade,
)
from regionsim.kms.key_specs import PAIR_SPECS, SYMMETRIC_ALGORITHM, KeySpec, is_offered
from regionsim.kms.key_usages import require_plaintext_fits
from regionsim.kms.secret_jobs import OpenSecret, RewrapSecret, SealSecret
from regionsim.kms.wrapping import BAD_TOKEN, WrappingKeySpec
from regionsim.names.regions import partition_of

_PER_BLOB_BYTES = NONCE_BYTES + IV_BYTES

KEYS_AT_HAND = 65_536
"""How many backing keys one HSM keeps unwrapped."""


_PLAINTEXT_OF: Mapping[type[HsmAnswer], str] = MappingProxyType(
    {
        Decrypted: "plaintext",
        DataKeyGenerated: "plaintext",
        DataKeyPairGenerated: "private_key",
        RandomGenerated: "random_bytes",
        SharedSecretDerived: "shared_secret",
    }
)
"""Answer -> what of it is nobody's but the recipient's."""


class HsmMemory(Confined):
    """All that an OPERATIONAL HSM knows. `draws` is the HSM's source of keys, nonces and IVs."""

    def __init__(self, domain: DomainState, registry: ReplicationRegistry, draws: Draws) -> None:
        self._domain = domain
        self._registry = registry
        self._draws = draws
        self._stream = draws.stream
        self._partition = partition_of(domain.region).name
        self._keys: dict[str, BackingKey] = {}

    @property
    def domain(self) -> DomainState:
        return self._domain

    def install(self, domain: DomainState) -> None:
        """Take over a newer state of the domain; keys that only a dropped domain key vouches for are forgotten."""
        assert domain.epoch >= self._domain.epoch, "a domain never goes back"
        gone = self._domain.keys.keys() - domain.keys.keys()
        self._domain = domain
        if gone:
            self._keys = {name: key for name, key in self._keys.items() if key.token_domain_key_id not in gone}

    def forget(self, material_id: str) -> None:
        """Have that backing key at hand no more."""
        self._keys.pop(material_id, None)

    def rotated_domain(self, now_ns: int) -> DomainState:
        """The domain after a rotation, for this HSM and all others to install."""
        return self._domain.rotated(now_ns, self._stream)

    def draw(self, byte_count: int) -> bytes:
        """Random bytes of this HSM."""
        return self._stream.bytes(byte_count)

    def secrets_for_scan(self) -> list[bytes]:
        """The raw bytes of every secret here. For tests that search files and links for them; for nothing else."""
        keys = self._keys.values()
        numbers = [number for key in keys if key.spec in PAIR_SPECS for number in key.pair.secrets_for_scan()]
        return [*self._domain.secrets_for_scan(), *[key.raw for key in keys], *numbers]

    def perform(self, job: HsmJob) -> HsmAnswer:
        """Do the job. Errors: InvalidCiphertextException, KeyUnavailableException."""
        match job:
            case Encrypt():
                return self._encrypt(job)
            case Decrypt():
                return self._decrypt(job)
            case GenerateDataKey():
                return self._generate_data_key(job)
            case ReEncrypt():
                return self._reencrypt(job)
            case CreateBackingKey() | MakeWrappingKey() | ImportMaterial() | GenerateDataKeyPair() | GenerateRandom():
                return self._bring_forth(job)
            case GenerateMac() | VerifyMac():
                key = self._key_of(job.material, job.spec)
                return work_of_mac(key, job, self._rewrapped_in_use(key))
            case ReadPublicKey() | Sign() | Verify() | DeriveSharedSecret() | Encapsulate() | Decapsulate():
                key = self._key_of(job.material, job.spec)
                return work_of_pair(key, job, self._draws, self._rewrapped_in_use(key))
            case _:
                return self._hand_over(job) if isinstance(job, ForRecipient | SealSecret) else self._keep_up(job)

    def _hand_over(self, job: ForRecipient | SealSecret) -> HsmAnswer:
        """What the hosts get and cannot read."""
        if isinstance(job, SealSecret):
            return self._sealed(job.store_id, job.secret.encode())
        return self._for_recipient(job)

    def _for_recipient(self, job: ForRecipient) -> SealedForRecipient:
        answer = self.perform(job.job)
        name = _PLAINTEXT_OF[type(answer)]
        sealed = enveloped(getattr(answer, name), job.public_key, self._stream)
        without: dict[str, Any] = {name: b""}
        return SealedForRecipient(answer=replace(answer, **without), sealed=sealed, rewrapped=answer.rewrapped)

    def _bring_forth(
        self, job: CreateBackingKey | MakeWrappingKey | ImportMaterial | GenerateDataKeyPair | GenerateRandom
    ) -> HsmAnswer:
        match job:
            case CreateBackingKey():
                return self._create_backing_key(job)
            case MakeWrappingKey():
                return self._make_wrapping_key(job)
            case ImportMaterial():
                return self._import_material(job)
            case GenerateDataKeyPair():
                return self._generate_data_key_pair(job)
            case GenerateRandom():
                return RandomGenerated(random_bytes=self.draw(job.byte_count))
            case _:
                assert_never(job)

    def _keep_up(self, job: UpkeepJob) -> HsmAnswer:
        match job:
            case OfferAgreement():
                return self._exchange().offer(job)
            case AcceptAgreement():
                return self._exchange().accept(job)
            case CompleteAgreement():
                return self._exchange().complete(job)
            case WrapMaterials():
                return self._wrap_materials(job)
            case InstallMaterials():
                return self._install_materials(job)
            case RewrapTokens():
                return self._rewrap_tokens(job)
            case RewrapSecret():
                return self._sealed(job.store_id, self._unsealed(job))
            case OpenSecret():
                return SecretOpened(secret=self._unsealed(job).decode())
            case _:
                assert_never(job)

    # --------------------------------------------------------------------------------------------------- request path

    def _encrypt(self, job: Encrypt) -> Encrypted:
        key = self._key_of(job.material, job.spec)
        blob = self._encrypted(key, job.algorithm, BlobKind.PLAINTEXT, job.plaintext, job.context)
        return Encrypted(blob=blob, rewrapped=self._rewrapped_in_use(key))

    def _decrypt(self, job: Decrypt) -> Decrypted:
        key = self._key_of(job.material, job.spec)
        _, plaintext = self._decrypted(key, job.algorithm, job.blob, job.context)
        return Decrypted(plaintext=plaintext, rewrapped=self._rewrapped_in_use(key))

    def _encrypted(self, key: BackingKey, algorithm: str, kind: BlobKind, plaintext: bytes, context: bytes) -> bytes:
        """What Encrypt answers: a blob under a symmetric key, a bare ciphertext under a key pair."""
        if algorithm == SYMMETRIC_ALGORITHM:
            return key.encrypt(key.form_of(kind), plaintext, context, self._stream.bytes(_PER_BLOB_BYTES))
        pair = key.pair
        assert isinstance(pair, EncryptingPair), f"{key.spec} encrypts nothing"
        return pair.encrypt(algorithm, plaintext, self._draws)

    def _decrypted(self, key: BackingKey, algorithm: str, blob: bytes, context: bytes) -> tuple[BlobKind, bytes]:
        if algorithm == SYMMETRIC_ALGORITHM:
            return key.decrypt(blob, context)
        pair = key.pair
        assert isinstance(pair, EncryptingPair), f"{key.spec} encrypts nothing"
        return BlobKind.PLAINTEXT, pair.decrypt(algorithm, blob)

    def _generate_data_key(self, job: GenerateDataKey) -> DataKeyGenerated:
        key = self._key_of(job.material, KeySpec.SYMMETRIC_DEFAULT)
        data_key = self.draw(job.byte_count)
        blob = self._encrypted(key, SYMMETRIC_ALGORITHM, BlobKind.DATA_KEY, data_key, job.context)
        plaintext = data_key if job.wants_plaintext else None
        return DataKeyGenerated(blob=blob, plaintext=plaintext, rewrapped=self._rewrapped_in_use(key))

    def _generate_data_key_pair(self, job: GenerateDataKeyPair) -> DataKeyPairGenerated:
        key = self._key_of(job.material, KeySpec.SYMMETRIC_DEFAULT)
        private_key = new_private_key(job.spec, self._draws)
        blob = self._encrypted(key, SYMMETRIC_ALGORITHM, BlobKind.DATA_KEY, private_key, job.context)
        return DataKeyPairGenerated(
            blob=blob,
            public_key=key_pair(job.spec, private_key).public_key(),
            private_key=private_key if job.wants_plaintext else None,
            rewrapped=self._rewrapped_in_use(key),
        )

    def _reencrypt(self, job: ReEncrypt) -> Encrypted:
        source = self._key_of(job.source, job.source_spec)
        destination = self._key_of(job.destination, job.destination_spec)
        kind, plaintext = self._decrypted(source, job.source_algorithm, job.blob, job.source_context)
        # The plaintext is known only here, so its length is told only here.
        require_plaintext_fits(job.destination_spec, job.destination_algorithm, plaintext)
        blob = self._encrypted(destination, job.destination_algorithm, kind, plaintext, job.destination_context)
        return Encrypted(blob=blob, rewrapped=self._rewrapped_in_use(source, destination))

    def _create_backing_key(self, job: CreateBackingKey) -> BackingKeyCreated:
        assert is_offered(job.spec, self._partition), f"{job.spec} is refused before it reaches an HSM"
        raw = new_raw(job.spec, self._partition, self._draws)
        return BackingKeyCreated(material=self._new(job.key_id, job.spec, raw))

    def _make_wrapping_key(self, job: MakeWrappingKey) -> WrappingKeyMade:
        key = new_wrapping_key(job.wrapping_spec, self._draws)
        nonce, label = self.draw(GCM_NONCE_BYTES), job.wrapping_spec.value
        token = wrap(self._domain, Purpose.IMPORT_WRAPPING_KEY, key.raw, label=label, names=job.names, nonce=nonce)
        return WrappingKeyMade(public_key=key.public, token=token)

    def _import_material(self, job: ImportMaterial) -> MaterialImported:
        try:
            label, raw = unwrap(self._domain, Purpose.IMPORT_WRAPPING_KEY, job.wrapping_token, names=job.names)
        except InvalidCiphertextException:
            # To the caller this is a token that KMS never gave out; InvalidCiphertext is said of the material alone.
            raise InvalidImportTokenException(BAD_TOKEN) from None
        raw = imported_raw(
            job.spec, self._partition, wrapping_key_of(WrappingKeySpec(label), raw).unwrap(job.algorithm, job.wrapped)
        )
        return MaterialImported(material=self._new(job.key_id, job.spec, raw))

    def _new(self, key_id: str, spec: KeySpec, raw: bytes) -> MaterialRef:
        """A backing key that was not there before, exported and at hand."""
        material = ClearMaterial(key_id=key_id, material_id=material_id_of(key_id, raw), spec=spec.value, raw=raw)
        exported = self._export(material)
        self._keep(BackingKey(material, exported.token))
        return exported

    # --------------------------------------------------------------------------------------- replication and upkeep

    def _wrap_materials(self, job: WrapMaterials) -> MaterialsWrapped:
        keys = [self._key_of(material) for material in job.materials]
        wrapped = self._exchange().wrap_materials(job.agreement_token, tuple(key.clear() for key in keys))
        return MaterialsWrapped(materials=wrapped, rewrapped=self._rewrapped_in_use(*keys))

    def _install_materials(self, job: InstallMaterials) -> MaterialsInstalled:
        received = self._exchange().unwrap_materials(job.agreement_token, job.materials)
        if not all(self._is_offered(material.spec) for material in received):
            raise InvalidCiphertextException
        return MaterialsInstalled(materials=tuple(self._export(material) for material in received))

    def _rewrap_tokens(self, job: RewrapTokens) -> TokensRewrapped:
        clear = [self._unwrap(material) for material in job.materials]
        return TokensRewrapped(materials=tuple(self._export(material) for material in clear))

    def _sealed(self, store_id: str, secret: bytes) -> SecretSealed:
        nonce, names = self.draw(GCM_NONCE_BYTES), (store_id,)
        token = wrap(self._domain, Purpose.KEY_STORE_SECRET, secret, label="", names=names, nonce=nonce)
        return SecretSealed(token=token)

    def _unsealed(self, job: SecretJob) -> bytes:
        return unwrap(self._domain, Purpose.KEY_STORE_SECRET, job.token, names=(job.store_id,)).secret

    def _exchange(self) -> MaterialExchange:
        return MaterialExchange(domain=self._domain, registry=self._registry, stream=self._stream)

    # ------------------------------------------------------------------------------------------------ backing keys

    def _is_offered(self, spec: str) -> bool:
        return spec in KeySpec.__members__ and is_offered(KeySpec(spec), self._partition)

    def _key_of(self, ref: MaterialRef, spec: KeySpec | None = None) -> BackingKey:
        """The backing key of `ref`, at hand or unwrapped now; None stands for a key of any spec.

        A key at hand serves only the very token that was unwrapped before: its names are authenticated in it.
        """
        key = self._keys.get(ref.material_id)
        if key is not None and key.token == ref.token and key.key_id == ref.key_id:
            assert spec is None or key.spec == spec, f"a job for {spec} with a key of {key.spec}"
            return key
        key = BackingKey(self._unwrap(ref), ref.token)
        assert spec is None or key.spec == spec, f"a job for {spec} with a key of {key.spec}"
        self._keep(key)
        return key

    def _keep(self, key: BackingKey) -> None:
        self._keys[key.material_id] = key
        if len(self._keys) > KEYS_AT_HAND:
            del self._keys[next(iter(self._keys))]

    def _unwrap(self, ref: MaterialRef) -> ClearMaterial:
        names = (ref.key_id, ref.material_id)
        spec, raw = unwrap(self._domain, Purpose.BACKING_KEY, ref.token, names=names)
        return ClearMaterial(key_id=ref.key_id, material_id=ref.material_id, spec=spec, raw=raw)

    def _export(self, material: ClearMaterial) -> MaterialRef:
        """The key as the world knows it, wrapped under the active domain key."""
        names = (material.key_id, material.material_id)
        nonce = self.draw(GCM_NONCE_BYTES)
        token = wrap(self._domain, Purpose.BACKING_KEY, material.raw, label=material.spec, names=names, nonce=nonce)
        return MaterialRef(key_id=material.key_id, material_id=material.material_id, token=token)

    def _rewrapped_in_use(self, *used: BackingKey) -> tuple[MaterialRef, ...]:
        """New tokens for those keys whose token is under a retired domain key; each key once."""
        active_id = self._domain.active.id
        retired: dict[str, BackingKey] = {}
        for key in used:
            if key.token_domain_key_id != active_id:
                retired[key.material_id] = key
        return tuple(self._export(key.clear()) for key in retired.values()) if retired else ()
