"""The directory: every account with its users and roles, as one value.

Each Region holds a directory and exchanges it for a newer one when IAM's word reaches it; so a directory never changes,
and an update gives another one with the next version. Policies are compiled once and carried over.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from functools import lru_cache
from types import MappingProxyType

from regionsim.accounts.model import Account, NamedPolicy, Role, User
from regionsim.accounts.service_roles import MULTI_REGION_ROLE, multi_region_role
from regionsim.authorization.compile import CompiledPolicy, compile_policy
from regionsim.authorization.decide import Policies
from regionsim.authorization.policy import Policy, PolicyKind
from regionsim.authorization.principals import (
    NamedPrincipal,
    Principal,
    PrincipalForm,
    PrincipalKind,
    read_principal,
    read_service,
)
from regionsim.names.arns import Arn, account_root_arn, role_arn, session_arn, user_arn
from regionsim.names.dataclass import dataclass
from regionsim.names.ids import is_account_id
from regionsim.names.mistakes import ConfigError, advice
from regionsim.names.regions import PARTITIONS

READY_SESSION = "regionsim"
"""The name of the session under which a role acts when none is asked for."""

_PARTITION_NAMES = frozenset(partition.name for partition in PARTITIONS)
_DNS_SUFFIXES = tuple(f".{partition.dns_suffix}" for partition in PARTITIONS)

_Compiled = dict[tuple[str, str, str], tuple[CompiledPolicy, ...]]
_PoliciesOf = dict[int, tuple[Principal, Policies]]
"""By the identity of the principal, who is kept so that it stays theirs."""

_MOST_CALLERS = 4096

"""(account, layer and kind of identity, name) -> its policies, compiled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """All accounts, by id. KMS's multi-Region service-linked role is in each of them.

    Two directories of one history are equal when their versions are; `version` grows by one with each update.
    `knows_all`: a principal that is not here does not exist; else one that is well-formed may (`has_principal`).
    """

    accounts: Mapping[str, Account] = field(hash=False)
    version: int = 0
    knows_all: bool = True
    _compiled: _Compiled = field(default_factory=dict, init=False, repr=False, compare=False)
    _policies: _PoliciesOf = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for account_id, account in self.accounts.items():
            assert account_id == account.account_id, "accounts are listed under their own ids"
            if not is_account_id(account_id):
                raise ConfigError(f"no account id: '{account_id}'; 12 digits are wanted, in quotes")
        complete = {account_id: _with_service_role(account) for account_id, account in self.accounts.items()}
        object.__setattr__(self, "accounts", MappingProxyType(complete))

    # ------------------------------------------------------------------------------------------------- who is who

    def principal(self, account: str, spelling: str, *, partition: str = "aws") -> Principal:
        """The caller meant by `alice`, `role/app`, `root` or `service/s3`, in `account`.

        `111122223333/alice` and full ARNs name their own account. A role acts through its ready session.
        Errors: ConfigError naming the nearest principal when there is none of that name.
        """
        if spelling.startswith("arn:"):
            return self._principal_of_arn(spelling)
        head, slash, tail = spelling.partition("/")
        if slash and is_account_id(head):
            return self.principal(head, tail, partition=partition)
        if head == "service" and tail:
            return _service(tail)
        home = self._account(account)
        if spelling == "root":
            arn = account_root_arn(account, partition)
            return Principal(kind=PrincipalKind.ROOT, arn=arn, account=account, name="root", user_id=account)
        if head == "role" and tail in home.roles:
            return self.session(account, tail, READY_SESSION, partition=partition)
        if spelling in home.users:
            return _user(account, home.users[spelling], partition)
        raise ConfigError(f"no such principal: '{spelling}'; {advice(spelling, self.principal_spellings(account))}")

    def session(
        self,
        account: str,
        role_name: str,
        session_name: str,
        *,
        partition: str = "aws",
        tags: Mapping[str, str] | None = None,
        session_policy: str = "",
    ) -> Principal:
        """A session of a role; `tags` are the session's own, and go before the role's, `session_policy` limits it.

        Errors: ConfigError when there is no such role.
        """
        role = self.role(account, role_name)
        return Principal(
            kind=PrincipalKind.ROLE_SESSION,
            arn=session_arn(account, role.name, session_name, partition),
            account=account,
            name=role.name,
            role_arn=role_arn(account, role.name, path=role.path, partition=partition),
            session_name=session_name,
            tags=MappingProxyType({**role.tags, **(tags or {})}),
            user_id=f"{_unique_id('AROA', account, role.name)}:{session_name}",
            session_policy=session_policy,
        )

    def has_principal(self, arn_or_account: str) -> bool:
        """True when the principal that a policy names exists: of services, by form; of sessions, their role.

        Ids of deleted identities (`AIDA...`) do not. Source: KMS API Reference, PutKeyPolicy ("must exist and be
        visible to KMS").
        """
        if read_service(arn_or_account) is not None:
            return arn_or_account.endswith(_DNS_SUFFIXES)
        named, arn = read_principal(arn_or_account), Arn.parse(arn_or_account)
        if named is None or named.form is PrincipalForm.UNMATCHED:
            return False
        if named.form is PrincipalForm.ANYONE or not self.knows_all:
            return True
        home = self.accounts.get(named.account)
        if home is None or (arn is not None and arn.partition not in _PARTITION_NAMES):
            return False
        return arn is None or _has_identity(home, named, arn)

    def principal_spellings(self, account: str) -> list[str]:
        """The principals of an account as scenarios spell them, sorted; without service-linked roles."""
        home = self.accounts.get(account)
        if home is None:
            return ["root"]
        roles = [f"role/{name}" for name in home.roles if name != MULTI_REGION_ROLE]
        return sorted(["root", *home.users, *roles])

    # ----------------------------------------------------------------------------------------------- their policies

    def policies_of(self, principal: Principal) -> Policies:
        """Everything that binds the caller whatever the resource: identity policies, boundary, session, SCPs."""
        known = self._policies.get(id(principal))
        if known is not None and known[0] is principal:  # a caller calls again and again
            return known[1]
        policies = Policies(
            identity=self.identity_policies(principal),
            boundary=self.boundary_policies(principal),
            session=self.session_policies(principal),
            scps=self.service_control_policies(principal),
        )
        if len(self._policies) >= _MOST_CALLERS:
            self._policies.clear()
        self._policies[id(principal)] = (principal, policies)
        return policies

    def identity_policies(self, principal: Principal) -> tuple[CompiledPolicy, ...]:
        """The caller's identity policies; none for the root user, a service, or an identity that is gone."""
        identity = self._identity(principal)
        if identity is None:
            return ()
        return self._compile(principal, "identity", PolicyKind.IDENTITY, identity.policies)

    def boundary_policies(self, principal: Principal) -> tuple[CompiledPolicy, ...]:
        """The caller's permissions boundary: one policy, or none."""
        identity = self._identity(principal)
        if identity is None or identity.boundary is None:
            return ()
        return self._compile(principal, "boundary", PolicyKind.BOUNDARY, (identity.boundary,))

    def session_policies(self, principal: Principal) -> tuple[CompiledPolicy, ...]:
        """The policy that limits a session: the one passed when its role was assumed, or none."""
        return (_compiled_session(principal.session_policy),) if principal.session_policy else ()

    def service_control_policies(self, principal: Principal) -> tuple[tuple[CompiledPolicy, ...], ...]:
        """The SCPs that bind the caller's account, by level; none for the management account."""
        home = self.accounts.get(principal.account)
        if home is None or home.is_management:
            return ()
        return tuple(
            self._compiled_once((home.account_id, "scp", str(level)), PolicyKind.SCP, policies)
            for level, policies in enumerate(home.scps)
        )

    def _compile(
        self, principal: Principal, layer: str, kind: PolicyKind, policies: tuple[NamedPolicy, ...]
    ) -> tuple[CompiledPolicy, ...]:
        return self._compiled_once(_compiled_key(principal.account, layer, principal), kind, policies)

    def _compiled_once(
        self, key: tuple[str, str, str], kind: PolicyKind, policies: tuple[NamedPolicy, ...]
    ) -> tuple[CompiledPolicy, ...]:
        found = self._compiled.get(key)
        if found is None:
            found = tuple(compile_policy(named.policy, name=named.name, kind=kind) for named in policies)
            self._compiled[key] = found
        return found

    # ------------------------------------------------------------------------------------------------------ updates

    def with_account(self, account: Account) -> Directory:
        """A directory with the account besides; one with the same id is replaced."""
        return self._updated(account)

    def with_user_policy(self, account: str, user: str, name: str, policy: Policy) -> Directory:
        """A directory in which the user has the policy under `name`, as after PutUserPolicy."""
        found = self.user(account, user)
        return self._with_user(account, replace(found, policies=_put(found.policies, name, policy)))

    def without_user_policy(self, account: str, user: str, name: str) -> Directory:
        """A directory in which the user has no policy of that name, as after DeleteUserPolicy.

        Errors: ConfigError when it has none now.
        """
        found = self.user(account, user)
        return self._with_user(account, replace(found, policies=_delete(found.policies, name, f"user '{user}'")))

    def with_role_policy(self, account: str, role: str, name: str, policy: Policy) -> Directory:
        """A directory in which the role has the policy under `name`, as after PutRolePolicy."""
        found = self.role(account, role)
        return self._with_role(account, replace(found, policies=_put(found.policies, name, policy)))

    def without_role_policy(self, account: str, role: str, name: str) -> Directory:
        """A directory in which the role has no policy of that name, as after DeleteRolePolicy.

        Errors: ConfigError when it has none now.
        """
        found = self.role(account, role)
        return self._with_role(account, replace(found, policies=_delete(found.policies, name, f"role '{role}'")))

    def _with_user(self, account: str, user: User) -> Directory:
        home = self._account(account)
        return self._updated(replace(home, users={**home.users, user.name: user}))

    def _with_role(self, account: str, role: Role) -> Directory:
        home = self._account(account)
        return self._updated(replace(home, roles={**home.roles, role.name: role}))

    def _updated(self, account: Account) -> Directory:
        accounts = {**self.accounts, account.account_id: account}
        result = Directory(accounts=accounts, version=self.version + 1, knows_all=self.knows_all)
        others = {key: value for key, value in self._compiled.items() if key[0] != account.account_id}
        result._compiled.update(others)
        return result

    # ----------------------------------------------------------------------------------------------------- look-ups

    def _account(self, account: str) -> Account:
        found = self.accounts.get(account)
        if found is None:
            raise ConfigError(f"no such account: '{account}'; {advice(account, self.accounts)}")
        return found

    def user(self, account: str, name: str) -> User:
        """The user of that name. Errors: ConfigError."""
        home = self._account(account)
        if name not in home.users:
            raise ConfigError(f"no such user: '{name}'; {advice(name, home.users)}")
        return home.users[name]

    def role(self, account: str, name: str) -> Role:
        """The role of that name. Errors: ConfigError."""
        home = self._account(account)
        if name not in home.roles:
            raise ConfigError(f"no such role: '{name}'; {advice(name, home.roles)}")
        return home.roles[name]

    def find_role(self, account: str, name: str) -> Role | None:
        """The role of that name, or None."""
        home = self.accounts.get(account)
        return None if home is None else home.roles.get(name)

    def _identity(self, principal: Principal) -> User | Role | None:
        home = self.accounts.get(principal.account)
        if home is None:
            return None
        match principal.kind:
            case PrincipalKind.USER:
                return home.users.get(principal.name)
            case PrincipalKind.ROLE_SESSION:
                return home.roles.get(principal.name)
            case _:
                return None

    def _principal_of_arn(self, text: str) -> Principal:
        named, arn = read_principal(text), Arn.parse(text)
        if named is None or arn is None or not self.has_principal(text):
            known = [spelling for account in self.accounts for spelling in self._arns(account)]
            raise ConfigError(f"no such principal: '{text}'; {advice(text, known)}")
        name = arn.resource.rpartition("/")[2]
        match named.form:
            case PrincipalForm.ACCOUNT:
                return self.principal(arn.account, "root", partition=arn.partition)
            case PrincipalForm.USER:
                return self.principal(arn.account, name, partition=arn.partition)
            case PrincipalForm.ROLE:
                return self.session(arn.account, name, READY_SESSION, partition=arn.partition)
            case PrincipalForm.SESSION:
                return self.session(arn.account, arn.resource.split("/")[1], name, partition=arn.partition)
            case _:
                kind = PrincipalKind.FEDERATED_USER
                return Principal(kind=kind, arn=text, account=arn.account, name=name, user_id=f"{arn.account}:{name}")

    def _arns(self, account: str) -> Iterable[str]:
        home = self.accounts[account]
        yield account_root_arn(account)
        yield from (user_arn(account, user.name, path=user.path) for user in home.users.values())
        yield from (role_arn(account, role.name, path=role.path) for role in home.roles.values())


