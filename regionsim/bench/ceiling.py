"""The ceiling: what one encryption costs when nothing stands around the cryptography.

    B0  fresh objects at each step, as anybody would write it
    B1  with the backing key's HMAC template kept and copied, as the HSMs do it: what no service above can beat

Both draw a nonce and an IV, derive a key by SP 800-108 with HMAC-SHA-256, and seal 32 bytes with AES-256-GCM.
Source: ours.
"""

from __future__ import annotations

from collections.abc import Callable

from regionsim.hsm.algorithms.symmetric import AES_KEY_BYTES, DataKeys, seal_plainly
from regionsim.kms.ciphertext import IV_BYTES, NONCE_BYTES
from regionsim.names.dataclass import dataclass
from regionsim.runtime.clock import cpu_ns
from regionsim.runtime.entropy import Stream

_PLAINTEXT = bytes(32)
_CONTEXT = bytes(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """The processor time of one encryption, in nanoseconds, both ways."""

    plain_ns: float
    """B0."""

    kept_ns: float
    """B1."""


def measure_ceiling(stream: Stream, count: int) -> Ceiling:
    """`count` encryptions each way, one after the other."""
    backing_key = stream.bytes(AES_KEY_BYTES)
    keys = DataKeys(backing_key)

    def plain(nonce: bytes, iv: bytes) -> bytes:
        return seal_plainly(backing_key, nonce, iv, _PLAINTEXT, _CONTEXT)

    def kept(nonce: bytes, iv: bytes) -> bytes:
        return keys.seal(nonce, iv, _PLAINTEXT, _CONTEXT)

    return Ceiling(plain_ns=_cost_ns(plain, stream, count), kept_ns=_cost_ns(kept, stream, count))


def _cost_ns(seal: Callable[[bytes, bytes], bytes], stream: Stream, count: int) -> float:
    began_ns = cpu_ns()
    for _ in range(count):
        drawn = stream.bytes(NONCE_BYTES + IV_BYTES)
        seal(drawn[:NONCE_BYTES], drawn[NONCE_BYTES:])
    return (cpu_ns() - began_ns) / count
