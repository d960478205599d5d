"""Amazon Resource Names: one parser, one formatter.

    arn:<partition>:<service>:<region>:<account>:<resource>

The resource may itself hold colons and slashes. IAM's ARNs have no Region.
"""

from __future__ import annotations

from functools import lru_cache

from regionsim.names.dataclass import dataclass
from regionsim.names.regions import partition_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Arn:
    """The six fields of an ARN."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"

    @classmethod
    def parse(cls, text: str) -> Arn | None:
        """The ARN that `text` is, or None when it is none (no exception: most callers branch on it)."""
        return _parsed(text) if text.startswith("arn:") else None


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Arn | None:
    fields = text.split(":", 5)
    if len(fields) != 6 or not fields[1] or not fields[2] or not fields[5]:
        return None
    return Arn(partition=fields[1], service=fields[2], region=fields[3], account=fields[4], resource=fields[5])


@lru_cache(maxsize=16_384)
def key_arn(region: str, account: str, key_id: str) -> str:
    """`arn:aws:kms:us-east-1:111122223333:key/...`."""
    return f"arn:{partition_of(region).name}:kms:{region}:{account}:key/{key_id}"


def alias_arn(region: str, account: str, alias_name: str) -> str:
    """`arn:aws:kms:us-east-1:111122223333:alias/...`; `alias_name` starts with `alias/`."""
    return f"arn:{partition_of(region).name}:kms:{region}:{account}:{alias_name}"


def account_root_arn(account: str, partition: str = "aws") -> str:
    """The account as a principal: its root user, and (in a key policy) delegation to its IAM policies."""
    return f"arn:{partition}:iam::{account}:root"


def user_arn(account: str, name: str, *, path: str = "/", partition: str = "aws") -> str:
    """An IAM user; `path` starts and ends with a slash."""
    return f"arn:{partition}:iam::{account}:user{path}{name}"


def role_arn(account: str, name: str, *, path: str = "/", partition: str = "aws") -> str:
    """An IAM role; `path` starts and ends with a slash."""
    return f"arn:{partition}:iam::{account}:role{path}{name}"


def session_arn(account: str, role_name: str, session_name: str, partition: str = "aws") -> str:
    """One session of a role (an assumed role); the role's path is not part of it."""
    return f"arn:{partition}:sts::{account}:assumed-role/{role_name}/{session_name}"
