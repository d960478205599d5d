"""What is served: Regions, accounts, addresses, data; from a command line, a scenario or Python."""

from __future__ import annotations

import ipaddress
from dataclasses import field, replace
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from regionsim.accounts.directory import Directory
from regionsim.accounts.model import AccessKey, Account, NamedPolicy, User
from regionsim.authorization.policy import PolicyKind, parse_policy
from regionsim.hsm.algorithms.attestation import roots_in
from regionsim.hsm.profiles import PROFILES
from regionsim.names.dataclass import dataclass
from regionsim.names.ids import is_account_id
from regionsim.names.mistakes import ConfigError, advice, require_type
from regionsim.names.regions import partition_of
from regionsim.runtime.clock import NS_PER_HOUR
from regionsim.scenario.access_keys import read_accounts_file
from regionsim.scenario.model import Scenario
from regionsim.simulation.world import World

DEFAULT_REGIONS = ("us-east-1", "eu-west-1", "ap-southeast-2")
DEFAULT_ACCOUNT = "000000000000"
DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 4599
ADMINISTRATOR = "admin"
_MOST_PROCESSES = 40
_DEFAULT_KEY = AccessKey(user=ADMINISTRATOR, secret="test")
_DEFAULT_KEY_ID = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """How a world is served. None of `regions`, `profile`: as the scenario says, or the default.

    `access_keys` are `ID:SECRET[@ACCOUNT]`, each an administrator's. `xks_proxies` are `https://ENDPOINT=URL`: where
    the proxy of an external key store is really reached. `attestation_roots` are certificates in PEM. `data` None: a
    temporary folder. `port` 0: a free one. Errors: ConfigError.
    """

    scenario: Scenario | None = None
    plays: bool = False
    regions: tuple[str, ...] | None = None
    accounts: Path | None = None
    account: str | None = None
    access_keys: tuple[str, ...] = field(default=(), repr=False)
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    data: Path | None = None
    seal_key: Path | None = None
    has_quotas: bool = False
    strict_principals: bool = False
    profile: str | None = None
    audit_keep_ns: int = NS_PER_HOUR
    processes: int = 1
    xks_proxies: tuple[str, ...] = ()
    attestation_roots: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require_type("a port", self.port, int, "a whole number from 0 to 65535")
        if not 0 <= self.port <= 65_535:
            raise ConfigError(f"a port is a whole number from 0 to 65535, not {self.port}")
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            if self.host != "localhost":
                raise ConfigError(f"'{self.host}' is no address to listen on; give one like 127.0.0.1") from None
        if self.account is not None and not is_account_id(self.account):
            raise ConfigError(f"'{self.account}' is not an account id; it has 12 digits")
        if self.accounts is not None and self.account is not None:
            raise ConfigError("--account renames the only account; with --accounts the file has them")
        if self.profile is not None and self.profile not in PROFILES:
            raise ConfigError(f"no such profile: '{self.profile}'; {advice(self.profile, PROFILES)}")
        if self.plays and self.scenario is None:
            raise ConfigError("--play plays a scenario's timeline; name the scenario")
        if self.seal_key is not None and self.data is None:
            raise ConfigError("--seal-key seals what --data keeps; give --data, too")
        if self.audit_keep_ns <= 0:
            raise ConfigError("--audit-keep is a duration of more than nothing, like 1h")
        if not 1 <= self.processes <= _MOST_PROCESSES:
            raise ConfigError(f"--processes is a whole number from 1 to {_MOST_PROCESSES}, not {self.processes}")
        for region in self.regions or ():
            partition_of(region)
        self.proxies()
        self.roots()

    @property
    def address(self) -> str:
        """The address to bind."""
        return "127.0.0.1" if self.host == "localhost" else self.host

    @property
    def is_loopback(self) -> bool:
        """True when only this machine can connect."""
        return ipaddress.ip_address(self.address).is_loopback

    def proxies(self) -> dict[str, str]:
        """The endpoints of external key stores, and where their proxies are reached. Errors: ConfigError."""
        found = {}
        for text in self.xks_proxies:
            endpoint, _, url = text.partition("=")
            address = urlsplit(url)
            if not endpoint.startswith("https://") or address.scheme not in ("http", "https") or not address.hostname:
                raise ConfigError(f"--xks-proxy is https://ENDPOINT=URL, not '{text}'")
            found[endpoint] = url
        return found

    def roots(self) -> frozenset[bytes]:
        """The certificates under which enclaves are believed, in DER. Errors: ConfigError."""
        found: frozenset[bytes] = frozenset()
        for text in self.attestation_roots:
            found |= roots_in(text, "--attestation-root")
        return found

    def world(self) -> World:
        """The world that is to be served, in real time. Errors: ConfigError, ScenarioError."""
        regions = self.regions or (self.scenario.world.regions if self.scenario else DEFAULT_REGIONS)
        directory = replace(self._directory(), knows_all=self.strict_principals)
        if self.scenario is None:
            return World(
                regions=regions,
                directory=directory,
                start_at_ns=0,
                hsm_profile=self.profile or "host",
                has_quotas=self.has_quotas,
                xks_proxies=self.proxies(),
                attestation_roots=self.roots(),
            )
        planned = self.scenario.world
        if self.regions is not None and set(self.regions) != set(planned.regions):
            raise ConfigError("--regions and the scenario's regions: differ; leave --regions out")
        return replace(
            planned,
            directory=directory,
            hsm_profile=self.profile or "host",
            has_quotas=self.has_quotas,
            xks_proxies=self.proxies(),
            attestation_roots=planned.attestation_roots | self.roots(),
        )

    def _directory(self) -> Directory:
        if self.accounts is not None:
            directory = read_accounts_file(self.accounts)
        elif self.scenario is not None:
            directory = self.scenario.world.directory
        else:
            directory = Directory(accounts={})
        has_keys = any(account.access_keys for account in directory.accounts.values())
        if self.accounts is None and not has_keys:
            home = self.account or min(directory.accounts, default=DEFAULT_ACCOUNT)
            directory = _with_administrator(directory, home, _DEFAULT_KEY_ID, _DEFAULT_KEY.secret)
        for text in self.access_keys:
            key_id, secret, account = _read_key(text)
            home = account or self.account or min(directory.accounts, default=DEFAULT_ACCOUNT)
            directory = _with_administrator(directory, home, key_id, secret)
        return directory


