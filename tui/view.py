"""Pictures to rows of text: pure, so every screen can be tested without a terminal.

A row is a list of (text, role); the role names a style, and never carries a meaning that the text lacks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from regionsim.names.dataclass import dataclass
from regionsim.network.latencies import place_of
from regionsim.scenario.transcript import clock
from regionsim.snapshot import RegionGlance
from tui.landmask import is_land
from tui.picture import EventRow, KeyRow, Kind, Picture, ServiceRow

Row = list[tuple[str, str]]

_MS = 1_000_000
_BARS = "▁▂▃▄▅▆▇█"
_ASCII_BARS = "._-=+*#@"


@dataclass(frozen=True, slots=True, kw_only=True)
class Glyphs:
    """The signs of a glyph set; each stands beside a word."""

    up: str
    slow: str
    down: str
    cut: str
    ok: str
    denied: str
    failed: str
    change: str
    fault: str
    primary: str
    full: str
    empty: str
    bars: str
    land: str
    link: str
    paused: str
    running: str
    done: str
    ahead: str


UNICODE = Glyphs(
    up="●", slow="◐", down="✕", cut="⊘", ok="✓", denied="✗", failed="!", change="◆", fault="✕", primary="★",
    full="▮", empty="▯", bars=_BARS, land="·", link="∙", paused="❚❚", running="▶", done="━", ahead="─",
)  # fmt: skip
ASCII = Glyphs(
    up="o", slow="~", down="X", cut="/", ok=".", denied="x", failed="!", change="m", fault="X", primary="*",
    full="#", empty="-", bars=_ASCII_BARS, land=".", link="'", paused="||", running=">", done="=", ahead="-",
)  # fmt: skip


def fitted(row: Row, width: int) -> Row:
    """The row in exactly `width` cells."""
    result: Row = []
    left = width
    for text, role in row:
        if left <= 0:
            break
        result.append((text[:left], role))
        left -= len(text[:left])
    if left > 0:
        result.append((" " * left, ""))
    return result


def text_of(rows: Sequence[Row]) -> list[str]:
    """The plain text of rows."""
    return ["".join(text for text, _ in row).rstrip() for row in rows]


# ------------------------------------------------------------------------------------------------------------- Regions


def state_of(region: RegionGlance, glyphs: Glyphs) -> tuple[str, str, str]:
    """Glyph, word and role of a Region's state."""
    if not region.is_up:
        return glyphs.down, "DOWN", "bad"
    if not region.is_reachable:
        return glyphs.cut, "CUT OFF", "bad"
    if region.unfinished_count:
        return glyphs.slow, "BEHIND", "warn"
    return glyphs.up, "UP", "ok"


def world_rows(picture: Picture, width: int, height: int, glyphs: Glyphs) -> list[Row]:
    """The world: strips and matrix where there is little room, map and cards where there is more."""
    if width < 60 or height < 8:
        rows: list[Row] = [_strip(picture, name, width, glyphs, short=True) for name in picture.glance.regions]
        rows.append([("make it larger for the rest", "dim")])
    elif width < 100:
        rows = [*_strips(picture, width, glyphs), [], *matrix_rows(picture, width, glyphs)]
    else:
        card_width = 38
        cards = card_rows(picture, card_width, glyphs)
        world = map_rows(picture, width - card_width - 1, max(height, 4), glyphs)
        rows = []
        for y in range(height):
            left = fitted(world[y] if y < len(world) else [], width - card_width - 1)
            rows.append([*left, (" ", ""), *(cards[y] if y < len(cards) else [])])
    return rows[:height]


def _strips(picture: Picture, width: int, glyphs: Glyphs) -> list[Row]:
    head = f"   {'Region':<15} {'state':<9} {'keys':>6} {'calls':>9} {'p50 ms':>7} {'p99 ms':>7}  HSMs  activity"
    return [[(head, "dim")], *(_strip(picture, name, width, glyphs) for name in picture.glance.regions)]


def _strip(picture: Picture, name: str, width: int, glyphs: Glyphs, *, short: bool = False) -> Row:
    region = picture.glance.regions[name]
    number = list(picture.glance.regions).index(name) + 1
    glyph, word, role = state_of(region, glyphs)
    row: Row = [(f"{number:>2} ", "key"), (f"{name:<15} ", "hi"), (f"{glyph} {word:<7} ", role)]
    if short:
        return row
    p50, p99 = latency_words(picture, name)
    row.append((f"{region.key_count:>6,} {region.requests:>9,} {p50:>7} {p99:>7}  ", ""))
    row.append((f"{hsm_bar(region, glyphs):<5} ", "ok" if _all_serve(region) else "bad"))
    row.append((sparkline(picture.activity[name], max(0, width - 67), glyphs), "key"))
    return row


