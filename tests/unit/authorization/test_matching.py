"""Actions, resources and wildcards. Source: IAM User Guide, "Action", "Resource"."""

from __future__ import annotations

import time

import pytest

from regionsim.authorization.compile import CompiledPolicy, compile_policy
from regionsim.authorization.globs import Wild, compile_glob, matches_expanded, read_tokens
from regionsim.authorization.policy import PolicyKind, parse_policy
from tests.unit.authorization.cases import ALIAS, HOME, KEY, allow, compiled, decided, delegating, deny, request


def allows(statement, asked=None) -> bool:
    return decided(asked or request(), key_policy=delegating(), identity=(compiled(statement),)).is_allowed


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("kms:Decrypt", True),
        ("KMS:decrypt", True),
        ("kms:*", True),
        ("*", True),
        ("kms:*crypt", True),
        ("kms:De?rypt", True),
        ("*:Decrypt", True),
        ("kms:De", False),
        ("kms:Decrypt?", False),
        ("s3:*", False),
    ],
)
def test_actions(pattern, expected):
    """Prefix and name ignore case; `*` and `?` anywhere; NotAction inverts."""
    assert allows(allow(action=pattern)) is expected
    inverted = {"Effect": "Allow", "NotAction": pattern, "Resource": "*"}
    assert allows(inverted) is not expected


def test_an_empty_list_of_actions_or_resources_fits_nothing():
    assert not allows(allow(action=[]))
    assert not allows(allow(resource=[]))


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*", True),
        ("**", True),
        (KEY, True),
        (f"arn:aws:kms:*:{HOME}:key/*", True),
        ("arn:aws:kms:us-*-2:*:key/1234abcd-*", True),
        ("arn:*:kms:*:*:*", True),
        ("arn:aws:kms:*", True),
        ("arn:aws:kms:us-west-2:*", True),
        ("arn:*", True),
        (KEY[:-1] + "?", True),
        (KEY[:-1], False),
        (KEY.upper().replace("ARN:AWS:KMS", "arn:aws:kms"), False),
        ("arn:aws:kms:us-east-1:*:key/*", False),
        (f"arn:aws:kms:*:{HOME}:alias/*", False),
        (f"arn:aws:kms:*{HOME}:key/*", False),
        ("arn:aws:kms", False),
        ("arn:aws:s3:*", False),
        (ALIAS, False),
    ],
)
def test_resources(pattern, expected):
    """The five leading segments one by one, the rest as one glob; an alias ARN never names a key."""
    assert allows(allow(resource=pattern)) is expected
    assert allows({"Effect": "Allow", "Action": "kms:*", "NotResource": pattern}) is not expected


def test_several_resources():
    assert allows(allow(resource=[ALIAS, KEY]))
    assert not allows({"Effect": "Allow", "Action": "kms:*", "NotResource": [ALIAS, KEY]})


class TestVariablesInResources:
    """After the fifth colon only; a missing one matches nothing."""

    @pytest.mark.parametrize(
        ("pattern", "expected"),
        [
            ("arn:aws:kms:*:*:key/${aws:PrincipalTag/key}", True),
            ("arn:aws:kms:*:*:key/${aws:PrincipalTag/key}*", True),
            ("arn:aws:kms:*:*:key/${aws:PrincipalTag/absent}", False),
            ("arn:aws:kms:*:*:${aws:PrincipalTag/absent, 'key/'}*", True),
            ("arn:aws:kms:us-east-1:*:key/${aws:PrincipalTag/key}", False),
            ("arn:aws:kms:us-west-2:${aws:PrincipalAccount}:key/*", False),
            ("arn:aws:kms:*:*:key/${*}", False),
        ],
    )
    def test_patterns(self, pattern, expected):
        tagged = request(context={"aws:principaltag/key": KEY.rpartition("/")[2]})
        assert allows(allow(resource=pattern), tagged) is expected
        assert allows({"Effect": "Allow", "Action": "kms:*", "NotResource": pattern}, tagged) is not expected

    def test_conditions_count_besides(self):
        statement = allow(
            resource="arn:aws:kms:*:*:key/${aws:PrincipalTag/key}*", Condition={"Bool": {"kms:MultiRegion": "true"}}
        )
        values = {"aws:principaltag/key": "1234"}
        assert not allows(statement, request(context=values))
        assert allows(statement, request(context={**values, "kms:multiregion": "true"}))

    def test_what_is_no_arn_is_not_matched(self):
        asked = request(action="kms:ListKeys", resource="*", context={"aws:principaltag/key": "*"})
        assert not allows(allow(resource="arn:aws:kms:*:*:${aws:PrincipalTag/key}"), asked)

    def test_another_plain_resource_suffices(self):
        assert allows(allow(resource=["arn:aws:kms:*:*:key/${aws:PrincipalTag/absent}", KEY]))

    def test_are_literal_text_in_the_older_version(self):
        policy = compiled(allow(resource="arn:aws:kms:*:*:key/${aws:PrincipalTag/key}"), version="2008-10-17")
        asked = request(context={"aws:principaltag/key": KEY.rpartition("/")[2]})
        assert not decided(asked, key_policy=delegating(), identity=(policy,)).is_allowed


