"""Audit complete: every answered call is in its Region's trail exactly once, and nothing else is.

Two exceptions, both around a crash of the Region's hosts: reads, cryptographic calls and refusals that were answered
within 100 ms before it may be missing (calls that changed something never are: their record is in their transaction),
and a call that had no answer yet may be there. A disk that takes nothing makes the first of them longer: then as many
may be missing as waited for it when the hosts lost their memory, the latest ones. A change whose commit failed in doubt
is answered with an error and may be there twice: as what it did and as what was answered.

A call is 16 bytes here until the end, one Region after the other is compared then: a million calls cost 16 MB, and
some 270 MB while they are compared.
"""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from dataclasses import field

from regionsim.invariants.verdicts import Finding, Kind, Kinds
from regionsim.kms.operations.registry import REGISTRY
from regionsim.names.dataclass import dataclass
from regionsim.region.audit import MAX_WAITING
from regionsim.region.region import Region
from regionsim.region.wire import unpack_calls
from regionsim.runtime.clock import NS_PER_MS
from regionsim.runtime.trace import Event
from regionsim.simulation.simulation import Simulation
from regionsim.store.errors import StoreError

WINDOW_NS = 100 * NS_PER_MS

_ID_BYTES = 16
_SEGMENTS_AT_ONCE = 64
_IN_DOUBT = "KMSInternalException"


@dataclass(slots=True, kw_only=True)
class _Calls:
    """The calls of one Region by their packed request ids. `answered` has them one after the other."""

    answered: bytearray = field(default_factory=bytearray)
    in_flight: set[object] = field(default_factory=set)
    """By the request ids as they are traced: most leave again before anybody looks, and are packed once."""
    recent: deque[tuple[int, bytes]] = field(default_factory=lambda: deque(maxlen=2 * MAX_WAITING))
    is_disk_failing: bool = False
    """True from a commit that failed until the next crash: who was answered is remembered for longer."""
    may_be_missing: set[bytes] = field(default_factory=set)
    may_be_there: set[bytes] = field(default_factory=set)
    may_be_twice: set[bytes] = field(default_factory=set)


class AuditComplete:
    """Notes answers as they are traced, and compares them with the records in the files at the end."""

    kinds: Kinds = frozenset({"call", "answer", "region_crashed", "store_failed"})

    def __init__(self, simulation: Simulation) -> None:
        self.finding = Finding(name="audit_complete", kind=Kind.SAFETY)
        self._calls = {name: _Calls() for name in simulation.regions}

    def watch(self, event: Event) -> None:
        match event.kind:
            case "call" if event.fields["op"] in REGISTRY:
                self._calls[event.region].in_flight.add(event.fields["request"])
            case "answer" if event.fields["op"] in REGISTRY:
                _answered(self._calls[event.region], event)
            case "region_crashed":
                _crashed(self._calls[event.region], event.t_ns, int(str(event.fields["unaudited"])))
            case "store_failed":
                self._calls[event.region].is_disk_failing = True
            case _:
                pass

    async def conclude(self, simulation: Simulation) -> None:
        """Compare with what the files hold; a Region that is down is read by nobody, and the finding says so."""
        at_ns = simulation.clock.now_ns() - simulation.world.start_at_ns
        unread = []
        for name, region in simulation.regions.items():
            calls = self._calls[name]
            calls.may_be_there.update(_pack(str(request)) for request in calls.in_flight)
            try:
                found = await _found(region)
            except StoreError as error:
                unread.append(f"{name} ({type(error).__name__})")
                continue
            if found is None:
                unread.append(f"{name} (down)")
                continue
            self._compare(name, calls, found, at_ns)
        if unread and self.finding.passed is not False:
            self.finding.detail = f"not read: {', '.join(unread)}"

    def _compare(self, name: str, calls: _Calls, found: Counter[bytes], at_ns: int) -> None:
        self.finding.checked += found.total()
        wanted = Counter(_ids(calls.answered))
        missing = [one for one in wanted if found[one] < wanted[one] and one not in calls.may_be_missing]
        if missing:
            what = f"{len(missing)} of {wanted.total()} answered calls are not in the trail"
            self.finding.violate(at_ns, f"{name}: {what}, the first is request {_shown(missing[0])}")
        doubled = [one for one, count in found.items() if count > max(1, wanted[one]) + (one in calls.may_be_twice)]
        if doubled:
            what = f"{len(doubled)} calls are in the trail more than once"
            self.finding.violate(at_ns, f"{name}: {what}, the first is request {_shown(doubled[0])}")
        strange = [one for one in found if one not in wanted and one not in calls.may_be_there]
        if strange:
            what = f"{len(strange)} records are of calls that nobody had an answer to"
            self.finding.violate(at_ns, f"{name}: {what}, the first is request {_shown(strange[0])}")


def _answered(calls: _Calls, event: Event) -> None:
    request, result = _packed(event), event.fields["result"]
    calls.in_flight.discard(event.fields["request"])
    calls.answered += request
    is_mutation = REGISTRY[str(event.fields["op"])].is_mutation
    if is_mutation and result == "ok":
        return
    if is_mutation and result == _IN_DOUBT:
        calls.may_be_twice.add(request)
    calls.recent.append((event.t_ns, request))
    _forget_old(calls, event.t_ns)


def _crashed(calls: _Calls, now_ns: int, unaudited: int) -> None:
    at_least_ns = now_ns - WINDOW_NS
    waited = len(calls.recent) - unaudited if calls.is_disk_failing else len(calls.recent)
    for number, (answered_ns, request) in enumerate(calls.recent):
        if answered_ns >= at_least_ns or number >= waited:
            calls.may_be_missing.add(request)
    calls.recent.clear()
    calls.is_disk_failing = False
    calls.may_be_there.update(_pack(str(request)) for request in calls.in_flight)
    calls.in_flight.clear()


def _forget_old(calls: _Calls, now_ns: int) -> None:
    while not calls.is_disk_failing and calls.recent and calls.recent[0][0] < now_ns - WINDOW_NS:
        calls.recent.popleft()


async def _found(region: Region) -> Counter[bytes] | None:
    """How often each call is in the Region's trail; None while it is down. Errors: StoreError."""
    if not region.is_up:
        return None
    await region.flush_audit()
    found: Counter[bytes] = Counter()
    sequence = 0
    while segments := await region.store.read_audit(after_sequence=sequence, limit=_SEGMENTS_AT_ONCE):
        for segment in segments:
            sequence = segment.sequence
            found.update(map(_pack, unpack_calls(segment.body)))
    return found


def _packed(event: Event) -> bytes:
    return _pack(str(event.fields["request"]))


def _pack(request_id: str) -> bytes:
    """The 16 bytes of a UUID; of any other text its hash."""
    try:
        packed = bytes.fromhex(request_id.replace("-", ""))
    except ValueError:
        packed = b""
    if len(packed) == _ID_BYTES:
        return packed
    return hashlib.blake2b(request_id.encode(), digest_size=_ID_BYTES).digest()


def _ids(packed: bytearray) -> list[bytes]:
    return [bytes(packed[start : start + _ID_BYTES]) for start in range(0, len(packed), _ID_BYTES)]


def _shown(request: bytes) -> str:
    text = request.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
