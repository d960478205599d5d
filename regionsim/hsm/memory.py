"""The memory of one OPERATIONAL HSM: its domain, the backing keys it has at hand, and what it does with them.

It is made when an HSM joins its domain and dropped when the HSM is zeroised or loses power; nothing else holds a
backing key in clear. A backing key stays at hand until `KEYS_AT_HAND` newer ones have come, so that the next job with
the same exported key token need not unwrap it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from regionsim.hsm.algorithms.importing import WrappingKey
from regionsim.hsm.algorithms.symmetric import AES_KEY_BYTES, GCM_NONCE_BYTES, DataKeys, material_id_of
from regionsim.hsm.confined import Confined
from regionsim.hsm.domain import DomainState
from regionsim.hsm.replication_keys import ClearMaterial, MaterialExchange, ReplicationRegistry
from regionsim.hsm.tokens import Purpose, domain_key_id_of, unwrap, wrap
from regionsim.kms.ciphertext import (
    INNER_BYTES,
    IV_BYTES,
    NONCE_BYTES,
    Form,
    MalformedBlob,
    build,
    form,
    parse,
)
from regionsim.kms.errors import (
    IncorrectKeyMaterialException,
    InvalidCiphertextException,
    InvalidImportTokenException,
)
from regionsim.kms.hsm_jobs import (
    AcceptAgreement,
    BackingKeyCreated,
    BlobKind,
    CompleteAgreement,
    CreateBackingKey,
    DataKeyGenerated,
    Decrypt,
    Decrypted,
    Encrypt,
    Encrypted,
    GenerateDataKey,
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
    ReEncrypt,
    RewrapTokens,
    TokensRewrapped,
    UpkeepJob,
    WrapMaterials,
    WrappingKeyMade,
)
from regionsim.kms.key_specs import OFFERED, KeySpec
from regionsim.kms.wrapping import BAD_TOKEN
from regionsim.runtime.entropy import Stream

_PER_BLOB_BYTES = NONCE_BYTES + IV_BYTES

KEYS_AT_HAND = 65_536
"""How many backing keys one HSM keeps unwrapped."""


def imported_raw(spec: KeySpec, material: bytes) -> bytes:
    """The bytes of a backing key that an owner brings. Errors: IncorrectKeyMaterialException for what is none."""
    assert spec is KeySpec.SYMMETRIC_DEFAULT, f"{spec} is refused before it reaches an HSM"
    if len(material) != AES_KEY_BYTES:
        raise IncorrectKeyMaterialException("The key material is not a 256-bit symmetric key.")
    return material


class BackingKey(Confined):
    """A backing key at hand, and the token that it was last unwrapped from or wrapped into.

    What only encrypting and decrypting need is made on first use: most keys of a large world are never used.
    """

    __slots__ = (
        "_data_keys",
        "_forms",
        "key_id",
        "material_id",
        "raw",
        "spec",
        "token",
        "token_domain_key_id",
    )

    def __init__(self, material: ClearMaterial, token: bytes) -> None:
        self.key_id = material.key_id
        self.material_id = material.material_id
        self.spec = material.spec
        self.raw = material.raw
        self.token = token
        self.token_domain_key_id = domain_key_id_of(token)
        self._data_keys: DataKeys | None = None
        self._forms: dict[BlobKind, Form] | None = None

    @property
    def data_keys(self) -> DataKeys:
        """What seals and unseals under this key."""
        if self._data_keys is None:
            self._data_keys = DataKeys(self.raw)
        return self._data_keys

    def form_of(self, kind: BlobKind) -> Form:
        """The form of this key's blobs of that kind."""
        if self._forms is None:
            self._forms = {each: form(each, self.key_id, self.material_id) for each in BlobKind}
        return self._forms[kind]

    def clear(self) -> ClearMaterial:
        """The key as replication and re-wrapping take it."""
        return ClearMaterial(key_id=self.key_id, material_id=self.material_id, spec=self.spec, raw=self.raw)

    def encrypt(self, blob_form: Form, plaintext: bytes, context: bytes, randomness: bytes) -> bytes:
        """The blob, of one of this key's forms; `randomness` is a fresh nonce and IV."""
        nonce, iv = randomness[:NONCE_BYTES], randomness[NONCE_BYTES:]
        clear = blob_form.fixed + nonce
        inner = blob_form.inner_header(len(plaintext)) + plaintext
        return build(clear, iv, self.data_keys.seal(nonce, iv, inner, clear + context))

    def decrypt(self, blob: bytes, context: bytes) -> tuple[BlobKind, bytes]:
        """What the blob holds, and of which kind it is. Errors: InvalidCiphertextException."""
        try:
            header = parse(blob)
        except MalformedBlob:
            # Told apart from a wrong key or context, it would help whoever probes.
            raise InvalidCiphertextException from None
        blob_form = self.form_of(header.kind)
        if not header.clear.startswith(blob_form.fixed):
            raise InvalidCiphertextException
        opened = self.data_keys.unseal(header.nonce, header.iv, header.sealed, header.clear + context)
        if opened[:INNER_BYTES] != blob_form.inner_header(len(opened) - INNER_BYTES):
            raise InvalidCiphertextException
        return header.kind, opened[INNER_BYTES:]


