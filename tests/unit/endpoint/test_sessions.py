"""Credentials of sessions: what was given is known everywhere the key is, and nothing else is."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regionsim.accounts.directory import Directory
from regionsim.accounts.model import AccessKey, Account, Role, User
from regionsim.endpoint.keyring import Keyring
from regionsim.endpoint.sessions import KEY_BYTES, SessionSeal
from regionsim.kms.errors import ExpiredTokenException, UnrecognizedClientException
from regionsim.runtime.entropy import OsEntropy

ACCOUNT = "111122223333"
KEY = bytes(range(KEY_BYTES))
DIRECTORY = Directory(
    accounts={
        ACCOUNT: Account(
            account_id=ACCOUNT,
            users={"alice": User(name="alice")},
            roles={"app": Role(name="app", path="/team/", tags={"team": "blue"})},
            access_keys={
                "AKIAALICE": AccessKey(user="alice", secret="hers"),
                "AKIAGONE": AccessKey(user="bob", secret="his"),
                "AKIAROOT": AccessKey(user="root", secret="roots"),
            },
        )
    }
)


class Clock:
    now_s = 1_000_000.5


def seal(key=KEY):
    return SessionSeal(key, OsEntropy().stream("test"), lambda: Clock.now_s)


def keyring(key=KEY, now_s=lambda: Clock.now_s):
    return Keyring(lambda: DIRECTORY, key, OsEntropy().stream("test"), now_s)


def principal():
    return DIRECTORY.session(ACCOUNT, "app", "s1", tags={"shop": "7"}, session_policy='{"Version":"2012-10-17"}')


def test_a_session_is_known_by_whoever_has_the_key():
    given_out = keyring().new_session(principal(), 900)
    assert given_out.access_key_id.startswith("ASIA")
    assert len(given_out.access_key_id) == 20
    signer = keyring().signer(given_out.access_key_id, given_out.token, "us-east-1")
    assert signer.principal == principal()
    assert dict(signer.principal.tags) == {"team": "blue", "shop": "7"}
    assert signer.principal.session_policy == principal().session_policy
    assert signer.secret == given_out.secret
    with pytest.raises(UnrecognizedClientException):
        keyring(bytes(KEY_BYTES)).signer(given_out.access_key_id, given_out.token, "us-east-1")


def test_a_session_ends():
    given_out = keyring().new_session(principal(), 900)
    keyring(now_s=lambda: Clock.now_s + 898).signer(given_out.access_key_id, given_out.token, "us-east-1")
    late = keyring(now_s=lambda: Clock.now_s + 901)
    for _ in range(2):  # the second time it is known already
        with pytest.raises(ExpiredTokenException):
            late.signer(given_out.access_key_id, given_out.token, "us-east-1")


def test_a_token_belongs_to_its_access_key_id():
    one, other = keyring().new_session(principal(), 900), keyring().new_session(principal(), 900)
    assert one.secret != other.secret
    with pytest.raises(UnrecognizedClientException):
        keyring().signer(one.access_key_id, other.token, "us-east-1")


@given(st.data())
def test_no_altered_token_is_taken(data):
    given_out = seal().new(principal(), 900)
    sealed = bytearray(base64.b64decode(given_out.token))
    at = data.draw(st.integers(0, len(sealed) - 1))
    sealed[at] ^= data.draw(st.integers(1, 255))
    assert seal().read(given_out.access_key_id, base64.b64encode(sealed).decode()) is None


@given(st.text(max_size=100))
def test_no_text_is_a_token(text):
    assert seal().read("ASIAEXAMPLE", text) is None


@pytest.mark.parametrize(
    ("access_key_id", "token"),
    [("AKIANOBODY", None), ("AKIAGONE", None), ("AKIAALICE", "a token"), ("ASIANOBODY", None), ("ASIANOBODY", "x")],
)
def test_who_is_not_known(access_key_id, token):
    with pytest.raises(UnrecognizedClientException):
        keyring().signer(access_key_id, token, "us-east-1")


def test_long_lived_keys_stand_for_their_users():
    assert keyring().signer("AKIAALICE", None, "us-east-1").principal.arn == f"arn:aws:iam::{ACCOUNT}:user/alice"
    assert keyring().signer("AKIAROOT", None, "us-east-1").principal.arn == f"arn:aws:iam::{ACCOUNT}:root"
    china = keyring().signer("AKIAALICE", None, "cn-north-1").principal
    assert china.arn == f"arn:aws-cn:iam::{ACCOUNT}:user/alice"


def test_nothing_shows_a_secret():
    given_out = seal().new(principal(), 900)
    assert given_out.secret not in repr(given_out)
    assert given_out.token not in repr(given_out)
    assert "hers" not in repr(DIRECTORY)
    assert "hers" not in repr(keyring().signer("AKIAALICE", None, "us-east-1"))
    assert KEY.hex() not in repr(seal())
