"""`regionsim serve`: a world behind HTTP until it is told to stop."""

from __future__ import annotations

import asyncio
import json
import resource
import signal
from collections.abc import Callable

from regionsim.endpoint.processes import served_by_processes
from regionsim.endpoint.settings import ServeSettings
from regionsim.endpoint.world import served
from regionsim.runtime.loop import run_real_time

_MOST_FILES = 65_536
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def allow_many_connections() -> None:
    """Let this process open as many files as the system lets it, up to what ports can be: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def serve(settings: ServeSettings, on_ready: Callable[[str], None], tell: Callable[[str], None]) -> bool:
    """Serve until SIGTERM or Ctrl-C; True when it was Ctrl-C. `on_ready` hears the one line of JSON that says where.

    Errors: ConfigError, ScenarioError.
    """
    allow_many_connections()
    return run_real_time(_serve(settings, on_ready, tell))


async def _serve(settings: ServeSettings, on_ready: Callable[[str], None], tell: Callable[[str], None]) -> bool:
    loop = asyncio.get_running_loop()
    told: asyncio.Future[signal.Signals] = loop.create_future()

    def heard(number: signal.Signals) -> None:
        if not told.done():
            told.set_result(number)

    for number in _SIGNALS:
        loop.add_signal_handler(number, heard, number)
    try:
        serving = served if settings.processes == 1 else served_by_processes
        async with serving(settings, tell) as world:
            if not settings.is_loopback:
                tell(f"listening on {settings.host}: everybody who reaches this machine can call, and break, this KMS")
            on_ready(json.dumps(world.ready_line()))
            return await told is signal.SIGINT
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