class HsmMemory(Confined):
    """All that an OPERATIONAL HSM knows. `stream` is the HSM's source of keys, nonces and IVs."""

    def __init__(self, domain: DomainState, registry: ReplicationRegistry, stream: Stream) -> None:
        self._domain = domain
        self._registry = registry
        self._stream = stream
        self._keys: dict[str, BackingKey] = {}

    @property
    def domain(self) -> DomainState:
        return self._domain

    def install(self, domain: DomainState) -> None:
        """Take over a newer state of the domain; keys that only a dropped domain key vouches for are forgotten."""
        assert domain.epoch >= self._domain.epoch, "a domain never goes back"
        self._domain = domain
        self._keys = {name: key for name, key in self._keys.items() if key.token_domain_key_id in domain.keys}

    def forget(self, material_id: str) -> None:
        """Have that backing key at hand no more."""
        self._keys.pop(material_id, None)

    def rotated_domain(self, now_ns: int) -> DomainState:
        """The domain after a rotation, for this HSM and all others to install."""
        return self._domain.rotated(now_ns, self._stream)

    def draw(self, byte_count: int) -> bytes:
        """Random bytes of this HSM."""
        return self._stream.bytes(byte_count)

    def secrets_for_scan(self) -> Iterator[bytes]:
        """The raw bytes of every secret here. For tests that search files and links for them; for nothing else."""
        yield from self._domain.secrets_for_scan()
        yield from (key.raw for key in self._keys.values())

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
            case GenerateRandom():
                return RandomGenerated(random_bytes=self.draw(job.byte_count))
            case CreateBackingKey() | MakeWrappingKey() | ImportMaterial():
                return self._bring_forth(job)
            case _:
                return self._keep_up(job)

    def _bring_forth(self, job: CreateBackingKey | MakeWrappingKey | ImportMaterial) -> HsmAnswer:
        match job:
            case CreateBackingKey():
                return self._create_backing_key(job)
            case MakeWrappingKey():
                return self._make_wrapping_key(job)
            case ImportMaterial():
                return self._import_material(job)
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
            case _:
                assert_never(job)

    # --------------------------------------------------------------------------------------------------- request path

    def _encrypt(self, job: Encrypt) -> Encrypted:
        key = self._key_of(job.material)
        blob = key.encrypt(
            key.form_of(BlobKind.PLAINTEXT), job.plaintext, job.context, self._stream.bytes(_PER_BLOB_BYTES)
        )
        return Encrypted(blob=blob, rewrapped=self._rewrapped_in_use(key))

    def _decrypt(self, job: Decrypt) -> Decrypted:
        key = self._key_of(job.material)
        _, plaintext = key.decrypt(job.blob, job.context)
        return Decrypted(plaintext=plaintext, rewrapped=self._rewrapped_in_use(key))

    def _generate_data_key(self, job: GenerateDataKey) -> DataKeyGenerated:
        key = self._key_of(job.material)
        data_key = self.draw(job.byte_count)
        randomness = self._stream.bytes(_PER_BLOB_BYTES)
        blob = key.encrypt(key.form_of(BlobKind.DATA_KEY), data_key, job.context, randomness)
        plaintext = data_key if job.wants_plaintext else None
        return DataKeyGenerated(blob=blob, plaintext=plaintext, rewrapped=self._rewrapped_in_use(key))

    def _reencrypt(self, job: ReEncrypt) -> Encrypted:
        source, destination = self._key_of(job.source), self._key_of(job.destination)
        kind, plaintext = source.decrypt(job.blob, job.source_context)
        randomness = self._stream.bytes(_PER_BLOB_BYTES)
        blob = destination.encrypt(destination.form_of(kind), plaintext, job.destination_context, randomness)
        return Encrypted(blob=blob, rewrapped=self._rewrapped_in_use(source, destination))

    def _create_backing_key(self, job: CreateBackingKey) -> BackingKeyCreated:
        assert job.spec in OFFERED, f"{job.spec} is refused before it reaches an HSM"
        return BackingKeyCreated(material=self._new(job.key_id, job.spec, self.draw(AES_KEY_BYTES)))

    def _make_wrapping_key(self, job: MakeWrappingKey) -> WrappingKeyMade:
        key = WrappingKey.generate(self._stream, job.modulus_bits)
        nonce = self.draw(GCM_NONCE_BYTES)
        token = wrap(self._domain, Purpose.IMPORT_WRAPPING_KEY, key.raw, label="RSA", names=job.names, nonce=nonce)
        return WrappingKeyMade(public_key=key.public, token=token)

    def _import_material(self, job: ImportMaterial) -> MaterialImported:
        try:
            _, raw = unwrap(self._domain, Purpose.IMPORT_WRAPPING_KEY, job.wrapping_token, names=job.names)
        except InvalidCiphertextException:
            # To the caller this is a token that KMS never gave out; InvalidCiphertext is said of the material alone.
            raise InvalidImportTokenException(BAD_TOKEN) from None
        raw = imported_raw(job.spec, WrappingKey.of(raw).unwrap(job.algorithm, job.wrapped))
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
        if not all(material.spec in OFFERED for material in received):
            raise InvalidCiphertextException
        return MaterialsInstalled(materials=tuple(self._export(material) for material in received))

    def _rewrap_tokens(self, job: RewrapTokens) -> TokensRewrapped:
        clear = [self._unwrap(material) for material in job.materials]
        return TokensRewrapped(materials=tuple(self._export(material) for material in clear))

    def _exchange(self) -> MaterialExchange:
        return MaterialExchange(domain=self._domain, registry=self._registry, stream=self._stream)

    # ------------------------------------------------------------------------------------------------ backing keys

    def _key_of(self, ref: MaterialRef) -> BackingKey:
        """The backing key of `ref`, at hand or unwrapped now.

        A key at hand serves only the very token that was unwrapped before: its names are authenticated in it.
        """
        key = self._keys.get(ref.material_id)
        if key is not None and key.token == ref.token and key.key_id == ref.key_id:
            return key
        key = BackingKey(self._unwrap(ref), ref.token)
        assert key.spec == KeySpec.SYMMETRIC_DEFAULT, "jobs of the request path are for symmetric keys"
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
