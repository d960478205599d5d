"""The only module that runs regionsim: a scenario on its own loop in its own thread, watched from another one.

Intents go in (pause, speed, on to the next event), frozen pictures come out, when they are asked for. The simulation
never waits for the screen, and looking changes nothing: the run is the one that nobody watches.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import replace

from regionsim.client.client import CONNECTION_ERRORS
from regionsim.kms.errors import AccessDeniedException, KmsError
from regionsim.kms.key import KmsKey
from regionsim.kms.plan import Call
from regionsim.kms.situation import Happening
from regionsim.names.ids import is_key_id
from regionsim.network.latencies import one_way_ns
from regionsim.runtime.trace import Event
from regionsim.scenario.model import Scenario
from regionsim.scenario.results import RunResult
from regionsim.scenario.run import RunOptions, Watched, run_scenario
from regionsim.scenario.transcript import Line
from tui.picture import Denial, EventRow, KeyRow, Kind, Picture, ServiceRow

EVENTS_KEPT = 50_000
FLAT_OUT = math.inf
_LATENCIES_KEPT = 512
_SLICES = 60
_CHANGES = frozenset(Happening)
_NOTABLE_CHANGES = frozenset(
    {
        Happening.ROTATION_STARTED,
        Happening.ROTATION_COMPLETED,
        Happening.PRIMARY_MOVED,
        Happening.REPLICA_LOST,
        Happening.KEY_DELETED,
    }
)
_LIVES = {
    "region_crashed": "the hosts lost their memory",
    "region_booted": "the hosts are up",
    "hsms_serving": "{serving} of {hsms} HSMs",
    "domain_recovered": "from its sealed token",
    "domain_not_recovered": "its sealed token cannot be opened",
}
_NOTABLE = frozenset({Kind.DENIED, Kind.FAULT, Kind.LIFE, Kind.STEP, Kind.SERVICE})


class Bridge:
    """One run of one scenario. `ask` for a picture, look at `picture` later; all methods are of the watching thread."""

    def __init__(self, scenario: Scenario, *, seed: int | None = None, rate: float = 1.0, end_ns: int) -> None:
        self.scenario = scenario
        self.seed = scenario.seed if seed is None else seed
        self.speed = rate
        """Virtual seconds per second when it is not paused."""
        self._events: list[EventRow] = []
        self._window: tuple[str, int, int] = (scenario.world.regions[0], 0, 50)
        self.picture: Picture | None = None
        self.result: RunResult | None = None
        self.error: BaseException | None = None
        self._end_ns = end_ns
        self._watched: Watched | None = None
        self._is_asked = False
        self._last_keys: dict[str, tuple[KeyRow, ...]] | None = None
        """The keys of every Region when the run was over; None before."""
        self._stops_at: frozenset[str] = frozenset()
        self._count = 0
        self._denied = 0
        self._callers: dict[str, str] = {}
        self._denials: dict[str, Denial] = {}
        self._notables: list[tuple[int, Kind]] = []
        self._latencies = {name: deque[int](maxlen=_LATENCIES_KEPT) for name in scenario.world.regions}
        self._slice_ns = max(1_000_000_000, end_ns // 240)
        self._slices: dict[str, deque[tuple[int, int]]] = {
            name: deque(maxlen=_SLICES) for name in scenario.world.regions
        }
        self._services: dict[tuple[str, str, str], ServiceRow] = {}
        self._caption = ""
        self._names: dict[str, str] = {}
        self._thread = threading.Thread(target=self._run, name="regionsim-watched", daemon=True)
        self._ready = threading.Event()

    # --------------------------------------------------------------------------------------------------- the screen's

    def begin(self) -> None:
        """Start the run."""
        self._thread.start()
        self._ready.wait()

    def ask(self, region: str, offset: int, count: int) -> None:
        """Have a new picture made, with a window of one Region's keys; nothing waits for it."""
        watched, self._window = self._watched, (region, offset, count)
        if self._last_keys is not None:
            self._show_last_keys(self._last_keys[region])
            return
        if watched is None or self._is_asked:
            return
        self._is_asked = True
        watched.paced.peek(lambda: self._look(watched, region, offset, count))

    def events_between(self, after: int, upto: int) -> list[EventRow]:
        """The events with numbers over `after` up to `upto`, oldest first, as far as they are kept."""
        events = self._events  # one look: the run may put another list in its place
        if not events:
            return []
        first = events[0].number
        return events[max(0, after - first + 1) : max(0, upto - first + 1)]

    def _show_last_keys(self, rows: tuple[KeyRow, ...]) -> None:
        """The window that is asked for, of a run that is over: its Regions are closed."""
        region, offset, count = self._window
        picture, keys = self.picture, rows[offset : offset + count]
        if picture is not None and (picture.key_region, picture.key_offset, picture.keys) != (region, offset, keys):
            self.picture = replace(picture, key_region=region, key_offset=offset, keys=keys, key_count=len(rows))

    def tell_end(self) -> None:
        """Put what came of the run into the picture; it is over."""
        assert self.picture is not None
        if self.error is not None:
            verdict = f"the run stopped: {type(self.error).__name__}: {self.error}"
        elif self.result is not None:
            verdict = f"verdict {self.result.verdict.value}" + (f": {self.result.reason}" if self.result.reason else "")
        else:
            return
        self.picture = replace(self.picture, verdict=verdict, is_over=True)

    @property
    def is_paused(self) -> bool:
        return self._watched is not None and self._watched.paced.rate == 0

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive() and self._ready.is_set()

    def pause(self) -> None:
        """Stop before the next instant."""
        if self._watched is not None:
            self._watched.paced.set_rate(0)

    def resume(self) -> None:
        """Go on at the chosen speed."""
        self._stops_at = frozenset()
        if self._watched is not None:
            self._watched.paced.set_rate(self.speed)

    def set_speed(self, speed: float) -> None:
        """Choose a speed; a paused run stays paused."""
        self.speed = speed
        if self._watched is not None and not self.is_paused:
            self._watched.paced.set_rate(speed)

    def go_to_next(self, *, notable: bool) -> None:
        """Run flat out to the next event, or the next notable one, and pause behind it."""
        self._stops_at = _NOTABLE if notable else frozenset(Kind)
        if self._watched is not None:
            self._watched.paced.set_rate(FLAT_OUT)

    def stop(self) -> None:
        """End the run, and wait for that."""
        if self._watched is not None:
            self._watched.paced.stop()
        self._thread.join()

    # ------------------------------------------------------------------------------------------------ the simulation's

    def _run(self) -> None:
        options = RunOptions(seed=self.seed, on_start=self._attach, on_line=self._line, rate=self._first_rate())
        options = replace(options, on_end=self._last_look)
        try:
            self.result = run_scenario(self.scenario, options)
        except BaseException as error:  # noqa: BLE001 - carried to the screen, which tells it
            self.error = error
        finally:
            self._ready.set()

    def _first_rate(self) -> float | None:
        return None if self.speed == FLAT_OUT else self.speed

    def _attach(self, watched: Watched) -> None:
        self._watched = watched
        watched.simulation.trace.add_sink(self._hear)
        watched.simulation.on_refusal(self._refused)
        self._ready.set()

    def _last_look(self) -> None:
        assert self._watched is not None
        self._look(self._watched, *self._window)
        simulation = self._watched.simulation
        glance = simulation.glance()
        # From here on no look at the Regions: one that was asked for before would see them being closed.
        self._last_keys = {
            name: tuple(self._key_row(key) for key in simulation.keys_in(name, offset=0, count=region.key_count))
            for name, region in glance.regions.items()
        }

    def _line(self, line: Line) -> None:
        if line.event == "say":
            self._caption = line.subject
        elif line.event == "FAILED":
            self._add(line.at_ns, line.region, "expectation", subject=line.subject, outcome="FAILED", kind=Kind.STEP)

    def _refused(self, region: str, call: Call, refusal: KmsError) -> None:
        if isinstance(refusal, AccessDeniedException):
            request, policies = refusal.reason or (None, None)
            self._denials[call.request_id] = Denial(message=refusal.message, request=request, policies=policies)

    def _hear(self, event: Event) -> None:
        fields = event.fields
        match event.kind:
            case "call":
                self._callers[str(fields["request"])] = _short(str(fields["by"]))
            case "answer":
                self._answered(event)
            case "client_call":
                self._called(event)
            case "fault_begins" | "fault_ends":
                outcome = "begins" if event.kind == "fault_begins" else "ends"
                self._add(event.t_ns, "", "fault", subject=str(fields["what"]), outcome=outcome, kind=Kind.FAULT)
            case "service_state":
                self._service(event)
            case kind if kind in _CHANGES:
                subject = self._name(str(fields["key"]))
                self._add(event.t_ns, event.region, kind, subject=subject, kind=Kind.CHANGE)
            case kind if kind in _LIVES and fields.get("boot") != 1:
                self._add(event.t_ns, event.region, kind, subject=_LIVES[kind].format_map(fields), kind=Kind.LIFE)
            case _:
                pass

    def _service(self, event: Event) -> None:
        """A resource of a service has another state."""
        told = {name: str(value) for name, value in event.fields.items()}
        place = (told["service"], told["resource"], event.region)
        if not told["state"]:
            self._services.pop(place, None)
            return
        key = self._name(told["key"]) if is_key_id(told["key"]) else told["key"]
        self._services[place] = ServiceRow(
            service=told["service"],
            name=told["resource"],
            region=event.region,
            state=told["state"],
            key=key,
            key_id=told["key"],
            because=told["because"],
            since_ns=event.t_ns,
        )
        if told["because"] or told["was"]:
            subject = f"{told['because']} {key}" if told["because"] else "again"
            kind = Kind.SERVICE if told["because"] else Kind.CHANGE
            what = f"{told['service']} {told['resource']}"
            self._add(event.t_ns, event.region, what, subject=subject, outcome=told["state"], kind=kind)

    def _answered(self, event: Event) -> None:
        request, result = str(event.fields["request"]), str(event.fields["result"])
        denial = self._denials.pop(request, None)
        kind = Kind.CALL if result == "ok" else Kind.REFUSED
        if denial is not None:
            kind = Kind.DENIED
            self._denied += 1
        who = self._callers.pop(request, "")
        self._add(event.t_ns, event.region, str(event.fields["op"]), who=who, outcome=result, kind=kind, denial=denial)
        slices, number = self._slices[event.region], event.t_ns // self._slice_ns
        if slices and slices[-1][0] == number:
            slices[-1] = (number, slices[-1][1] + 1)
        else:
            slices.append((number, 1))

    def _called(self, event: Event) -> None:
        fields = event.fields
        if fields["result"] in CONNECTION_ERRORS:
            outcome, who = str(fields["result"]), _short(str(fields["by"]))
            region, op = str(fields["answered_by"]), str(fields["op"])
            self._add(event.t_ns, region, op, who=who, outcome=outcome, kind=Kind.FAILED)
            return
        latency_ns = fields["latency_ns"]
        assert isinstance(latency_ns, int)
        self._latencies[str(fields["answered_by"])].append(latency_ns)

    def _add(
        self,
        at_ns: int,
        region: str,
        what: str,
        *,
        kind: Kind,
        who: str = "",
        subject: str = "",
        outcome: str = "",
        denial: Denial | None = None,
    ) -> None:
        self._count += 1
        row = EventRow(
            number=self._count,
            at_ns=at_ns,
            region=region,
            what=what,
            who=who,
            subject=subject,
            outcome=outcome,
            kind=kind,
            denial=denial,
        )
        self._events.append(row)
        if len(self._events) >= 2 * EVENTS_KEPT:
            self._events = self._events[-EVENTS_KEPT:]
        is_notable = kind in _NOTABLE or what in _NOTABLE_CHANGES
        if is_notable:
            self._notables.append((at_ns, kind))
        if self._stops_at and (kind in self._stops_at if not is_notable else True):
            self._stops_at = frozenset()
            assert self._watched is not None
            self._watched.paced.set_rate(0)

    def _name(self, key_id: str) -> str:
        assert self._watched is not None
        name = self._names.get(key_id)
        if name is None:
            named = {known: f"${name}" for name, known in self._watched.simulation.named_keys.items()}
            self._names.update(named)
            name = self._names.setdefault(key_id, key_id[:12])
        return name

    def _look(self, watched: Watched, region: str, offset: int, count: int) -> None:
        if self._last_keys is not None:
            return
        simulation, paced = watched.simulation, watched.paced
        regions = tuple(simulation.regions)
        glance = simulation.glance()
        at_ns = max(glance.at_ns, 0)
        self.picture = Picture(
            title=self.scenario.name,
            seed=self.seed,
            at_ns=at_ns,
            end_ns=max(self._end_ns, at_ns),
            rate=paced.rate,
            is_over=False,
            glance=glance,
            activity={name: self._activity(name, at_ns) for name in regions},
            slice_ns=self._slice_ns,
            latency_ns={name: quantiles for name in regions if (quantiles := _quantiles(self._latencies[name]))},
            links_ns={(a, b): one_way_ns(a, b) for a in regions for b in regions if a != b},
            notables=tuple(self._notables),
            caption=self._caption,
            event_count=self._count,
            denied=self._denied,
            key_region=region,
            key_offset=offset,
            keys=tuple(self._key_row(key) for key in simulation.keys_in(region, offset=offset, count=count)),
            key_count=glance.regions[region].key_count if region in glance.regions else 0,
            services=tuple(self._services.values()),
        )
        self._is_asked = False

    def _activity(self, region: str, at_ns: int) -> tuple[int, ...]:
        found, last = dict(self._slices[region]), at_ns // self._slice_ns
        return tuple(found.get(number, 0) for number in range(last - _SLICES + 1, last + 1))

    def _key_row(self, key: KmsKey) -> KeyRow:
        shared = key.shared
        role = "single" if not shared.is_multi_region else "primary" if key.is_primary else "replica"
        calendar = shared.automatic_rotation
        start_ns = self.scenario.world.start_at_ns
        return KeyRow(
            name=self._name(key.key_id),
            key_id=key.key_id,
            region=key.region,
            role=role,
            state=key.state.value,
            rotations=shared.rotation_count,
            rotates_at_ns=None if calendar is None else calendar.next_at_ns - start_ns,
            is_rotating=shared.pending_material is not None,
            where=shared.regions or (key.region,),
        )


def _quantiles(latencies: Iterable[int]) -> tuple[int, int] | None:
    found = sorted(latencies)
    return (found[len(found) // 2], found[min(len(found) - 1, len(found) * 99 // 100)]) if found else None


def _short(arn: str) -> str:
    """`user/alice` of an ARN; of a role's session the role."""
    resource = arn.rpartition(":")[2]
    return resource.replace("assumed-role/", "role/").rpartition("/")[0] if "assumed-role/" in resource else resource
