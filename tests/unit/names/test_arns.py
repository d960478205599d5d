from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regionsim.names.arns import Arn, account_root_arn, alias_arn, key_arn, role_arn, session_arn, user_arn
from regionsim.names.mistakes import ConfigError

ACCOUNT = "111122223333"
FIELD = st.text(st.characters(exclude_characters=":", exclude_categories=["Cs"]), max_size=12)


@given(FIELD.filter(bool), FIELD.filter(bool), FIELD, FIELD, st.text(min_size=1, max_size=30))
def test_what_is_written_is_what_is_parsed(partition, service, region, account, resource):
    arn = Arn(partition=partition, service=service, region=region, account=account, resource=resource)
    assert Arn.parse(str(arn)) == arn


@given(st.text(max_size=40))
def test_any_text_is_an_arn_written_the_same_way_or_none(text):
    arn = Arn.parse(text)
    assert arn is None or str(arn) == text


@pytest.mark.parametrize(
    "text",
    ["", "arn", "arn:aws:kms:us-east-1:111122223333", "arn:aws:kms:us-east-1:111122223333:", "urn:aws:kms:r:a:key/x", "arn::kms:r:a:key/x", "arn:aws::r:a:key/x"],
)  # fmt: skip
def test_what_is_no_arn(text):
    assert Arn.parse(text) is None


def test_a_resource_may_hold_colons_and_slashes():
    arn = Arn.parse("arn:aws:iam::111122223333:user/path/a:b")
    assert arn is not None
    assert (arn.region, arn.resource) == ("", "user/path/a:b")


@pytest.mark.parametrize(
    ("written", "arn"),
    [
        (key_arn("us-east-1", ACCOUNT, "mrk-0"), "arn:aws:kms:us-east-1:111122223333:key/mrk-0"),
        (key_arn("cn-north-1", ACCOUNT, "k"), "arn:aws-cn:kms:cn-north-1:111122223333:key/k"),
        (alias_arn("eu-west-1", ACCOUNT, "alias/a"), "arn:aws:kms:eu-west-1:111122223333:alias/a"),
        (account_root_arn(ACCOUNT), "arn:aws:iam::111122223333:root"),
        (account_root_arn(ACCOUNT, "aws-us-gov"), "arn:aws-us-gov:iam::111122223333:root"),
        (user_arn(ACCOUNT, "alice"), "arn:aws:iam::111122223333:user/alice"),
        (user_arn(ACCOUNT, "alice", path="/staff/"), "arn:aws:iam::111122223333:user/staff/alice"),
        (role_arn(ACCOUNT, "app", partition="aws-cn"), "arn:aws-cn:iam::111122223333:role/app"),
        (session_arn(ACCOUNT, "app", "s1"), "arn:aws:sts::111122223333:assumed-role/app/s1"),
    ],
)
def test_arns_have_awss_forms(written, arn):
    assert written == arn
    assert str(Arn.parse(written)) == arn


def test_an_arn_in_no_region_is_a_mistake():
    with pytest.raises(ConfigError, match="did you mean 'eu-west-1'"):
        key_arn("eu-wst-1", ACCOUNT, "k")
