"""Streams: independent, repeatable in every process, and silent about their seed."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import threading

import pytest

from regionsim.runtime.entropy import Entropy, OsEntropy, SeededEntropy, Stream, seeded_random


def draws(stream: Stream) -> list[object]:
    return [
        stream.random(),
        stream.bytes(8).hex(),
        stream.below(1_000_000),
        stream.uniform(2.0, 3.0),
        round(stream.exponential(5.0), 9),
        round(stream.normal(100.0, 15.0), 9),
    ]


def test_a_label_names_one_stream():
    entropy = SeededEntropy(7)
    assert entropy.stream("disk eu-west-1") is entropy.stream("disk eu-west-1")
    assert entropy.stream("disk eu-west-1") is not entropy.stream("disk us-east-1")
    assert repr(entropy.stream("disk eu-west-1")) == "<Stream 'disk eu-west-1'>"


def test_the_same_seed_and_label_draw_the_same():
    assert draws(SeededEntropy(7).stream("a")) == draws(SeededEntropy(7).stream("a"))
    assert draws(SeededEntropy(7).stream("a")) != draws(SeededEntropy(7).stream("b"))
    assert draws(SeededEntropy(7).stream("a")) != draws(SeededEntropy(8).stream("a"))
    assert draws(SeededEntropy(1).stream("1:a")) != draws(SeededEntropy(11).stream("a"))


def test_drawing_from_one_stream_does_not_shift_another():
    alone = SeededEntropy(7)
    expected = draws(alone.stream("link"))
    beside = SeededEntropy(7)
    beside.stream("workload").bytes(1_000)
    link = beside.stream("link")
    for number in range(10):
        beside.stream("workload").random()
        beside.stream(f"made later {number}").random()
    assert draws(link) == expected


def test_a_bound_does_not_change_how_much_is_drawn():
    after = []
    for bound in (1, 2, 3, 1_000, 2**63 + 1, 2**64):
        stream = SeededEntropy(7).stream("nemesis")
        assert 0 <= stream.below(bound) < bound
        after.append(stream.random())
    assert len(set(after)) == 1


def test_streams_are_the_same_in_a_process_with_another_hash_seed():
    program = (
        "from regionsim.runtime.entropy import SeededEntropy\n"
        "s = SeededEntropy(2026).stream('hsm us-east-1')\n"
        "print(s.random(), s.bytes(8).hex(), s.below(10**6), s.uniform(2.0, 3.0))"
    )
    stream = SeededEntropy(2026).stream("hsm us-east-1")
    here = f"{stream.random()} {stream.bytes(8).hex()} {stream.below(10**6)} {stream.uniform(2.0, 3.0)}"
    for hash_seed in ("0", "4711"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        there = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
        assert there.stdout.decode().strip() == here


def test_python_has_not_changed_the_generator():
    """Fixed values: transcripts are promised to be the same on every supported Python."""
    stream = SeededEntropy(7).stream("golden")
    assert [stream.below(1_000) for _ in range(6)] == [383, 565, 448, 201, 747, 486]
    assert stream.bytes(6).hex() == "d588f6befc2b"
    assert stream.random() == 0.4834192447423079


@pytest.mark.parametrize("entropy", [SeededEntropy(3), OsEntropy()], ids=["seeded", "os"])
def test_distributions_have_their_means_and_bounds(entropy: Entropy):
    stream = entropy.stream("sample")
    count = 4_000
    assert all(0 <= stream.random() < 1 for _ in range(count))
    assert all(2 <= stream.uniform(2, 3) < 3 for _ in range(count))
    below = [stream.below(6) for _ in range(count)]
    assert set(below) == set(range(6))
    waits = [stream.exponential(10.0) for _ in range(count)]
    assert min(waits) >= 0
    assert sum(waits) / count == pytest.approx(10, rel=0.15)
    normals = [stream.normal(50.0, 5.0) for _ in range(count)]
    assert sum(normals) / count == pytest.approx(50, abs=1)
    assert sum((value - 50) ** 2 for value in normals) / count == pytest.approx(25, rel=0.25)
    assert len(stream.bytes(33)) == 33


@pytest.mark.parametrize("bound", [0, -1, 2**64 + 1])
def test_a_bound_out_of_range_is_a_bug(bound):
    with pytest.raises(AssertionError, match="bound"):
        SeededEntropy(1).stream("x").below(bound)


def test_the_os_does_not_repeat_itself():
    entropy = OsEntropy()
    assert entropy.stream("hsm").bytes(32) != entropy.stream("hsm").bytes(32)
    assert repr(entropy) == "<OsEntropy>"


def test_nothing_printed_holds_the_seed():
    entropy = SeededEntropy(918273645)
    stream = entropy.stream("hsm")
    for shown in (repr(entropy), str(entropy), repr(stream), f"{stream}"):
        assert "918273645" not in shown
    assert repr(entropy) == "<SeededEntropy, 1 streams>"


def test_a_stream_is_written_nowhere():
    stream = SeededEntropy(1).stream("hsm")
    for write in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="predicts keys"):
            write(stream)


def test_a_seeded_generator_of_pythons_for_shuffles():
    first, second = (list(range(50)) for _ in range(2))
    seeded_random(7, "ties").shuffle(first)
    seeded_random(7, "ties").shuffle(second)
    assert first == second != list(range(50))


def test_a_stream_draws_what_pythons_own_generator_draws():
    stream, own = SeededEntropy(7).stream("label"), seeded_random(7, "label")
    assert [stream.random(), stream.bytes(0), stream.bytes(37)] == [own.random(), own.randbytes(0), own.randbytes(37)]


def test_the_os_s_short_draws_repeat_in_no_thread_and_in_no_child():
    stream = OsEntropy().stream("nonces")
    drawn: list[bytes] = [stream.bytes(length) for length in (12, 16, 28, 31)]
    assert [len(piece) for piece in drawn] == [12, 16, 28, 31]
    threads = [threading.Thread(target=lambda: drawn.extend(stream.bytes(16) for _ in range(2000))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:  # no pytest in the child
        os.write(writing, b"".join(stream.bytes(16) for _ in range(200)))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    drawn += [said[at : at + 16] for at in range(0, len(said), 16)]
    drawn += [stream.bytes(16) for _ in range(200)]
    assert len(drawn) == 4 + 8000 + 400
    assert len({piece[:12] for piece in drawn}) == len(drawn)
