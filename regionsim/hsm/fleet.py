"""All HSMs of a Region as one thing to ask: any member that serves can do any job.

The fleet relays between members what AWS's hosts relay: it keeps no key. When every member has lost its memory the
domain is gone, and comes back only from a sealed domain token.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from regionsim.hsm import domain_backup
from regionsim.hsm.domain import DomainKeyFacts, DomainState
from regionsim.hsm.hsm import Hsm, HsmState
from regionsim.hsm.profiles import Profile
from regionsim.hsm.replication_keys import ReplicationRegistry
from regionsim.kms.errors import KmsError, KMSInternalException
from regionsim.kms.hsm_jobs import HsmAnswer, HsmJob
from regionsim.runtime.clock import ReadableClock
from regionsim.runtime.entropy import Entropy
from regionsim.runtime.tasks import Scope
from regionsim.runtime.trace import Trace

SealDomain = Callable[[bytes], bytes]
"""Makes the sealed domain token for a sealing key."""


class Fleet:
    """The HSM fleet of `region`. `scope` is the fleet's own: it outlives the hosts, and ends with the Region's HSMs.

    `trace` may be None where nothing is traced.
    """

    def __init__(
        self,
        region: str,
        hsm_count: int,
        *,
        profile: Profile,
        entropy: Entropy,
        clock: ReadableClock,
        trace: Trace | None,
        scope: Scope,
        registry: ReplicationRegistry,
    ) -> None:
        assert hsm_count > 0, "a fleet has HSMs"
        self.region = region
        self.hsms = tuple(
            Hsm(region, index, profile=profile, entropy=entropy, trace=trace, registry=registry)
            for index in range(hsm_count)
        )
        self._profile = profile
        self._clock = clock
        self._trace = trace
        self._scope = scope
        self._registry = registry
        self._save_domain: Callable[[SealDomain], None] | None = None
        self._turn = 0
        self._joinings: dict[int, Awaitable[bool]] = {}

    def __repr__(self) -> str:
        return f"<Fleet {self.region} {' '.join(hsm.state.value for hsm in self.hsms)}>"

    # ---------------------------------------------------------------------------------------------------------- asking

    async def perform(self, job: HsmJob) -> HsmAnswer:
        """The answer of the HSM with the shortest queue.

        Errors: KMSInternalException when no HSM serves, or the one that was asked stopped before it had finished;
        what the job itself refuses.
        """
        outcome = await self._choose().visit(job)
        if isinstance(outcome, KmsError):
            raise outcome
        return outcome

    def carry(self, kind: type[HsmJob]) -> None:
        """Let a job of that kind weigh on the HSM with the shortest queue; nobody gets an answer, or a refusal."""
        if self.is_serving:
            self._choose().carry(kind)

    def perform_at_once(self, job: HsmJob) -> HsmAnswer:
        """The answer to a job of before the world began: it takes no time, and is not counted or traced."""
        return self.hsms[0].perform_at_once(job)

    @property
    def is_serving(self) -> bool:
        """True when at least one HSM takes jobs."""
        return any(hsm.is_serving for hsm in self.hsms)

    @property
    def serving_count(self) -> int:
        """How many HSMs take jobs."""
        return sum(hsm.is_serving for hsm in self.hsms)

    @property
    def jobs_done(self) -> int:
        return sum(hsm.jobs_done for hsm in self.hsms)

    @property
    def queue_length(self) -> int:
        return sum(hsm.queue_length for hsm in self.hsms)

    @property
    def busy_ns(self) -> int:
        return sum(hsm.busy_ns for hsm in self.hsms)

    def _choose(self) -> Hsm:
        """The serving HSM with the shortest queue; of several, the next one in turn."""
        hsms, index = self.hsms, self._turn
        chosen: Hsm | None = None
        shortest = 0
        for _ in hsms:
            hsm = hsms[index]
            index = (index + 1) % len(hsms)
            if hsm.is_serving:
                length = hsm.queue_length
                if chosen is None or length < shortest:
                    chosen, shortest, self._turn = hsm, length, index
                    if not length:
                        break
        if chosen is None:
            raise KMSInternalException
        return chosen

    # ---------------------------------------------------------------------------------------------------------- joining

    async def start(self, *, domain: DomainState | None = None, is_joined: bool = False) -> None:
        """Bring every HSM into `domain` (from a sealed domain token), or into a new one; register its signing key.

        It takes the profile's time to join, or none with `is_joined`: a Region that has been running for long.
        """
        domain = domain or self.hsms[0].found_domain(self._clock.now_ns())
        assert domain.region == self.region, "a domain belongs to one Region"
        self._registry.register(self.region, domain.signing_key.public)
        await self._join_empty(lambda: self._newest_domain() or domain, 0 if is_joined else self._profile.join_ns)

    def forget(self, material_ids: Iterable[str]) -> None:
        """Make every HSM forget backing keys that it has at hand: their key is deleted."""
        for material_id in material_ids:
            for hsm in self.hsms:
                hsm.forget(material_id)

    def zeroise(self, index: int) -> None:
        """Make one HSM forget its keys."""
        self.hsms[index].zeroise()

    async def restart(self, index: int) -> bool:
        """Power one HSM off and on; True once it has joined again, False when no member was left to join."""
        self.hsms[index].restart()
        await self._join_empty(self._newest_domain, self._profile.join_ns)
        return self.hsms[index].state is HsmState.OPERATIONAL

    def go_offline(self, index: int) -> None:
        """Put one HSM out of reach; it keeps its keys."""
        self.hsms[index].go_offline()

    def come_online(self, index: int) -> None:
        """Put it in reach again; HSMs that found no member to join begin to join it."""
        self.hsms[index].come_online()
        newest = self._newest_domain()
        if newest is not None:
            self._install(newest)
            self._begin_joining(self._newest_domain, self._profile.join_ns)

    def on_host_crash(self) -> None:
        """The hosts have lost their memory: nobody waits for what they asked. The HSMs keep their keys."""
        for hsm in self.hsms:
            hsm.drop_visits()

    def close(self) -> None:
        """Forget every key and end the worker threads."""
        for hsm in self.hsms:
            hsm.close()

    async def _join_empty(self, sponsor: Callable[[], DomainState | None], join_ns: int) -> None:
        self._begin_joining(sponsor, join_ns)
        await self._all_joined()
        if any(hsm.state is HsmState.EMPTY for hsm in self.hsms) and sponsor() is not None:
            # Those that had begun before, with another sponsor, may have found nobody.
            self._begin_joining(sponsor, join_ns)
            await self._all_joined()

    def _begin_joining(self, sponsor: Callable[[], DomainState | None], join_ns: int) -> None:
        for hsm in self.hsms:
            if hsm.state is HsmState.EMPTY and hsm.is_online:
                name = f"hsm/{self.region}/{hsm.index}/join"
                self._joinings[hsm.index] = self._scope.spawn(hsm.join(sponsor, join_ns), name=name)

    async def _all_joined(self) -> None:
        for joining in list(self._joinings.values()):
            await joining

    # ------------------------------------------------------------------------------------------------------- the domain

    @property
    def domain_keys(self) -> tuple[DomainKeyFacts, ...]:
        """Ids and instants of the domain's keys, the active one last; empty when the domain is lost or out of reach.

        Tokens under a key near its `expires_at_ns` must be re-wrapped (`RewrapTokens`) before that rotation.
        """
        domain = self._newest_domain()
        return () if domain is None else domain.facts

    def save_domain_by(self, save: Callable[[SealDomain], None]) -> None:
        """Let `save` keep every new state of the domain where it outlives the HSMs' memory.

        It is called before any member can wrap under that state, and what it raises prevents that.
        """
        self._save_domain = save

    def rotate_domain_key(self) -> None:
        """Give the domain a new active key; the old one opens tokens for 30 days.

        Errors: KMSInternalException when no HSM has the domain; what saving it raises. Then nothing has changed.
        """
        member = self._any_member()
        rotated = member.rotated_domain(self._clock.now_ns())
        if self._save_domain is not None:  # first: a token under a key that only memory holds dies with the process
            self._save_domain(lambda sealing_key: _sealed(member, rotated, sealing_key))
        self._install(rotated)
        if self._trace is not None:
            self._trace.emit(self.region, "domain_key_rotated", epoch=rotated.epoch, domain_keys=len(rotated.keys))

    def seal_domain(self, sealing_key: bytes) -> bytes:
        """The sealed domain token of this moment; every rotation makes it one of the past. Errors:
        KMSInternalException."""
        member = self._any_member()
        domain = member.domain
        assert domain is not None, "a member has the domain"
        return _sealed(member, domain, sealing_key)

    async def restore_domain(self, token: bytes, sealing_key: bytes) -> None:
        """Bring back every HSM that is EMPTY or ZEROISED: from a member if one is left, else from the token.

        Errors: ConfigError when the token cannot be opened.
        """
        domain = domain_backup.unseal(token, sealing_key, region=self.region)
        for hsm in self.hsms:
            if hsm.state is HsmState.ZEROISED:
                hsm.restart()
        await self.join_again(lambda: domain)

    def power_on(self, index: int) -> None:
        """Power one HSM off and on; it is EMPTY until it has joined (`join_again`)."""
        self.hsms[index].restart()

    async def join_again(self, last_resort: Callable[[], DomainState | None]) -> None:
        """Let every EMPTY HSM in reach join: a member if there is one, else the domain that `last_resort` has."""
        await self._join_empty(lambda: self._newest_domain() or last_resort(), self._profile.join_ns)

    def secrets_for_scan(self) -> list[bytes]:
        """The raw bytes of every secret held now. For tests that search files and links for them; for nothing else.

        A zeroised HSM has none to tell: scan before a fault takes them, too.
        """
        return [secret for hsm in self.hsms for secret in hsm.secrets_for_scan()]

    def _any_member(self) -> Hsm:
        """The first member that has the newest domain."""
        newest = self._newest_domain()
        for hsm in self.hsms:
            if newest is not None and hsm.is_serving and hsm.domain is newest:
                return hsm
        raise KMSInternalException

    def _newest_domain(self) -> DomainState | None:
        """The newest domain state among members in reach."""
        newest: DomainState | None = None
        for hsm in self.hsms:
            domain = hsm.domain if hsm.is_serving else None
            # Most have the very same one.
            if domain is not None and domain is not newest and (newest is None or domain.epoch > newest.epoch):
                newest = domain
        return newest

    def _install(self, domain: DomainState) -> None:
        """Bring every member up to date, those out of reach included.

        Hosts keep the domain's newest state enveloped for each member that has kept its memory, so a member installs it
        before it serves again; until then nobody can see the difference.
        """
        for hsm in self.hsms:
            if hsm.domain is not None and hsm.domain is not domain:
                hsm.install(domain)


def _sealed(member: Hsm, domain: DomainState, sealing_key: bytes) -> bytes:
    return domain_backup.seal(domain, sealing_key, nonce=member.draw(domain_backup.NONCE_BYTES))
