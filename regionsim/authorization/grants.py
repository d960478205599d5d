"""The grant: what it says, whom it names, which request it fits, which child it permits; and a key's grants by grantee.

A grant allows and never denies, and holds for exactly one key. How the decision weighs it is in
`regionsim.authorization.decide`; its lifecycle is in `regionsim.kms.grants`.
Source: KMS Developer Guide, "Grants in AWS KMS"; botocore 1.44.5, GrantConstraints.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import field
from itertools import chain, islice, takewhile
from typing import TypeVar

from regionsim.authorization.principals import ANYONE, read_principal, read_service
from regionsim.authorization.request import Request
from regionsim.names.dataclass import dataclass

Pairs = frozenset[tuple[str, str]]
"""Encryption context pairs as constraints compare them: names in lower case, values as they are."""

_CREATE = "kms:creategrant"
_RETIRE = "kms:retiregrant"
_WITHOUT_CONTEXT = frozenset({"kms:describekey", _CREATE, _RETIRE})
"""Not compared with the request's encryption context: DescribeKey and RetireGrant have none, and for CreateGrant the
constraints of the grant to be created count. Source: botocore 1.44.5, CreateGrant, Constraints."""


def constraint_pairs(encryption_context: Mapping[str, str]) -> Pairs:
    """The pairs of an encryption context, as grant constraints compare them."""
    return frozenset((name.lower(), value) for name, value in encryption_context.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantConstraints:
    """Limits of a grant; None = no such limit."""

    encryption_context_equals: Mapping[str, str] | None = field(default=None, hash=False)
    encryption_context_subset: Mapping[str, str] | None = field(default=None, hash=False)
    source_arn: str | None = None
    equals_pairs: Pairs | None = field(init=False, repr=False, compare=False)
    subset_pairs: Pairs | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        equals, subset = self.encryption_context_equals, self.encryption_context_subset
        object.__setattr__(self, "equals_pairs", None if equals is None else constraint_pairs(equals))
        object.__setattr__(self, "subset_pairs", None if subset is None else constraint_pairs(subset))

    @property
    def limits_context(self) -> bool:
        """True when the request's encryption context matters."""
        return self.equals_pairs is not None or self.subset_pairs is not None

    def admits(self, request: Request, sent: Pairs | None = None) -> bool:
        """True when the request keeps these limits, as far as its action is subject to them.

        `sent`: the request's `constraint_pairs`, from a caller that has them already.
        """
        action = request.action.lower()
        # "Effectively the same as having the aws:SourceArn global condition key in the grant" (API model).
        limits_source = self.source_arn is not None and action != _RETIRE
        if limits_source and request.context.get("aws:sourcearn") != self.source_arn:
            return False
        if action in _WITHOUT_CONTEXT or not self.limits_context:
            return True
        if sent is None:
            sent = constraint_pairs(request.encryption_context)
        if self.equals_pairs is not None and sent != self.equals_pairs:
            return False
        return self.subset_pairs is None or self.subset_pairs <= sent

    def permits(self, child: GrantConstraints) -> bool:
        """True when `child` is as strict as these limits or stricter; Equals may not loosen into Subset."""
        if self.source_arn is not None and child.source_arn != self.source_arn:
            return False
        if self.equals_pairs is not None and child.equals_pairs != self.equals_pairs:
            return False
        wanted = self.subset_pairs
        return wanted is None or any(
            pairs is not None and wanted <= pairs for pairs in (child.equals_pairs, child.subset_pairs)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One grant on one KMS key, in one Region.

    `operations` as the API writes them (`Decrypt`). `grantee` and `retiring` are ARNs or names of services.
    `issuing_account` is the account in which the grant was created. `token_digests` are digests of the tokens handed
    out, not the tokens. `created_at` is in nanoseconds.
    """

    grant_id: str
    key_arn: str
    grantee: str
    operations: frozenset[str]
    issuing_account: str
    retiring: str | None = None
    constraints: GrantConstraints = GrantConstraints()
    name: str | None = None
    created_at: int = 0
    token_digests: frozenset[str] = field(default=frozenset(), repr=False)
    actions: frozenset[str] = field(init=False, repr=False, compare=False)
    grantee_key: str = field(init=False, repr=False, compare=False)
    retiring_key: str | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        actions = frozenset(f"kms:{operation}".lower() for operation in self.operations)
        object.__setattr__(self, "actions", actions)
        object.__setattr__(self, "grantee_key", _key_of(self.grantee))
        object.__setattr__(self, "retiring_key", None if self.retiring is None else _key_of(self.retiring))

    def matches(self, request: Request, sent: Pairs | None = None) -> bool:
        """True when key, operation and constraints fit the request. Whether the caller is the grantee is not asked.

        A request for CreateGrant names the grant to be created (`request.grant`), which this one must permit. `sent`:
        the request's `constraint_pairs`, from a caller that has them already.
        """
        action = request.action.lower()
        if action not in self.actions or request.resource != self.key_arn:
            return False
        if not self.constraints.admits(request, sent):
            return False
        return action != _CREATE or (request.grant is not None and self.permits(request.grant))

    def permits(self, child: Grant) -> bool:
        """True when the grantee may create `child` under it: no operation more, constraints as strict or stricter."""
        return child.operations <= self.operations and self.constraints.permits(child.constraints)


def _key_of(text: str) -> str:
    named = read_principal(text) or read_service(text)
    # A name that can be nobody's must match nobody: its key is one that no caller has.
    return named.key if named is not None and named.key != ANYONE else f"nobody:{text}"


Place = tuple[int, str]
"""When a grant was created, and its id."""


def place_of(grant: Grant) -> Place:
    """Where a grant stands."""
    return grant.created_at, grant.grant_id


class GrantsByAge:
    """Grants, oldest first, with a place to go on from that outlives the grant that was there.

    Whoever lists grants page by page may revoke them on the way: the next page begins behind the last one's end whether
    that grant is still there or not. Grants of one instant stand in the order of their ids. Source: ours.
    """

    __slots__ = ("_grants", "_places")

    def __init__(self) -> None:
        self._grants: dict[str, Grant] = {}
        self._places: list[Place] = []

    def __len__(self) -> int:
        return len(self._grants)

    def __iter__(self) -> Iterator[Grant]:
        return self.after(None)

    def get(self, grant_id: str) -> Grant | None:
        """The grant with that id, or None."""
        return self._grants.get(grant_id)

    def after(self, place: Place | None) -> Iterator[Grant]:
        """The grants behind that place; all for None."""
        start = 0 if place is None else bisect_right(self._places, place)
        return (self._grants[grant_id] for _, grant_id in islice(self._places, start, None))

    def add(self, grant: Grant) -> None:
        """Take the grant in; one with the same id is replaced."""
        self.remove(grant.grant_id)
        self._grants[grant.grant_id] = grant
        insort(self._places, place_of(grant))

    def remove(self, grant_id: str) -> Grant | None:
        """Leave the grant out, and say which it was; an unknown id changes nothing."""
        grant = self._grants.pop(grant_id, None)
        if grant is not None:
            del self._places[bisect_left(self._places, place_of(grant))]
        return grant


class GrantIndex:
    """The grants on one key, found by grantee and by constraint, so that 50,000 of them cost a decision nothing.

    It belongs to whoever holds the key's committed state, who alone adds and removes; a decision only reads.
    """

    __slots__ = ("_by_name", "_grants", "_shelves")

    def __init__(self, grants: Iterable[Grant] = ()) -> None:
        self._grants = GrantsByAge()
        self._by_name: dict[str, dict[str, Grant]] = {}
        self._shelves: dict[str, _Shelf] = {}
        for grant in grants:
            self.add(grant)

    def __len__(self) -> int:
        return len(self._grants)

    def __iter__(self) -> Iterator[Grant]:
        """The grants, oldest first."""
        return iter(self._grants)

    def after(self, place: Place | None) -> Iterator[Grant]:
        """The grants behind that place, oldest first; all for None."""
        return self._grants.after(place)

    def get(self, grant_id: str) -> Grant | None:
        """The grant with that id, or None."""
        return self._grants.get(grant_id)

    def named(self, name: str | None) -> tuple[Grant, ...]:
        """The grants with that name; none for None."""
        return () if name is None else tuple(self._by_name.get(name, {}).values())

    def add(self, grant: Grant) -> None:
        """Take the grant in; one with the same id is replaced."""
        self.remove(grant.grant_id)
        self._grants.add(grant)
        if grant.name is not None:
            self._by_name.setdefault(grant.name, {})[grant.grant_id] = grant
        self._shelves.setdefault(grant.grantee_key, _Shelf()).add(grant)

    def remove(self, grant_id: str) -> None:
        """Leave the grant out; an unknown id changes nothing."""
        grant = self._grants.remove(grant_id)
        if grant is None:
            return
        if grant.name is not None:
            _drop(self._by_name, grant.name, grant)
        shelf = self._shelves[grant.grantee_key]
        shelf.remove(grant)
        if shelf.is_empty:
            del self._shelves[grant.grantee_key]

    def matching(self, grantee_key: str, request: Request, *, settled_until: int | None = None) -> Grant | None:
        """A grant to exactly that grantee that fits the request, or None; with `settled_until` one created by then."""
        shelf = self._shelves.get(grantee_key)
        if shelf is None:
            return None
        sent = constraint_pairs(request.encryption_context)
        candidates = shelf.candidates(request, sent)
        if settled_until is not None:
            candidates = [_settled(grants, settled_until) for grants in candidates]
        every = chain.from_iterable(candidates)
        return next((grant for grant in every if grant.matches(request, sent)), None)


class SettlingGrants:
    """A key's grants where a new one counts at first for whoever sends its token: as one request finds them.

    `settled_until`: a grant created by then (nanoseconds) counts for everybody. `named` are the ids of those whose
    tokens came with the request. Source: KMS Developer Guide, "Grant tokens", "Eventual consistency".
    """

    __slots__ = ("_named", "_settled_until", "all")

    def __init__(self, grants: GrantIndex, *, settled_until: int, named: Iterable[str]) -> None:
        self.all = grants
        self._settled_until = settled_until
        self._named = tuple(named)

    def __len__(self) -> int:
        return len(self.all)

    def __iter__(self) -> Iterator[Grant]:
        """Those that count, oldest first."""
        return (grant for grant in self.all if grant.created_at <= self._settled_until or grant.grant_id in self._named)

    def matching(self, grantee_key: str, request: Request) -> Grant | None:
        """A grant to exactly that grantee that counts and fits the request, or None."""
        for grant_id in self._named:
            grant = self.all.get(grant_id)
            if grant is not None and grant.grantee_key == grantee_key and grant.matches(request):
                return grant
        return self.all.matching(grantee_key, request, settled_until=self._settled_until)


_Grants = dict[str, Grant]
_Key = TypeVar("_Key", bound=Hashable)


class _Shelf:
    """The grants to one grantee: by action and source where the encryption context does not matter, else by it."""

    __slots__ = ("_by_action", "_by_equals", "_by_pair")

    def __init__(self) -> None:
        self._by_action: dict[tuple[str, str | None], _Grants] = {}
        self._by_equals: dict[Pairs, _Grants] = {}
        self._by_pair: dict[tuple[str, str], _Grants] = {}

    @property
    def is_empty(self) -> bool:
        return not (self._by_action or self._by_equals or self._by_pair)

    def add(self, grant: Grant) -> None:
        for action in self._free_actions(grant):
            self._by_action.setdefault((action, grant.constraints.source_arn), {})[grant.grant_id] = grant
        if grant.constraints.equals_pairs is not None:
            self._by_equals.setdefault(grant.constraints.equals_pairs, {})[grant.grant_id] = grant
        elif grant.constraints.subset_pairs:
            self._by_pair.setdefault(min(grant.constraints.subset_pairs), {})[grant.grant_id] = grant

    def remove(self, grant: Grant) -> None:
        for action in self._free_actions(grant):
            _drop(self._by_action, (action, grant.constraints.source_arn), grant)
        if grant.constraints.equals_pairs is not None:
            _drop(self._by_equals, grant.constraints.equals_pairs, grant)
        elif grant.constraints.subset_pairs:
            _drop(self._by_pair, min(grant.constraints.subset_pairs), grant)

    def candidates(self, request: Request, sent: Pairs) -> list[Iterable[Grant]]:
        """A few grants among which every fitting one is, in lists that are each in order of creation."""
        action = request.action.lower()
        found: list[_Grants | None] = [self._by_action.get((action, None))]
        source = request.context.get("aws:sourcearn")
        if isinstance(source, str):
            found.append(self._by_action.get((action, source)))
        if self._by_equals or self._by_pair:
            found.append(self._by_equals.get(sent))
            # Sorted: which of several fitting grants is named must not hang on hash order.
            found.extend(self._by_pair.get(pair) for pair in sorted(sent) if self._by_pair)
        return [grants.values() for grants in found if grants]

    @staticmethod
    def _free_actions(grant: Grant) -> list[str]:
        """The actions for which the encryption context does not matter; sorted, so that no order hangs on hashes."""
        limits = grant.constraints
        is_free = limits.equals_pairs is None and not limits.subset_pairs
        return sorted(grant.actions if is_free else grant.actions & _WITHOUT_CONTEXT)


def _settled(grants: Iterable[Grant], until: int) -> Iterator[Grant]:
    """The grants created by `until`: of many new ones only the first is looked at."""
    return takewhile(lambda grant: grant.created_at <= until, grants)


def _drop(shelf: dict[_Key, _Grants], key: _Key, grant: Grant) -> None:
    shelf[key].pop(grant.grant_id)
    if not shelf[key]:
        del shelf[key]
