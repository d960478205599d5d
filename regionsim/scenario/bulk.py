"""`keys:`: KMS keys that are there before the run begins."""

from __future__ import annotations

import json
from collections.abc import Iterable

from regionsim.authorization.policy import Policy, PolicyKind, principals_named
from regionsim.kms.bulk import BulkKeys
from regionsim.kms.constraints import rules_of
from regionsim.kms.key_policies import stored_policy
from regionsim.kms.key_specs import USES, KeySpec, KeyUsage, is_offered, is_symmetric, use_of
from regionsim.kms.model import model
from regionsim.kms.rotation import LONGEST_PERIOD_DAYS, SHORTEST_PERIOD_DAYS
from regionsim.names.ids import ALIAS_PREFIX, AWS_ALIAS_PREFIX
from regionsim.names.mistakes import advice
from regionsim.names.regions import partition_of
from regionsim.runtime.clock import NS_PER_DAY
from regionsim.scenario import read
from regionsim.scenario.errors import quoted
from regionsim.scenario.known import Known
from regionsim.scenario.nodes import Node, ScalarNode, plain
from regionsim.scenario.policies import document, read_policy, refuse_unacceptable, warnings_about_key_policy
from regionsim.scenario.read import Findings
from regionsim.scenario.values import COUNTER, SERIES, Saved
from regionsim.scenario.vocabulary import BULK

MOST_KEYS = 100_000
"""Of one entry: as many as an account may have in a Region."""


def read_bulk(node: Node, known: Known, findings: Findings) -> tuple[BulkKeys, ...]:
    """All entries; the names that they give are `known` then. Mistakes are findings."""
    held = findings.attempt(read.items, node, "keys") or ()
    reader = _Reader(known, findings)
    entries = (findings.attempt(reader.read, entry) for entry in held)
    return tuple(entry for entry in entries if entry is not None)


class _Reader:
    """Reads entries in order: no two may give one name, or one alias in one account and Region."""

    def __init__(self, known: Known, findings: Findings) -> None:
        self._known = known
        self._findings = findings
        self._aliases: set[tuple[str, str, str]] = set()

    def read(self, node: Node) -> BulkKeys | None:
        found = read.fields(node, BULK, "an entry of keys", self._findings)
        count = read.whole_number(found["count"], "count", least=1, most=MOST_KEYS) if "count" in found else 1
        spec = _spec(found.get("spec"))
        usage = _usage(found.get("usage"), spec)
        names = self._names(found.get("name"), count)
        account = self._account(found.get("account"))
        regions = self._regions(node, found)
        if account is None or regions is None:
            return None
        primary, replicas, is_multi_region = regions
        _hold_place(node, spec, primary)
        aliases = self._free_aliases(found.get("alias"), count, account, (primary, *replicas))
        return BulkKeys(
            count=count,
            spec=spec,
            usage=usage,
            account=account,
            is_multi_region=is_multi_region,
            primary=primary,
            replicas=replicas,
            aliases=aliases,
            names=names,
            rotation_days=_rotation_days(found.get("rotation"), spec),
            policy=self._policy(found.get("policy"), account),
        )

    def _regions(self, node: Node, found: dict[str, Node]) -> tuple[str, tuple[str, ...], bool] | None:
        """Primary, replicas, whether they are multi-Region keys; None while the world's Regions are not known."""
        known = self._known.regions
        replicas = read.regions(found["replicas"], "replicas", known) if "replicas" in found else ()
        is_multi_region = bool(replicas)
        if "multi_region" in found:
            is_multi_region = read.switch(found["multi_region"], "multi_region")
            if replicas and not is_multi_region:
                raise found["replicas"].position.error(
                    "single-Region keys have no replicas", "write multi_region: true"
                )
        primary = read.region(found["primary"], "primary", known) if "primary" in found else None
        if known is None:
            return None
        primary = primary or known[0]
        if primary in replicas:
            raise found["replicas"].position.error(f"{primary} is the primary's Region", "leave it out of replicas")
        return primary, replicas, is_multi_region

    def _account(self, node: Node | None) -> str | None:
        directory = self._known.directory
        if directory is None:
            return None
        if node is None:
            return next(iter(directory.accounts))
        account = read.text(node, "account")
        if account not in directory.accounts:
            raise node.position.error(f"there is no account {quoted(account)}", advice(account, directory.accounts))
        return account

    def _names(self, node: Node | None, count: int) -> tuple[str, ...]:
        if node is None:
            return ()
        name = read.text(node, "name")
        if not SERIES.fullmatch(name):
            raise node.position.error(f"{quoted(name)} cannot be a name", "letters, digits, _ and -, a letter first")
        names = _numbered(node, name, count, "name")
        earlier = self._known.names.defined.get(name)
        if earlier is not None:
            raise node.position.error(f"'${name}' is given in line {earlier.line} already", "give it another name")
        self._known.names.define([Saved(name=name, position=node.position, count=count)])
        return names

    def _free_aliases(self, node: Node | None, count: int, account: str, regions: tuple[str, ...]) -> tuple[str, ...]:
        if node is None:
            return ()
        alias = read.text(node, "alias")
        sample = alias.replace(COUNTER, str(count))
        if not alias.startswith(ALIAS_PREFIX) or alias.startswith(AWS_ALIAS_PREFIX):
            raise node.position.error(f"{quoted(alias)} is no alias of a customer", "write alias/NAME, not alias/aws/")
        for rule in rules_of(model().shapes["AliasNameType"]):
            if not rule.holds(sample):
                raise node.position.error(f"alias: {rule.sentence}")
        aliases = _numbered(node, alias, count, "alias")
        taken = {(account, region, one) for region in regions for one in aliases}
        twice = taken & self._aliases
        if twice:
            _, region, one = min(twice)
            raise node.position.error(f"{quoted(one)} is taken in {region} by an entry before", "write another alias")
        self._aliases |= taken
        return aliases

    def _policy(self, node: Node | None, account: str) -> str | None:
        if node is None or (isinstance(node, ScalarNode) and node.text == "default"):
            return None
        policy = read_policy(node, PolicyKind.KEY, "policy")
        self._hold_principals(policy, node)
        refuse_unacceptable(node, "policy")
        self._known.warnings.extend(warnings_about_key_policy(node, account))
        held = document(node, "policy")
        return stored_policy(held.text if isinstance(held, ScalarNode) else json.dumps(plain(held)))

    def _hold_principals(self, policy: Policy, node: Node) -> None:
        directory = self._known.directory
        for principal in principals_named(policy) if directory is not None else ():
            if directory is not None and not directory.has_principal(principal):
                what = f"policy names {quoted(principal)}, which does not exist"
                raise node.position.error(what, self._known.principals())


