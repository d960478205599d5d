"""Principals: who calls, and which principal strings of a policy name that caller.

Every way to write a principal has one **key**, a string; a caller has a few keys. A policy statement or a grant names a
caller when the key sets meet. So a decision looks keys up in a dict and compares no ARN.

    written in a policy                              its key
    "*" or {"AWS": "*"}                              *
    111122223333                                     111122223333
    arn:aws:iam::111122223333:root                   the ARN
    arn:aws:iam::111122223333:user/path/alice        the ARN
    arn:aws:iam::111122223333:role/path/app          the ARN without its path
    arn:aws:sts::111122223333:assumed-role/app/s     the ARN
    arn:aws:sts::111122223333:federated-user/bob     the ARN
    {"Service": "s3.amazonaws.com"}                  service:s3.amazonaws.com

A role's path is left out because a session ARN does not hold it; role names are unique within an account.
Source: IAM User Guide, "AWS JSON policy elements: Principal"; KMS Developer Guide, "Key policies in AWS KMS".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from functools import lru_cache

from regionsim.names.arns import Arn
from regionsim.names.dataclass import dataclass
from regionsim.names.ids import is_account_id

ANYONE = "*"
"""The key of the principal `*`."""

_UNIQUE_ID = re.compile(r"A[A-Z]{3}[A-Z0-9]{12,}")
_SERVICE_NAME = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")
_SERVICE_LINKED = "role/aws-service-role/"


class PrincipalKind(StrEnum):
    """What kind of identity signs a call. A role signs only through a session of it."""

    ROOT = "root"
    USER = "user"
    ROLE_SESSION = "role_session"
    FEDERATED_USER = "federated_user"
    SERVICE = "service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A caller.

    `arn` is what messages show: for a role session the sts assumed-role ARN, for a service its name
    (`s3.amazonaws.com`, and `account` is then empty). `role_arn` has the role's path. `direct_keys` name this very
    caller; `session_policy` is the JSON text of the policy that was passed when its role was assumed (empty: none).
    `role_key` names its role; `account_keys` name its account; `all_keys` are these and `*`.
    """

    kind: PrincipalKind
    arn: str
    account: str
    name: str
    role_arn: str | None = None
    session_name: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    user_id: str = ""
    session_policy: str = field(default="", repr=False)
    direct_keys: tuple[str, ...] = field(init=False, repr=False, compare=False)
    role_key: str | None = field(init=False, repr=False, compare=False)
    account_keys: tuple[str, ...] = field(init=False, repr=False, compare=False)
    all_keys: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "direct_keys", self._own_keys())
        object.__setattr__(self, "role_key", self._role_key())
        object.__setattr__(self, "account_keys", self._account_keys())
        roles = () if self.role_key is None else (self.role_key,)
        object.__setattr__(self, "all_keys", (*self.direct_keys, *roles, *self.account_keys, ANYONE))

    @property
    def is_service_linked(self) -> bool:
        """True for a session of a service-linked role: SCPs and RCPs do not bind it."""
        return self.role_arn is not None and _SERVICE_LINKED in self.role_arn

    @property
    def partition(self) -> str:
        """`aws`, `aws-cn`, ...; a service principal counts as `aws`."""
        parsed = Arn.parse(self.arn)
        return parsed.partition if parsed else "aws"

    def _own_keys(self) -> tuple[str, ...]:
        match self.kind:
            case PrincipalKind.ROOT:
                return ()
            case PrincipalKind.SERVICE:
                return (f"service:{self.arn}",)
            case PrincipalKind.ROLE_SESSION if self.session_name is None:
                return ()  # its ARN is the role's, and to be named by that is to be limited as a role
            case _:
                return (self.arn,)

    def _role_key(self) -> str | None:
        if self.kind is not PrincipalKind.ROLE_SESSION:
            return None
        return f"arn:{self.partition}:iam::{self.account}:role/{self.name}"

    def _account_keys(self) -> tuple[str, ...]:
        if not self.account:
            return ()
        return (self.account, f"arn:{self.partition}:iam::{self.account}:root")