_MADE_BY_A_SERVICE = "aws:"
"""Begins the name of an identity that a service makes in an account for its own use (`aws:ec2-infrastructure`); no role
of IAM has a colon in its name. Source: KMS Developer Guide, "How Amazon EBS uses AWS KMS" (CloudTrail samples)."""


@lru_cache(maxsize=1024)
def _compiled_session(policy: str) -> CompiledPolicy:
    return compile_policy(policy, name="session policy", kind=PolicyKind.SESSION)


def _with_service_role(account: Account) -> Account:
    if MULTI_REGION_ROLE in account.roles:
        return account
    return replace(account, roles={**account.roles, MULTI_REGION_ROLE: multi_region_role()})


def _has_identity(home: Account, named: NamedPrincipal, arn: Arn) -> bool:
    name = arn.resource.rpartition("/")[2]
    match named.form:
        case PrincipalForm.USER:
            user = home.users.get(name)
            return user is not None and arn.resource == f"user{user.path}{name}"
        case PrincipalForm.ROLE:
            role = home.roles.get(name)
            return role is not None and arn.resource == f"role{role.path}{name}"
        case PrincipalForm.SESSION:
            role_name = arn.resource.split("/")[1]
            return role_name in home.roles or role_name.startswith(_MADE_BY_A_SERVICE)
        case _:
            return True


