"""A served world for Python programs: it runs in a thread of this process, and is told what to do from any other.

with regionsim.serve(regions=["us-east-1", "eu-west-1"]) as world:
    kms = world.client("kms", region="us-east-1")
    with world.fault("region_outage", region="us-east-1"):
        ...
    world.advance(days=366)
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from regionsim.endpoint.api import ApiError, ApiRequest
from regionsim.endpoint.settings import ServeSettings, pem_text
from regionsim.endpoint.world import LiveWorld, served
from regionsim.faults.active import HEAL_ALL
from regionsim.faults.vocabulary import parse_fault
from regionsim.names.durations import parse_duration
from regionsim.names.mistakes import ConfigError, advice, require_type
from regionsim.region.timers import Fired
from regionsim.runtime.loop import run_real_time
from regionsim.scenario.library import find_scenario
from regionsim.scenario.load import load_scenario

T = TypeVar("T")

_NS_PER_S = 1_000_000_000
_SERVED = ("kms", "sts")


def serve(  # noqa: PLR0913 - one parameter for each option of the command
    scenario: str | Path | None = None,
    *,
    regions: Iterable[str] | None = None,
    accounts: str | Path | None = None,
    account: str | None = None,
    access_keys: Iterable[str] = (),
    host: str = "127.0.0.1",
    port: int = 0,
    data: str | Path | None = None,
    quotas: bool = False,
    strict_principals: bool = False,
    profile: str | None = None,
    xks_proxies: Mapping[str, str] | None = None,
    attestation_roots: Iterable[str | Path] = (),
) -> ServedWorld:
    """Live endpoints in this process, from `with` to its end; the parameters are the options of `regionsim serve`.

    A root for `attestation_roots` is a file, or PEM as it stands (`EnclavePlatform.root_pem`).

    Errors: ConfigError, ScenarioError.
    """
    for what, given in (("accounts", accounts), ("data", data), ("scenario", scenario)):
        if given is not None:
            require_type(what, given, (str, Path), "the path of a file" if what != "data" else "the path of a folder")
    settings = ServeSettings(
        scenario=None if scenario is None else load_scenario(find_scenario(str(scenario))),
        regions=None if regions is None else tuple(regions.split(",") if isinstance(regions, str) else regions),
        accounts=None if accounts is None else Path(accounts),
        account=account,
        access_keys=tuple(access_keys),
        host=host,
        port=port,
        data=None if data is None else Path(data),
        has_quotas=quotas,
        strict_principals=strict_principals,
        profile=profile,
        xks_proxies=tuple(f"{endpoint}={url}" for endpoint, url in (xks_proxies or {}).items()),
        attestation_roots=tuple(map(pem_text, attestation_roots)),
    )
    return ServedWorld(settings)


class ServedWorld:
    """A world behind HTTP. Its methods may be called from any thread; each returns when it is done."""

    def __init__(self, settings: ServeSettings) -> None:
        self._settings = settings
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._world: LiveWorld | None = None
        self._over: asyncio.Event | None = None
        self._failures: list[BaseException] = []
        self.endpoint = ""
        """The URL that answers for every Region, and for STS: what AWS_ENDPOINT_URL_KMS wants."""
        self.regions: Mapping[str, str] = {}
        """Region -> the URL of its own port."""
        self.admin = ""
        """The URL of the admin API."""

    def __repr__(self) -> str:
        return f"<ServedWorld {self.endpoint or 'not started'}>"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Serve; returns when every port is open. Errors: ConfigError."""
        assert self._thread is None, "this world is being served already"
        is_up = threading.Event()
        self._failures.clear()
        self._thread = threading.Thread(target=self._run, args=(is_up,), name="regionsim-serve", daemon=True)
        self._thread.start()
        is_up.wait()
        if self._failures:
            self._thread.join()
            self._thread = None
            raise self._failures[0]

    def stop(self) -> None:
        """End the world; harmless when it has ended."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        assert self._loop is not None
        assert self._over is not None
        self._loop.call_soon_threadsafe(self._over.set)
        thread.join()

    # What may be done to it.

    def client(self, service: str = "kms", region: str | None = None, **kwargs: Any) -> Any:
        """A boto3 client of KMS, or of STS, in that Region (default: the first), as an administrator.

        Of KMS it calls the Region's own port, so that an outage really refuses it; `kwargs` are boto3's and win.
        Errors: ConfigError where boto3 is not installed, or for a service that nobody serves here.
        """
        if service not in _SERVED:
            raise ConfigError(f"regionsim serves {' and '.join(_SERVED)}, not '{service}'; steps with ask: have others")
        try:
            boto3 = import_module("boto3")
        except ImportError:
            raise ConfigError("world.client needs boto3; pip install boto3") from None
        chosen = region or next(iter(self.regions))
        if chosen not in self.regions:
            raise ConfigError(f"no such Region here: '{chosen}'; {advice(chosen, self.regions)}")
        key_id, secret = self.credentials
        defaults = {
            "region_name": chosen,
            "endpoint_url": self.regions[chosen] if service == "kms" else self.endpoint,
            "aws_access_key_id": key_id,
            "aws_secret_access_key": secret,
        }
        return boto3.client(service, **{**defaults, **kwargs})

    @property
    def credentials(self) -> tuple[str, str]:
        """The first access key of the world: its id and its secret. Errors: ConfigError when there is none."""
        for account in self._up.directory().accounts.values():
            for key_id, key in account.access_keys.items():
                return key_id, key.secret
        raise ConfigError("this world has no access key; give access_keys=['ID:SECRET']")

    @property
    def environment(self) -> dict[str, str]:
        """What makes a stock AWS client of another process call this world."""
        key_id, secret = self.credentials
        return {
            "AWS_ENDPOINT_URL_KMS": self.endpoint,
            "AWS_ENDPOINT_URL_STS": self.endpoint,
            "AWS_ACCESS_KEY_ID": key_id,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_REGION": next(iter(self.regions)),
            "AWS_DEFAULT_REGION": next(iter(self.regions)),
        }

    @contextmanager
    def fault(self, word: str, name: str | None = None, **parameters: Any) -> Iterator[str]:
        """A fault that is on while the block runs: `fault("region_outage", region="us-east-1")`; its id.

        Errors: FaultError.
        """
        fault_id = self.begin_fault(word, name, **parameters)
        try:
            yield fault_id
        finally:
            if fault_id in self._up.simulation.faults.by_name:
                self.end_fault(fault_id)

    def begin_fault(self, word: str, name: str | None = None, **parameters: Any) -> str:
        """Switch a fault on; the id that ends it. Errors: FaultError."""
        fault = parse_fault({word: parameters}, regions=tuple(self.regions))
        return self._do(self._up.begin_fault(fault, name))

    def end_fault(self, fault_id: str = HEAL_ALL) -> None:
        """Switch a fault off, or all of them. Errors: FaultError."""
        self._do(self._up.end_fault(fault_id))

    def advance(
        self, duration: str = "0s", *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0
    ) -> tuple[Fired, ...]:
        """Let time pass in the world (`"1d3h"`, or in units); what fell due, in order. Errors: ConfigError."""
        if not isinstance(duration, str):
            raise ConfigError(f"a duration is a text with its unit, not {duration!r}; write '90s', or seconds=90")
        try:
            total_ns = parse_duration(duration)
        except ValueError as mistake:
            raise ConfigError(str(mistake)) from None
        total_ns += round((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * _NS_PER_S)
        if total_ns < 0:
            raise ConfigError("time never passes backwards; give a duration of 0 or more")
        return self._do(self._up.advance(total_ns))

    def reset(self) -> None:
        """An empty world again."""
        self._do(self._up.reset())

    def events(self, **asked: str) -> list[dict[str, Any]]:
        """CloudTrail records, oldest first, up to a thousand; `asked` as in the admin API: `event="Decrypt"`.

        Errors: ConfigError.
        """
        route = next(route for route in self._up.admin.routes if route.path == "/events")
        query = {name.rstrip("_"): value for name, value in asked.items()}
        try:
            said: dict[str, Any] = self._do(route.handler(ApiRequest(query={"limit": "1000", **query})))
        except ApiError as mistake:
            raise ConfigError(f"{mistake.what}; {mistake.advice}" if mistake.advice else mistake.what) from None
        found: list[dict[str, Any]] = said["events"]
        return found

    # Inside.

    @property
    def _up(self) -> LiveWorld:
        if self._world is None:
            raise ConfigError("this world is not being served; use it inside `with regionsim.serve(...) as world:`")
        return self._world

    def _do(self, what: Coroutine[Any, Any, T] | Any) -> T:
        assert self._loop is not None
        done: T = asyncio.run_coroutine_threadsafe(what, self._loop).result()
        return done

    def _run(self, is_up: threading.Event) -> None:
        try:
            run_real_time(self._serve(is_up.set))
        except BaseException as error:  # noqa: BLE001 - handed to the thread that started it
            self._failures.append(error)
        finally:
            self._world = None
            is_up.set()

    async def _serve(self, tell_up: Callable[[], None]) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        async with served(self._settings, _drop) as world:
            ready = world.ready_line()
            self.endpoint, self.regions, self.admin = ready["endpoint"], ready["regions"], ready["admin"]
            self._world = world
            tell_up()
            await self._over.wait()


def _drop(line: str) -> None:
    """A program hears of mistakes as exceptions and answers."""
