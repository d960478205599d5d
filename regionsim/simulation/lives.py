"""Which Region shall be up: crashes and boots on behalf of faults, and boots tried again while a disk fails."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping

from regionsim.region.region import Region
from regionsim.runtime.tasks import Cancellable, Scope
from regionsim.runtime.trace import Trace
from regionsim.store.errors import StoreUnavailable

BOOT_AGAIN_AFTER_NS = 500_000_000
"""How long a Region whose disk failed under its boot stays down before it tries again; twice as long each time."""

BOOT_AGAIN_AT_MOST_NS = 30_000_000_000


class Lives:
    """The lives of a world's Regions. What is asked of one Region comes true in the order in which it is asked."""

    def __init__(self, regions: Mapping[str, Region], scope: Scope, trace: Trace) -> None:
        self._regions = regions
        self._scope = scope
        self._trace = trace
        self._under_way: dict[int, Awaitable[None]] = {}
        self._begun = 0
        self._next_tries: dict[str, Cancellable] = {}
        self._shall_be_up: dict[str, bool] = {}

    def ask(self, name: str, *, is_up: bool) -> None:
        """Let a Region crash or boot. A boot under a failing disk is tried again until the next ask of that Region."""
        self._shall_be_up[name] = is_up
        self._forget_next_try(name)
        self._begin(name, is_up, BOOT_AGAIN_AFTER_NS)

    async def ended(self) -> None:
        """Wait until nothing that has begun is under way; a Region that will try again later is down meanwhile."""
        for life in tuple(self._under_way.values()):
            await life

    def try_no_more(self) -> None:
        """Leave down what a failing disk keeps down."""
        self._shall_be_up.clear()
        for name in tuple(self._next_tries):
            self._forget_next_try(name)

    def _begin(self, name: str, is_up: bool, again_after_ns: int) -> None:
        self._begun += 1
        life = self._live(self._begun, name, is_up, again_after_ns)
        self._under_way[self._begun] = self._scope.spawn(life, name=f"life/{name}")

    async def _live(self, number: int, name: str, is_up: bool, again_after_ns: int) -> None:
        try:
            await self._regions[name].live(is_up=is_up)
        except StoreUnavailable as error:
            self._trace.emit(name, "boot_failed", error=type(error).__name__, again_after_ns=again_after_ns)
            if self._shall_be_up.get(name):  # else a crash has been asked for meanwhile
                self._try_again(name, again_after_ns)
        finally:
            del self._under_way[number]

    def _try_again(self, name: str, after_ns: int) -> None:
        self._forget_next_try(name)
        next_ns = min(2 * after_ns, BOOT_AGAIN_AT_MOST_NS)
        self._next_tries[name] = self._scope.call_later_ns(after_ns, self._begin, name, True, next_ns)

    def _forget_next_try(self, name: str) -> None:
        waiting = self._next_tries.pop(name, None)
        if waiting is not None:
            waiting.cancel()
