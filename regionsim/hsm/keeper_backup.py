r"""What keeps the keys of custom key stores, on disk: without it a process that ends would take their keys along.

A real cluster and a real key manager outlive KMS. Those that are simulated live in the process, so a Region's are kept
in a file beside its own, encrypted under the sealing key of the data folder:

    "regionsim keepers 1\n"  nonce:12  AES-256-GCM of JSON
        {"clusters": {id: domain token}, "proxies": [[endpoint, path, {key id: [key, is it enabled]}], ...]}

Bytes are in base64. How a cluster or proxy is described or broken is not held: the world's description says that.
Source: ours.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping

from regionsim.hsm import domain_backup
from regionsim.hsm.algorithms.symmetric import GCM_NONCE_BYTES, AeadKey, length_prefixed
from regionsim.hsm.confined import Confined
from regionsim.hsm.domain import DomainState
from regionsim.kms.errors import InvalidCiphertextException
from regionsim.names.dataclass import dataclass
from regionsim.names.mistakes import ConfigError

_MAGIC = b"regionsim keepers 1\n"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class Kept(Confined):
    """The clusters' domains by id, and the raw keys behind proxies by address and id, with whether each is enabled."""

    clusters: Mapping[str, DomainState]
    proxies: Mapping[tuple[str, str], Mapping[str, tuple[bytes, bool]]]


def seal(kept: Kept, sealing_key: bytes, *, region: str, draw: Callable[[int], bytes]) -> bytes:
    """The file's content; `draw` gives that many fresh bytes."""
    content = {
        "clusters": {
            cluster_id: _text(domain_backup.seal(domain, sealing_key, nonce=draw(GCM_NONCE_BYTES)))
            for cluster_id, domain in kept.clusters.items()
        },
        "proxies": [
            [*address, {name: [_text(raw), is_enabled] for name, (raw, is_enabled) in keys.items()}]
            for address, keys in kept.proxies.items()
        ],
    }
    nonce = draw(GCM_NONCE_BYTES)
    return _MAGIC + nonce + AeadKey(sealing_key).seal(nonce, json.dumps(content).encode(), _associated(region))


def unseal(sealed: bytes, sealing_key: bytes, *, region: str) -> Kept:
    """What the file holds. Errors: ConfigError."""
    start = len(_MAGIC) + GCM_NONCE_BYTES
    try:
        if not sealed.startswith(_MAGIC):
            raise InvalidCiphertextException
        opened = AeadKey(sealing_key).unseal(sealed[len(_MAGIC) : start], sealed[start:], _associated(region))
    except InvalidCiphertextException:
        advice = "it was altered, belongs to another Region, or was sealed with another key"
        raise ConfigError(f"the keys of {region}'s custom key stores do not open: {advice}") from None
    content = json.loads(opened)
    return Kept(
        clusters={
            cluster_id: domain_backup.unseal(b64decode(token), sealing_key, region=region)
            for cluster_id, token in content["clusters"].items()
        },
        proxies={
            (endpoint, path): {name: (b64decode(raw), is_enabled) for name, (raw, is_enabled) in keys.items()}
            for endpoint, path, keys in content["proxies"]
        },
    )


def _associated(region: str) -> bytes:
    return _MAGIC + length_prefixed(region)


def _text(value: bytes) -> str:
    return b64encode(value).decode("ascii")
