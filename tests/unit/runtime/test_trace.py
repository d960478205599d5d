"""The trace: one canonical line per event, one digest per run, and no bytes."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from enum import IntEnum, StrEnum

import pytest

from regionsim.runtime.trace import Event, JsonLinesSink, Trace, event_line, read_trace


class State(StrEnum):
    ENABLED = "Enabled"


class Level(IntEnum):
    HIGH = 3


def filled(count: int) -> Trace:
    ticks = iter(range(0, count * 10, 10))
    trace = Trace(lambda: next(ticks))
    for number in range(count):
        trace.emit("us-east-1", "call", number=number, operation="Encrypt")
    return trace


def test_the_digest_is_sha_256_over_a_line_for_each_event():
    trace = Trace(lambda: 1500)
    trace.emit("us-east-1", "call", operation="Encrypt", ok=True, latency_ms=0.5, tries=1, error=None)
    trace.emit("", "heal")
    lines = (
        '{"t_ns":1500,"region":"us-east-1","kind":"call","operation":"Encrypt","ok":true,"latency_ms":0.5,"tries":1,'
        '"error":null}\n{"t_ns":1500,"region":"","kind":"heal"}\n'
    )
    assert trace.digest == hashlib.sha256(lines.encode()).hexdigest()
    assert trace.digest == trace.digest, "reading it changes nothing"
    assert trace.count == 2


@pytest.mark.parametrize(
    "text", ["plain", 'quo"te', "back\\slash", "line\nfeed", "\x00\x1f\x7f", "ünïcode €", "😀", "\ud800"]
)
def test_a_line_is_what_json_makes_of_it(text):
    event = Event(7, text, "kind", {"name": text, "off": False, "least": -(2**70), "small": 1e-9})
    spelled = {"t_ns": 7, "region": text, "kind": "kind", **event.fields}
    assert event_line(event) == json.dumps(spelled, separators=(",", ":"))


def test_looking_at_the_digest_midway_does_not_change_it():
    looked, plain = Trace(lambda: 0), Trace(lambda: 0)
    for number in range(1_000):
        looked.emit("r", "k", n=number)
        plain.emit("r", "k", n=number)
        if number % 37 == 0:
            assert len(looked.digest) == 64
        assert looked.count == number + 1
    assert looked.digest == plain.digest


def test_any_difference_shows_in_the_digest():
    def digest(*events: tuple[str, str, dict[str, object]]) -> str:
        trace = Trace(lambda: 0)
        for region, kind, fields in events:
            trace.emit(region, kind, **fields)
        return trace.digest

    base = digest(("r", "k", {"a": 1}), ("r", "k", {"a": 2}))
    assert base != digest(("r", "k", {"a": 2}), ("r", "k", {"a": 1}))
    assert base != digest(("r", "k", {"a": 1}))
    assert base != digest(("s", "k", {"a": 1}), ("r", "k", {"a": 2}))
    assert digest(("r", "k", {"a": "1"})) != digest(("r", "k", {"a": 1})) != digest(("r", "k", {"a": True}))


@pytest.mark.parametrize("value", [b"secret", bytearray(b"x"), memoryview(b"x"), [1], {"a": 1}, object()])
def test_bytes_and_everything_else_that_is_no_plain_value_are_refused_where_they_are_emitted(value):
    trace = Trace(lambda: 0)
    with pytest.raises(AssertionError, match="'plaintext' is"):
        trace.emit("us-east-1", "call", plaintext=value)
    assert trace.count == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_json_has_not_are_refused(value):
    trace = Trace(lambda: 0)
    with pytest.raises(AssertionError, match="finite"):
        trace.emit("us-east-1", "call", latency=value)
    assert trace.count == 0


@pytest.mark.parametrize("name", ["t_ns", "region", "kind"])
def test_fields_cannot_hide_what_an_event_says_of_itself(name):
    with pytest.raises(AssertionError, match="are no fields"):
        Trace(lambda: 0).emit("us-east-1", "call", **{name: "x"})


def test_members_of_enums_are_their_values():
    trace = Trace(lambda: 0)
    trace.emit("r", "k", state=State.ENABLED, level=Level.HIGH, on=True, nothing=None)
    (event,) = trace.recent(1)
    assert [type(value) for value in event.fields.values()] == [str, int, bool, type(None)]
    assert (
        event_line(event) == '{"t_ns":0,"region":"r","kind":"k","state":"Enabled","level":3,"on":true,"nothing":null}'
    )


def test_the_latest_events_are_kept():
    trace = filled(3_000)
    assert [event.fields["number"] for event in trace.recent(3)] == [2997, 2998, 2999]
    assert trace.recent(1)[0] == Event(29_990, "us-east-1", "call", {"number": 2999, "operation": "Encrypt"})
    assert len(trace.recent(10_000)) == 2_000
    assert trace.recent(0) == []
    assert trace.count == 3_000


def test_sinks_get_every_event_from_then_on():
    trace = Trace(lambda: 5)
    first: list[Event] = []
    second: list[Event] = []
    trace.add_sink(first.append)
    trace.emit("a", "one")
    trace.add_sink(second.append)
    trace.emit("b", "two")
    assert [event.kind for event in first] == ["one", "two"]
    assert [event.kind for event in second] == ["two"]


def test_a_file_gives_back_its_header_and_its_events(tmp_path):
    path = tmp_path / "run.jsonl"
    header = {"scenario": "quickstart", "seed": 7, "versions": {"python": "3.11"}}
    trace = Trace(lambda: 1500)
    with JsonLinesSink(path, header) as sink:
        trace.add_sink(sink)
        trace.emit("us-east-1", "call", operation="Encrypt", who="Zoë", latency_ms=0.25)
        trace.emit("", "heal", fault=None)
    sink.close()
    read_header, events = read_trace(path)
    assert read_header == header
    assert list(events) == trace.recent(2)
    body = path.read_bytes().split(b"\n", 1)[1]
    assert hashlib.sha256(body).hexdigest() == trace.digest, "the digest can be checked with sha256sum"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", ":1: not a line of JSON"),
        ("PK\x03\x04", ":1: not a line of JSON"),
        ("[1]\n", ":1: not a JSON object"),
        ('{}\n{"t_ns":1,"region":"r","kind":"k"}\n{"t_ns":2,', ":3: not a line of JSON"),
        ('{}\n{"t_ns":1,"region":"r"}\n', ":2: an event without 'kind'"),
    ],
)
def test_a_file_that_is_no_trace_says_where(tmp_path, text, where):
    path = tmp_path / "broken.jsonl"
    path.write_text(text)
    with pytest.raises(ValueError, match=where):
        list(read_trace(path)[1])


def test_bytes_that_are_no_text_say_so_too(tmp_path):
    path = tmp_path / "broken.jsonl"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=":1: not a line of JSON"):
        read_trace(path)


PROGRAM = """
from regionsim.runtime import tasks
from regionsim.runtime.entropy import SeededEntropy
from regionsim.runtime.loop import VirtualLoop, run_virtual
from regionsim.runtime.trace import Trace

