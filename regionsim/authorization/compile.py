"""Policies compiled, so that a decision touches only the statements that can apply.

A statement becomes a list of tests over the request's condition values, and of those only what a decision asks for is
compiled. A policy keeps a **slice** for each action (and for each resource, where some statement names particular
ones): the statements whose Action and Resource fit, Deny and Allow apart, and for policies with principals by principal
key. Slices are built at first use and kept, up to a bound; they change no answer. Source: ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from functools import lru_cache

from regionsim.authorization.arn_patterns import ArnTest, compile_resource
from regionsim.authorization.conditions import Condition, Test, compile_condition
from regionsim.authorization.decision import Code, Decision
from regionsim.authorization.globs import Matcher, compile_glob, read_tokens
from regionsim.authorization.policy import Effect, Entries, Policy, PolicyKind, Statement, parse_policy
from regionsim.authorization.request import ConditionValues
from regionsim.names.dataclass import dataclass

_MOST_ACTIONS = 256
_MOST_RESOURCES = 4096

Entry = tuple["CompiledStatement", Test | None]
"""A statement that fits action and resource, and what is left to test (None: nothing)."""


class CompiledStatement:
    """One statement, to be tested. `index` counts from 1, as people count.

    Each of its parts is compiled when it is first asked for: of a long policy most are never, and what is malformed was
    refused when the policy was read. `decisions` keeps the decisions that it made, one for each code, so that none is
    built twice.
    """

    __slots__ = (
        "_conditions",
        "_fits_action",
        "_resources",
        "_variables",
        "decisions",
        "index",
        "kind",
        "policy",
        "statement",
    )

    def __init__(self, statement: Statement, *, policy: str, kind: PolicyKind, variables: bool) -> None:
        self.policy = policy
        self.kind = kind
        self.index = statement.index + 1
        self.statement = statement
        self.decisions: dict[Code, Decision] = {}
        self._variables = variables
        self._fits_action: Matcher | None = None
        self._resources: tuple[tuple[Matcher | None, ArnTest | None], ...] | None = None
        self._conditions: tuple[Test, ...] | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the principals that it names, each once."""
        return tuple(dict.fromkeys(principal.key for principal in self.statement.principals))

    @property
    def fits_action(self) -> Matcher:
        """Is it about this action (in lower case)?"""
        if self._fits_action is None:
            self._fits_action = _compile_actions(self.statement, self.kind)
        return self._fits_action

    @property
    def names_resources(self) -> bool:
        """True when it is not about every resource."""
        resources = self.statement.resources
        return resources is None or resources.values != ("*",) or resources.inverted

    @property
    def resources(self) -> tuple[tuple[Matcher | None, ArnTest | None], ...]:
        """The tests of a resource, one for each that it names."""
        if self._resources is None:
            texts = self.statement.resources.values if self.statement.resources else ()
            self._resources = tuple(compile_resource(text, variables=self._variables) for text in texts)
        return self._resources

    @property
    def conditions(self) -> tuple[Test, ...]:
        """The tests of the request's values, all of which must hold."""
        if self._conditions is None:
            self._conditions = tuple(map(self._condition, self.statement.conditions))
        return self._conditions

    def _condition(self, condition: Condition) -> Test:
        absent = _ABSENT_IN.get(self.kind, frozenset())
        if condition.key.lower() in absent:
            return compile_condition(condition, variables=self._variables, absent=absent)
        return compile_condition(condition, variables=self._variables)  # kept from when the policy was read

    def remaining_test(self, resource: str) -> tuple[bool, Test | None]:
        """Whether the statement can apply to `resource`, and the test that is left to do then (None: none)."""
        if self.kind is PolicyKind.TRUST:  # it stands at its role and names no resource
            return True, _all_of(self.conditions)
        inverted = self.statement.resources is not None and self.statement.resources.inverted
        if any(fits is not None and fits(resource) for fits, _ in self.resources):
            return not inverted, None if inverted else _all_of(self.conditions)
        late = tuple(test for _, test in self.resources if test is not None)
        if not late:
            return inverted, _all_of(self.conditions) if inverted else None
        return True, _all_of((_late_resource(late, resource, inverted=inverted), *self.conditions))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Slice:
    """The statements of a policy for one action (and resource).

    Policies without principals use `denies` and `allows`; the others `by_key` (principal key -> its slice), and
    `excepting` for Deny with NotPrincipal: the exempted keys and the entry. `can_deny` is False when no Deny is in it.
    """

    denies: tuple[Entry, ...] = ()
    allows: tuple[Entry, ...] = ()
    by_key: Mapping[str, Slice] = field(default_factory=dict)
    excepting: tuple[tuple[frozenset[str], Entry], ...] = ()
    can_deny: bool = False