class PrincipalForm(StrEnum):
    """How a policy or a grant names somebody."""

    ANYONE = "anyone"
    ACCOUNT = "account"
    USER = "user"
    ROLE = "role"
    SESSION = "session"
    FEDERATED_USER = "federated_user"
    SERVICE = "service"
    UNMATCHED = "unmatched"
    """Well-formed, but no caller of KMS has it: federated providers, canonical users, ids of deleted identities."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedPrincipal:
    """A principal as a policy or a grant names it: the text as written and its key."""

    form: PrincipalForm
    text: str
    key: str
    account: str = ""


@lru_cache(maxsize=4096)
def read_principal(text: str) -> NamedPrincipal | None:
    """The principal that an ARN, an account id or `*` names, or None when it can name none.

    None for groups, for partial wildcards, and for anything else that is no principal. Source: IAM User Guide, "AWS
    JSON policy elements: Principal".
    """
    if text == ANYONE:
        return NamedPrincipal(form=PrincipalForm.ANYONE, text=text, key=ANYONE)
    if is_account_id(text):
        return NamedPrincipal(form=PrincipalForm.ACCOUNT, text=text, key=text, account=text)
    if _UNIQUE_ID.fullmatch(text):
        return NamedPrincipal(form=PrincipalForm.UNMATCHED, text=text, key=f"id:{text}")
    arn = Arn.parse(text)
    if arn is None or arn.region or not is_account_id(arn.account) or "*" in text or "?" in text:
        return None
    return _read_arn(arn, text)


def read_service(text: str) -> NamedPrincipal | None:
    """The service principal `text` (`s3.amazonaws.com`), or None when it has not that shape."""
    if not _SERVICE_NAME.fullmatch(text):
        return None
    return NamedPrincipal(form=PrincipalForm.SERVICE, text=text, key=f"service:{text}")


def _read_arn(arn: Arn, text: str) -> NamedPrincipal | None:
    kind, _, rest = arn.resource.partition("/")
    named = bool(rest) and not rest.endswith("/") and "//" not in rest and not rest.startswith("/")
    match (arn.service, kind):
        case ("iam", "root") if arn.resource == "root":
            return NamedPrincipal(form=PrincipalForm.ACCOUNT, text=text, key=text, account=arn.account)
        case ("iam", "user") if named:
            return NamedPrincipal(form=PrincipalForm.USER, text=text, key=text, account=arn.account)
        case ("iam", "role") if named:
            key = f"arn:{arn.partition}:iam::{arn.account}:role/{rest.rpartition('/')[2]}"
            return NamedPrincipal(form=PrincipalForm.ROLE, text=text, key=key, account=arn.account)
        case ("sts", "assumed-role") if named and rest.count("/") == 1:
            return NamedPrincipal(form=PrincipalForm.SESSION, text=text, key=text, account=arn.account)
        case ("sts", "federated-user") if named and "/" not in rest:
            return NamedPrincipal(form=PrincipalForm.FEDERATED_USER, text=text, key=text, account=arn.account)
        case _:
            return None


def principal_of_arn(text: str) -> Principal | None:
    """The caller that `text` (an ARN, or a service's name) stands for; None when it can be none.

    A role's ARN gives a session of it whose own name is not known, so entries for one session never match it.
    """
    service = read_service(text)
    if service is not None:
        return Principal(kind=PrincipalKind.SERVICE, arn=text, account="", name=text)
    named, arn = read_principal(text), Arn.parse(text)
    if named is None or arn is None:
        return None
    name = arn.resource.rpartition("/")[2]
    match named.form:
        case PrincipalForm.ACCOUNT:
            return Principal(kind=PrincipalKind.ROOT, arn=text, account=arn.account, name=name, user_id=arn.account)
        case PrincipalForm.USER:
            return Principal(kind=PrincipalKind.USER, arn=text, account=arn.account, name=name)
        case PrincipalForm.ROLE:
            kind = PrincipalKind.ROLE_SESSION
            return Principal(kind=kind, arn=text, account=arn.account, name=name, role_arn=text)
        case PrincipalForm.SESSION:
            kind, role = PrincipalKind.ROLE_SESSION, arn.resource.split("/")[1]
            return Principal(kind=kind, arn=text, account=arn.account, name=role, session_name=name)
        case _:
            return Principal(kind=PrincipalKind.FEDERATED_USER, arn=text, account=arn.account, name=name)
