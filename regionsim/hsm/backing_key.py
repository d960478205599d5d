"""A backing key at hand in an HSM: in clear, with what is made from it once for many jobs."""

from __future__ import annotations

from regionsim.hsm.algorithms.key_pair import KeyPair
from regionsim.hsm.algorithms.key_pairs import key_pair
from regionsim.hsm.algorithms.macs import MacKey
from regionsim.hsm.algorithms.symmetric import DataKeys, data_keys_of
from regionsim.hsm.confined import Confined
from regionsim.hsm.replication_keys import ClearMaterial
from regionsim.hsm.tokens import domain_key_id_of
from regionsim.kms.ciphertext import INNER_BYTES, NONCE_BYTES, Form, MalformedBlob, build, form, parse
from regionsim.kms.errors import InvalidCiphertextException
from regionsim.kms.hsm_jobs import BlobKind
from regionsim.kms.key_specs import KeySpec


class BackingKey(Confined):
    """A backing key at hand, and the token that it was last unwrapped from or wrapped into.

    What a key is used through (`data_keys`, `mac_key`, `pair`) is made on first use: most keys of a large world are
    never used.
    """

    __slots__ = (
        "_data_keys",
        "_forms",
        "_mac_key",
        "_pair",
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
        self._mac_key: MacKey | None = None
        self._pair: KeyPair | None = None

    @property
    def data_keys(self) -> DataKeys:
        """What seals and unseals under this (symmetric) key."""
        if self._data_keys is None:
            self._data_keys = data_keys_of(self.raw)
        return self._data_keys

    @property
    def mac_key(self) -> MacKey:
        """What this (HMAC) key authenticates with."""
        if self._mac_key is None:
            self._mac_key = MacKey(KeySpec(self.spec), self.raw)
        return self._mac_key

    @property
    def pair(self) -> KeyPair:
        """The key pair; what it can do besides giving its public half, its usage says."""
        if self._pair is None:
            self._pair = key_pair(KeySpec(self.spec), self.raw)
        return self._pair

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
