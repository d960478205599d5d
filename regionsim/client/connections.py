"""The connections that a client keeps open: who has one goes on with it while nobody can make a new one.

As the AWS SDKs do (botocore: ten at most), a try takes the connection that was used last and gives it back with the
answer; whatever else ends it closes the connection. What is not used for a minute is closed. Source: ours (AWS says no
time); that a request on HTTP/1.1 has its connection for itself.
"""

from __future__ import annotations

from collections import defaultdict

CONNECTIONS_KEPT = 10
KEEP_ALIVE_NS = 60_000_000_000


class Connections:
    """The open connections of one client that nothing is on at the moment, by Region."""

    def __init__(self) -> None:
        self._idle_since_ns: dict[str, list[int]] = defaultdict(list)

    def take(self, region: str, now_ns: int) -> bool:
        """Take the one that was used last; False when none is open."""
        idle = self._idle_since_ns[region]
        if idle and now_ns - idle[-1] <= KEEP_ALIVE_NS:
            idle.pop()
            return True
        idle.clear()  # the others have been idle for longer
        return False

    def give_back(self, region: str, now_ns: int) -> None:
        """Keep a connection open, now that its answer is there; the oldest goes when there are too many."""
        idle = self._idle_since_ns[region]
        idle.append(now_ns)
        if len(idle) > CONNECTIONS_KEPT:
            del idle[0]
