"""Domain keys: one is active, the retired ones stay for 30 days."""

from regionsim.hsm.domain import DOMAIN_KEY_RETENTION_DAYS, DomainState
from regionsim.runtime.entropy import SeededEntropy, Stream
from tests.unit.hsm.worlds import DAY_NS


def stream() -> Stream:
    return SeededEntropy(1).stream("domain")


def test_a_new_domain_has_one_active_key() -> None:
    domain = DomainState.found("us-east-1", 5, stream())
    (facts,) = domain.facts
    assert (domain.region, domain.epoch, facts.active_since_ns, facts.expires_at_ns) == ("us-east-1", 1, 5, None)
    assert len(facts.id) == 4
    assert domain.keys[facts.id] is domain.active


def test_a_rotation_retires_the_active_key_and_keeps_the_signing_key() -> None:
    source = stream()
    before = DomainState.found("us-east-1", 0, source)
    after = before.rotated(DAY_NS, source)
    retired, active = after.facts
    assert (after.epoch, active.active_since_ns, active.expires_at_ns) == (2, DAY_NS, None)
    assert (retired.id, retired.expires_at_ns) == (before.active.id, (1 + DOMAIN_KEY_RETENTION_DAYS) * DAY_NS)
    assert after.keys[retired.id].key is before.active.key
    assert after.active.key.raw != before.active.key.raw
    assert after.signing_key is before.signing_key
    assert before.active.deactivated_at_ns is None, "a domain state does not change"


def test_daily_rotations_keep_thirty_days_of_retired_keys() -> None:
    source = stream()
    domain = DomainState.found("us-east-1", 0, source)
    first_id = domain.active.id
    for day in range(1, 31):
        domain = domain.rotated(day * DAY_NS, source)
    assert first_id in domain.keys
    assert len(domain.keys) == 31
    domain = domain.rotated(31 * DAY_NS, source)
    assert first_id not in domain.keys
    assert len(domain.keys) == 31
    assert [key.id for key in domain.facts] == list(domain.keys)


def test_a_key_that_has_long_been_active_keeps_its_retention_when_it_retires() -> None:
    source = stream()
    domain = DomainState.found("us-east-1", 0, source)
    rotated = domain.rotated(400 * DAY_NS, source)
    assert domain.active.id in rotated.keys


class RepeatingStream:
    """Draws the same four bytes twice before others, as a stream might."""

    def __init__(self) -> None:
        self.drawn_ids = [b"same", b"same", b"next"]

    def bytes(self, n: int) -> bytes:
        return self.drawn_ids.pop(0) if n == 4 else b"\x01" * n


def test_an_id_in_use_is_drawn_again() -> None:
    source = RepeatingStream()
    domain = DomainState.found("us-east-1", 0, source)  # type: ignore[arg-type]
    assert list(domain.rotated(1, source).keys) == [b"same", b"next"]  # type: ignore[arg-type]


def test_every_secret_of_the_domain_is_scanned_for() -> None:
    source = stream()
    domain = DomainState.found("us-east-1", 0, source).rotated(1, source)
    assert list(domain.secrets_for_scan()) == [*(key.key.raw for key in domain.keys.values()), domain.signing_key.raw]
