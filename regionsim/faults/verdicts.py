"""What the faults that are on say about an envelope on a link, a call to a Region, and an operation of a disk.

Several faults (and a link's own settings) add up to one **rule**: a plain value, so that the order in which they were
switched on does not matter (but to the last bit of a probability) and the sum can be kept. A rule and one fixed set of
uniform draws give the **verdict**:

    envelope    pass, deliver after, duplicate, drop
    call        pass, fail (refused at once), stall (nothing answers)
    disk        pass, slow by, fail, full, torn

For an HSM, and for the door of a Region, the rule is the verdict: which job or call it meets needs no draw of theirs.

Chances add up as chances of survival do. One draw is held against their sum, so a message that is lost without a fault
is also lost with one more fault on: adding a fault only ever adds harm, to the envelopes it is about.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from regionsim.names.dataclass import dataclass

LOST_BY_CHANCE = "loss"
"""The reason of a drop that a draw decided; all other reasons are names of faults or of limits."""


def either(first: float, second: float) -> float:
    """The chance that at least one of two independent things happens."""
    if not first or not second:  # exact, so that a rule without chances changes nothing
        return first or second
    return 1.0 - (1.0 - first) * (1.0 - second)


class LinkDraws(NamedTuple):
    """The uniform draws in [0, 1) of one envelope: always all of them, in this order, whatever is on."""

    loss: float
    jitter: float
    duplicate: float
    duplicate_lag: float
    reorder: float
    reorder_lag: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRule:
    """What one direction of a link does to envelopes. The default does nothing.

    `cut_by` is why nothing passes ("" = something may); `loss`, `duplicate`, `reorder` are probabilities; `delay_ns`
    and `jitter_ns` (a mean) come on top of the link's own; of two bandwidths the smaller counts, None is without limit.
    """

    cut_by: str = ""
    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    delay_ns: int = 0
    jitter_ns: int = 0
    bandwidth_bytes_per_s: int | None = None

    def __add__(self, other: LinkRule) -> LinkRule:
        """Both rules at once; of two reasons for a cut the first by alphabet, so that their order does not matter."""
        cuts = sorted(reason for reason in (self.cut_by, other.cut_by) if reason)
        return LinkRule(
            cut_by=cuts[0] if cuts else "",
            loss=either(self.loss, other.loss),
            duplicate=either(self.duplicate, other.duplicate),
            reorder=either(self.reorder, other.reorder),
            delay_ns=self.delay_ns + other.delay_ns,
            jitter_ns=self.jitter_ns + other.jitter_ns,
            bandwidth_bytes_per_s=narrower(self.bandwidth_bytes_per_s, other.bandwidth_bytes_per_s),
        )


OPEN_LINK = LinkRule()


def narrower(one: int | None, other: int | None) -> int | None:
    """The smaller of two bandwidths; None is without limit."""
    limits = [limit for limit in (one, other) if limit is not None]
    return min(limits, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkVerdict:
    """The fate of one envelope: dropped for a reason, or delivered `delay_ns` later, once or twice, in order or not."""

    dropped_by: str = ""
    delay_ns: int = 0
    is_duplicated: bool = False
    is_reordered: bool = False


PASS = LinkVerdict()


def judge_link(rule: LinkRule, draws: LinkDraws) -> LinkVerdict:
    """The one verdict on an envelope; a drop makes the rest of it moot."""
    if rule.cut_by:
        return LinkVerdict(dropped_by=rule.cut_by)
    if draws.loss < rule.loss:
        return LinkVerdict(dropped_by=LOST_BY_CHANCE)
    is_duplicated = draws.duplicate < rule.duplicate
    is_reordered = draws.reorder < rule.reorder
    if not (is_duplicated or is_reordered or rule.delay_ns):
        return PASS
    return LinkVerdict(delay_ns=rule.delay_ns, is_duplicated=is_duplicated, is_reordered=is_reordered)


class CallVerdict(StrEnum):
    """What a caller's try at a Region meets."""

    PASS = "pass"
    FAIL = "fail"
    """The connection is refused at once."""
    STALL = "stall"
    """Nothing answers until the caller gives up."""

    def __or__(self, other: str) -> CallVerdict:
        """Both at once: where nothing answers, nothing refuses either."""
        return max(self, CallVerdict(other), key=_HARSHNESS.index)


_HARSHNESS = (CallVerdict.PASS, CallVerdict.FAIL, CallVerdict.STALL)


class DiskDraws(NamedTuple):
    """The uniform draws in [0, 1) of one disk operation: always both."""

    error: float
    torn: float


class DiskOutcome(StrEnum):
    """How a disk operation ends."""

    PASS = "pass"
    FAIL = "fail"
    """An I/O error; nothing was written."""
    FULL = "full"
    """No space left; nothing was written."""
    TORN = "torn"
    """A crash leaves the write half done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskRule:
    """What a Region's disk does to operations. `error` and `torn` are probabilities. The default does nothing."""

    slow_ns: int = 0
    error: float = 0.0
    torn: float = 0.0
    is_full: bool = False

    def __add__(self, other: DiskRule) -> DiskRule:
        """Both rules at once."""
        return DiskRule(
            slow_ns=self.slow_ns + other.slow_ns,
            error=either(self.error, other.error),
            torn=either(self.torn, other.torn),
            is_full=self.is_full or other.is_full,
        )


WORKING = DiskRule()


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskVerdict:
    """How one disk operation ends, after `slow_ns` more than it would have taken."""

    outcome: DiskOutcome = DiskOutcome.PASS
    slow_ns: int = 0


def judge_disk(rule: DiskRule, draws: DiskDraws, *, is_write: bool) -> DiskVerdict:
    """The one verdict on a disk operation; a full disk and a torn write are about writes only."""
    if draws.error < rule.error:
        outcome = DiskOutcome.FAIL
    elif is_write and rule.is_full:
        outcome = DiskOutcome.FULL
    elif is_write and draws.torn < rule.torn:
        outcome = DiskOutcome.TORN
    else:
        outcome = DiskOutcome.PASS
    return DiskVerdict(outcome=outcome, slow_ns=rule.slow_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class HsmRule:
    """What faults do to one HSM. `error` is the probability that a job fails. The default does nothing."""

    is_offline: bool = False
    is_wiped: bool = False
    slow_factor: float = 1.0
    error: float = 0.0

    def __add__(self, other: HsmRule) -> HsmRule:
        """Both rules at once."""
        return HsmRule(
            is_offline=self.is_offline or other.is_offline,
            is_wiped=self.is_wiped or other.is_wiped,
            slow_factor=self.slow_factor * other.slow_factor,
            error=either(self.error, other.error),
        )


SOUND = HsmRule()


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorRule:
    """What faults do to calls that have reached a Region. The default does nothing.

    `throttled_by` and `control_plane_out_by` are the names of the faults that do so; only with the first does
    `quota_factor` count.
    """

    throttled_by: tuple[str, ...] = ()
    quota_factor: float = 1.0
    control_plane_out_by: tuple[str, ...] = ()

    def __add__(self, other: DoorRule) -> DoorRule:
        """Both rules at once."""
        return DoorRule(
            throttled_by=self.throttled_by + other.throttled_by,
            quota_factor=self.quota_factor * other.quota_factor,
            control_plane_out_by=self.control_plane_out_by + other.control_plane_out_by,
        )


OPEN_DOOR = DoorRule()
