"""How often each fault met something: without that a run says nothing about it."""

from __future__ import annotations

from collections.abc import Iterable


class FaultTally:
    """Counts for every fault that was ever on, in the order in which they began; names may be used again."""

    def __init__(self) -> None:
        self._begun: list[str] = []
        self._met: list[int] = []
        self._latest: dict[str, int] = {}

    def begin(self, name: str) -> None:
        """Note that a fault is on from now on."""
        self._latest[name] = len(self._begun)
        self._begun.append(name)
        self._met.append(0)

    def met(self, names: Iterable[str]) -> None:
        """Count one call or envelope that these faults, all of them on, had to do with, or one crash."""
        for name in names:
            self._met[self._latest[name]] += 1

    @property
    def idle(self) -> tuple[str, ...]:
        """The names of the faults that met nothing at all."""
        return tuple(name for name, count in zip(self._begun, self._met, strict=True) if not count)
