"""Exported key tokens open only for the domain, purpose and names that they were made for."""

import pytest

from regionsim.hsm.domain import DomainState
from regionsim.hsm.tokens import Purpose, domain_key_id_of, unwrap, wrap
from regionsim.kms.errors import InvalidCiphertextException, KeyUnavailableException, KmsError
from regionsim.runtime.entropy import SeededEntropy
from tests.unit.hsm.worlds import DAY_NS

STREAM = SeededEntropy(1).stream("tokens")
DOMAIN = DomainState.found("us-east-1", 0, STREAM)
NAMES = ("key", "material")
SECRET = b"s" * 32


def token(domain: DomainState = DOMAIN) -> bytes:
    return wrap(domain, Purpose.BACKING_KEY, SECRET, label="SPEC", names=NAMES, nonce=STREAM.bytes(12))


def test_a_token_gives_back_label_and_secret() -> None:
    assert unwrap(DOMAIN, Purpose.BACKING_KEY, token(), names=NAMES) == ("SPEC", SECRET)


def test_the_layout_is_the_documented_one() -> None:
    wrapped = wrap(DOMAIN, Purpose.BACKING_KEY, SECRET, label="SPEC", names=NAMES, nonce=b"n" * 12)
    assert wrapped[:14] == b"\x01" + DOMAIN.active.id + b"\x01" + b"\0\0\0\4SPEC"
    assert wrapped[14:26] == b"n" * 12
    assert len(wrapped) == 26 + 32 + 16
    assert domain_key_id_of(wrapped) == DOMAIN.active.id
    assert SECRET not in wrapped


@pytest.mark.parametrize("purpose", [Purpose.AGREEMENT_KEY, Purpose.REPLICATION_WRAPPING_KEY])
def test_another_purpose_is_refused_even_when_the_token_claims_it(purpose: Purpose) -> None:
    wrapped = token()
    claiming = wrapped[:5] + purpose.value + wrapped[6:]
    for presented in (wrapped, claiming):
        with pytest.raises(InvalidCiphertextException):
            unwrap(DOMAIN, purpose, presented, names=NAMES)


@pytest.mark.parametrize("names", [(), ("key",), ("key", "other"), ("keym", "aterial"), ("material", "key")])
def test_other_names_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(InvalidCiphertextException):
        unwrap(DOMAIN, Purpose.BACKING_KEY, token(), names=names)


def test_another_domain_has_no_use_for_it_even_with_the_same_key_id() -> None:
    other = DomainState.found("us-east-1", 0, STREAM)
    with pytest.raises(KeyUnavailableException):
        unwrap(other, Purpose.BACKING_KEY, token(), names=NAMES)
    wrapped = token()
    claiming = wrapped[:1] + other.active.id + wrapped[5:]
    with pytest.raises(InvalidCiphertextException):
        unwrap(other, Purpose.BACKING_KEY, claiming, names=NAMES)


def test_every_altered_byte_and_every_truncation_is_refused() -> None:
    wrapped = token()
    for position in range(len(wrapped)):
        altered = wrapped[:position] + bytes([wrapped[position] ^ 1]) + wrapped[position + 1 :]
        for presented in (altered, wrapped[:position]):
            with pytest.raises(KmsError):
                unwrap(DOMAIN, Purpose.BACKING_KEY, presented, names=NAMES)


def test_a_retired_domain_key_opens_and_never_wraps() -> None:
    old = token()
    rotated = DOMAIN.rotated(DAY_NS, STREAM)
    assert unwrap(rotated, Purpose.BACKING_KEY, old, names=NAMES).secret == SECRET
    assert domain_key_id_of(token(rotated)) == rotated.active.id != domain_key_id_of(old)


def test_past_the_retention_of_its_domain_key_a_token_is_lost() -> None:
    old = token()
    domain = DOMAIN.rotated(DAY_NS, STREAM).rotated(31 * DAY_NS, STREAM)
    with pytest.raises(KeyUnavailableException) as refused:
        unwrap(domain, Purpose.BACKING_KEY, old, names=NAMES)
    assert refused.value.http_status == 500
