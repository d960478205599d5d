"""`python -m tests.bench`: what the simulation and the service cost, each beside what it is compared with.

Not a test: it asserts nothing, for a machine under load has other figures. Rounds take turns, costs are processor time,
and a ratio compares two costs of one round. Prints the median, the smallest and the largest of the rounds.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from statistics import median

from tests.bench import measures

ROUNDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds in turn (default: %(default)s)")
    rounds = parser.parse_args().rounds
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.2f} before; {rounds} rounds")
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        one = measures.one_round()
        for name, value in one.items():
            found.setdefault(name, []).append(value)
    for row in ROWS:
        values = [row.value({name: values[number] for name, values in found.items()}) for number in range(rounds)]
        shown = f"{median(values):>10,.2f} ({min(values):,.2f} to {max(values):,.2f})"
        print(f"{row.name:<4}{row.what:<62}{shown:<38}{row.wanted}")


class Row:
    """One line: what it is, how it follows from a round's measures, and what performance is wanted of it."""

    def __init__(self, name: str, what: str, value: Callable[[dict[str, float]], float], wanted: str) -> None:
        self.name = name
        self.what = what
        self.value = value
        self.wanted = wanted


ROWS = (
    Row("B0", "one encryption, fresh objects, CPU us", lambda us: us["plain"], ""),
    Row("B1", "one encryption, kept template, CPU us", lambda us: us["kept"], ""),
    Row("s1", "an event posted in virtual time, CPU us", lambda us: us["event"], "at most 2"),
    Row("s1", "a sleep in virtual time, CPU us", lambda us: us["sleep"], "at most 15"),
    Row("s1", "calls per CPU second, all invariants", lambda us: 1e6 / us["call"], "floor 5,000, stretch 20,000"),
    Row("s1", "  the same against B0: calls for one call's CPU in B0", lambda us: us["call"] / us["plain"], ""),
    Row("s1", "calls per CPU second, no invariants", lambda us: 1e6 / us["bare call"], "stretch 50,000"),
    Row("a1", "service, 64 callers: B0 over its CPU", lambda us: us["plain"] / us["64 callers"], "0.70, stretch 0.85"),
    Row("a2", "service, one caller: B0 over its CPU", lambda us: us["plain"] / us["1 caller"], "0.40, stretch 0.60"),
    Row("a4", "the HSM's own Encrypt job: B0 over its CPU", lambda us: us["plain"] / us["job"], "1.8"),
    Row("a4", "the HSM's own Encrypt job: B1 over its CPU", lambda us: us["kept"] / us["job"], "1.0"),
    Row("c2", "RSA-2048 signatures a second, 64 callers", lambda us: us["signatures"], ""),
    Row(
        "c2",
        "  over those of openssl speed on all processors",
        lambda us: us["signatures"] / us["openssl signatures"],
        "0.65, stretch 0.85",
    ),
    Row("t1", "a decision, 20 statements, 50,000 grants, CPU us", lambda us: us["decision"], "under 8"),
    Row("t1", "a policy of 20 statements compiled, CPU us", lambda us: us["compile"], "under 100"),
    Row("t1", "  and the first decision by it, CPU us", lambda us: us["first decision"], ""),
    Row("t1", "a denial explained, CPU us", lambda us: us["explanation"], "under 1,000"),
)


if __name__ == "__main__":
    main()
