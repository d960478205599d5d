"""The sealed domain token: a Region's domain on disk, encrypted under a sealing key that the person running it keeps.

It stands in for AWS's offline quorum, which can bring a domain back when every HSM has lost it. What it holds: all
domain keys and the replication signing key.

    "regionsim domain token 1\\n"  nonce:12  AES-256-GCM of
        epoch:8  signing key:48  count:2  ( id:4  key:32  active since:8  deactivated at:8 )*     oldest first

Instants are nanoseconds since 1970; "deactivated at" of the active key is 0. The Region's name is authenticated and
not held.
Source: ours.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

from regionsim.hsm.algorithms.p384 import P384Key
from regionsim.hsm.algorithms.symmetric import AES_KEY_BYTES, GCM_NONCE_BYTES, AeadKey, length_prefixed
from regionsim.hsm.domain import DomainKey, DomainState
from regionsim.kms.errors import InvalidCiphertextException
from regionsim.names.mistakes import ConfigError
from regionsim.runtime.entropy import Stream

NONCE_BYTES = GCM_NONCE_BYTES

_MAGIC = b"regionsim domain token 1\n"
_HEAD = struct.Struct(">Q48sH")
_KEY = struct.Struct(">4s32sqq")


def seal(domain: DomainState, sealing_key: bytes, *, nonce: bytes) -> bytes:
    """The sealed domain token; `sealing_key` is 32 bytes, `nonce` 12 fresh ones."""
    content = _HEAD.pack(domain.epoch, domain.signing_key.raw, len(domain.keys))
    for key in domain.keys.values():
        content += _KEY.pack(key.id, key.key.raw, key.active_since_ns, key.deactivated_at_ns or 0)
    return _MAGIC + nonce + AeadKey(sealing_key).seal(nonce, content, _associated(domain.region))


def unseal(token: bytes, sealing_key: bytes, *, region: str) -> DomainState:
    """The domain that the token holds. Errors: ConfigError."""
    if not token.startswith(_MAGIC):
        raise ConfigError(f"not a sealed domain token of {region}: it does not begin as one")
    nonce_end = len(_MAGIC) + NONCE_BYTES
    try:
        content = AeadKey(sealing_key).unseal(token[len(_MAGIC) : nonce_end], token[nonce_end:], _associated(region))
    except InvalidCiphertextException:
        advice = "it was altered, belongs to another Region, or was sealed with another key"
        raise ConfigError(f"the sealed domain token of {region} does not open: {advice}") from None
    return _parse(content, region)


def write_private(path: Path, content: bytes, *, is_durable: bool = True) -> None:
    """Put `content` into the file at once or not at all, readable by its owner only; durable: also if power fails.

    Errors: ConfigError.
    """
    beside = path.with_name(f".{path.name}.new")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            # A file left by an earlier crash keeps its old mode.
            os.fchmod(file.fileno(), 0o600)
            file.write(content)
            file.flush()
            if is_durable:
                os.fsync(file.fileno())
        os.replace(beside, path)
        if is_durable:
            _sync_folder(path.parent)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None


def _sync_folder(folder: Path) -> None:
    """Make the new name in the folder survive a power failure, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_token(path: Path) -> bytes:
    """A sealed domain token's bytes. Errors: ConfigError."""
    return _read(path, "sealed domain token")


def sealing_key(path: Path, stream: Stream) -> tuple[bytes, bool]:
    """The sealing key in the file (64 hexadecimal digits), and whether the file was missing and has been made now.

    Errors: ConfigError when the file cannot be read or holds something else.
    """
    if not path.exists():
        made = stream.bytes(AES_KEY_BYTES)
        write_private(path, made.hex().encode() + b"\n")
        return made, True
    text = _read(path, "sealing key").strip()
    try:
        found = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        found = b""
    if len(found) != AES_KEY_BYTES:
        raise ConfigError(f"{path}: a sealing key is {AES_KEY_BYTES * 2} hexadecimal digits, and this is not")
    return found, False


def _associated(region: str) -> bytes:
    return _MAGIC + length_prefixed(region)


def _parse(content: bytes, region: str) -> DomainState:
    """The domain in an authenticated token: only `seal` made it, so what does not fit is a bug."""
    epoch, scalar, count = _HEAD.unpack_from(content)
    assert len(content) == _HEAD.size + count * _KEY.size, "the count fits the length"
    keys = tuple(
        DomainKey(id=name, key=AeadKey(raw), active_since_ns=since_ns, deactivated_at_ns=until_ns or None)
        for name, raw, since_ns, until_ns in _KEY.iter_unpack(content[_HEAD.size :])
    )
    return DomainState.of(region, epoch, keys, P384Key(scalar))


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"the {what} {path} cannot be read: {error.strerror}") from None
