"""Denied never reaches an HSM: a call that ends in AccessDeniedException or ThrottlingException asked no HSM.

What was asked is told by the place that every job passes on its way to the fleet. The HSMs tell of every job that they
did: one that nobody told of before went past that place, and so past all that comes before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import field

from regionsim.invariants.verdicts import Finding, Kind, Kinds
from regionsim.kms.hsm_jobs import (
    AcceptAgreement,
    CompleteAgreement,
    InstallMaterials,
    OfferAgreement,
    RewrapTokens,
    WrapMaterials,
)
from regionsim.kms.secret_jobs import OpenSecret, RewrapSecret
from regionsim.names.dataclass import dataclass
from regionsim.region.incarnation import CALENDAR
from regionsim.runtime.trace import Event
from regionsim.simulation.simulation import Simulation

_DENIALS = frozenset({"AccessDeniedException", "ThrottlingException"})
_FAILED = "KMSInternalException"
_UPKEEP = frozenset(
    job.__name__
    for job in (
        AcceptAgreement, CompleteAgreement, InstallMaterials, OfferAgreement, OpenSecret, RewrapSecret, RewrapTokens,
        WrapMaterials,
    )
)  # fmt: skip
"""What a Region asks its HSMs for without a call."""


@dataclass(slots=True, kw_only=True)
class _Asked:
    """What one Region asked its HSMs for: by which calls that have no answer yet, and which jobs are not done yet.

    `adrift` counts jobs whose hosts have crashed and that an HSM may still end.
    """

    requests: set[object] = field(default_factory=set)
    jobs: Counter[str] = field(default_factory=Counter)
    adrift: Counter[str] = field(default_factory=Counter)


class DeniedNeverReachesHsm:
    """Checked at every denial by its request id, and at every job of an HSM by count."""

    kinds: Kinds = frozenset({"hsm_request", "hsm_job", "hsm_failed", "answer", "region_crashed"})

    def __init__(self, regions: Iterable[str], hsm_per_region: int) -> None:
        self.finding = Finding(name="denied_never_reaches_hsm", kind=Kind.SAFETY)
        self._asked = {region: _Asked() for region in regions}
        self._hsm_count = hsm_per_region

    def watch(self, event: Event) -> None:
        match event.kind:
            case "hsm_request":
                self._requested(self._asked[event.region], event)
            case "hsm_job":
                self._done(self._asked[event.region], event)
            case "hsm_failed":
                self._asked[event.region].jobs[str(event.fields["job"])] -= 1
            case "answer":
                self._answered(self._asked[event.region], event)
            case "region_crashed":
                self._crashed(self._asked[event.region])
            case _:
                pass

    async def conclude(self, simulation: Simulation) -> None:
        """Nothing more: every answer and every job was looked at."""

    def _requested(self, asked: _Asked, event: Event) -> None:
        request, job = event.fields["request"], str(event.fields["job"])
        asked.jobs[job] += 1
        if request is not None and request != CALENDAR:
            asked.requests.add(request)
        elif request is None and job not in _UPKEEP:
            self.finding.violate(event.t_ns, f"{event.region} asked its HSMs for {job} without a call")

    def _done(self, asked: _Asked, event: Event) -> None:
        job = str(event.fields["job"])
        if asked.jobs[job] <= 0:
            if asked.adrift[job] <= 0:
                self.finding.violate(event.t_ns, f"an HSM of {event.region} did a {job} that no call had asked for")
            asked.adrift[job] -= 1
        elif event.fields["outcome"] != _FAILED:  # else `hsm_failed` follows and counts it
            asked.jobs[job] -= 1

    def _answered(self, asked: _Asked, event: Event) -> None:
        request = event.fields["request"]
        if event.fields["result"] in _DENIALS:
            self.finding.checked += 1
            if request in asked.requests:
                detail = f"{event.fields['op']} in {event.region} was denied after an HSM job"
                self.finding.violate(event.t_ns, detail)
        asked.requests.discard(request)

    def _crashed(self, asked: _Asked) -> None:
        """Nobody gets an answer any more. Of what was asked for, each HSM still ends at most the job in service."""
        asked.requests.clear()
        for job, count in asked.jobs.items():
            asked.adrift[job] = min(self._hsm_count, max(0, asked.adrift[job]) + count)
        asked.jobs.clear()
