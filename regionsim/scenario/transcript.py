"""The text of a run: what happened when and where, one line each, in fixed columns.

    0d 00:00:30.145  us-east-1       Encrypt             alice KeyId=$orders: ok, saved $order

What happens to one of many keys (`keys:` with a count) is told for all of them together: one line when the last of them
has had it. It holds names, states, times and codes: never a key's id where it has a name, no bytes, no hash. Lines of
one instant stand in the order of the world's Regions, so the text is the same wherever the same scenario is played.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from regionsim.kms.situation import Happening
from regionsim.names.dataclass import dataclass
from regionsim.names.ids import is_key_id
from regionsim.runtime.trace import Event

_REGION_WIDTH = 15
_EVENT_WIDTH = 19
"""What KMS and services do by themselves has no longer names."""

_NS_PER_MS = 1_000_000
_GATHER_NS = 60_000_000_000
"""How long a line about many keys waits for more of them, at most."""
_HAPPENINGS = frozenset(Happening)
_KEY_STORE = "key_store_state"
_SERVICE = "service_state"
_FAULTS = frozenset({"fault_begins", "fault_ends"})
_LIVES = {
    "region_crashed": "the hosts lost their memory",
    "region_booted": "the hosts are up, {keys} keys",
    "hsms_serving": "{serving} of {hsms} HSMs",
    "domain_recovered": "from its sealed token",
    "domain_not_recovered": "its sealed token cannot be opened",
}


WATCHED = frozenset({_KEY_STORE, _SERVICE, *_HAPPENINGS, *_FAULTS, *_LIVES, "keys_installed"})
"""The kinds of event that may become a line."""


class Line(NamedTuple):
    """One line: instant of the run, Region (empty: none), what happened, about what; and how wide what happened is."""

    at_ns: int
    region: str
    event: str
    subject: str
    event_width: int = _EVENT_WIDTH

    def __str__(self) -> str:
        region, event = self.region or "-", self.event
        return f"{clock(self.at_ns)}  {region:<{_REGION_WIDTH}} {event:<{self.event_width}} {self.subject}".rstrip()


def clock(at_ns: int) -> str:
    """An instant of a run in a fixed width: `0d 00:10:05.000`."""
    ms = at_ns // _NS_PER_MS
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days}d {hours:02}:{minutes:02}:{seconds:02}.{ms:03}"


@dataclass(slots=True)
class _Gathered:
    """The same happening to several of many keys, so far."""

    first_ns: int
    last_ns: int
    key_ids: set[str]


def _keys(count: object) -> str:
    return "1 key" if count == 1 else f"{count} keys"


class Transcript:
    """Collects the lines of a run. `on_line` sees each as it happens; `operations` are those that steps call, for the
    width of their column."""

    def __init__(
        self,
        regions: tuple[str, ...],
        on_line: Callable[[Line], None] | None = None,
        *,
        operations: Iterable[str] = (),
    ) -> None:
        self._event_width = max((_EVENT_WIDTH, *map(len, operations)))
        self._rank = {region: rank for rank, region in enumerate(("", *regions))}
        self._on_line = on_line
        self._lines: list[Line] = []
        self._names: dict[str, str] = {}
        self._unnamed: dict[str, str] = {}
        self._outages: dict[str, str] = {}
        self._many: frozenset[str] = frozenset()
        self._gathered: dict[tuple[str, str], _Gathered] = {}

    def gather(self, key_ids: frozenset[str]) -> None:
        """Tell what happens to these keys together from now on."""
        self._many = key_ids

    def add(self, at_ns: int, region: str, event: str, subject: str) -> None:
        """Add a line."""
        if self._gathered:
            self._tell_gathered()
        self._add(at_ns, region, event, subject)

    def _add(self, at_ns: int, region: str, event: str, subject: str) -> None:
        line = Line(at_ns, region, event, subject, self._event_width)
        self._lines.append(line)
        if self._on_line is not None:
            self._on_line(line)

    def name(self, value: object, name: str) -> None:
        """From now on call a saved text by its name; a key, whether its id was saved or its ARN."""
        if isinstance(value, str):
            self._names.setdefault(value, f"${name}")
            self._names.setdefault(value.rpartition(":key/")[2], f"${name}")

    def named(self, key_id: str) -> str:
        """What a key is called: its saved name, else `key-1`, `key-2` in the order of appearance."""
        return self._names.get(key_id) or self._unnamed.setdefault(key_id, f"key-{len(self._unnamed) + 1}")

    def watch(self, event: Event) -> None:
        """Add a line for a trace event that people want to read; most are passed over."""
        if event.kind in _HAPPENINGS:
            key_id = str(event.fields["key"])
            if key_id in self._many:
                self._gather(event, key_id)
                return
            self.add(event.t_ns, event.region, event.kind, self.named(key_id) if is_key_id(key_id) else key_id)
        elif event.kind == _KEY_STORE:
            error = event.fields["error"]
            what = f"{event.fields['name']}: {event.fields['state']}{f' ({error})' if error else ''}"
            self.add(event.t_ns, event.region, event.kind, what)
        elif event.kind == _SERVICE:
            self._tell_service(event)
        elif event.kind in _LIVES and event.fields.get("boot") != 1:
            self.add(event.t_ns, event.region, event.kind, _LIVES[event.kind].format_map(event.fields))
        elif event.kind == "keys_installed":
            self.add(event.t_ns, event.region, event.kind, _keys(event.fields["keys"]))
        elif event.kind in _FAULTS:
            fields = event.fields
            label = "" if fields["name"] == fields["fault"] else f" ({fields['name']})"
            self.add(event.t_ns, "", event.kind, f"{fields['what']}{label}")

    def _tell_service(self, event: Event) -> None:
        """A line when a service's resource falls ill, changes its state while it is, or is well again."""
        fields = event.fields
        because, key = str(fields["because"]), str(fields["key"])
        if not because and not fields["was"]:
            return
        why = f" ({because}, {self.named(key) if is_key_id(key) else key})" if because else " again"
        self.add(
            event.t_ns, event.region, event.kind, f"{fields['service']} {fields['resource']}: {fields['state']}{why}"
        )

    def _gather(self, event: Event, key_id: str) -> None:
        if any(event.t_ns - gathered.first_ns > _GATHER_NS for gathered in self._gathered.values()):
            self._tell_gathered()
        gathered = self._gathered.setdefault((event.region, event.kind), _Gathered(event.t_ns, event.t_ns, set()))
        gathered.last_ns = event.t_ns
        gathered.key_ids.add(key_id)

    def _tell_gathered(self) -> None:
        gathered, self._gathered = self._gathered, {}
        for (region, event), one in sorted(gathered.items(), key=lambda item: item[1].last_ns):
            count = len(one.key_ids)
            self._add(one.last_ns, region, event, self.named(*one.key_ids) if count == 1 else _keys(count))

    def workload(self, at_ns: int, workload: str, region: str, result: str) -> None:
        """Add a line when a workload's calls end in another way, or in another Region, than the one before."""
        outcome = f"{result} from {region}"
        if self._outages.get(workload) != outcome:
            self._outages[workload] = outcome
            self.add(at_ns, region, "workload", f"{workload}: {result}")

    @property
    def lines(self) -> tuple[Line, ...]:
        """All lines by instant, those of one instant by Region; a line of no Region stays between its neighbours."""
        if self._gathered:
            self._tell_gathered()
        keyed, section = [], 0
        for line in self._lines:
            section += not line.region
            keyed.append((line.at_ns, section, self._rank[line.region], line))
        return tuple(line for *_, line in sorted(keyed, key=lambda entry: entry[:3]))