def _spec(node: Node | None) -> KeySpec:
    return KeySpec.SYMMETRIC_DEFAULT if node is None else KeySpec(read.choice(node, "spec", tuple(KeySpec)))


def _usage(node: Node | None, spec: KeySpec) -> KeyUsage:
    usages = tuple(use.usage for use in USES[spec])
    if node is None:
        return usages[0]
    usage = KeyUsage(read.choice(node, "usage", tuple(KeyUsage)))
    if use_of(spec, usage) is None:
        raise node.position.error(f"{spec} keys are not for {usage}", f"they are for {' or '.join(usages)}")
    return usage


def _hold_place(node: Node, spec: KeySpec, region: str) -> None:
    if not is_offered(spec, partition_of(region).name):
        raise node.position.error(
            f"there are no {spec} keys in {region}", "SM2 is in China Regions only, ML-KEM in all others"
        )


def _rotation_days(node: Node | None, spec: KeySpec) -> int | None:
    if node is None:
        return None
    if not is_symmetric(spec):
        raise node.position.error(f"{spec} keys are not rotated", "only symmetric encryption keys are")
    days, rest_ns = divmod(read.duration(node, "rotation"), NS_PER_DAY)
    if rest_ns or not SHORTEST_PERIOD_DAYS <= days <= LONGEST_PERIOD_DAYS:
        hint = f"whole days, {SHORTEST_PERIOD_DAYS}d to {LONGEST_PERIOD_DAYS}d"
        raise node.position.error("rotation: this is no rotation period of KMS", hint)
    return days


def _numbered(node: Node, text: str, count: int, what: str) -> tuple[str, ...]:
    if count > 1 and COUNTER not in text:
        raise node.position.error(
            f"{count:,} keys cannot share the one {what} {quoted(text)}", f"write {text}-{COUNTER}"
        )
    return tuple(_each(text, range(1, count + 1)))


def _each(text: str, numbers: Iterable[int]) -> Iterable[str]:
    return (text.replace(COUNTER, str(number)) for number in numbers)
