"""Resources of integrated services, as rows: how each is, because of which key, and what a key is used by. Pure."""

from __future__ import annotations

from regionsim.names.durations import format_duration
from regionsim.scenario.transcript import clock
from tui.picture import KeyRow, Picture, ServiceRow
from tui.view import Glyphs, Row, in_order, region_row

_NS_PER_SECOND = 1_000_000_000
_WIDE = 110


def services_head(width: int) -> Row:
    """The names of the columns."""
    more = f"{'state':<35} {'KMS says':<25} key" if width >= _WIDE else "state"
    return [(f"  {'service':<14} {'resource':<{_name_width(width)}} {'Region':<15} {more}", "dim")]


def service_row(row: ServiceRow, width: int, glyphs: Glyphs) -> Row:
    """One line of the list of resources; where there is room also KMS's own word, and the key."""
    names = _name_width(width)
    found: Row = [
        _sign(row, glyphs),
        (f"{row.service:<14} ", ""),
        (f"{row.name:<{names}.{names}} ", "hi" if not row.is_well else ""),
        (f"{row.region:<15} ", ""),
        (f"{row.state:<35} ", _role(row)),
    ]
    return [*found, (f"{row.because:<25} ", "dim"), (row.key, "")] if width >= _WIDE else found


def about_rows(row: ServiceRow | None, at_ns: int) -> list[Row]:
    """The resource under the cursor in two lines: nothing of it is cut."""
    if row is None:
        return [[("no service has asked KMS for anything", "dim")]]
    out = max(0, at_ns - row.since_ns) // _NS_PER_SECOND * _NS_PER_SECOND
    told: Row = [(f" {row.service} {row.name} in {row.region}: ", "hi"), (row.state, _role(row))]
    if row.because:
        since: Row = [(f" for {format_duration(out)}: ", "dim"), (row.because, "bad"), (f", key {row.key}", "")]
    else:
        key = f", under the key {row.key}" if row.key else ", without a key so far"
        since = [(f" since {clock(row.since_ns)}{key}", "dim")]
    return [told, since]


def world_services(picture: Picture, room: int, glyphs: Glyphs) -> list[Row]:
    """Under the matrix: how many resources are out, and as many of them as there is room for."""
    if not picture.services or room < 2:
        return []
    out = [row for row in in_order(picture.services) if not row.is_well]
    head: Row = [("   services (S)      ", "dim"), *region_row(picture, "", glyphs)[:1]]
    told: list[Row] = [
        [
            ("   ", ""),
            _sign(row, glyphs),
            (f"{row.region:<15}", ""),
            (f"{row.service} {row.name}: ", ""),
            (row.state, "bad"),
        ]
        for row in out[: room - 1]
    ]
    return [head, *told]


def uses_rows(picture: Picture, key: KeyRow | None, height: int, glyphs: Glyphs) -> list[Row]:
    """Under the list of keys: the resources that the key under the cursor is for."""
    used = [] if key is None else [r for r in picture.services if (r.key_id, r.region) == (key.key_id, key.region)]
    head: Row = [(f"{glyphs.ahead * 2} ", "dim"), ("Used by ", "hi"), (glyphs.ahead * 400, "dim")]
    if not used:
        return [head, [("   no service that has asked for it", "dim")]]
    rows = [
        [(" ", ""), _sign(row, glyphs), (f"{row.service} {row.name}: ", ""), (row.state, _role(row)),
         (f"  since {clock(row.since_ns)}", "dim")]
        for row in in_order(used)
    ]  # fmt: skip
    if len(rows) > height - 1:
        rows = [*rows[: height - 2], [(f"   and {len(rows) - height + 2} more: S", "dim")]]
    return [head, *rows]


def _name_width(width: int) -> int:
    return 18 if width >= _WIDE else 16


def _sign(row: ServiceRow, glyphs: Glyphs) -> tuple[str, str]:
    return (f"{glyphs.ok} ", "ok") if row.is_well else (f"{glyphs.failed} ", "bad")


def _role(row: ServiceRow) -> str:
    return "ok" if row.is_well else "bad"
