"""KMS keys, aliases and views for the tests of the pure rules."""

from __future__ import annotations

from typing import Any

from regionsim.accounts.directory import Directory
from regionsim.accounts.model import Account, NamedPolicy, User
from regionsim.authorization.policy import PolicyKind, parse_policy
from regionsim.authorization.principals import Principal
from regionsim.kms.hsm_jobs import MaterialRef
from regionsim.kms.key import Alias, KeyMaterial, KeyState, KmsKey, RegionalProperties, SharedProperties
from regionsim.kms.key_policies import default_policy
from regionsim.kms.key_specs import KeySpec, KeyUsage
from regionsim.kms.state import RegionState

HERE = "us-east-1"
HOME = "111122223333"
AWAY = "444455556666"
KEY_ID = "1234abcd-12ab-44cd-a6ef-1234567890ab"
MRK_ID = "mrk-1234abcd12ab34cd56ef1234567890ab"
MATERIAL_ID = "ab" * 32
NOW_NS = 1_767_225_600_123_456_789


def key_id_of(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-000000000000"


def material(material_id: str = MATERIAL_ID, **changes: Any) -> KeyMaterial:
    return KeyMaterial(material_id=material_id, created_at_ns=NOW_NS, **changes)


def a_key(
    key_id: str = KEY_ID,
    *,
    account: str = HOME,
    region: str = HERE,
    state: KeyState = KeyState.ENABLED,
    version: int = 1,
    regional: dict[str, Any] | None = None,
    **shared: Any,
) -> KmsKey:
    """A symmetric key as CreateKey makes it, but for what is given."""
    properties: dict[str, Any] = {
        "key_id": key_id,
        "account": account,
        "spec": KeySpec.SYMMETRIC_DEFAULT,
        "usage": KeyUsage.ENCRYPT_DECRYPT,
        "materials": (material(),),
        "current_material_id": MATERIAL_ID,
        **shared,
    }
    own: dict[str, Any] = {"policy": default_policy(region, account), "created_at_ns": NOW_NS, **(regional or {})}
    return KmsKey(
        shared=SharedProperties(**properties),
        regional=RegionalProperties(region=region, state=state, **own),
        version=version,
    )


def an_alias(name: str, target: str = KEY_ID, *, account: str = HOME, version: int = 1) -> Alias:
    return Alias(
        account=account, name=name, target_key_id=target, created_at_ns=NOW_NS, updated_at_ns=NOW_NS, version=version
    )


def a_token(key_id: str = KEY_ID, material_id: str = MATERIAL_ID, token: bytes = b"token") -> MaterialRef:
    return MaterialRef(key_id=key_id, material_id=material_id, token=token)


def directory() -> Directory:
    """HOME with alice (IAM allows her everything) and bob (nothing), AWAY with zoe (everything)."""
    everything = parse_policy(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]},
        kind=PolicyKind.IDENTITY,
    )
    policies = (NamedPolicy(name="everything", policy=everything),)
    home = Account(account_id=HOME, users={"alice": User(name="alice", policies=policies), "bob": User(name="bob")})
    away = Account(account_id=AWAY, users={"zoe": User(name="zoe", policies=policies)})
    return Directory(accounts={HOME: home, AWAY: away})


def caller(name: str = "alice", account: str = HOME) -> Principal:
    return directory().principal(account, name)


def state_with(*writes: Any, region: str = HERE) -> RegionState:
    state = RegionState(region)
    for write in writes:
        state.apply(write)
    return state
