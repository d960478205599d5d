"""Transcripts: fixed columns, names for ids, an order that does not depend on luck."""

from __future__ import annotations

import pytest

from regionsim.runtime.trace import Event
from regionsim.scenario.transcript import Line, Transcript, clock

MRK = "mrk-1234567890abcdef1234567890abcdef"
OTHER = "1234abcd-12ab-34cd-56ef-1234567890ab"
DAY = 86_400_000_000_000


@pytest.mark.parametrize(
    ("at_ns", "text"),
    [(0, "0d 00:00:00.000"), (1_999_999, "0d 00:00:00.001"), (605_000_000_000, "0d 00:10:05.000"),
     (366 * DAY + 3_600_000_000_000, "366d 01:00:00.000")],
)  # fmt: skip
def test_instants_have_a_fixed_width(at_ns, text):
    assert clock(at_ns) == text


def test_columns_are_fixed():
    line = Line(30_145_000_000, "us-east-1", "Encrypt", "alice KeyId=$orders: ok")
    assert str(line) == "0d 00:00:30.145  us-east-1       Encrypt             alice KeyId=$orders: ok"
    assert str(Line(0, "", "say", "hello")) == "0d 00:00:00.000  -               say                 hello"


def test_keys_are_called_by_their_saved_names():
    transcript = Transcript(("us-east-1",))
    transcript.name(MRK, "orders")
    transcript.name(b"bytes", "blob")
    assert transcript.named(MRK) == "$orders"
    assert [transcript.named(OTHER), transcript.named("x"), transcript.named(OTHER)] == ["key-1", "key-2", "key-1"]


def test_lines_of_one_instant_stand_in_the_worlds_order_of_regions():
    transcript = Transcript(("us-east-1", "eu-west-1"))
    for region, subject in [("eu-west-1", "a"), ("us-east-1", "b"), ("eu-west-1", "c"), ("", "d"), ("eu-west-1", "e"), ("us-east-1", "f")]:  # fmt: skip
        transcript.add(5, region, "x", subject)
    transcript.add(6, "us-east-1", "x", "g")
    assert "".join(line.subject for line in transcript.lines) == "bacdfeg"


def test_lines_are_heard_as_they_happen():
    heard: list[Line] = []
    transcript = Transcript(("us-east-1",), heard.append)
    transcript.add(1, "us-east-1", "x", "y")
    assert heard == [Line(1, "us-east-1", "x", "y")]


def test_trace_events_that_people_want_to_read_become_lines():
    transcript = Transcript(("us-east-1", "eu-west-1"))
    transcript.name(MRK, "orders")
    for event in [
        Event(0, "us-east-1", "region_booted", {"keys": 0, "boot": 1}),
        Event(1, "eu-west-1", "rotation_installed", {"key": MRK}),
        Event(2, "us-east-1", "hsm_job", {"hsm": 1}),
        Event(3, "", "fault_begins", {"fault": "region_crash", "name": "storm", "what": "region_crash us-east-1"}),
        Event(4, "us-east-1", "region_crashed", {}),
        Event(5, "", "fault_ends", {"fault": "region_crash", "name": "region_crash", "what": "region_crash us-east-1"}),
        Event(6, "us-east-1", "region_booted", {"keys": 3, "boot": 2}),
    ]:
        transcript.watch(event)
    assert [(line.region, line.event, line.subject) for line in transcript.lines] == [
        ("eu-west-1", "rotation_installed", "$orders"),
        ("", "fault_begins", "region_crash us-east-1 (storm)"),
        ("us-east-1", "region_crashed", "the hosts lost their memory"),
        ("", "fault_ends", "region_crash us-east-1"),
        ("us-east-1", "region_booted", "the hosts are up, 3 keys"),
    ]


def test_a_workload_is_told_when_its_answers_change():
    transcript = Transcript(("us-east-1", "eu-west-1"))
    for at_ns, region, result in [(1, "us-east-1", "ok"), (2, "us-east-1", "ok"), (3, "eu-west-1", "ok"), (4, "eu-west-1", "ConnectTimeout")]:  # fmt: skip
        transcript.workload(at_ns, "w", region, result)
    assert [(line.at_ns, line.subject) for line in transcript.lines] == [
        (1, "w: ok"),
        (3, "w: ok"),
        (4, "w: ConnectTimeout"),
    ]


def test_the_column_of_operations_is_as_wide_as_the_longest_that_steps_call():
    longest = "GenerateDataKeyPairWithoutPlaintext"
    transcript = Transcript(("us-east-1",), operations=("Encrypt", longest))
    transcript.add(0, "us-east-1", longest, "alice: ok")
    transcript.add(1, "us-east-1", "Encrypt", "alice: ok")
    first, second = map(str, transcript.lines)
    assert first.index("alice") == second.index("alice")
    narrow = Transcript(("us-east-1",), operations=("Encrypt",))
    narrow.add(1, "us-east-1", "Encrypt", "alice: ok")
    assert str(narrow.lines[0]) == str(Line(1, "us-east-1", "Encrypt", "alice: ok"))
