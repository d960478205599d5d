"""Admission: what is asked of a call before anything is decided. Is there a control plane, and has the caller's account
requests left? The caller's account pays.
"""

from __future__ import annotations

from collections.abc import Callable

from regionsim.faults.verdicts import OPEN_DOOR, DoorRule
from regionsim.kms.errors import KMSInternalException, ThrottlingException
from regionsim.kms.key_specs import KeySpec
from regionsim.kms.planes import DATA_PLANE
from regionsim.kms.quotas import THROTTLED, RequestQuota, TokenBucket, key_store_quota, request_quota


class Admission:
    """The door of one Region: the token buckets, one for each account and quota, and what faults do to them.

    `on_fault_met` hears the names of the faults that a call meets here, whatever its luck.
    """

    def __init__(self, region: str, *, has_quotas: bool, on_fault_met: Callable[[tuple[str, ...]], None]) -> None:
        self.rule: DoorRule = OPEN_DOOR
        """What the faults that are on do; quotas count while one throttles, even where there are none without it."""
        self._region = region
        self._has_quotas = has_quotas
        self._on_fault_met = on_fault_met
        self._buckets: dict[tuple[str, str], TokenBucket] = {}

    @property
    def counts_requests(self) -> bool:
        """True when a call may be throttled."""
        return self._has_quotas or bool(self.rule.throttled_by)

    def forget(self) -> None:
        """Fill every bucket: the hosts that counted have lost their memory."""
        self._buckets.clear()

    def require_plane(self, operation: str) -> None:
        """Return when there are hosts for that operation. Errors: KMSInternalException."""
        if self.rule.control_plane_out_by and operation not in DATA_PLANE:
            self._on_fault_met(self.rule.control_plane_out_by)
            raise KMSInternalException

    def admit(
        self,
        account: str,
        operation: str,
        now_ns: int,
        *,
        spec: KeySpec | None = None,
        pair_spec: str | None = None,
        cost: int = 1,
    ) -> None:
        """Return when the account has requests left; the kind of key decides which bucket of a cryptographic quota
        pays. `now_ns` is the loop's: quotas go by durations, which no clock's skew reaches.

        Errors: ThrottlingException.
        """
        rule = self.rule
        if not self.counts_requests:
            return
        self._on_fault_met(rule.throttled_by)
        if not rule.quota_factor:
            raise ThrottlingException(THROTTLED)
        quota = request_quota(operation, self._region, spec, pair_spec)
        self._bucket(account, quota, now_ns).take(now_ns, cost, factor=rule.quota_factor)

    def admit_to_store(self, store_id: str, operation: str, now_ns: int) -> None:
        """Return when the custom key store of a call's key has requests left, too. Errors: ThrottlingException."""
        quota = key_store_quota(store_id, operation)
        if quota is not None and self.counts_requests:
            self._bucket("", quota, now_ns).take(now_ns, factor=self.rule.quota_factor)

    def _bucket(self, account: str, quota: RequestQuota, now_ns: int) -> TokenBucket:
        bucket = self._buckets.get((account, quota.name))
        if bucket is None:
            bucket = self._buckets[account, quota.name] = TokenBucket.full(quota, now_ns)
        return bucket
