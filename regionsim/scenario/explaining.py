"""Why a caller may or may not do something in the world of a scenario, at its end or at an instant of it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import field
from pathlib import Path
from typing import Any

from regionsim.authorization.actions import KMS_ACTIONS
from regionsim.authorization.circumstances import Circumstances
from regionsim.authorization.explain import Explanation, explain
from regionsim.authorization.principals import Principal
from regionsim.kms.key import KmsKey
from regionsim.kms.key_identifiers import alias_in, locate
from regionsim.kms.permission import key_request, policies_on_key
from regionsim.kms.plan import View
from regionsim.kms.state import RegionState
from regionsim.names.dataclass import dataclass
from regionsim.names.durations import format_duration
from regionsim.names.mistakes import ConfigError, advice
from regionsim.names.regions import partition_of_world
from regionsim.runtime.tasks import sleep
from regionsim.runtime.trace import Trace
from regionsim.runtime.virtual_loop import VirtualLoop, run_virtual
from regionsim.scenario.metrics import Ledger
from regionsim.scenario.model import Scenario
from regionsim.scenario.play import Player
from regionsim.scenario.transcript import Transcript
from regionsim.simulation.ground import virtual_ground
from regionsim.simulation.simulation import Simulation

_WITH_ACCOUNT = re.compile(r"[0-9]{12}/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question as a person puts it; `at_ns` None: at the end. `key`: an id, an ARN, an alias, or a saved name."""

    caller: str
    action: str
    key: str
    region: str
    at_ns: int | None = None
    encryption_context: Mapping[str, str] = field(default_factory=dict)
    circumstances: Circumstances = field(default_factory=dict)


def permission_of(text: str) -> str:
    """The permission of KMS that a person means, as AWS spells it: `decrypt`, `kms:Decrypt`. Errors: ConfigError."""
    action = text if ":" in text else f"kms:{text}"
    found = next((known for known in KMS_ACTIONS if known.lower() == action.lower()), None)
    if found is not None:
        return found
    if action.lower() == "kms:reencrypt":
        raise ConfigError("ReEncrypt needs two permissions; ask for kms:ReEncryptFrom or kms:ReEncryptTo")
    if not action.lower().startswith("kms:"):
        raise ConfigError(f"'{text}' is no permission of KMS; a service asks KMS for others in its caller's name")
    raise ConfigError(f"KMS has no permission '{text}'; {advice(action, KMS_ACTIONS)}")


def explain_in(scenario: Scenario, asked: Asked) -> Explanation:
    """Play the scenario until the instant, and explain there.

    Errors: ConfigError for a caller, key or Region that is not there, or a Region that is down.
    """
    principal = _principal(scenario, asked.caller)
    if asked.region not in scenario.world.regions:
        raise ConfigError(f"no such Region: '{asked.region}'; {advice(asked.region, scenario.world.regions)}")
    found: list[Explanation | ConfigError] = []

    def look(simulation: Simulation, saved: Mapping[str, Any]) -> None:
        try:
            found.append(explain_now(simulation, saved, principal, asked))
        except ConfigError as mistake:
            found.append(mistake)

    _play_until(scenario, asked.at_ns, look)
    if isinstance(found[0], ConfigError):
        raise found[0]
    return found[0]


def _play_until(scenario: Scenario, at_ns: int | None, look: Callable[[Simulation, Mapping[str, Any]], None]) -> None:
    """Play the scenario and `look` once: at the instant, or at the end when that comes first."""
    loop = VirtualLoop()
    trace = Trace(lambda: loop.now_ns)
    with tempfile.TemporaryDirectory(prefix="regionsim-") as folder, closing(loop):
        start_ns = scenario.world.start_at_ns
        ground = virtual_ground(seed=scenario.seed, start_at_ns=start_ns, folder=Path(folder), trace=trace)
        simulation = Simulation(scenario.world, ground)
        player = Player(scenario, simulation, Ledger(), Transcript(scenario.world.regions, None))
        is_over = False

        def look_and_stop() -> None:
            nonlocal is_over
            if not is_over:
                is_over = True
                look(simulation, player.saved)
                loop.fail(KeyboardInterrupt())

        async def main() -> None:
            try:
                await simulation.start()
                if at_ns is not None:
                    loop.call_at_ns(at_ns, look_and_stop)
                await player.play()
                look_and_stop()
                await sleep(0)
            finally:
                for region in simulation.regions.values():
                    if region.is_up:
                        region.store.crash()

        try:
            run_virtual(main(), loop=loop)
        except KeyboardInterrupt:
            if not is_over:  # a person's, not ours
                raise


def _principal(scenario: Scenario, spelling: str) -> Principal:
    directory = scenario.world.directory
    accounts = directory.accounts
    is_short = not spelling.startswith(("arn:", "service/")) and not _WITH_ACCOUNT.match(spelling)
    if is_short and len(accounts) > 1:
        raise ConfigError(f"'{spelling}' of which account? write {min(accounts)}/{spelling}")
    return directory.principal(next(iter(accounts)), spelling, partition=partition_of_world(scenario.world.regions))


def explain_now(simulation: Simulation, saved: Mapping[str, Any], principal: Principal, asked: Asked) -> Explanation:
    """Explain in a world as it is now; `saved` are the names that it has for keys. Errors: as `explain_in`."""
    region = simulation.regions[asked.region]
    when = "at the end" if asked.at_ns is None else f"at {format_duration(asked.at_ns)}"
    if not region.is_up:
        raise ConfigError(f"{asked.region} is down {when}; nobody decides there")
    view = View(
        state=region.state,
        directory=region.directory,
        now_ns=region.clock.now_ns(),
        regions=simulation.world.regions,
        grant_delay_ns=region.grant_delay_ns,
        circumstances=asked.circumstances,
    )
    identifier = asked.key.removeprefix("$")
    identifier = str(saved.get(identifier, identifier))
    key = _key(region.state, principal, identifier)
    if key is None:
        known = sorted(name for name, value in saved.items() if isinstance(value, str) and len(value) < 200)
        raise ConfigError(f"{asked.region} has no key '{asked.key}' {when}; {advice(asked.key, known)}")
    request = key_request(
        view,
        principal,
        asked.action,
        key,
        named=alias_in(identifier) or "",
        encryption_context=asked.encryption_context,
    )
    return explain(request, policies_on_key(view, request, key.regional.policy))


def _key(state: RegionState, principal: Principal, identifier: str) -> KmsKey | None:
    """The key that the identifier names, also where it is another account's."""
    key_id = locate(state, principal.account, identifier)
    return state.key(key_id if key_id is not None else identifier)
