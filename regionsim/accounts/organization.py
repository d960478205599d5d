"""Organizations: levels of service control policies, and what membership says of an account.

Source: Organizations User Guide, "Service control policies (SCPs)" (FullAWSAccess is attached to every root, unit and
account until somebody detaches it; at least one policy stays attached; SCPs do not affect the management account); IAM
User Guide, "AWS global condition context keys".
"""

from __future__ import annotations

from functools import cache

from regionsim.accounts.model import Account, NamedPolicy
from regionsim.authorization.policy import Effect, PolicyKind, parse_policy

FULL_ACCESS = "FullAWSAccess"


@cache
def full_access() -> NamedPolicy:
    """AWS's policy FullAWSAccess."""
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    return NamedPolicy(name=FULL_ACCESS, policy=parse_policy(document, kind=PolicyKind.SCP))


def level_of(policies: tuple[NamedPolicy, ...]) -> tuple[NamedPolicy, ...]:
    """A level to which these policies are attached.

    Where none of them allows anything they take something away, so FullAWSAccess is there as well; a level with an
    Allow of its own lists what is allowed, instead of it. Source: ours, for files that name no FullAWSAccess.
    """
    allows = any(statement.effect is Effect.ALLOW for named in policies for statement in named.policy.statements)
    return policies if allows else (full_access(), *policies)


def organization_values(account: Account | None, whose: str) -> dict[str, str | tuple[str, ...] | None]:
    """`aws:PrincipalOrgID`, `aws:PrincipalOrgPaths` for `whose` of Principal; so for Resource and Source."""
    if account is None or not account.organization_id:
        return {}
    return {
        f"aws:{whose}orgid".lower(): account.organization_id,
        f"aws:{whose}orgpaths".lower(): (account.organization_path,),
    }
