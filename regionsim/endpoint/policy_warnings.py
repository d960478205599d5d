"""Key policies that KMS takes and that say something odd: whoever runs the server is told of them, as they are put."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from regionsim.authorization.findings import PolicyFinding, check_key_policy
from regionsim.kms.key import KmsKey
from regionsim.kms.key_policies import default_policy


class PolicyWarnings:
    """Watches the keys of a simulation. `tell` hears one line for each oddity of a policy that is new."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._told: dict[tuple[str, str], str] = {}

    def watch(self, region: str, key_id: str, key: KmsKey | None) -> None:
        """Look at a key that a commit changed (None: it is deleted)."""
        if key is None:
            self._told.pop((region, key_id), None)
            return
        policy = key.regional.policy
        if policy == default_policy(region, key.account) or self._told.get((region, key_id)) == policy:
            return
        self._told[region, key_id] = policy
        for finding in _warnings(policy, key.account):
            self._tell(
                f"warning: the policy of {key.arn} at {finding.path}: {finding.message}; KMS accepts it all the same"
            )


@lru_cache(maxsize=256)
def _warnings(policy: str, account: str) -> tuple[PolicyFinding, ...]:
    return tuple(one for one in check_key_policy(policy, key_account=account) if not one.is_error)