class CompiledPolicy:
    """A policy ready for decisions. Its answers never change; what it remembers is only where to look."""

    __slots__ = ("_by_action", "kind", "name", "policy", "statements")

    def __init__(self, policy: Policy, *, name: str) -> None:
        self.name = name
        self.kind = policy.kind
        self.policy = policy
        variables = policy.has_variables
        self.statements = tuple(
            CompiledStatement(statement, policy=name, kind=policy.kind, variables=variables)
            for statement in policy.statements
        )
        self._by_action: dict[str, Slice | _Shelf] = {}

    def __repr__(self) -> str:
        return f"CompiledPolicy({self.name!r}, {self.kind.value}, {len(self.statements)} statements)"

    def without_denials(self) -> CompiledPolicy:
        """The same policy as if none of its statements denied."""
        kept = tuple(statement for statement in self.policy.statements if statement.effect is Effect.ALLOW)
        return CompiledPolicy(replace(self.policy, statements=kept), name=self.name)

    def slice(self, action: str, resource: str) -> Slice:
        """The statements that can apply to `action` (in lower case) on `resource`."""
        found = self._by_action.get(action)
        if found is None:
            if len(self._by_action) >= _MOST_ACTIONS:
                self._by_action.clear()
            found = self._by_action[action] = self._shelve(action)
        return found if isinstance(found, Slice) else found.slice(resource)

    def _shelve(self, action: str) -> Slice | _Shelf:
        fitting = tuple(statement for statement in self.statements if statement.fits_action(action))
        if any(statement.names_resources for statement in fitting):
            return _Shelf(fitting)
        return _slice(fitting, "*")


class _Shelf:
    """The slices of one action by resource."""

    __slots__ = ("_by_resource", "_statements")

    def __init__(self, statements: tuple[CompiledStatement, ...]) -> None:
        self._statements = statements
        self._by_resource: dict[str, Slice] = {}

    def slice(self, resource: str) -> Slice:
        found = self._by_resource.get(resource)
        if found is None:
            if len(self._by_resource) >= _MOST_RESOURCES:
                self._by_resource.clear()
            found = self._by_resource[resource] = _slice(self._statements, resource)
        return found


def compile_policy(document: str | Mapping[str, object] | Policy, *, name: str, kind: PolicyKind) -> CompiledPolicy:
    """The policy compiled, from its text, its mapping, or itself. `name` is what decisions call it.

    Errors: PolicyError (a ValueError with `path` and `message`) when it is malformed.
    """
    policy = document if isinstance(document, Policy) else parse_policy(document, kind=kind)
    assert policy.kind is kind, "a policy is compiled as what it was read as"
    return CompiledPolicy(policy, name=name)


def first_holding(entries: tuple[Entry, ...], context: ConditionValues) -> CompiledStatement | None:
    """The first statement of `entries` whose remaining test holds, or None."""
    for statement, test in entries:
        if test is None or test(context):
            return statement
    return None


def _slice(statements: tuple[CompiledStatement, ...], resource: str) -> Slice:
    denies: list[Entry] = []
    allows: list[Entry] = []
    excepting: list[tuple[frozenset[str], Entry]] = []
    by_key: dict[str, tuple[list[Entry], list[Entry]]] = {}
    for statement in statements:
        applies, test = statement.remaining_test(resource)
        if not applies:
            continue
        entry = (statement, test)
        is_deny = statement.statement.effect is Effect.DENY
        if not statement.kind.names_principals:
            (denies if is_deny else allows).append(entry)
        elif not statement.statement.principals_inverted:
            for key in statement.keys:
                by_key.setdefault(key, ([], []))[0 if is_deny else 1].append(entry)
        elif is_deny:
            excepting.append((frozenset(statement.keys), entry))
        # Allow with NotPrincipal is refused when written; where one is met all the same it allows nobody.
    indexed = {key: Slice(denies=tuple(pair[0]), allows=tuple(pair[1])) for key, pair in by_key.items()}
    can_deny = bool(denies or excepting) or any(entries.denies for entries in indexed.values())
    return Slice(
        denies=tuple(denies), allows=tuple(allows), by_key=indexed, excepting=tuple(excepting), can_deny=can_deny
    )


_ABSENT_IN = {PolicyKind.KEY: frozenset({"kms:resourcealiases"})}
"""Condition keys that a kind of policy cannot use. Source: KMS Developer Guide, "Condition keys for AWS KMS"."""


def _compile_actions(statement: Statement, kind: PolicyKind) -> Matcher:
    actions = statement.actions
    has_no_effect = actions is None or (statement.resources is None and kind is not PolicyKind.TRUST)
    if actions is None or has_no_effect:
        # KMS accepts a statement without Action or Resource and gives it no effect (API PutKeyPolicy, Policy).
        return _no_action
    return _action_matcher(actions)


def _action_matcher(actions: Entries) -> Matcher:
    patterns = [action_pattern(text.lower()) for text in actions.values]
    inverted = actions.inverted

    def fits(action: str) -> bool:
        return any(matches(action) for matches in patterns) is not inverted

    return fits


@lru_cache(maxsize=1024)
def action_pattern(text: str) -> Matcher:
    """A test of an action, both in lower case."""
    return compile_glob(read_tokens(text, wildcards=True, variables=False))


def _no_action(_action: str) -> bool:
    return False


def _all_of(tests: tuple[Test, ...]) -> Test | None:
    match tests:
        case ():
            return None
        case (only,):
            return only
        case (first, second):
            return lambda context: first(context) and second(context)
        case _:
            return lambda context: all(test(context) for test in tests)


def _late_resource(late: tuple[ArnTest, ...], resource: str, *, inverted: bool) -> Callable[[ConditionValues], bool]:
    return lambda context: any(test(resource, context) for test in late) is not inverted
