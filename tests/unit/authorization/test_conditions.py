"""Every condition operator with its modifiers.

Source: IAM User Guide, "Condition operators", "Single-valued vs. multivalued context keys"; where AWS leaves a point
open, ours.
"""

from __future__ import annotations

import pytest

from regionsim.authorization.conditions import Condition, SetOperator, compile_condition, read_operator
from regionsim.authorization.context import Context
from regionsim.authorization.operators import OPERATORS, Family


def holds(
    operator: str, values: object, given: object, *, variables: bool = True, key: str = "aws:Tested", **others: object
) -> bool:
    set_operator, base, if_exists = read_operator(operator)
    texts = (values,) if isinstance(values, str) else tuple(values)  # type: ignore[arg-type]
    condition = Condition(operator=base, set_operator=set_operator, if_exists=if_exists, key=key, values=texts)
    context = Context({key.lower(): given, **{name.replace("__", ":"): text for name, text in others.items()}})  # type: ignore[dict-item]
    return compile_condition(condition, variables=variables)(context)


@pytest.mark.parametrize(
    ("operator", "values", "given", "expected"),
    [
        ("StringEquals", "a", "a", True),
        ("StringEquals", "a", "A", False),
        ("StringEquals", ["a", "b"], "b", True),
        ("StringEquals", "a*", "ab", False),
        ("StringEquals", [], "a", False),
        ("StringNotEquals", "a", "b", True),
        ("StringNotEquals", ["a", "b"], "b", False),
        ("StringNotEquals", [], "a", True),
        ("StringEqualsIgnoreCase", "Prod", "pROD", True),
        ("StringEqualsIgnoreCase", "straße", "STRASSE", False),
        ("StringNotEqualsIgnoreCase", "Prod", "pROD", False),
        ("StringLike", "alias/app-*", "alias/app-1", True),
        ("StringLike", "alias/app-*", "alias/App-1", False),
        ("StringLike", "a?c", "abc", True),
        ("StringLike", "a?c", "ac", False),
        ("StringLike", "arn:*:x", "arn:a:b:c:x", True),
        ("StringLike", "*", "", True),
        ("StringLike", "a.c", "abc", False),
        ("StringLike", "*b*", "a\nb\nc", True),
        ("StringNotLike", "a*", "abc", False),
        ("StringNotLike", "a*", "xbc", True),
        ("NumericEquals", "7", "7.0", True),
        ("NumericNotEquals", "7", "8", True),
        ("NumericLessThan", "21", "7", True),
        ("NumericLessThan", "21", "21", False),
        ("NumericLessThanEquals", "21", "21", True),
        ("NumericGreaterThan", "21", "100", True),
        ("NumericGreaterThanEquals", "21", "20.9", False),
        ("NumericEquals", "7", "seven", False),
        ("NumericNotEquals", "7", "seven", True),
        ("DateEquals", "2026-01-01T00:00:00Z", "1767225600", True),
        ("DateEquals", "2026-01-01", "2026-01-01T01:00:00+01:00", True),
        ("DateNotEquals", "2026", "2026-01-01T00:00:00Z", False),
        ("DateLessThan", "2026-02", "2026-01-31T23:59:59Z", True),
        ("DateLessThanEquals", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", True),
        ("DateGreaterThan", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.5Z", True),
        ("DateGreaterThanEquals", "2026-01-01T00:00:00Z", "2025-12-31", False),
        ("DateEquals", "2026-01-01", "soon", False),
        ("Bool", "true", "true", True),
        ("Bool", "True", "true", True),
        ("Bool", "true", "false", False),
        ("Bool", "false", "maybe", False),
        ("BinaryEquals", "QUJD", "QUJD", True),
        ("BinaryEquals", "QUJD", "QUJE", False),
        ("BinaryEquals", "QUJD", "not base64!", False),
        ("IpAddress", "203.0.113.0/24", "203.0.113.9", True),
        ("IpAddress", ["10.0.0.0/8", "2001:db8::/32"], "2001:db8::1", True),
        ("IpAddress", "203.0.113.7", "203.0.113.8", False),
        ("IpAddress", "0.0.0.0/0", "no address", False),
        ("NotIpAddress", "203.0.113.0/24", "198.51.100.1", True),
        ("NotIpAddress", "203.0.113.0/24", "203.0.113.9", False),
        ("ArnEquals", "arn:aws:iam::111122223333:role/*", "arn:aws:iam::111122223333:role/a/b", True),
        ("ArnLike", "arn:aws:iam::*:role/app", "arn:aws:iam::111122223333:role/app", True),
        ("ArnLike", "arn:aws:iam:*:role/app", "arn:aws:iam::111122223333:role/app", False),
        ("ArnLike", "arn:aws:s3:::*", "arn:aws:s3:::a:b:c", True),
        ("ArnLike", "*", "arn:aws:s3:::x", True),
        ("ArnLike", "arn:aws:s3", "arn:aws:s3", False),
        ("ArnLike", "arn:aws:s3:::x", "no arn", False),
        ("ArnNotEquals", "arn:aws:s3:::x", "arn:aws:s3:::y", True),
        ("ArnNotLike", "arn:aws:s3:::*", "arn:aws:s3:::y", False),
        ("Null", "true", "x", False),
        ("Null", "false", "x", True),
        ("Null", "true", "", True),
        ("Null", ["true", "false"], "x", True),
    ],
)  # fmt: skip
def test_operators_on_one_value(operator, values, given, expected):
    assert holds(operator, values, given) is expected


VALUES = {
    Family.NUMERIC: "7",
    Family.DATE: "2026-01-01",
    Family.BOOL: "true",
    Family.BINARY: "QUJD",
    Family.IP_ADDRESS: "10.0.0.0/8",
    Family.ARN: "arn:aws:s3:::x",
}
SOME_VALUE = {
    Family.IP_ADDRESS: "10.1.1.1",
    **{family: text for family, text in VALUES.items() if family is not Family.IP_ADDRESS},
}
WITH_MODIFIERS = [operator for operator in OPERATORS.values() if operator.family is not Family.NULL]


@pytest.mark.parametrize("operator", WITH_MODIFIERS, ids=lambda operator: operator.name)
class TestAbsentAndSeveral:
    """Key absent: positive false, negated true, IfExists true, ForAllValues true, ForAnyValue false."""

    @pytest.mark.parametrize("absent", [None, ()])
    def test_absent(self, operator, absent):
        value = VALUES.get(operator.family, "x")
        assert holds(operator.name, value, absent) is operator.negated
        assert holds(f"{operator.name}IfExists", value, absent)
        assert holds(f"ForAllValues:{operator.name}", value, absent)
        assert holds(f"ForAllValues:{operator.name}IfExists", value, absent)
        assert not holds(f"ForAnyValue:{operator.name}", value, absent)
        assert holds(f"ForAnyValue:{operator.name}IfExists", value, absent)

    def test_if_exists_changes_nothing_for_a_present_key(self, operator):
        value, given = VALUES.get(operator.family, "x"), SOME_VALUE.get(operator.family, "x")
        assert holds(f"{operator.name}IfExists", value, given) is holds(operator.name, value, given)

    def test_several_values_without_a_set_operator(self, operator):
        """Positive false, negated true: AWS calls it unpredictable."""
        value, given = VALUES.get(operator.family, "x"), SOME_VALUE.get(operator.family, "x")
        assert holds(operator.name, value, (given,)) is operator.negated
        assert holds(f"{operator.name}IfExists", value, (given, given)) is operator.negated

    def test_set_operators_on_one_value(self, operator):
        value, given = VALUES.get(operator.family, "x"), SOME_VALUE.get(operator.family, "x")
        expected = holds(operator.name, value, given)
        for set_operator in SetOperator:
            assert holds(f"{set_operator}:{operator.name}", value, given) is expected
            assert holds(f"{set_operator}:{operator.name}", value, (given,)) is expected


@pytest.mark.parametrize(
    ("operator", "given", "expected"),
    [
        ("ForAllValues:StringEquals", ("a", "b"), True),
        ("ForAllValues:StringEquals", ("a", "x"), False),
        ("ForAnyValue:StringEquals", ("x", "b"), True),
        ("ForAnyValue:StringEquals", ("x", "y"), False),
        ("ForAllValues:StringNotEquals", ("x", "y"), True),
        ("ForAllValues:StringNotEquals", ("a", "y"), False),
        ("ForAnyValue:StringNotEquals", ("a", "y"), True),
        ("ForAnyValue:StringNotEquals", ("a", "b"), False),
        ("ForAnyValue:StringLike", ("bcd", "y"), True),
    ],
)
def test_set_operators_on_several_values(operator, given, expected):
    """The base operator is applied to each request value."""
    assert holds(operator, ["a", "b", "b*"] if "Like" in operator else ["a", "b"], given) is expected


class TestNull:
    @pytest.mark.parametrize("absent", [None, (), ""])
    def test_absent(self, absent):
        assert holds("Null", "true", absent)
        assert not holds("Null", "false", absent)

    @pytest.mark.parametrize("operator", ["NullIfExists", "ForAllValues:Null", "ForAnyValue:Null"])
    def test_takes_no_modifiers(self, operator):
        with pytest.raises(ValueError, match="Null takes neither"):
            read_operator(operator)

    def test_wants_true_or_false(self):
        with pytest.raises(ValueError, match="true or false"):
            holds("Null", "yes", "x")


class TestVariables:
    """Only with version 2012-10-17; a missing one matches nothing: positive false, negated true."""

    @pytest.mark.parametrize(
        ("operator", "value", "given", "expected"),
        [
            ("StringEquals", "${aws:username}", "alice", True),
            ("StringEquals", "user-${AWS:UserName}!", "user-alice!", True),
            ("StringEquals", ["x", "${aws:username}"], "alice", True),
            ("StringNotEquals", "${aws:username}", "alice", False),
            ("StringEquals", "${aws:absent}", "", False),
            ("StringNotEquals", "${aws:absent}", "anything", True),
            ("StringEquals", "${aws:absent, 'none'}", "none", True),
            ("StringEquals", "${aws:username,'none'}", "alice", True),
            ("StringEqualsIgnoreCase", "${aws:username}", "ALICE", True),
            ("StringEqualsIgnoreCase", "${aws:absent}", "x", False),
            ("StringNotEqualsIgnoreCase", "${aws:absent}", "x", True),
            ("StringLike", "${aws:username}-*", "alice-key", True),
            ("StringLike", "${aws:absent}*", "x", False),
            ("StringNotLike", "${aws:absent}*", "x", True),
            ("StringLike", "${aws:star}", "anything", False),
            ("StringLike", "${aws:star}", "*", True),
            ("StringEquals", "${aws:several}", "a", False),
            ("StringEquals", "a${*}b${?}c${$}", "a*b?c$", True),
            ("StringLike", "a${*}b", "a*b", True),
            ("StringLike", "a${*}b", "axb", False),
            ("ArnLike", "${aws:arn}", "arn:aws:iam::111122223333:user/x", True),
            ("ArnLike", "arn:aws:s3:::${aws:username}/*", "arn:aws:s3:::alice/file", True),
            ("ArnLike", "arn:aws:s3:::${aws:username}/*", "arn:aws:s3:::bob/file", False),
            ("ArnNotLike", "arn:aws:s3:::${aws:absent}", "arn:aws:s3:::x", True),
            ("ArnEquals", "arn:aws:s3:::a${*}", "arn:aws:s3:::a*", True),
            ("ArnEquals", "arn:aws:s3:::a${*}", "arn:aws:s3:::ab", False),
            ("ArnLike", "${aws:username}", "arn:aws:s3:::x", False),
        ],
    )
    def test_values(self, operator, value, given, expected):
        others = {
            "aws__username": "alice",
            "aws__star": "*",
            "aws__several": ("a", "b"),
            "aws__arn": "arn:aws:iam::111122223333:user/x",
        }
        assert holds(operator, value, given, **others) is expected

    @pytest.mark.parametrize("operator", ["StringEquals", "StringLike", "StringEqualsIgnoreCase"])
    def test_are_literal_text_in_the_older_version(self, operator):
        assert holds(operator, "${aws:username}", "${aws:username}", variables=False, aws__username="alice")
        assert not holds(operator, "${aws:username}", "alice", variables=False, aws__username="alice")

    def test_are_literal_in_arns_of_the_older_version(self):
        assert holds("ArnEquals", "arn:aws:s3:::${aws:username}", "arn:aws:s3:::${aws:username}", variables=False)

    @pytest.mark.parametrize("value", ["${", "${}", "${aws:username", "${a'b}", "${ }", "x ${aws:x,none}"])
    def test_malformed_ones_are_refused(self, value):
        with pytest.raises(ValueError, match="begins no policy variable"):
            holds("StringEquals", value, "x")


class TestReading:
    """What cannot be evaluated is refused: a condition must never be passed over."""

    @pytest.mark.parametrize(
        "text", ["StringEqual", "ForSomeValues:StringEquals", "", ":StringEquals", "IfExists", "Equals"]
    )
    def test_unknown_operators(self, text):
        with pytest.raises(ValueError, match="no such"):
            read_operator(text)

    def test_case_of_operators_does_not_matter(self):
        set_operator, base, if_exists = read_operator("forallvalues:stringLIKEifexists")
        assert (set_operator, base.name, if_exists) == (SetOperator.ALL, "StringLike", True)

    @pytest.mark.parametrize(
        ("operator", "value"),
        [
            ("NumericEquals", "many"),
            ("NumericEquals", "NaN"),
            ("NumericEquals", "1_0"),
            ("NumericLessThan", "${aws:x}"),
            ("DateEquals", "tomorrow"),
            ("DateEquals", "2026-13-01"),
            ("Bool", "yes"),
            ("BinaryEquals", "%%%"),
            ("IpAddress", "10.0.0.0/33"),
            ("IpAddress", "somewhere"),
        ],
    )
    def test_values_that_cannot_be_compared_with(self, operator, value):
        with pytest.raises(ValueError, match=r"is not (a|true|base64)|does not appear to be|has host bits"):
            holds(operator, value, "x")

    def test_the_key_ignores_case(self):
        assert holds("StringEquals", "v", "v", key="kms:EncryptionContext:AppName")
