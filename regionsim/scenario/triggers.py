"""`when:`: steps that wait for an event of the run."""

from __future__ import annotations

from collections.abc import Iterable

from regionsim.runtime.tasks import Future, future
from regionsim.runtime.trace import Event
from regionsim.scenario.model import When


class _Wait:
    """One step's wait: for so many more events."""

    def __init__(self, when: When) -> None:
        self.when = when
        self.missing = when.nth
        self.over: Future[bool] = future()

    def end(self, *, has_happened: bool) -> None:
        if not self.over.done():
            self.over.set_result(has_happened)


class Triggers:
    """Counts events from the run's beginning, and wakes who waits within the instant in which it is met.

    The woken step begins once the event's own work is done: nothing that a Region is just doing sees it half way.
    """

    def __init__(self, whens: Iterable[tuple[int, When]]) -> None:
        """`whens`: step numbers, and what each waits for. To be made on the loop of the run."""
        self._waits = {number: _Wait(when) for number, when in whens}
        self._by_event: dict[str, list[_Wait]] = {}
        for wait in self._waits.values():
            self._by_event.setdefault(wait.when.event, []).append(wait)

    @property
    def kinds(self) -> Iterable[str]:
        """The kinds of event that anybody waits for."""
        return self._by_event

    def watch(self, event: Event) -> None:
        """Count one event of the trace."""
        for wait in self._by_event.get(event.kind, ()):
            if wait.when.region is None or wait.when.region == event.region:
                wait.missing -= 1
                if not wait.missing:
                    wait.end(has_happened=True)

    async def reached(self, number: int) -> str:
        """Wait for the step's event; empty once it has happened, else why it will not."""
        wait = self._waits[number]
        if await wait.over:
            return ""
        where = f" in {wait.when.region}" if wait.when.region is not None else ""
        nth, seen = wait.when.nth, wait.when.nth - wait.missing
        return f"{wait.when.event}{where} was seen {seen} x until the end, and this step waited for number {nth}"

    def give_up(self) -> None:
        """The run is over: what has not happened will not."""
        for wait in self._waits.values():
            wait.end(has_happened=False)