def _service(name: str) -> Principal:
    text = name if name.endswith(_DNS_SUFFIXES) else f"{name}.amazonaws.com"
    if read_service(text) is None:
        raise ConfigError(f"no such service: '{name}'; a service is named as in 'service/s3'")
    return Principal(kind=PrincipalKind.SERVICE, arn=text, account="", name=text)


def _user(account: str, user: User, partition: str) -> Principal:
    return Principal(
        kind=PrincipalKind.USER,
        arn=user_arn(account, user.name, path=user.path, partition=partition),
        account=account,
        name=user.name,
        tags=user.tags,
        user_id=_unique_id("AIDA", account, user.name),
    )


def identity_id(principal: Principal) -> str:
    """IAM's id of a user, of a role's session, or of an account's root, where only the ARN is known."""
    match principal.kind:
        case PrincipalKind.USER:
            return _unique_id("AIDA", principal.account, principal.name)
        case PrincipalKind.ROLE_SESSION:
            return f"{_unique_id('AROA', principal.account, principal.name)}:{principal.session_name}"
        case PrincipalKind.FEDERATED_USER:
            return f"{principal.account}:{principal.name}"
        case _:
            return principal.account


def _unique_id(prefix: str, account: str, name: str) -> str:
    """An id in IAM's form that is the same in every run. Source of the form: IAM User Guide, "Unique identifiers"."""
    digest = hashlib.sha256(f"{prefix}/{account}/{name}".encode()).digest()
    return prefix + base64.b32encode(digest).decode("ascii")[:17]


def _compiled_key(account: str, layer: str, principal: Principal) -> tuple[str, str, str]:
    return (account, f"{layer} of {principal.kind.value}", principal.name)


def _put(policies: tuple[NamedPolicy, ...], name: str, policy: Policy) -> tuple[NamedPolicy, ...]:
    others = tuple(named for named in policies if named.name != name)
    return (*others, NamedPolicy(name=name, policy=policy))


def _delete(policies: tuple[NamedPolicy, ...], name: str, owner: str) -> tuple[NamedPolicy, ...]:
    kept = tuple(named for named in policies if named.name != name)
    if len(kept) == len(policies):
        raise ConfigError(f"{owner} has no policy '{name}'; {advice(name, [named.name for named in policies])}")
    return kept
