"""Custom key stores: what one is, what its connection state allows, and what that does to the keys in it.

    DISCONNECTED --connect--> CONNECTING --> CONNECTED | FAILED
    CONNECTED | CONNECTING | FAILED --disconnect--> DISCONNECTING --> DISCONNECTED

A store is connected to a CloudHSM cluster, which makes and keeps its keys, or through a proxy to an external key
manager, whose key encrypts what KMS has encrypted. While it is not CONNECTED its keys are Unavailable; what they were
before, or were told to be meanwhile, comes back with the connection.

Source: KMS Developer Guide, "Custom key stores"; KMS API Reference, CreateCustomKeyStore and its like. How long a store
takes to connect is UNVERIFIED (ours), and so are the texts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field, replace
from enum import StrEnum
from types import MappingProxyType

from regionsim.kms.errors import CustomKeyStoreInvalidStateException
from regionsim.kms.key import KeyState, KmsKey
from regionsim.names.dataclass import dataclass

STORES_PER_ACCOUNT = 10

_SECOND_NS = 1_000_000_000


class StoreType(StrEnum):
    """What backs a store."""

    AWS_CLOUDHSM = "AWS_CLOUDHSM"
    EXTERNAL_KEY_STORE = "EXTERNAL_KEY_STORE"


class ConnectionState(StrEnum):
    """Whether a store is connected to what backs it."""

    CONNECTED = "CONNECTED"
    CONNECTING = "CONNECTING"
    FAILED = "FAILED"
    DISCONNECTED = "DISCONNECTED"
    DISCONNECTING = "DISCONNECTING"


_CONNECTING_NS = 300 * _SECOND_NS
_CONNECTING_TO_PUBLIC_NS = 20 * _SECOND_NS

DISCONNECTING_NS = 15 * _SECOND_NS

_ALL = frozenset(ConnectionState)
_ALLOWED: Mapping[str, frozenset[ConnectionState]] = MappingProxyType(
    {
        "ConnectCustomKeyStore": _ALL - {ConnectionState.DISCONNECTING, ConnectionState.FAILED},
        "DisconnectCustomKeyStore": _ALL - {ConnectionState.DISCONNECTING, ConnectionState.DISCONNECTED},
        "DeleteCustomKeyStore": frozenset({ConnectionState.DISCONNECTED}),
        "UpdateCustomKeyStore": frozenset({ConnectionState.DISCONNECTED}),
        "RenameCustomKeyStore": frozenset({ConnectionState.CONNECTED, ConnectionState.DISCONNECTED}),
        "CreateKey": frozenset({ConnectionState.CONNECTED}),
        "GenerateRandom": frozenset({ConnectionState.CONNECTED}),
    }
)
"""Operation -> the states in which it is allowed. Renaming is what UpdateCustomKeyStore does with what needs no new
connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxySettings:
    """Where the proxy of an external key store is, and in whose name KMS signs for it."""

    connectivity: str
    uri_endpoint: str
    uri_path: str
    access_key_id: str
    vpc_service_name: str | None = None
    vpc_service_owner: str | None = None

    @property
    def address(self) -> tuple[str, str]:
        return self.uri_endpoint, self.uri_path


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStore:
    """One custom key store of an account in a Region.

    `until_ns` is when what is under way (connecting, disconnecting) ends. A CloudHSM store has a cluster, an external
    one a proxy. `sealed` is its secret (the password of `kmsuser`, or what KMS signs with) as our HSMs have wrapped it;
    None for a store of an older file, whose secret is forgotten. `version` grows by one with every committed change.
    """

    store_id: str
    account: str
    name: str
    type: StoreType
    created_at_ns: int
    state: ConnectionState = ConnectionState.DISCONNECTED
    error_code: str | None = None
    until_ns: int | None = None
    cluster_id: str | None = None
    trust_anchor: str | None = field(default=None, repr=False)
    sealed: bytes | None = field(default=None, repr=False)
    proxy: ProxySettings | None = None
    version: int = 1

    @property
    def is_connected(self) -> bool:
        return self.state is ConnectionState.CONNECTED

    @property
    def connecting_ns(self) -> int:
        """How long it takes to connect: a public proxy is only asked, to all else a network is built first."""
        is_public = self.proxy is not None and self.proxy.vpc_service_name is None
        return _CONNECTING_TO_PUBLIC_NS if is_public else _CONNECTING_NS

    def changed(self, **changes: object) -> KeyStore:
        """The next version of this store."""
        return replace(self, version=self.version + 1, **changes)  # type: ignore[arg-type]

    def require(self, operation: str) -> None:
        """Errors: CustomKeyStoreInvalidStateException when its connection state does not allow the operation."""
        if self.state not in _ALLOWED[operation]:
            raise CustomKeyStoreInvalidStateException(
                f"The custom key store {self.store_id} is {self.state}, which is not valid for this operation."
            )


def new_store_id(fresh: bytes) -> str:
    """The id of a new store from random bytes: `cks-` and 17 hexadecimal digits."""
    return f"cks-{fresh.hex()[:17]}"


def facts_of_membership(key: KmsKey) -> dict[str, str]:
    """What CloudTrail tells of a key in a custom key store; nothing of another. Source: samples of the guide."""
    membership = key.regional.key_store
    if membership is None:
        return {}
    told = {
        "customKeyStoreId": membership.store_id,
        "clusterId": membership.cluster_id,
        "xksKeyId": membership.xks_key_id,
    }
    return {name: value for name, value in told.items() if value is not None}


def facts_of_removal(key: KmsKey, is_removed: bool | None = None) -> dict[str, str]:
    """What CloudTrail tells of the backing keys of a key that goes: JSON in a text. `is_removed` None: they are still
    there. The key handles are ours."""
    membership = key.regional.key_store
    if membership is None or membership.cluster_id is None:
        return {}
    backing = [
        {"keyHandle": str(int(known.material_id[:6], 16)), "backingKeyId": known.material_id}
        for known in key.shared.materials
    ]
    told = {"backingKeys": json.dumps(backing, separators=(",", ":"))}
    if is_removed is not None:
        status = [{**one, "deletionStatus": "SUCCESS" if is_removed else "FAILURE"} for one in backing]
        told["backingKeysDeletionStatus"] = json.dumps(status, separators=(",", ":"))
    return told


def put_away(key: KmsKey) -> KmsKey:
    """The key (a new version, if that changes it) once its store is not connected."""
    membership = key.regional.key_store
    if membership is None or key.state not in (KeyState.ENABLED, KeyState.DISABLED):
        return key
    return key.with_regional(state=KeyState.UNAVAILABLE, key_store=replace(membership, state_behind=key.state))


def brought_back(key: KmsKey) -> KmsKey:
    """The key (a new version, if that changes it) once its store is connected."""
    membership = key.regional.key_store
    if membership is None or key.state is not KeyState.UNAVAILABLE:
        return key
    state = membership.state_behind or KeyState.ENABLED
    return key.with_regional(state=state, key_store=replace(membership, state_behind=None))


def turned(key: KmsKey, state: KeyState) -> KmsKey:
    """The key (a new version, if that changes it) enabled or disabled: at once, or when its store is back."""
    membership = key.regional.key_store
    if key.state is not KeyState.UNAVAILABLE or membership is None:
        return key if key.state is state else key.with_regional(state=state)
    if membership.state_behind is state:
        return key
    return key.with_regional(key_store=replace(membership, state_behind=state))
