"""What is made often is what its dataclass says, but for Python's own guard."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from regionsim.names.made_often import made_often


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A point."""

    x: int
    y: int = 2
    names: list[str] = field(default_factory=list)
    secret: str = field(default="hidden", repr=False)


@made_often
@dataclass(frozen=True, slots=True, kw_only=True)
class Place(Point):
    """A point with a name."""

    name: str


def test_fields_defaults_and_factories_are_those_of_the_dataclass():
    point = Point(x=1)
    assert (point.x, point.y, point.names, point.secret) == (1, 2, [], "hidden")
    assert point.names is not Point(x=1).names
    assert Place(x=1, name="here", y=7) == Place(name="here", x=1, y=7)
    assert Place(x=1, name="here") != Place(x=1, name="there")


def test_it_is_compared_shown_and_replaced_as_before():
    point = Point(x=1, names=["a"])
    assert point == Point(x=1, names=["a"]) != Point(x=2, names=["a"])
    assert repr(point) == "Point(x=1, y=2, names=['a'])", "a field that is hidden stays hidden"
    assert replace(point, y=5) == Point(x=1, y=5, names=["a"])
    assert not hasattr(point, "__dict__")


@pytest.mark.parametrize("given", [{}, {"x": 1, "z": 2}])
def test_what_is_missing_or_unknown_is_refused(given):
    with pytest.raises(TypeError, match=r"Point\.__init__\(\)"):
        Point(**given)
    with pytest.raises(TypeError):
        Point(1)


def test_a_dataclass_that_does_more_when_it_is_made_is_refused():
    with pytest.raises(AssertionError, match="has more to do"):

        @made_often
        @dataclass(frozen=True, slots=True, kw_only=True)
        class Checked:
            x: int

            def __post_init__(self) -> None:
                assert self.x
