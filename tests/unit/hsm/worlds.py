"""Fleets in virtual time, as the tests of the HSM room use them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any

from regionsim.hsm.fleet import Fleet
from regionsim.hsm.hsm import HsmState
from regionsim.hsm.profiles import HOST, JobTimes, Profile, Quantiles
from regionsim.hsm.replication_keys import ReplicationRegistry
from regionsim.kms import hsm_jobs
from regionsim.kms.encryption_context import canonical
from regionsim.kms.hsm_jobs import (
    BackingKeyCreated,
    CreateBackingKey,
    Decrypt,
    Decrypted,
    Encrypt,
    Encrypted,
    MaterialRef,
)
from regionsim.kms.key_specs import KeySpec
from regionsim.runtime.clock import Clock
from regionsim.runtime.entropy import Entropy, SeededEntropy
from regionsim.runtime.loop import run_virtual
from regionsim.runtime.tasks import Scope, now_ns, sleep
from regionsim.runtime.trace import Trace

KEY_ID = "mrk-" + "1234abcd" * 4
OTHER_KEY_ID = "0000abcd-12ab-44cd-a6ef-1234567890ab"
EMPTY_CONTEXT = canonical({})
MS = 1_000_000
DAY_NS = 86_400 * 1_000_000_000
START_AT_NS = 1_767_225_600 * 1_000_000_000


def in_virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test to its end in virtual time."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        run_virtual(test(*args, **kwargs))

    return run


class World:
    """What the Regions of one world share, and their fleets."""

    def __init__(self, seed: int = 1, entropy: Entropy | None = None) -> None:
        self.entropy = entropy or SeededEntropy(seed)
        self.clock = Clock(START_AT_NS)
        self.trace = Trace(now_ns)
        self.registry = ReplicationRegistry()
        self.scope = Scope("hsms")

    def fleet(self, region: str = "us-east-1", hsm_count: int = 1, profile: Profile = HOST) -> Fleet:
        return Fleet(
            region,
            hsm_count,
            profile=profile,
            entropy=self.entropy,
            clock=self.clock,
            trace=self.trace,
            scope=self.scope,
            registry=self.registry,
        )

    async def started(self, region: str = "us-east-1", hsm_count: int = 1, profile: Profile = HOST) -> Fleet:
        fleet = self.fleet(region, hsm_count, profile)
        await fleet.start(is_joined=True)
        return fleet

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.scope.spawn(coroutine, name="test")


def fixed_profile(service_ns: int, transit_ns: int = 0, *, join_ns: int = 0, each_further_ns: int = 0) -> Profile:
    """Every job takes exactly that."""
    times = JobTimes(service=constant(service_ns), transit=constant(transit_ns), each_further_ns=each_further_ns)
    kinds = (*hsm_jobs.RequestJob.__args__, *hsm_jobs.UpkeepJob.__args__)
    return Profile(name="fixed", join_ns=join_ns, times=dict.fromkeys(kinds, times))


def constant(duration_ns: int) -> Quantiles:
    return Quantiles(points=((0.0, duration_ns), (1.0, duration_ns)))


async def create(fleet: Fleet, key_id: str = KEY_ID) -> MaterialRef:
    answer = await fleet.perform(CreateBackingKey(key_id=key_id, spec=KeySpec.SYMMETRIC_DEFAULT))
    assert isinstance(answer, BackingKeyCreated)
    return answer.material


async def encrypt(fleet: Fleet, material: MaterialRef, plaintext: bytes, **context: str) -> bytes:
    answer = await fleet.perform(Encrypt(material=material, plaintext=plaintext, context=canonical(context)))
    assert isinstance(answer, Encrypted)
    return answer.blob


async def decrypt(fleet: Fleet, material: MaterialRef, blob: bytes, **context: str) -> bytes:
    answer = await fleet.perform(Decrypt(material=material, blob=blob, context=canonical(context)))
    assert isinstance(answer, Decrypted)
    return answer.plaintext


def states(fleet: Fleet) -> list[HsmState]:
    return [hsm.state for hsm in fleet.hsms]


async def until_task_waits() -> None:
    """Let everything that can happen at this instant happen."""
    for _ in range(10):
        await sleep(0)
