"""What the services of one world share: the world, a board of how their resources are, and what they do by themselves.

The board is told of each resource whenever KMS decided about it: it is well, or it is in a state of its service's own
words, because of which key, and by which answer of KMS. A change is an event of the trace (`service_state`), which
transcripts, the terminal app and `when:` read.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from regionsim.client.client import Try
from regionsim.names.dataclass import dataclass
from regionsim.runtime.tasks import now_ns, sleep
from regionsim.services.buckets import Bucket
from regionsim.simulation.simulation import Simulation

THROTTLED_FOR_NS = 60_000_000_000
"""So long after a throttled request a resource counts as throttled: others of its requests may pass. Source: ours."""

_THROTTLING = "ThrottlingException"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceState:
    """How one resource is. `because` is KMS's code (empty: it is well), `key` the key that it was about; `since_ns`
    counts from the beginning of the run."""

    service: str
    region: str
    resource: str
    state: str
    is_well: bool
    key: str
    because: str
    since_ns: int
    out_before_ns: int = 0
    """For how long it was not well before that."""

    def out_ns(self, at_ns: int) -> int:
        """For how long, up to an instant of the run, KMS has kept it from its users."""
        return self.out_before_ns + (0 if self.is_well else max(0, at_ns - self.since_ns))


class Board:
    """How every resource is that KMS had to do with."""

    def __init__(self, simulation: Simulation) -> None:
        self._trace = simulation.trace
        self._known: dict[tuple[str, str, str], ServiceState] = {}
        self._told_ns: dict[tuple[str, str, str], int] = {}

    @property
    def states(self) -> tuple[ServiceState, ...]:
        """All of them, by service, Region and name."""
        return tuple(self._known[place] for place in sorted(self._known))

    def state(self, service: str, region: str, resource: str) -> ServiceState | None:
        """That of one resource; None while nothing is known of it."""
        return self._known.get((service, region, resource))

    def well(self, service: str, region: str, resource: str, state: str, key: str) -> None:
        """Note that a resource is well."""
        place, known = (service, region, resource), self.state(service, region, resource)
        was_throttled = known is not None and known.because == _THROTTLING
        if was_throttled and now_ns() - self._told_ns[place] < THROTTLED_FOR_NS:
            return
        self._note(place, state=state, key=key or (known.key if known else ""), because="")

    def ill(self, service: str, region: str, resource: str, state: str, key: str, because: str) -> None:
        """Note that KMS keeps a resource from its users; one that never was there has no state."""
        known = self.state(service, region, resource)
        if known is not None:
            self._note((service, region, resource), state=state, key=key or known.key, because=because)

    def forget(self, service: str, region: str, resource: str) -> None:
        """Note that a resource is gone."""
        if self._known.pop((service, region, resource), None) is not None:
            self._emit(service, region, resource, state="", key="", because="", was="")

    def _note(self, place: tuple[str, str, str], *, state: str, key: str, because: str) -> None:
        service, region, resource = place
        known = self._known.get(place)
        self._told_ns[place] = now_ns()
        if known is not None and (known.state, known.key, known.because) == (state, key, because):
            return
        self._known[place] = ServiceState(
            service=service,
            region=region,
            resource=resource,
            state=state,
            is_well=not because,
            key=key,
            because=because,
            since_ns=now_ns(),
            out_before_ns=0 if known is None else known.out_ns(now_ns()),
        )
        was = "" if known is None else known.because
        self._emit(service, region, resource, state=state, key=key, because=because, was=was)

    def _emit(self, service: str, region: str, resource: str, **told: str) -> None:
        self._trace.emit(region, "service_state", service=service, resource=resource, **told)


class Premises:
    """What the services of one world share."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.board = Board(simulation)
        self.buckets: dict[str, Bucket] = {}
        """S3's buckets, which other services deliver into, too."""
        self.on_tries: Callable[[tuple[Try, ...]], object] | None = None
        """Told of each call of KMS that a service made by itself."""

    def begin(self, work: Coroutine[Any, Any, object], *, name: str) -> None:
        """Do something beside the requests of users, until the simulation stops."""
        self.simulation.begin_beside(work, name=name)

    def later(self, delay_ns: int, then: Callable[[], object], *, name: str) -> None:
        """Do something once that long has passed."""
        self.begin(_after(delay_ns, then), name=name)

    def tell_tries(self, tries: tuple[Try, ...]) -> None:
        """Say which calls a service made by itself, so that they are counted."""
        if self.on_tries is not None:
            self.on_tries(tries)


async def _after(delay_ns: int, then: Callable[[], object]) -> None:
    await sleep(delay_ns)
    then()
