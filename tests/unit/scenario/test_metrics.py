"""What callers saw, as numbers."""

from __future__ import annotations

import pytest

from regionsim.client.client import Reply, Try
from regionsim.runtime.virtual_loop import run_virtual
from regionsim.scenario.measuring import format_metric
from regionsim.scenario.metrics import CallSeen, Ledger, is_failure, longest_outage_ns, measure
from regionsim.scenario.vocabulary import METRICS, OF_REGIONS, WHOLE_RUN, Unit

MS = 1_000_000
OK, TIMEOUT, DENIED, THROTTLED = None, "ConnectTimeout", "AccessDeniedException", "ThrottlingException"


def seen(sent_ms: int, took_ms: int, error: str | None = OK) -> CallSeen:
    return CallSeen(sent_ms * MS, (sent_ms + took_ms) * MS, error, is_failure(error))


CALLS = [
    seen(0, 10),
    seen(100, 1000, TIMEOUT),
    seen(200, 1000, TIMEOUT),
    seen(1300, 20),
    seen(1400, 30, DENIED),
    seen(1500, 5, THROTTLED),
    seen(1600, 900, "KMSInternalException"),
    seen(1700, 40),
]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("requests", 8), ("failed", 3), ("refused", 2), ("denied", 1), ("throttled", 1), ("availability", 0.625),
        ("longest_outage", 1.220), ("p50_ms", 30), ("p90_ms", 1000), ("max_ms", 1000),
    ],
)  # fmt: skip
def test_over_the_whole_run(name, value):
    assert measure(name, CALLS) == pytest.approx(value)


def test_a_window_holds_what_was_sent_in_it():
    assert measure("requests", CALLS, (100 * MS, 1300 * MS)) == 2
    assert measure("failed", CALLS, (1300 * MS, 1600 * MS)) == 0
    assert measure("availability", CALLS, (200 * MS, 1301 * MS)) == 0.5


def test_without_calls_there_are_counts_but_no_shares_and_no_latencies():
    assert [measure(name, []) for name in ("requests", "failed", "longest_outage")] == [0, 0, 0]
    assert [measure(name, []) for name in ("availability", "p50_ms", "max_ms")] == [None, None, None]


def test_every_metric_of_calls_can_be_measured():
    names = METRICS.keys() - OF_REGIONS - WHOLE_RUN
    assert all(measure(name, CALLS) is not None for name in names)


def test_quantiles_are_exact():
    calls = [seen(0, took) for took in range(1, 1001)]
    assert [measure(name, calls) for name in ("p50_ms", "p99_ms", "p999_ms", "max_ms")] == [500, 990, 999, 1000]


def test_an_outage_without_end_lasts_until_its_last_failure():
    assert longest_outage_ns([seen(0, 1), seen(100, 50, TIMEOUT), seen(400, 50, TIMEOUT)]) == 350 * MS
    assert longest_outage_ns([seen(0, 1), seen(5, 1)]) == 0


def test_a_denial_is_not_throttled_and_a_throttled_call_is_not_denied():
    calls = [seen(0, 1, DENIED), seen(1, 1, THROTTLED), seen(2, 1, THROTTLED), seen(3, 1, "DisabledException")]
    assert [measure(name, calls) for name in ("denied", "throttled", "refused", "failed")] == [1, 2, 4, 0]


def test_a_refusal_ends_an_outage():
    assert longest_outage_ns([seen(0, 50, TIMEOUT), seen(100, 10, DENIED), seen(900, 50, TIMEOUT)]) == 110 * MS


def test_a_quantile_between_two_ranks_is_the_upper_one():
    assert [measure(name, [seen(0, 1), seen(0, 2), seen(0, 3)]) for name in ("p50_ms", "p90_ms", "p99_ms")] == [2, 3, 3]


@pytest.mark.parametrize(
    ("error", "failed"),
    [(OK, False), (TIMEOUT, True), ("ConnectionRefused", True), ("KMSInternalException", True),
     ("DependencyTimeoutException", True), (DENIED, False), (THROTTLED, False), ("DisabledException", False)],
)  # fmt: skip
def test_a_refusal_is_an_answer_and_a_server_fault_is_none(error, failed):
    assert is_failure(error) is failed


def test_a_failover_counts_once_for_the_workload_and_once_for_each_region():
    tries = (
        Try(region="us-east-1", error=TIMEOUT, sent_at_ns=5 * MS, duration_ns=1000 * MS),
        Try(region="eu-west-1", error="", sent_at_ns=1005 * MS, duration_ns=20 * MS),
    )
    reply = Reply(response={}, region="eu-west-1", sent_at_ns=5 * MS, answered_at_ns=1025 * MS, tries=tries)

    async def two_calls():
        ledger = Ledger()
        ledger.note(ledger.sent(), reply, "w")
        ledger.note(ledger.sent(), reply)
        return ledger

    ledger = run_virtual(two_calls())
    assert ledger.by_workload == {"w": [seen(5, 1020)]}
    assert ledger.answered == {"w": {"eu-west-1": 1}}
    assert ledger.by_region["us-east-1"] == [seen(5, 1000, TIMEOUT)] * 2
    assert ledger.by_region["eu-west-1"] == [seen(1005, 20)] * 2


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(None, Unit.COUNT, "nothing"), (1234, Unit.COUNT, "1,234"), (0.99954, Unit.RATIO, "99.954%"),
     (1.5, Unit.SECONDS, "1.500s"), (12.34, Unit.MILLISECONDS, "12.3ms"), (3.456, Unit.USD, "$3.46")],
)  # fmt: skip
def test_numbers_are_shown_in_their_unit(value, unit, text):
    assert format_metric(value, unit) == text
