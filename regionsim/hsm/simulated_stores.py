"""What backs custom key stores in simulation: clusters with HSMs of their own, proxies with keys of their own.

A cluster is a domain that belongs to no Region: what it exports is the handle by which KMS knows its keys. A cluster or
proxy that is not described here comes to be when it is first asked for, healthy, and takes every credential; one that
is described (`clusters`, `proxies`) is as it is described, and can be broken there; faults that are on come on top, of
real proxies, too. Whoever keeps it for the next process is told of each new key before that is used (`save_by`).

Source: ours; KMS Developer Guide, "CloudHSM key stores" and "External key stores" (what is checked).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from regionsim.faults.active import ActiveFaults
from regionsim.faults.keepers import Keeper, KeeperKind, KeeperRule
from regionsim.faults.kinds import ProxyAnswer, ServiceState
from regionsim.hsm.algorithms.key_pair import Draws
from regionsim.hsm.algorithms.symmetric import AES_KEY_BYTES, GCM_NONCE_BYTES
from regionsim.hsm.domain import DomainState
from regionsim.hsm.keeper_backup import Kept
from regionsim.hsm.keeper_plans import NO_PLANS, KeeperPlans
from regionsim.hsm.keepers import Cluster, ExternalKey, Proxy, cluster_of, proxy_of
from regionsim.hsm.key_store_port import PROXY_DEADLINE_NS, ExternallySealed, ProxyRequest
from regionsim.hsm.memory import HsmMemory
from regionsim.hsm.replication_keys import ReplicationRegistry
from regionsim.hsm.xks_client import XksClient
from regionsim.kms.errors import InvalidCiphertextException
from regionsim.kms.hsm_jobs import CLUSTER_HANDLE, BackingKeyCreated, ForRecipient, HsmAnswer, MaterialRef, RequestJob
from regionsim.kms.key_stores import ProxySettings
from regionsim.kms.outside import (
    AboutCluster,
    AboutExternalKey,
    AboutProxy,
    AboutService,
    Inquiry,
    OutsideError,
    Problem,
    Word,
)
from regionsim.names.mistakes import ConfigError
from regionsim.runtime.clock import ReadableClock
from regionsim.runtime.entropy import Entropy, Stream
from regionsim.runtime.loop import is_real_time
from regionsim.runtime.tasks import sleep

_MS = 1_000_000
_JOB_NS = 6 * _MS
_QUESTION_NS = 200 * _MS
_ZONES_WANTED = 2

_ANSWERS: Mapping[ProxyAnswer, Problem] = MappingProxyType(
    {
        ProxyAnswer.CREDENTIALS: Problem.XKS_PROXY_NOT_AUTHENTICATED,
        ProxyAnswer.DENIED: Problem.XKS_PROXY_ACCESS_DENIED,
        ProxyAnswer.THROTTLED: Problem.XKS_PROXY_THROTTLED,
        ProxyAnswer.UNHEALTHY: Problem.XKS_PROXY_UNHEALTHY,
        ProxyAnswer.NONSENSE: Problem.XKS_PROXY_INVALID_RESPONSE,
        ProxyAnswer.PATH: Problem.XKS_PROXY_INVALID_CONFIGURATION,
        ProxyAnswer.TLS: Problem.XKS_PROXY_INVALID_TLS_CONFIGURATION,
        ProxyAnswer.KEY_DISABLED: Problem.XKS_KEY_DISABLED,
        ProxyAnswer.KEY_NOT_FOUND: Problem.XKS_KEY_NOT_FOUND,
    }
)
_SERVICE_PROBLEMS: Mapping[ServiceState, Problem] = MappingProxyType(
    {ServiceState.MISSING: Problem.XKS_VPC_NOT_FOUND, ServiceState.UNFIT: Problem.XKS_VPC_INVALID}
)


class SimulatedStores:
    """Everything that backs custom key stores in one Region. What `over_http` knows of is asked there, in real time."""

    def __init__(
        self,
        region: str,
        *,
        entropy: Entropy,
        clock: ReadableClock,
        plans: KeeperPlans = NO_PLANS,
        over_http: XksClient | None = None,
        faults: Callable[[], ActiveFaults],
        on_fault_met: Callable[[tuple[str, ...]], None],
    ) -> None:
        self._over_http = over_http
        self._save: Callable[[Kept], None] | None = None
        self._faults = faults
        self._on_fault_met = on_fault_met
        self.clusters = {name: cluster_of(plan) for name, plan in plans.clusters.items()}
        self.proxies = {address: proxy_of(plan) for address, plan in plans.proxies.items()}
        self.makes_what_is_missing = not plans.only_these
        self._services = plans.services
        self._region = region
        self._clock = clock
        self._stream = entropy.stream(f"key-stores/{region}")
        self._draws = Draws(stream=self._stream, is_seeded=not is_real_time())
        self._times = entropy.stream(f"key-stores/{region}/times")

    async def ask(self, inquiry: Inquiry) -> Word:
        """The answer to an inquiry."""
        if isinstance(inquiry, AboutCluster):
            await sleep(_drawn(_QUESTION_NS, self._times))
            return Word(problem=self._cluster_problem(inquiry))
        try:
            if isinstance(inquiry, AboutService):
                await sleep(_drawn(_QUESTION_NS, self._times))
                self._require_service(inquiry.proxy)
                return Word()
            return Word(problem=await self._of_proxy(inquiry))
        except OutsideError as error:
            return Word(problem=error.problem)

    async def _of_proxy(self, inquiry: AboutProxy | AboutExternalKey) -> Problem | None:
        """Errors: OutsideError."""
        settings, is_real, secret = inquiry.proxy, self._is_real(inquiry.proxy), inquiry.secret
        assert secret is not None, "whoever asks knows it by now"
        late_ns = await self._pass(settings, is_of_key=isinstance(inquiry, AboutExternalKey))
        match inquiry:
            case AboutProxy() if is_real:
                return await self._http.health(settings, secret)
            case AboutExternalKey(xks_key_id=key_id) if is_real:
                return await self._http.key_problem(settings, secret, key_id)
            case AboutProxy():
                return await self._proxy_problem(settings, secret, late_ns, is_of_health=True)
            case AboutExternalKey(xks_key_id=key_id):
                problem = await self._proxy_problem(settings, secret, late_ns)
                return problem or self._key_problem(settings, key_id)

    async def _pass(self, settings: ProxySettings, *, is_of_key: bool) -> int:
        """How much later a simulated proxy answers, if the faults that are on let KMS through to it at all.

        Errors: OutsideError.
        """
        self._require_service(settings)
        rule = self._rule(KeeperKind.PROXY, settings.uri_endpoint, "".join(settings.address))
        if rule.is_unreachable:
            await sleep(_drawn(_JOB_NS, self._times))
            raise OutsideError(Problem.XKS_PROXY_NOT_REACHABLE)
        for answer, probability in rule.answers:
            is_meant = is_of_key or not answer.startswith("key_")
            if is_meant and (probability == 1 or self._times.random() < probability):
                await sleep(_drawn(_JOB_NS, self._times))
                raise OutsideError(_ANSWERS[answer])
        if self._is_real(settings) and rule.slow_ns:
            await sleep(min(rule.slow_ns, PROXY_DEADLINE_NS))
            if rule.slow_ns >= PROXY_DEADLINE_NS:
                raise OutsideError(Problem.XKS_PROXY_TIMED_OUT)
        return rule.slow_ns

    def _require_service(self, settings: ProxySettings) -> None:
        """Errors: OutsideError when the way to the proxy is a VPC endpoint service that KMS cannot use."""
        if settings.vpc_service_name is None:
            return
        state = self._rule(KeeperKind.SERVICE, settings.vpc_service_name).service
        state = state or self._service_state(settings, settings.vpc_service_name)
        if state is not None:
            raise OutsideError(_SERVICE_PROBLEMS[state])

    def _service_state(self, settings: ProxySettings, name: str) -> ServiceState | None:
        """What is wrong with a service as it is described."""
        plan = self._services.get(name)
        if plan is None:
            return None if self.makes_what_is_missing else ServiceState.MISSING
        is_owners = None in (plan.owner, settings.vpc_service_owner) or plan.owner == settings.vpc_service_owner
        if not plan.allows_kms or not is_owners:
            return ServiceState.MISSING
        is_at_endpoint = plan.private_dns is None or settings.uri_endpoint == f"https://{plan.private_dns}"
        is_fit = plan.zones >= _ZONES_WANTED and plan.is_verified and not plan.needs_acceptance and is_at_endpoint
        return None if is_fit else ServiceState.UNFIT

    def _rule(self, kind: KeeperKind, *names: str) -> KeeperRule:
        """What the faults that are on do to a keeper, which meets them now."""
        faults, keeper = self._faults(), Keeper(kind, names)
        self._on_fault_met(faults.names_on_keeper(self._region, keeper))
        return faults.keeper_rule(self._region, keeper)

    async def in_cluster(self, cluster_id: str, job: RequestJob) -> HsmAnswer:
        """One job of a key of that cluster. Errors: OutsideError; what the job refuses."""
        answer = (await self._reached(cluster_id)).perform(_with_tokens(job))
        if isinstance(answer, BackingKeyCreated):
            return BackingKeyCreated(material=_handle(answer.material))
        return answer

    async def remove(self, cluster_id: str, material_ids: tuple[str, ...]) -> None:
        """Let the cluster forget backing keys; their tokens go with the KMS key. Errors: OutsideError."""
        memory = await self._reached(cluster_id)
        for material_id in material_ids:
            memory.forget(material_id)

    async def _reached(self, cluster_id: str) -> HsmMemory:
        """What the HSMs of a cluster know, if KMS reaches one. Errors: OutsideError."""
        await sleep(_drawn(_JOB_NS, self._times))
        cluster = self._cluster(cluster_id)
        if cluster is None:
            raise OutsideError(Problem.CLUSTER_NOT_FOUND)
        rule = self._rule(KeeperKind.CLUSTER, cluster_id)
        if not cluster.is_active or not cluster.is_reachable or rule.is_unreachable:
            raise OutsideError(Problem.NETWORK_ERRORS)
        if cluster.hsm_count - rule.lost_hsms < 1:
            raise OutsideError(Problem.INSUFFICIENT_CLOUDHSM_HSMS)
        return self._memory(cluster, cluster_id)

    async def seal(self, request: ProxyRequest, plaintext: bytes, associated: bytes) -> ExternallySealed:
        """Encrypt under an external key. Errors: OutsideError."""
        late_ns = await self._pass(request.proxy, is_of_key=True)
        if self._is_real(request.proxy):
            return await self._http.seal(request, plaintext, associated)
        key = await self._key(request, late_ns)
        iv = self._stream.bytes(GCM_NONCE_BYTES)
        return ExternallySealed(iv=iv, sealed=key.aead.seal(iv, plaintext, associated))

    async def unseal(self, request: ProxyRequest, sealed: ExternallySealed, associated: bytes) -> bytes:
        """Decrypt under an external key. Errors: OutsideError."""
        late_ns = await self._pass(request.proxy, is_of_key=True)
        if self._is_real(request.proxy):
            return await self._http.unseal(request, sealed, associated)
        key = await self._key(request, late_ns)
        try:
            return key.aead.unseal(sealed.iv, sealed.sealed, associated)
        except InvalidCiphertextException:
            # A proxy says so in its own words.
            raise OutsideError(Problem.XKS_CIPHERTEXT) from None

    def restore(self, kept: Kept) -> None:
        """Take up the keys of an earlier process."""
        for cluster_id, domain in kept.clusters.items():
            cluster = self.clusters.setdefault(cluster_id, Cluster())
            cluster.memory = HsmMemory(domain, ReplicationRegistry(), self._draws)
        for address, keys in kept.proxies.items():
            proxy = self.proxies.setdefault(address, Proxy())
            known = {name: ExternalKey(raw, is_enabled=is_on) for name, (raw, is_on) in keys.items()}
            proxy.keys = {**known, **proxy.keys}

    def save_by(self, save: Callable[[Kept], None]) -> None:
        """Let `save` keep all keys whenever there is a new one. It raises ConfigError when it cannot."""
        self._save = save

    def _kept(self) -> Kept:
        return Kept(
            clusters={name: one.memory.domain for name, one in self.clusters.items() if one.memory is not None},
            proxies={
                address: {name: (key.aead.raw, key.is_enabled) for name, key in proxy.keys.items()}
                for address, proxy in self.proxies.items()
            },
        )

    def _keep(self) -> bool:
        """Have everything kept; False when it could not be."""
        if self._save is None:
            return True
        try:
            self._save(self._kept())
        except ConfigError:
            return False
        return True

    def secrets_for_scan(self) -> list[bytes]:
        """The raw bytes of every key that is kept here. For tests that search files and links; for nothing else."""
        memories = [cluster.memory for cluster in self.clusters.values() if cluster.memory is not None]
        external = [key.aead.raw for proxy in self.proxies.values() for key in proxy.keys.values()]
        return [*external, *(secret for memory in memories for secret in memory.secrets_for_scan())]

    def close(self) -> None:
        """End what speaks to real proxies."""
        if self._over_http is not None:
            self._over_http.close()

    def _is_real(self, settings: ProxySettings) -> bool:
        return self._over_http is not None and self._over_http.knows(settings)

    @property
    def _http(self) -> XksClient:
        assert self._over_http is not None, "only a real proxy is asked over HTTP"
        return self._over_http

    def _cluster(self, cluster_id: str) -> Cluster | None:
        if cluster_id not in self.clusters and self.makes_what_is_missing:
            self.clusters[cluster_id] = Cluster()
        return self.clusters.get(cluster_id)

    def _memory(self, cluster: Cluster, cluster_id: str) -> HsmMemory:
        if cluster.memory is None:
            domain = DomainState.found(self._region, self._clock.now_ns(), self._stream)
            cluster.memory = HsmMemory(domain, ReplicationRegistry(), self._draws)
            if not self._keep():
                cluster.memory = None  # a key that the next process does not have would be lost with this one
                raise OutsideError(Problem.NETWORK_ERRORS)
        return cluster.memory

    def _cluster_problem(self, asked: AboutCluster) -> Problem | None:
        cluster = self._cluster(asked.cluster_id)
        if cluster is None:
            return Problem.CLUSTER_NOT_FOUND
        related = None if asked.related_to is None else self._cluster(asked.related_to)
        others = {self.clusters[other].certificate for other in asked.others if other in self.clusters}
        rule = self._rule(KeeperKind.CLUSTER, asked.cluster_id)
        is_locked_out = asked.is_login and self._rule(KeeperKind.USER, asked.cluster_id).is_locked_out
        found = {
            Problem.CLUSTER_NOT_ACTIVE: not cluster.is_active,
            Problem.NETWORK_ERRORS: not cluster.is_reachable or rule.is_unreachable,
            Problem.NOT_RELATED: related is not None and related.certificate != cluster.certificate,
            Problem.CLUSTER_SHARES_BACKUP: cluster.certificate in others - {None},
            Problem.WRONG_TRUST_ANCHOR: _differs(asked.trust_anchor, cluster.trust_anchor),
            Problem.INSUFFICIENT_CLOUDHSM_HSMS: cluster.hsm_count - rule.lost_hsms < asked.hsm_count,
            Problem.USER_LOCKED_OUT: is_locked_out,
            Problem.INVALID_CREDENTIALS: asked.is_login and cluster.password not in (None, asked.password),
        }
        first = next((problem for problem, is_so in found.items() if is_so), None)
        return first or ((cluster.subnet_problem or cluster.user_problem) if asked.is_login else None)

    def _proxy(self, settings: ProxySettings) -> Proxy | None:
        if settings.address not in self.proxies and self.makes_what_is_missing:
            self.proxies[settings.address] = Proxy()
        return self.proxies.get(settings.address)

    async def _proxy_problem(
        self, settings: ProxySettings, secret: str, late_ns: int, *, is_of_health: bool = False
    ) -> Problem | None:
        """What the proxy's answer says, or that none came in time."""
        proxy = self._proxy(settings)
        if proxy is None or not proxy.is_reachable:
            await sleep(_drawn(_JOB_NS, self._times))
            return Problem.XKS_PROXY_NOT_REACHABLE
        latency_ns = _drawn(proxy.latency_ns, self._times) + late_ns
        await sleep(min(latency_ns, PROXY_DEADLINE_NS))
        if latency_ns >= PROXY_DEADLINE_NS:
            return Problem.XKS_PROXY_TIMED_OUT
        found = {
            Problem.XKS_PROXY_NOT_AUTHENTICATED: proxy.secret not in (None, secret),
            Problem.XKS_PROXY_INVALID_RESPONSE: not proxy.is_sound,
            Problem.XKS_PROXY_UNHEALTHY: is_of_health and not proxy.is_healthy,
        }
        return proxy.problem or next((problem for problem, is_so in found.items() if is_so), None)

    def _key_problem(self, settings: ProxySettings, key_id: str) -> Problem | None:
        proxy = self._proxy(settings)
        assert proxy is not None, "it has just answered"
        if key_id not in proxy.keys and (proxy.has_any_key or key_id in proxy.offers):
            is_enabled = proxy.offers.get(key_id, True)
            proxy.keys[key_id] = ExternalKey(self._stream.bytes(AES_KEY_BYTES), is_enabled=is_enabled)
            if not self._keep():
                del proxy.keys[key_id]
                return Problem.XKS_PROXY_UNHEALTHY
        key = proxy.keys.get(key_id)
        if key is None:
            return Problem.XKS_KEY_NOT_FOUND
        return None if key.is_enabled else Problem.XKS_KEY_DISABLED

    async def _key(self, request: ProxyRequest, late_ns: int) -> ExternalKey:
        problem = await self._proxy_problem(request.proxy, request.secret, late_ns)
        problem = problem or self._key_problem(request.proxy, request.xks_key_id)
        if problem is not None:
            raise OutsideError(problem)
        return self.proxies[request.proxy.address].keys[request.xks_key_id]


def _differs(given: str | None, wanted: str | None) -> bool:
    return given is not None and wanted is not None and given != wanted


def _drawn(usual_ns: int, times: Stream) -> int:
    """About that long: half of it at least, and now and then twice."""
    share = times.random()
    return round(usual_ns * (0.5 + share * share * 1.5))


def _handle(material: MaterialRef) -> MaterialRef:
    return replace(material, token=CLUSTER_HANDLE + material.token)


def _with_tokens(job: RequestJob) -> RequestJob:
    """The job with the cluster's own tokens in place of the handles that KMS has."""
    if isinstance(job, ForRecipient):
        inner: Any = _with_tokens(job.job)
        return replace(job, job=inner)
    named: dict[str, Any] = {
        name: replace(ref, token=ref.token.removeprefix(CLUSTER_HANDLE))
        for name in ("material", "source", "destination")
        if isinstance(ref := getattr(job, name, None), MaterialRef)
    }
    return replace(job, **named) if named else job
