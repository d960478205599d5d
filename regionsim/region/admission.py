"""Admission: request quotas, asked before anything is decided. The caller's account pays."""

from __future__ import annotations

from regionsim.kms.quotas import RequestQuota, TokenBucket


class Admission:
    """The token buckets of one Region, one for each account and quota."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, str], TokenBucket] = {}

    def admit(self, account: str, quota: RequestQuota, now_ns: int, *, cost: int = 1) -> None:
        """Return when the account has requests left. Errors: ThrottlingException."""
        bucket = self._buckets.get((account, quota.name))
        if bucket is None:
            bucket = self._buckets[account, quota.name] = TokenBucket.full(quota, now_ns)
        bucket.take(now_ns, cost)
