"""Changes of IAM during a run, as values: what an administrator does to users, roles and accounts.

Source: IAM API Reference, the actions of these names; Organizations API Reference (service control policies).
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from regionsim.accounts.directory import Directory
from regionsim.accounts.model import NamedPolicy
from regionsim.accounts.organization import full_access
from regionsim.authorization.policy import Policy, PolicyKind
from regionsim.names.dataclass import dataclass
from regionsim.names.mistakes import ConfigError, advice


@dataclass(frozen=True, slots=True, kw_only=True)
class IamAction:
    """One kind of change: whom it is about (`user`, `role` or `account`) and what policy it takes (None: none).

    `names_policy`: the change says which of several policies it means.
    """

    name: str
    subject: str
    kind: PolicyKind | None
    names_policy: bool = False


_ACTIONS = (
    IamAction(name="put_user_policy", subject="user", kind=PolicyKind.IDENTITY, names_policy=True),
    IamAction(name="delete_user_policy", subject="user", kind=None, names_policy=True),
    IamAction(name="attach_user_policy", subject="user", kind=PolicyKind.IDENTITY, names_policy=True),
    IamAction(name="detach_user_policy", subject="user", kind=None, names_policy=True),
    IamAction(name="put_user_permissions_boundary", subject="user", kind=PolicyKind.BOUNDARY),
    IamAction(name="delete_user_permissions_boundary", subject="user", kind=None),
    IamAction(name="put_role_policy", subject="role", kind=PolicyKind.IDENTITY, names_policy=True),
    IamAction(name="delete_role_policy", subject="role", kind=None, names_policy=True),
    IamAction(name="attach_role_policy", subject="role", kind=PolicyKind.IDENTITY, names_policy=True),
    IamAction(name="detach_role_policy", subject="role", kind=None, names_policy=True),
    IamAction(name="put_role_permissions_boundary", subject="role", kind=PolicyKind.BOUNDARY),
    IamAction(name="delete_role_permissions_boundary", subject="role", kind=None),
    IamAction(name="update_assume_role_policy", subject="role", kind=PolicyKind.TRUST),
    IamAction(name="attach_scp", subject="account", kind=PolicyKind.SCP, names_policy=True),
    IamAction(name="detach_scp", subject="account", kind=None, names_policy=True),
)

IAM_ACTIONS = MappingProxyType({action.name: action for action in _ACTIONS})
"""Every change of IAM that a scenario can make, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IamChange:
    """One change: of the user, role or account `subject` of `account`; `name` and `policy` as the action takes them."""

    action: IamAction
    account: str
    subject: str
    name: str = ""
    policy: Policy | None = None

    def applied_to(self, directory: Directory) -> Directory:
        """The directory after the change. Errors: ConfigError for a user, role or policy that is not there."""
        match self.action.subject:
            case "user":
                return self._to_user(directory)
            case "role":
                return self._to_role(directory)
            case _:
                return self._to_account(directory)

    def _to_user(self, directory: Directory) -> Directory:
        if self.action.names_policy:
            if self.policy is None:
                return directory.without_user_policy(self.account, self.subject, self.name)
            return directory.with_user_policy(self.account, self.subject, self.name, self.policy)
        home, user = directory.accounts[self.account], directory.user(self.account, self.subject)
        changed = replace(user, boundary=self._boundary())
        return directory.with_account(replace(home, users={**home.users, user.name: changed}))

    def _to_role(self, directory: Directory) -> Directory:
        if self.action.names_policy:
            if self.policy is None:
                return directory.without_role_policy(self.account, self.subject, self.name)
            return directory.with_role_policy(self.account, self.subject, self.name, self.policy)
        home, role = directory.accounts[self.account], directory.role(self.account, self.subject)
        if self.action.name == "update_assume_role_policy":
            changed = replace(role, trust=self.policy)
        else:
            changed = replace(role, boundary=self._boundary())
        return directory.with_account(replace(home, roles={**home.roles, role.name: changed}))

    def _to_account(self, directory: Directory) -> Directory:
        """An SCP is attached to the account itself, where FullAWSAccess is until it is detached."""
        home = directory.accounts[self.account]
        above, own = home.scps[:-1], home.scps[-1] if home.scps else (full_access(),)
        kept = tuple(named for named in own if named.name != self.name)
        if self.policy is not None:
            kept = (*kept, NamedPolicy(name=self.name, policy=self.policy))
        elif len(kept) == len(own):
            known = [named.name for named in own]
            raise ConfigError(
                f"account '{self.account}' has no service control policy '{self.name}'; {advice(self.name, known)}"
            )
        if not kept:
            raise ConfigError(f"'{self.name}' is the last policy of account '{self.account}'; attach another one first")
        return directory.with_account(replace(home, scps=(*above, kept)))

    def _boundary(self) -> NamedPolicy | None:
        return None if self.policy is None else NamedPolicy(name="boundary", policy=self.policy)