def pem_text(named: str | Path) -> str:
    """PEM as it stands, or the text of the file of that name. Errors: ConfigError."""
    if isinstance(named, str) and "-----BEGIN" in named:
        return named
    try:
        return Path(named).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigError(f"the root certificate '{named}' cannot be read: {why}") from None


def _read_key(text: str) -> tuple[str, str, str | None]:
    key_id, colon, rest = text.partition(":")
    secret, at, account = rest.rpartition("@")
    if not at or not is_account_id(account):
        secret, account = rest, ""
    if not colon or not key_id or not secret:
        raise ConfigError("--access-key wants ID:SECRET or ID:SECRET@ACCOUNT")  # without what it was: it is a secret
    return key_id, secret, account or None


def _with_administrator(directory: Directory, account_id: str, key_id: str, secret: str) -> Directory:
    """The directory with a key for an administrator of the account, who is made where there is none."""
    home = directory.accounts.get(account_id, Account(account_id=account_id))
    users = dict(home.users)
    if ADMINISTRATOR not in users:
        users[ADMINISTRATOR] = User(name=ADMINISTRATOR, policies=(NamedPolicy(name="administrator", policy=_ALL),))
    keys = {**home.access_keys, key_id: AccessKey(user=ADMINISTRATOR, secret=secret)}
    changed = replace(home, users=MappingProxyType(users), access_keys=MappingProxyType(keys))
    return directory.with_account(changed)


_ALL = parse_policy(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]},
    kind=PolicyKind.IDENTITY,
)
