"""Our `dataclass` against the standard library's: whatever one does, the other does."""

import copy
import dataclasses
import inspect
import pickle
from dataclasses import FrozenInstanceError, field
from itertools import product
from typing import ClassVar, Generic, TypeVar

import pytest

from regionsim.names import dataclass as module
from regionsim.names.dataclass import dataclass
from regionsim.names.made_often import made_often

T = TypeVar("T")


def both(define, **parameters):
    """The class that `define` makes with our decorator, and with the standard library's."""
    return define(dataclass(**parameters)), define(dataclasses.dataclass(**parameters))


def plain(decorate):
    @decorate
    class Value:
        """A value."""

        a: int
        b: str = "b"
        c: list[int] = field(default_factory=list, hash=False)
        secret: bytes = field(default=b"", repr=False)
        aside: int = field(default=0, compare=False)
        kind: ClassVar[str] = "kind"

        @property
        def twice(self):
            return 2 * self.a

    return Value


def derived(decorate):
    @decorate
    class Base(Generic[T]):
        a: int
        found: int = field(init=False, repr=False, compare=False)

        def __post_init__(self):
            object.__setattr__(self, "found", self.a + 1)

    @decorate
    class Derived(Base[int]):
        b: int = 2

    return Derived


def own_methods(decorate):
    @decorate
    class Own:
        a: int

        def __repr__(self):
            return "own"

        def __eq__(self, other):
            return True

        def __hash__(self):
            return 7

    return Own


def own_equality_only(decorate):
    @decorate
    class Own:  # noqa: PLW1641 - what becomes of its hash is what is asked
        a: int

        def __eq__(self, other):
            return str(self.a)[:1] == str(other.a)[:1]

    return Own


def empty(decorate):
    @decorate
    class Empty:
        pass

    return Empty


def nested(decorate):
    @decorate
    class Node:
        a: object = None
        children: list[object] = field(default_factory=list)

    return Node


DEFINITIONS = (plain, derived, own_methods, own_equality_only, empty, nested)
GIVEN = ({}, {"a": 1}, {"a": 2}, {"a": 1, "b": 3}, {"a": 1, "secret": b"s"}, {"a": 1, "aside": 5}, {"x": 1}, {"a": [1]})
WAYS = [
    {"frozen": frozen, "slots": slots, "kw_only": kw_only, "eq": eq, "repr": shown}
    for frozen, slots, kw_only, eq, shown in product((True, False), repeat=5)
    if kw_only or eq
]


def outcome(act):
    """What comes of it, without what can only differ: addresses in memory, and words of messages."""
    try:
        return act()
    except Exception as error:  # noqa: BLE001 - whatever it is, both must do the same
        return type(error)


def observed(cls, parameters):
    """All that can be seen of a class by making instances, comparing, changing and copying them."""
    if not isinstance(cls, type):
        return cls
    made = [outcome(lambda given=given: cls(**given)) for given in GIVEN] + [outcome(lambda: cls(1))]
    seen = [value if isinstance(value, type) else "made" for value in made]
    values = [value for value in made if not isinstance(value, type)]
    for value in values:
        if parameters["repr"]:
            seen.append(repr(value))
        changes = (lambda value=value: setattr(value, "a", 9)), (lambda value=value: delattr(value, "a"))
        # Of a frozen class with slots and no field the standard library says TypeError, by a mistake of its own.
        seen += [outcome(change) in (FrozenInstanceError, TypeError) for change in changes]
    values = [value for given in GIVEN if not isinstance(value := outcome(lambda given=given: cls(**given)), type)]
    seen += (
        [outcome(lambda one=one, other=other: one == other) for one in values for other in values]
        if parameters["eq"]
        else []
    )
    hashes = [outcome(lambda value=value: hash(value)) for value in values]
    seen += [value if isinstance(value, type) else "hashed" for value in hashes]
    if parameters["eq"]:
        seen += [
            hashes[i] == hashes[j] for i in range(len(values)) for j in range(len(values)) if values[i] == values[j]
        ]
    seen += [outcome(lambda value=value: dataclasses.asdict(value)) for value in values]
    seen += [
        outcome(lambda value=value: repr(dataclasses.replace(value, a=4)) if parameters["repr"] else None)
        for value in values
    ]
    seen += [outcome(lambda value=value: dataclasses.asdict(copy.copy(value))) for value in values]
    seen += [outcome(lambda value=value: dataclasses.asdict(copy.deepcopy(value))) for value in values]
    seen += [
        [(one.name, one.kw_only) for one in dataclasses.fields(cls)],
        hasattr(cls, "__slots__"),
        cls.__match_args__,
    ]
    return seen


@pytest.mark.parametrize("define", DEFINITIONS, ids=lambda define: define.__name__)
@pytest.mark.parametrize("parameters", WAYS, ids=lambda one: "-".join(name for name, on in one.items() if on) or "none")
def test_it_does_what_the_standard_library_s_does(define, parameters):
    ours, theirs = (
        outcome(lambda: define(dataclass(**parameters))),
        outcome(lambda: define(dataclasses.dataclass(**parameters))),
    )
    assert observed(ours, parameters) == observed(theirs, parameters)


def test_a_value_that_holds_itself_is_shown():
    ours, theirs = both(nested, slots=True, kw_only=True)
    shown = []
    for cls in (ours, theirs):
        node = cls(a=1)
        node.children.append(node)
        shown.append(repr(node))
    assert shown[0] == shown[1]


def test_nothing_is_compiled_before_an_instance_is_made(monkeypatch):
    compiled = []
    made = module._init_of
    monkeypatch.setattr(module, "_init_of", lambda cls, **said: compiled.append(cls) or made(cls, **said))
    cls = plain(dataclass(frozen=True, slots=True, kw_only=True))
    assert compiled == []
    assert cls(a=1) == cls(a=1)
    assert compiled == [cls]
    assert list(inspect.signature(cls).parameters) == ["a", "b", "c", "secret", "aside"]


def test_a_secret_is_not_shown():
    cls = plain(dataclass(frozen=True, slots=True, kw_only=True))
    assert "hidden" not in repr(cls(a=1, secret=b"hidden"))


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Often:
    a: int
    b: list[int] = field(default_factory=list, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    a: int
    b: tuple[int, ...] = ()


def test_what_is_made_often_is_a_value_like_others():
    assert Often(a=1) == Often(a=1)
    assert Often(a=1) != Often(a=2)
    assert hash(Often(a=1)) == hash(Often(a=1, b=[]))
    assert Often(a=1).b is not Often(a=1).b
    assert repr(Often(a=1)) == "Often(a=1, b=[])"
    with pytest.raises(TypeError):
        Often(1)
    with pytest.raises(TypeError):
        Often()


def test_a_kept_value_cannot_be_changed_and_survives_a_pickle():
    kept = Kept(a=1, b=(2,))
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'a'"):
        kept.a = 2
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'a'"):
        del kept.a
    assert pickle.loads(pickle.dumps(kept)) == kept
    assert copy.deepcopy(kept) == kept
