"""All randomness there is: streams by name, from a seed or from the operating system.

Theory of operation. Each who draws has a stream of its own, named by a label (`link us-east-1>eu-west-1`, `disk
eu-west-1`). A seeded stream starts from SHA-256 of (seed, label), so drawing from one never shifts another, and no
stream depends on the order in which the streams were asked for. Every method draws a fixed amount from its stream
whatever its arguments, so that a decision which changes a bound does not shift the draws after it.

Seeded streams predict every key made from them. They exist for simulation only, and refuse to be made in real time.
"""

from __future__ import annotations

import _random
import builtins
import hashlib
import math
import os
import random
from collections import deque
from typing import NoReturn, Protocol

from regionsim.runtime.loop import is_real_time

_PIECE_BYTES = 31
"""Less than a key of 256 bits: those come from the operating system one by one."""

_PIECE_COUNT = 64
_UNIT = 2.0**-53


class Stream(Protocol):
    """One sequence of draws."""

    def random(self) -> float:
        """A number in [0, 1)."""
        ...

    def bytes(self, n: int, /) -> builtins.bytes:
        """`n` bytes, each of the 256 values as likely as any other."""
        ...

    def below(self, n: int, /) -> int:
        """A whole number in [0, n), for n up to 2**64; the bias is under 2**-64."""
        ...

    def uniform(self, a: float, b: float, /) -> float:
        """A number between `a` and `b`."""
        ...

    def exponential(self, mean: float, /) -> float:
        """A waiting time of a memoryless arrival; 0 or more."""
        ...

    def normal(self, mean: float, deviation: float, /) -> float:
        """A normally distributed number; two draws."""
        ...


class Entropy(Protocol):
    """Where streams come from. `is_seeded`: what is drawn repeats."""

    @property
    def is_seeded(self) -> bool: ...

    def stream(self, label: str) -> Stream:
        """The stream named `label`."""
        ...

    def single_use(self, label: str) -> Stream:
        """The stream named `label`, not remembered: for something that happens once, so that its draws move no
        other's."""
        ...


class SeededEntropy:
    """Streams that repeat: the same for the same seed and label in every process and on every supported Python.

    Asking twice for a label gives the same stream. `repr` says nothing of the seed.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._streams: dict[str, Stream] = {}

    @property
    def is_seeded(self) -> bool:
        """True: what is drawn repeats."""
        return True

    def __repr__(self) -> str:
        return f"<SeededEntropy, {len(self._streams)} streams>"

    def stream(self, label: str) -> Stream:
        """The stream named `label`. Refuses (assert) to work in real time."""
        assert not is_real_time(), "seeded entropy in real time: every key would be predictable; use OsEntropy"
        found = self._streams.get(label)
        if found is None:
            found = self._streams[label] = _RandomStream(label, _Twister(_start(self._seed, label)))
        return found

    def single_use(self, label: str) -> Stream:
        """The stream named `label` from its beginning, not remembered. Refuses (assert) to work in real time."""
        assert not is_real_time(), "seeded entropy in real time: every key would be predictable; use OsEntropy"
        return _RandomStream(label, _Twister(_start(self._seed, label)))


class OsEntropy:
    """Streams from the operating system's entropy: unpredictable, and the label does not matter."""

    def __init__(self) -> None:
        self._source = _OperatingSystem()

    @property
    def is_seeded(self) -> bool:
        """False: nothing that is drawn repeats."""
        return False

    def __repr__(self) -> str:
        return "<OsEntropy>"

    def stream(self, label: str) -> Stream:
        """A stream; `label` only names it in its `repr`."""
        return _RandomStream(label, self._source)

    def single_use(self, label: str) -> Stream:
        """The same: nothing is remembered."""
        return self.stream(label)


def seeded_random(seed: int, label: str) -> random.Random:
    """Python's generator started from (seed, label), for what wants one (`VirtualLoop(shuffle=...)`)."""
    return random.Random(_start(seed, label))


def _start(seed: int, label: str) -> int:
    """What the stream starts from."""
    # Injective: a number in decimal holds no colon.
    return int.from_bytes(hashlib.sha256(f"{seed}:{label}".encode()).digest(), "big")


class _Twister(_random.Random):
    """`random.Random` without its distributions: the same draws, and half the cost to make one, for it starts once."""

    __slots__ = ()

    def randbytes(self, n: int, /) -> bytes:
        return self.getrandbits(n * 8).to_bytes(n, "little")


class _OperatingSystem(random.SystemRandom):
    """The operating system's generator; what is short of a key (nonces, ids, numbers) is asked of it many at a
    time.

    Asking costs a system call, several times the cost of deriving a data key. Each piece is taken by one thread, once,
    and a forked child takes none that its parent has.
    """

    def __init__(self) -> None:
        super().__init__()
        self._pieces: deque[bytes] = deque()
        os.register_at_fork(after_in_child=self._pieces.clear)

    def randbytes(self, n: int, /) -> bytes:
        if not 0 <= n <= _PIECE_BYTES:
            return super().randbytes(n)
        try:
            piece = self._pieces.popleft()
        except IndexError:
            many = super().randbytes(_PIECE_BYTES * _PIECE_COUNT)
            fresh = [many[at : at + _PIECE_BYTES] for at in range(0, len(many), _PIECE_BYTES)]
            piece = fresh.pop()
            self._pieces.extend(fresh)
        return piece[:n]

    def random(self) -> float:
        return (int.from_bytes(self.randbytes(7)) >> 3) * _UNIT


class _RandomStream:
    """Distributions on Python's generator, from only its `random`, `getrandbits` and `randbytes`, which are stable."""

    __slots__ = ("_bits", "_label", "bytes", "random")

    def __init__(self, label: str, source: _Twister | random.Random) -> None:
        self._label = label
        self._bits = source.getrandbits
        self.random = source.random
        self.bytes = source.randbytes

    def __repr__(self) -> str:
        return f"<Stream '{self._label}'>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a stream's state predicts keys and is not written anywhere")

    def below(self, n: int, /) -> int:
        assert 0 < n <= 1 << 64, f"a bound lies between 1 and 2**64, not at {n}"
        return (self._bits(128) * n) >> 128

    def uniform(self, a: float, b: float, /) -> float:
        return a + (b - a) * self.random()

    def exponential(self, mean: float, /) -> float:
        return -mean * math.log1p(-self.random())

    def normal(self, mean: float, deviation: float, /) -> float:
        radius = math.sqrt(-2.0 * math.log1p(-self.random()))
        return mean + deviation * radius * math.cos(math.tau * self.random())
