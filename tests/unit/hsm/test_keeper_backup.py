"""The keys of custom key stores on disk: what is sealed opens again, and nothing else does."""

from __future__ import annotations

import pytest

from regionsim.hsm.domain import DomainState
from regionsim.hsm.keeper_backup import Kept, seal, unseal
from regionsim.names.mistakes import ConfigError
from regionsim.runtime.entropy import SeededEntropy

KEY, REGION = bytes(range(32)), "us-east-1"
STREAM = SeededEntropy(1).stream("test")
DOMAIN = DomainState.found(REGION, 7, STREAM)
PROXIES = {("https://k.example", "/kms/xks/v1"): {"a": (bytes(32), True), "b": (b"b" * 32, False)}}


def sealed(*, region: str = REGION) -> bytes:
    return seal(Kept(clusters={"cluster-a": DOMAIN}, proxies=PROXIES), KEY, region=region, draw=STREAM.bytes)


def test_what_was_kept_is_there_again() -> None:
    kept = unseal(sealed(), KEY, region=REGION)
    assert kept.proxies == PROXIES
    assert list(kept.clusters) == ["cluster-a"]
    assert kept.clusters["cluster-a"].secrets_for_scan() == DOMAIN.secrets_for_scan()


def test_no_key_shows() -> None:
    content = sealed()
    assert not [raw for raw in (b"b" * 8, *DOMAIN.secrets_for_scan()) if raw in content]
    assert "bbb" not in repr(unseal(content, KEY, region=REGION))


@pytest.mark.parametrize(
    ("content", "key", "region"),
    [
        (sealed()[:-1], KEY, REGION),
        (sealed(), bytes(32), REGION),
        (sealed(), KEY, "eu-west-1"),
        (b"something else", KEY, REGION),
        (b"", KEY, REGION),
    ],
    ids=["cut", "another key", "another Region", "no such file", "empty"],
)
def test_what_is_not_ours_does_not_open(content: bytes, key: bytes, region: str) -> None:
    with pytest.raises(ConfigError, match=f"the keys of {region}'s custom key stores do not open"):
        unseal(content, key, region=region)