loop = VirtualLoop()
trace = Trace(lambda: loop.now_ns)
entropy = SeededEntropy(7)

async def work(name):
    stream = entropy.stream(name)
    for turn in range(50):
        await tasks.sleep(stream.below(100))
        trace.emit(name, "turn", turn=turn, word=stream.bytes(2).hex(), wait=stream.exponential(3.0))

async def main():
    scope = tasks.Scope("world")
    for task in [scope.spawn(work(name), name=name) for name in sorted({"a", "b", "c", "d"})]:
        await task

run_virtual(main(), loop=loop)
print(trace.digest, loop.event_count)
"""


def test_three_processes_with_other_hash_seeds_give_one_digest():
    found = set()
    for hash_seed in ("1", "22", "333"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        ran = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, check=True)
        found.add(ran.stdout)
    assert len(found) == 1
    assert len(found.pop().split()[0]) == 64


def test_a_line_sink_gets_every_line_once_the_digest_was_asked_for() -> None:
    got: list[bytes] = []
    trace = Trace(lambda: 7)
    trace.add_line_sink(got.append)
    for number in range(3):
        trace.emit("us-east-1", "event", number=number)

    digest = trace.digest

    assert hashlib.sha256(b"".join(got)).hexdigest() == digest
    assert b"".join(got).count(b"\n") == 3


def test_a_trace_of_real_time_counts_and_tells_but_has_no_digest():
    seen: list[Event] = []
    trace = Trace(lambda: 5, has_digest=False)
    trace.add_sink(seen.append)
    trace.emit("us-east-1", "call", op="Encrypt")
    assert trace.count == 1
    assert trace.recent(1) == seen == [Event(5, "us-east-1", "call", {"op": "Encrypt"})]
    with pytest.raises(AssertionError, match="no digest"):
        assert trace.digest
