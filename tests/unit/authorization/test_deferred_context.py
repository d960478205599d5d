"""A context that is made when it is first read."""

from __future__ import annotations

from regionsim.authorization.context import Context, DeferredContext


def test_nothing_is_made_until_a_value_is_read_and_then_once():
    made: list[int] = []

    def make() -> Context:
        made.append(1)
        return Context({"KMS:Thing": "1", "other": lambda: ("x", "y")})

    context = DeferredContext(make)
    assert made == []
    assert context.get("kms:thing") == "1"
    assert context.get("other") == ("x", "y")
    assert context.get("absent") is None
    assert list(context) == ["kms:thing", "other"]
    assert repr(context) == repr(make())
    assert made == [1, 1], "once by the context, once by this test"