def test_conditions_count_besides_a_not_resource():
    statement = {
        "Effect": "Allow",
        "Action": "kms:*",
        "NotResource": ALIAS,
        "Condition": {"Bool": {"kms:MultiRegion": "true"}},
    }
    assert not allows(statement)
    assert allows(statement, request(context={"kms:multiregion": "true"}))


@pytest.mark.parametrize(
    "conditions",
    [
        {"StringEquals": {"a:a": "1", "a:b": "1"}},
        {"StringEquals": {"a:a": "1"}, "StringLike": {"a:b": "1"}},
        {"StringEquals": {"a:a": "1", "a:b": "1", "a:c": "1"}},
    ],
)
def test_operators_and_keys_are_and(conditions):
    full = {"a:a": "1", "a:b": "1", "a:c": "1"}
    named = {key for keys in conditions.values() for key in keys}
    assert allows(allow(Condition=conditions), request(context=full))
    for left_out in named:
        rest = {key: value for key, value in full.items() if key != left_out}
        assert not allows(allow(Condition=conditions), request(context=rest))


def test_empty_conditions_hold():
    assert allows(allow(Condition={}))
    assert allows(allow(Condition={"StringEquals": {}}))


class TestGlobs:
    CASES = (
        ("", "", True),
        ("", "a", False),
        ("*", "anything\nat all", True),
        ("a*", "a", True),
        ("*a", "bba", True),
        ("*a", "ab", False),
        ("a*b*c", "a-b-b-c", True),
        ("a*b*c", "a-c-b", False),
        ("?", "", False),
        ("??", "ab", True),
        ("*?", "", False),
        ("a**b", "ab", True),
        ("*ab", "aab", True),
        ("*aba*ba", "aaba", False),
        ("*a?c*", "xxabcxx", True),
        ("[a-z]+(.", "[a-z]+(.", True),
    )

    @pytest.mark.parametrize(("pattern", "text", "expected"), CASES)
    def test_both_ways_of_matching_agree(self, pattern, text, expected):
        tokens = read_tokens(pattern, wildcards=True, variables=False)
        assert compile_glob(tokens)(text) is expected
        plain = tuple(token for token in tokens if isinstance(token, str | Wild))
        assert matches_expanded(plain, text) is expected

    def test_no_pattern_makes_matching_explode(self):
        tokens = read_tokens("*a" * 60 + "*b", wildcards=True, variables=False)
        plain = tuple(token for token in tokens if isinstance(token, str | Wild))
        started = time.process_time()
        assert not compile_glob(tokens)("a" * 3000)
        assert not matches_expanded(plain, "a" * 3000)
        assert time.process_time() - started < 2.0


class TestWhatIsRemembered:
    """Slices are kept up to a bound, and never change an answer."""

    def test_many_actions(self):
        policy = compiled(allow(action="kms:Action7"))
        for _ in range(2):
            answers = [bool(policy.slice(f"kms:action{number}", KEY).allows) for number in range(600)]
            assert [number for number, answer in enumerate(answers) if answer] == [7]

    def test_many_resources(self):
        policy = compiled(allow(resource=f"arn:aws:kms:*:{HOME}:key/7"))
        for _ in range(2):
            keys = [f"arn:aws:kms:us-west-2:{HOME}:key/{number}" for number in range(5000)]
            answers = [bool(policy.slice("kms:decrypt", key).allows) for key in keys]
            assert [number for number, answer in enumerate(answers) if answer] == [7]


def test_a_policy_is_compiled_from_text_from_a_mapping_and_from_itself():
    text = '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}'
    policy = parse_policy(text, kind=PolicyKind.IDENTITY)
    for source in (text, {"Version": "2012-10-17", "Statement": [deny(action="*")]}, policy):
        result = compile_policy(source, name="p", kind=PolicyKind.IDENTITY)
        assert (result.policy, result.name, result.kind, len(result.statements)) == (
            policy,
            "p",
            PolicyKind.IDENTITY,
            1,
        )
    assert repr(CompiledPolicy(policy, name="p")) == "CompiledPolicy('p', identity, 1 statements)"
    with pytest.raises(AssertionError):
        compile_policy(policy, name="p", kind=PolicyKind.KEY)
