"""Sealed domain tokens: what comes back, what is refused, and how the files are written."""

import stat
from pathlib import Path

import pytest

from regionsim.hsm.domain import DomainState
from regionsim.hsm.domain_backup import read_token, seal, sealing_key, unseal, write_private
from regionsim.names.mistakes import ConfigError
from regionsim.runtime.entropy import SeededEntropy
from tests.unit.hsm.worlds import DAY_NS

STREAM = SeededEntropy(1).stream("backup")
KEY = b"k" * 32


def domain() -> DomainState:
    return DomainState.found("us-east-1", 7, STREAM).rotated(DAY_NS, STREAM).rotated(2 * DAY_NS, STREAM)


def test_a_sealed_domain_comes_back_whole() -> None:
    sealed = domain()
    opened = unseal(seal(sealed, KEY, nonce=STREAM.bytes(12)), KEY, region="us-east-1")
    assert (opened.region, opened.epoch, opened.facts) == (sealed.region, sealed.epoch, sealed.facts)
    assert list(opened.secrets_for_scan()) == list(sealed.secrets_for_scan())
    assert opened.signing_key.public == sealed.signing_key.public
    assert opened.active.id == sealed.active.id


def test_no_secret_stands_in_the_token() -> None:
    sealed = domain()
    token = seal(sealed, KEY, nonce=STREAM.bytes(12))
    assert not any(secret in token for secret in (KEY, *sealed.secrets_for_scan()))


@pytest.mark.parametrize(("key", "region"), [(b"l" * 32, "us-east-1"), (KEY, "eu-west-1")])
def test_another_key_or_region_does_not_open_it(key: bytes, region: str) -> None:
    with pytest.raises(ConfigError, match="does not open: it was altered, belongs to another Region"):
        unseal(seal(domain(), KEY, nonce=bytes(12)), key, region=region)


def test_every_altered_byte_and_every_truncation_is_refused() -> None:
    token = seal(domain(), KEY, nonce=bytes(12))
    for position in range(len(token)):
        altered = token[:position] + bytes([token[position] ^ 1]) + token[position + 1 :]
        for presented in (altered, token[:position]):
            with pytest.raises(ConfigError):
                unseal(presented, KEY, region="us-east-1")


def test_something_else_is_said_to_be_something_else() -> None:
    with pytest.raises(ConfigError, match="not a sealed domain token of us-east-1"):
        unseal(b"PNG", KEY, region="us-east-1")


def test_files_are_private_and_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "domain.token"
    path.write_bytes(b"old")
    path.chmod(0o644)
    write_private(path, b"new")
    assert path.read_bytes() == b"new" == read_token(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["domain.token"]


def test_what_an_earlier_crash_left_neither_stops_a_write_nor_lends_its_mode(tmp_path: Path) -> None:
    left = tmp_path / ".domain.token.new"
    left.write_bytes(b"half of a much longer token")
    left.chmod(0o666)
    write_private(tmp_path / "domain.token", b"new")
    assert (tmp_path / "domain.token").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "domain.token").stat().st_mode) == 0o600
    assert not left.exists()


def test_a_missing_sealing_key_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "seal.key"
    made, was_made = sealing_key(path, STREAM)
    assert was_made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sealing_key(path, STREAM) == (made, False)
    assert path.read_text() == made.hex() + "\n"


@pytest.mark.parametrize("content", [b"", b"ab" * 31, b"ab" * 33, b"zz" * 32, b"\xff\xfe"])
def test_a_file_that_holds_no_sealing_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "seal.key"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="a sealing key is 64 hexadecimal digits"):
        sealing_key(path, STREAM)
    assert path.read_bytes() == content


def test_files_that_cannot_be_read_are_the_user_s_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sealed domain token .* cannot be read: No such file"):
        read_token(tmp_path / "absent")
    with pytest.raises(ConfigError, match=r"sealing key .* cannot be read: Is a directory"):
        sealing_key(tmp_path, STREAM)


def test_a_file_that_cannot_be_written_is_the_user_s_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written: No such file"):
        sealing_key(tmp_path / "absent" / "seal.key", STREAM)
