from itertools import product

import pytest

from regionsim.faults.verdicts import (
    LOST_BY_CHANCE,
    PASS,
    CallVerdict,
    DiskDraws,
    DiskOutcome,
    DiskRule,
    DiskVerdict,
    LinkDraws,
    LinkRule,
    LinkVerdict,
    either,
    judge_disk,
    judge_link,
)

MIDDLE = LinkDraws(loss=0.5, jitter=0.5, duplicate=0.5, duplicate_lag=0.5, reorder=0.5, reorder_lag=0.5)


@pytest.mark.parametrize(
    ("rule", "verdict"),
    [
        (LinkRule(), PASS),
        (LinkRule(loss=0.5, duplicate=0.5, reorder=0.5), PASS),  # a draw is below the probability, or nothing happens
        (LinkRule(loss=0.51), LinkVerdict(dropped_by=LOST_BY_CHANCE)),
        (LinkRule(duplicate=0.51), LinkVerdict(is_duplicated=True)),
        (LinkRule(reorder=0.51), LinkVerdict(is_reordered=True)),
        (LinkRule(delay_ns=7), LinkVerdict(delay_ns=7)),
        (
            LinkRule(delay_ns=7, duplicate=1.0, reorder=1.0),
            LinkVerdict(delay_ns=7, is_duplicated=True, is_reordered=True),
        ),
        (LinkRule(cut_by="link_cut", loss=1.0, delay_ns=7), LinkVerdict(dropped_by="link_cut")),
        (LinkRule(loss=1.0, delay_ns=7, duplicate=1.0), LinkVerdict(dropped_by=LOST_BY_CHANCE)),
    ],
)
def test_one_envelope_one_verdict(rule: LinkRule, verdict: LinkVerdict) -> None:
    assert judge_link(rule, MIDDLE) == verdict


def test_probability_one_always_happens_and_zero_never() -> None:
    for draw in (0.0, 1.0 - 2**-53):
        draws = LinkDraws(*[draw] * 6)
        assert judge_link(LinkRule(loss=1.0), draws).dropped_by == LOST_BY_CHANCE
        assert judge_link(LinkRule(loss=0.0), draws) is PASS


def test_rules_add_up() -> None:
    a = LinkRule(cut_by="region_outage", loss=0.5, duplicate=0.1, delay_ns=3)
    b = LinkRule(cut_by="link_cut", loss=0.5, reorder=0.2, delay_ns=4)
    total = LinkRule(cut_by="link_cut", loss=0.75, duplicate=0.1, reorder=0.2, delay_ns=7)
    assert a + b == b + a == total
    assert a + LinkRule() == LinkRule() + a == a


@pytest.mark.parametrize(
    ("first", "second", "chance"), [(0.0, 0.3, 0.3), (0.3, 0.0, 0.3), (0.5, 0.5, 0.75), (1.0, 0.2, 1.0)]
)
def test_either(first: float, second: float, chance: float) -> None:
    assert either(first, second) == chance


def test_where_nothing_answers_nothing_refuses_either() -> None:
    harshness = [CallVerdict.PASS, CallVerdict.FAIL, CallVerdict.STALL]
    for (i, first), (j, second) in product(enumerate(harshness), repeat=2):
        assert first | second is harshness[max(i, j)]


UNLUCKY = DiskDraws(error=0.0, torn=0.0)
LUCKY = DiskDraws(error=0.9, torn=0.9)


@pytest.mark.parametrize(
    ("rule", "draws", "is_write", "outcome"),
    [
        (DiskRule(), UNLUCKY, True, DiskOutcome.PASS),
        (DiskRule(error=0.1), UNLUCKY, False, DiskOutcome.FAIL),
        (DiskRule(error=0.1), LUCKY, False, DiskOutcome.PASS),
        (DiskRule(is_full=True), LUCKY, True, DiskOutcome.FULL),
        (DiskRule(is_full=True), LUCKY, False, DiskOutcome.PASS),
        (DiskRule(torn=0.1), UNLUCKY, True, DiskOutcome.TORN),
        (DiskRule(torn=0.1), UNLUCKY, False, DiskOutcome.PASS),
        (DiskRule(torn=0.1), LUCKY, True, DiskOutcome.PASS),
        (DiskRule(error=0.1, is_full=True, torn=0.1), UNLUCKY, True, DiskOutcome.FAIL),
        (DiskRule(is_full=True, torn=0.1), UNLUCKY, True, DiskOutcome.FULL),
    ],
)
def test_one_disk_operation_one_verdict(
    rule: DiskRule, draws: DiskDraws, *, is_write: bool, outcome: DiskOutcome
) -> None:
    slowed = rule + DiskRule(slow_ns=5)
    assert judge_disk(slowed, draws, is_write=is_write) == DiskVerdict(outcome=outcome, slow_ns=5)


def test_disk_rules_add_up() -> None:
    a = DiskRule(slow_ns=1, error=0.5, torn=0.1)
    b = DiskRule(slow_ns=2, error=0.5, is_full=True)
    assert a + b == b + a == DiskRule(slow_ns=3, error=0.75, torn=0.1, is_full=True)
