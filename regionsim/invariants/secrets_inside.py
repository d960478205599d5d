"""Secrets stay inside HSMs: no backing key and no domain key is found on a link, in a file or in the trace.

The HSMs name their secrets to this check alone (`secrets_for_scan`). Every byte put on a link since the start is
searched, and every file of every Region with its write-ahead log, for the secret as it is, in hexadecimal and in
base64. The work is bounded: with very many keys an evenly spread part of the secrets is searched for, and the finding
says so.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

from regionsim.invariants.verdicts import Finding, Kind
from regionsim.network.envelope import Envelope
from regionsim.runtime.trace import Event
from regionsim.simulation.simulation import Simulation

_BYTES_SEARCHED_AT_MOST = 2_000_000_000
_FORM_COUNT = 5
_KEPT_AT_MOST = 32_000_000


class SecretsStayInside:
    """Listens on every link; searches at the end."""

    def __init__(self, simulation: Simulation) -> None:
        self.finding = Finding(name="secrets_stay_inside_hsms", kind=Kind.SAFETY)
        self._on_links = bytearray()
        self._in_trace = bytearray()
        simulation.network.tap(self._overhear)
        simulation.trace.add_line_sink(self._read)

    def watch(self, event: Event) -> None:
        """Nothing: the trace is read as text."""

    def _read(self, lines: bytes) -> None:
        if len(self._in_trace) < _KEPT_AT_MOST:
            self._in_trace += lines

    def _overhear(self, envelope: Envelope) -> None:
        if len(self._on_links) < _KEPT_AT_MOST:
            self._on_links += envelope.body

    async def conclude(self, simulation: Simulation) -> None:
        """Search links, files and trace."""
        assert simulation.trace.digest, "asking for the digest hands over the last lines"
        fleets = [region.fleet for region in simulation.regions.values()]
        # Every HSM of a Region names the same ones. In order, so that the part searched for is the same each time.
        secrets = list(dict.fromkeys(bytes(secret) for fleet in fleets for secret in fleet.secrets_for_scan()))
        places = {"a link": bytes(self._on_links), "the trace": bytes(self._in_trace), **_files(simulation)}
        total = sum(map(len, places.values())) * _FORM_COUNT or 1
        every = max(1, -(-len(secrets) * total // _BYTES_SEARCHED_AT_MOST))
        if every > 1:
            self.finding.detail = f"every {every}th of {len(secrets)} secrets was searched for"
        at_ns = simulation.clock.now_ns() - simulation.world.start_at_ns
        for secret in secrets[::every]:
            for place, content in places.items():
                self.finding.checked += 1
                if any(form in content for form in _forms(secret)):
                    self.finding.violate(at_ns, f"a secret of an HSM was found in {place}")


def _forms(secret: bytes) -> Iterator[bytes]:
    yield secret
    yield secret.hex().encode()
    for shift in range(3):
        # Of base64 over something longer, only the whole groups of four within the secret are certain.
        encoded = base64.b64encode(bytes(shift) + secret)
        yield encoded[4 * (shift > 0) : len(encoded) // 4 * 4 - 4]


def _files(simulation: Simulation) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(simulation.folder.iterdir()) if path.is_file()}
