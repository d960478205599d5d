"""IAM is global and each Region has a copy of it: a change reaches each copy a little later.

While a Region's copy is frozen (`iam_outage`) it decides by what it last knew. Source: IAM User Guide, "Changes that I
make are not always immediately visible"; the delay is ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from regionsim.accounts.changes import IamChange
from regionsim.accounts.directory import Directory
from regionsim.accounts.model import Account
from regionsim.region.region import Region
from regionsim.runtime.tasks import call_later_ns
from regionsim.runtime.trace import Trace

COPY_DELAY_NS = 2_000_000_000
"""From a change to every Region's copy. Source: ours (AWS says seconds)."""


class IamCopies:
    """The directory as IAM has it, and what the Regions' copies still lack."""

    def __init__(
        self,
        directory: Directory,
        regions: Mapping[str, Region],
        trace: Trace,
        is_frozen: Callable[[str], bool],
    ) -> None:
        self.latest = directory
        self._regions = regions
        self._trace = trace
        self._is_frozen = is_frozen
        self._behind: set[str] = set()

    def change(self, change: IamChange) -> None:
        """Make a change; the copies follow. Errors: ConfigError for what is not there."""
        self.latest = change.applied_to(self.latest)
        self._trace.emit("", "iam_changed", action=change.action.name, account=change.account, subject=change.subject)
        self._tell_copies()

    def put_account(self, account: Account) -> None:
        """Make an account, or replace one whole; the copies follow."""
        self.latest = self.latest.with_account(account)
        self._trace.emit("", "iam_changed", action="put_account", account=account.account_id, subject="")
        self._tell_copies()

    def _tell_copies(self) -> None:
        for region in self._regions:
            call_later_ns(COPY_DELAY_NS, self._copy, region, self.latest)

    def thaw(self) -> None:
        """A fault is over: copies that are no longer frozen catch up."""
        for region in sorted(self._behind):
            if not self._is_frozen(region):
                self._behind.discard(region)
                call_later_ns(COPY_DELAY_NS, self._copy, region, self.latest)

    def _copy(self, region: str, directory: Directory) -> None:
        if self._is_frozen(region):
            self._behind.add(region)
        elif self._regions[region].directory.version < directory.version:
            self._regions[region].directory = directory
            self._trace.emit(region, "iam_copied", version=directory.version)
