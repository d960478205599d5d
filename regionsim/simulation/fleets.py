"""HSM fleets as the faults that are on leave them, and domains that come back when a whole fleet has lost its keys.

A domain is lost with the memory of its last HSM. AWS brings it back with a quorum of operators from what they keep
offline; here the end of the fault is that quorum's work. What it works from is the vault of the ground, or in virtual
time a sealed domain token that is made before faults take HSMs away: from then on the domain cannot have changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from regionsim.faults.active import ActiveFaults
from regionsim.faults.verdicts import SOUND, HsmRule
from regionsim.hsm import domain_backup
from regionsim.hsm.domain import DomainState
from regionsim.hsm.fleet import Fleet
from regionsim.hsm.hsm import HsmState
from regionsim.names.mistakes import ConfigError
from regionsim.runtime.entropy import Entropy
from regionsim.runtime.tasks import Scope, call_later_ns
from regionsim.runtime.trace import Event, Trace
from regionsim.simulation.ground import DomainVault

_SEALING_KEY_BYTES = 32
_WATCHED = ("hsm_request", "hsm_state")


class FleetFaults:
    """The fleets of a world's Regions. `on_met` hears the names of faults whose HSMs were asked for something."""

    def __init__(
        self,
        fleets: Mapping[str, Fleet],
        vault: DomainVault | None,
        *,
        entropy: Entropy,
        trace: Trace,
        scope: Scope,
        on_met: Callable[[tuple[str, ...]], None],
    ) -> None:
        self._fleets = fleets
        self._vault = vault
        self._entropy = entropy
        self._trace = trace
        self._scope = scope
        self._on_met = on_met
        self._names: dict[str, tuple[str, ...]] = {}
        self._tokens: dict[str, tuple[bytes, bytes]] = {}
        self._rules = {region: (SOUND,) * len(fleet.hsms) for region, fleet in fleets.items()}
        self._serving = {region: len(fleet.hsms) for region, fleet in fleets.items()}
        self._is_watching = False

    def follow(self, faults: ActiveFaults) -> None:
        """Let every HSM be as the faults that are on say: at once, but for those that have to join again."""
        self._names = {region: faults.names_on_hsms(region) for region in self._fleets}
        self._watch()
        for region, fleet in self._fleets.items():
            rules = faults.hsm_rules(region, len(fleet.hsms))
            if rules != self._rules[region]:
                self._rules[region] = rules
                self._rule(region, fleet, rules)

    @property
    def are_whole(self) -> bool:
        """True when every HSM serves."""
        return all(fleet.serving_count == len(fleet.hsms) for fleet in self._fleets.values())

    def _rule(self, region: str, fleet: Fleet, rules: Sequence[HsmRule]) -> None:
        if any(
            (rule.is_offline and hsm.is_online) or (rule.is_wiped and hsm.domain is not None)
            for hsm, rule in zip(fleet.hsms, rules, strict=True)
        ):
            self._seal(region, fleet)
        for hsm, rule in zip(fleet.hsms, rules, strict=True):
            hsm.slow_factor, hsm.error_probability = rule.slow_factor, rule.error
            if rule.is_wiped and hsm.state is not HsmState.ZEROISED:
                fleet.zeroise(hsm.index)
            elif hsm.state is HsmState.ZEROISED and not rule.is_wiped:
                fleet.power_on(hsm.index)
            if rule.is_offline and hsm.is_online:
                fleet.go_offline(hsm.index)
            elif not rule.is_offline and not hsm.is_online:
                fleet.come_online(hsm.index)
        if any(hsm.state is HsmState.EMPTY and hsm.is_online for hsm in fleet.hsms):
            self._scope.spawn(fleet.join_again(lambda: self._recovered(region)), name=f"hsm/{region}/join-again")
        self._tell(region)

    # The domain.

    def _seal(self, region: str, fleet: Fleet) -> None:
        if self._vault is None and fleet.is_serving:
            sealing_key = self._entropy.stream(f"sealing-key/{region}").bytes(_SEALING_KEY_BYTES)
            self._tokens[region] = fleet.seal_domain(sealing_key), sealing_key

    def _recovered(self, region: str) -> DomainState | None:
        """The Region's domain from what outlives its HSMs; None when that cannot be opened."""
        try:
            domain = self._opened(region)
        except ConfigError as error:
            self._trace.emit(region, "domain_not_recovered", error=type(error).__name__)
            return None
        if domain is not None:
            self._trace.emit(region, "domain_recovered", epoch=domain.epoch)
        return domain

    def _opened(self, region: str) -> DomainState | None:
        if self._vault is not None:
            return self._vault.load(region)
        sealed = self._tokens.get(region)
        return None if sealed is None else domain_backup.unseal(*sealed, region=region)

    # What is told of it.

    def _watch(self) -> None:
        """Hear of HSMs while there is something to hear: nobody pays for it in a run without such faults."""
        if not self._is_watching and any(self._names.values()):
            self._trace.add_sink(self._heard, _WATCHED)
            self._is_watching = True

    def _heard(self, event: Event) -> None:
        if event.kind == "hsm_request":
            self._on_met(self._names[event.region])
        else:  # the state is told a moment before it is true
            call_later_ns(0, self._tell, event.region)

    def _tell(self, region: str) -> None:
        """Say how many HSMs serve, if those are not as many as were said to."""
        fleet = self._fleets[region]
        if self._serving[region] != fleet.serving_count:
            self._serving[region] = fleet.serving_count
            self._trace.emit(region, "hsms_serving", serving=fleet.serving_count, hsms=len(fleet.hsms))
        if self._is_watching and self.are_whole and not any(self._names.values()):
            self._trace.remove_sink(self._heard)
            self._is_watching = False
