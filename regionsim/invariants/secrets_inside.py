"""Secrets stay inside HSMs: no backing key and no domain key is found on a link, in a file or in the trace.

The HSMs, and what backs custom key stores, name their secrets to this check alone (`secrets_for_scan`): at the end, and
whenever a fault begins, a Region crashes, a domain key is rotated or an HSM is about to change its state, for what it
forgets then may have got out before. What was put on links since the start is searched, what was traced, and every file
of every Region with its write-ahead log, for the secret as it is, in hexadecimal and in base64. The work is bounded: of
very long runs the first 32 MB of links and of the trace are searched, with very many keys an evenly spread part of the
secrets is searched for, and the finding says so.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from regionsim.invariants.verdicts import Finding, Kind, Kinds
from regionsim.network.envelope import Envelope
from regionsim.runtime.trace import Event
from regionsim.simulation.simulation import Simulation

_BYTES_SEARCHED_AT_MOST = 1_000_000_000
_FORM_COUNT = 5
_KEPT_AT_MOST = 32_000_000
_BLOCK_BYTES = 1_000_000
_OURS = ".overheard"
"""Ends the names of the files in which this check keeps what it has heard; they are beside those of the Regions."""

_SECRETS_MAY_GO = frozenset({"fault_begins", "region_crashed", "domain_key_rotated", "hsm_state"})


class SecretsStayInside:
    """Listens on every link and collects secrets; searches at the end."""

    kinds: Kinds = _SECRETS_MAY_GO

    def __init__(self, simulation: Simulation) -> None:
        self.finding = Finding(name="secrets_stay_inside_hsms", kind=Kind.SAFETY)
        self._simulation = simulation
        self._secrets: dict[bytes, None] = {}
        self._on_links = _Kept("links", simulation.folder / f"links{_OURS}")
        self._in_trace = _Kept("the trace", simulation.folder / f"trace{_OURS}")
        simulation.network.tap(self._overhear)
        simulation.trace.add_line_sink(self._in_trace.add)

    def watch(self, event: Event) -> None:
        """Collect secrets while they are there; what the trace says is read as text."""
        if event.kind in _SECRETS_MAY_GO:
            self._collect([event.region] if event.region else self._simulation.regions)

    def _collect(self, regions: Iterable[str]) -> None:
        # In order, so that the part searched for is the same each time. Every HSM of a Region names the same ones.
        for region in regions:
            fleet, keepers = self._simulation.regions[region].fleet, self._simulation.key_stores[region]
            self._secrets.update(dict.fromkeys(map(bytes, (*fleet.secrets_for_scan(), *keepers.secrets_for_scan()))))

    def _overhear(self, envelope: Envelope) -> None:
        self._on_links.add(envelope.body)

    async def conclude(self, simulation: Simulation) -> None:
        """Search links, files and trace."""
        assert simulation.trace.digest, "asking for the digest hands over the last lines"
        self._collect(simulation.regions)
        secrets = list(self._secrets)
        places = {**_files(simulation.folder), "a link": self._on_links.kept(), "the trace": self._in_trace.kept()}
        total = sum(path.stat().st_size for path in places.values()) * _FORM_COUNT or 1
        every = max(1, -(-len(secrets) * total // _BYTES_SEARCHED_AT_MOST))
        left_out = [kept.words for kept in (self._on_links, self._in_trace) if kept.is_cut]
        if every > 1:
            left_out.append(f"one in {every} of {len(secrets)} secrets was searched for")
        self.finding.detail = "; ".join(left_out)
        at_ns = simulation.clock.now_ns() - simulation.world.start_at_ns
        forms = [tuple(_forms(secret)) for secret in secrets[::every]]
        for place, path in places.items():
            self.finding.checked += len(forms)
            if _holds_any(path, forms):
                self.finding.violate(at_ns, f"a secret of an HSM was found in {place}")


class _Kept:
    """The first bytes of something that may be endless, in a file: a long run would fill the memory with them."""

    def __init__(self, name: str, path: Path) -> None:
        self.is_cut = False
        self._name = name
        self._path = path
        self._waiting = bytearray()
        self._kept_bytes = 0

    @property
    def words(self) -> str:
        return f"only the first {self._kept_bytes:,} bytes of {self._name} were searched"

    def add(self, more: bytes) -> None:
        if self._kept_bytes >= _KEPT_AT_MOST:
            self.is_cut = True
            return
        self._kept_bytes += len(more)
        self._waiting += more
        if len(self._waiting) >= _BLOCK_BYTES:
            self.kept()

    def kept(self) -> Path:
        """The file that holds all of it."""
        with self._path.open("ab") as file:
            file.write(self._waiting)
        self._waiting.clear()
        return self._path


def _holds_any(path: Path, secrets: Sequence[tuple[bytes, ...]]) -> bool:
    """Whether the file holds one of the secrets in one of its forms; read block by block."""
    longest = max((len(form) for forms in secrets for form in forms), default=1)
    with path.open("rb") as file:
        before = b""
        while block := file.read(_BLOCK_BYTES):
            content = before + block
            if any(form in content for forms in secrets for form in forms):
                return True
            before = content[-longest:]
    return False


def _forms(secret: bytes) -> Iterator[bytes]:
    yield secret
    yield secret.hex().encode()
    for shift in range(3):
        # Of base64 over something longer, only the whole groups of four within the secret are certain.
        encoded = base64.b64encode(bytes(shift) + secret)
        yield encoded[4 * (shift > 0) : len(encoded) // 4 * 4 - 4]


def _files(folder: Path) -> dict[str, Path]:
    """Everything that the Regions have written, by name."""
    return {path.name: path for path in sorted(folder.iterdir()) if path.is_file() and path.suffix != _OURS}