def latency_words(picture: Picture, name: str) -> tuple[str, str]:
    """p50 and p99 of a Region's callers of late, in ms; a dash where nobody was answered."""
    found = picture.latency_ns.get(name)
    return ("-", "-") if found is None else (f"{found[0] / _MS:.1f}", f"{found[1] / _MS:.1f}")


def hsm_bar(region: RegionGlance, glyphs: Glyphs) -> str:
    """One sign for each HSM."""
    return "".join(glyphs.full if state == "OPERATIONAL" else glyphs.empty for state in region.hsms)[:5]


def _all_serve(region: RegionGlance) -> bool:
    return all(state == "OPERATIONAL" for state in region.hsms)


def sparkline(values: Sequence[int], width: int, glyphs: Glyphs) -> str:
    """The last `width` values as bars; nothing is a gap, and the least of the others is low, not zero."""
    shown = list(values[-width:]) if width > 0 else []
    some = [value for value in shown if value]
    if not some:
        return ""
    floor = 0.8 * min(some)
    span = max(some) - floor or 1.0
    steps = len(glyphs.bars) - 1
    return "".join(" " if not v else glyphs.bars[min(steps, int((v - floor) / span * steps + 0.5))] for v in shown)


def matrix_rows(picture: Picture, width: int, glyphs: Glyphs) -> list[Row]:
    """From row to column: the way in milliseconds, or that nothing passes."""
    regions = list(picture.glance.regions)
    count = max(1, min(len(regions), (width - 21) // 7))
    head = "".join(f"{number:>7}" for number in range(1, count + 1))
    rows: list[Row] = [[("   one way, ms      ", "dim"), (head, "key")]]
    for number, one in enumerate(regions, start=1):
        row: Row = [(f"{number:>2} ", "key"), (f"{one:<17}", "")]
        for other in regions[:count]:
            if one == other:
                row.append((f"{'·' if glyphs is UNICODE else '.':>7}", "dim"))
            elif (one, other) in picture.glance.cut_links:
                row.append((f"{glyphs.down + ' cut':>7}", "bad"))
            else:
                row.append((f"{picture.links_ns[one, other] / _MS:>7.0f}", ""))
        rows.append(row)
    return rows


def card_rows(picture: Picture, width: int, glyphs: Glyphs) -> list[Row]:
    """One card of four lines for each Region, or of five where services are."""
    rows: list[Row] = []
    for number, (name, region) in enumerate(picture.glance.regions.items(), start=1):
        glyph, word, role = state_of(region, glyphs)
        p50, p99 = latency_words(picture, name)
        rows.append([("│ ", "dim"), (f"{number} ", "key"), (f"{name:<17}", "hi"), (f"{glyph} {word}", role)])
        rows.append([("│ ", "dim"), (sparkline(picture.activity[name], width - 4, glyphs), "key")])
        lag = "-" if region.lag_p99_ns is None else f"{region.lag_p99_ns / _MS:,.0f} ms"
        rows.append([("│ ", "dim"), (f"p50 {p50}  p99 {p99} ms  lag {lag}", "")])
        denied: Row = [(f"  {glyphs.denied} {region.denied:,} denied", "bad")] if region.denied else []
        figures = f"keys {region.key_count:,}  hsm {hsm_bar(region, glyphs)} q {region.hsm_queue_length}"
        rows.append([("│ ", "dim"), (figures, ""), *denied])
        services = region_row(picture, name, glyphs)
        if services:
            rows.append([("│ ", "dim"), *services])
        rows.append([])
    return [fitted(row, width) for row in rows]


def in_order(services: Sequence[ServiceRow]) -> list[ServiceRow]:
    """Those that are out first, the newest of them on top; then the others by name."""
    return sorted(services, key=lambda row: (row.is_well, 0 if row.is_well else -row.since_ns, row.service, row.name))


def region_row(picture: Picture, region: str, glyphs: Glyphs) -> Row:
    """What a Region's card says of the services there; nothing where there are none."""
    there = [row for row in picture.services if region in ("", row.region)]
    out = in_order([row for row in there if not row.is_well])
    if not there:
        return []
    if not out:
        return [(f"services {glyphs.ok} {len(there)} served", "")]
    first = f"{out[0].service} {out[0].name}"
    return [(f"{glyphs.failed} {len(out)} of {len(there)} out ", "bad"), (f"{first}: {out[0].state}", "warn")]


def map_rows(picture: Picture, width: int, height: int, glyphs: Glyphs) -> list[Row]:
    """Land, links and Regions, cut to the Regions of the world; a Region's name stands right of its sign."""
    places = {name: place for name in picture.glance.regions if (place := place_of(name)) is not None}
    frame = _Frame.around(list(places.values()), width, height)
    cells = [[(glyphs.land, "land") if frame.is_land(x, y) else (" ", "") for x in range(width)] for y in range(height)]
    names = list(places)
    for at, one in enumerate(names):
        for other in names[at + 1 :]:
            is_cut = (one, other) in picture.glance.cut_links or (other, one) in picture.glance.cut_links
            _draw_link(cells, frame.cell(places[one]), frame.cell(places[other]), glyphs, is_cut=is_cut)
    taken: set[int] = set()
    for number, name in enumerate(picture.glance.regions, start=1):
        if name in places:
            _draw_region(cells, picture, name, number, frame.cell(places[name]), taken, glyphs)
    return [_joined(row) for row in cells]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """The part of the world that a map shows, and its size in cells."""

    north: float
    south: float
    west: float
    east: float
    width: int
    height: int

    @classmethod
    def around(cls, places: Sequence[tuple[float, float]], width: int, height: int) -> _Frame:
        norths, easts = [place[0] for place in places] or [0.0], [place[1] for place in places] or [0.0]
        north, south = min(75.0, max(norths) + 9), max(-60.0, min(norths) - 9)
        west, east = min(easts) - 12, max(easts) + 30  # room for the name
        if north - south < 40:
            north, south = min(75.0, north + 10), max(-60.0, south - 10)
        if east - west < 80:
            west, east = west - 20, east + 20
        return cls(north=north, south=south, west=west, east=east, width=width, height=height)

    def cell(self, place: tuple[float, float]) -> tuple[int, int]:
        north, east = place
        x = (east - self.west) / (self.east - self.west) * (self.width - 1)
        y = (self.north - north) / (self.north - self.south) * (self.height - 1)
        return round(x), round(y)

    def is_land(self, x: int, y: int) -> bool:
        east = self.west + (x + 0.5) / self.width * (self.east - self.west)
        north = self.north - (y + 0.5) / self.height * (self.north - self.south)
        return is_land(north, east)


def _draw_link(
    cells: list[list[tuple[str, str]]], one: tuple[int, int], other: tuple[int, int], glyphs: Glyphs, *, is_cut: bool
) -> None:
    (x1, y1), (x2, y2) = one, other
    steps = max(abs(x2 - x1), abs(y2 - y1), 1)
    for step in range(1, steps):
        if is_cut and step % 4:
            continue
        x, y = round(x1 + (x2 - x1) * step / steps), round(y1 + (y2 - y1) * step / steps)
        if 0 <= y < len(cells) and 0 <= x < len(cells[y]):
            cells[y][x] = (glyphs.down, "bad") if is_cut and step % 8 == 0 else (glyphs.link, "key")


def _draw_region(
    cells: list[list[tuple[str, str]]],
    picture: Picture,
    name: str,
    number: int,
    at: tuple[int, int],
    taken: set[int],
    glyphs: Glyphs,
) -> None:
    glyph, word, role = state_of(picture.glance.regions[name], glyphs)
    x, y = at
    cells[y][x] = (glyph, role)
    label = f" {number} {name}" + ("" if word == "UP" else f" {word}")
    row = y
    while row in taken and row + 1 < len(cells):  # names that would lie over each other go down until there is room
        row += 1
    taken.add(row)
    start = x + 1 if x + 1 + len(label) <= len(cells[row]) else max(0, x - len(label))
    for offset, sign in enumerate(label):
        if 0 <= start + offset < len(cells[row]):
            cells[row][start + offset] = (sign, "hi" if word == "UP" else role)


def _joined(cells: list[tuple[str, str]]) -> Row:
    row: Row = []
    for sign, role in cells:
        if row and row[-1][1] == role:
            row[-1] = (row[-1][0] + sign, role)
        else:
            row.append((sign, role))
    return row


# ------------------------------------------------------------------------------------------------- time, events, keys

_MARKS = {
    Kind.CALL: ("ok", "dim"),
    Kind.DENIED: ("denied", "bad"),
    Kind.REFUSED: ("failed", "warn"),
    Kind.FAILED: ("failed", "bad"),
    Kind.CHANGE: ("change", "hi"),
    Kind.FAULT: ("fault", "warn"),
    Kind.LIFE: ("fault", "warn"),
    Kind.STEP: ("denied", "bad"),
    Kind.SERVICE: ("failed", "bad"),
}


def speed_words(rate: float) -> str:
    """`60x`, `flat out`, `paused`."""
    if rate == 0:
        return "PAUSED"
    return "flat out" if math.isinf(rate) else f"{rate:g}x"


def time_row(picture: Picture, width: int, glyphs: Glyphs, *, speed: float) -> Row:
    """The time bar: where the run is, what was notable, and where it ends."""
    state = "OVER" if picture.is_over else speed_words(picture.rate)
    sign = glyphs.paused if picture.rate == 0 or picture.is_over else glyphs.running
    beyond = f" ({speed_words(speed)})" if picture.rate == 0 and not picture.is_over else ""
    left, right = f" {sign} {state}{beyond}  {clock(picture.at_ns)} ", f" {clock(picture.end_ns)[:-4]} "
    room = max(4, width - len(left) - len(right))
    share = picture.at_ns / picture.end_ns if picture.end_ns else 1.0
    here = min(room - 1, int(share * room))
    cells = [(glyphs.done, "key") if x <= here else (glyphs.ahead, "dim") for x in range(room)]
    for at_ns, kind in picture.notables:
        x = min(room - 1, int(at_ns / picture.end_ns * room)) if picture.end_ns else 0
        name, role = _MARKS[kind]
        cells[x] = (getattr(glyphs, name), role)
    cells[here] = ("┃" if glyphs is UNICODE else "|", "hi")
    return fitted([(left, "hi"), *_joined(cells), (right, "dim")], width)


def title_row(picture: Picture, width: int, glyphs: Glyphs) -> Row:
    """What runs, and what is wrong with it."""
    row: Row = [("regionsim ", "hi")]
    if picture.denied:
        row.append((f" {glyphs.denied} {picture.denied:,} denied", "bad"))
    for name, what in picture.glance.faults.items():
        row.append((f"  {glyphs.fault} FAULT {what}" + ("" if what.startswith(name) else f" ({name})"), "warn"))
    row.append((f"  {picture.title}  seed {picture.seed}", "dim"))
    return fitted(row, width)


def event_row(event: EventRow, width: int, glyphs: Glyphs) -> Row:
    """One line of the list of events."""
    name, role = _MARKS[event.kind]
    word = "DENIED" if event.kind is Kind.DENIED else "" if event.outcome == "ok" else event.outcome
    subject = " ".join(part for part in (event.who, event.subject) if part)
    outcome = f"{getattr(glyphs, name)} {word}"
    row: Row = [
        (f"{clock(event.at_ns)}  ", "dim"),
        (f"{event.region or '-':<15} ", ""),
        (f"{event.what:<20} ", "hi" if event.kind in {Kind.CHANGE, Kind.FAULT} else ""),
        (f"{outcome:<9} ", role),
        (subject, ""),
    ]
    return fitted(row, width)


KEYS_HEAD = f"  {'key':<16} {'role':<9} {'state':<22} {'rotations':>9}  {'next rotation':<18} Regions"


def key_row(key: KeyRow, width: int, glyphs: Glyphs) -> Row:
    """One line of the list of keys."""
    star = glyphs.primary if key.role == "primary" else " "
    due = "-" if key.rotates_at_ns is None else clock(key.rotates_at_ns)[:-4]
    state_role = "ok" if key.state == "Enabled" else "warn"
    rotating: Row = [(f"{glyphs.change} rotating ", "hi")] if key.is_rotating else []
    row: Row = [
        (f"{star} ", "hi"),
        (f"{key.name:<16} ", ""),
        (f"{key.role:<9} ", ""),
        (f"{key.state:<22} ", state_role),
        (f"{key.rotations:>9}  {due:<18} ", ""),
        *rotating,
        (" ".join(key.where), "dim"),
    ]
    return fitted(row, width)
