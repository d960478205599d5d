"""Real-time mode: the fastest loop there is, marked so that seeded entropy keeps out."""

from __future__ import annotations

import asyncio
import sys

import pytest

from regionsim.runtime import tasks
from regionsim.runtime.entropy import OsEntropy, SeededEntropy
from regionsim.runtime.loop import is_real_time, run_real_time, run_virtual


async def loop_module() -> str:
    await tasks.sleep(1_000)
    return type(asyncio.get_running_loop()).__module__


def test_uvloop_runs_it_where_it_is_installed():
    pytest.importorskip("uvloop")
    assert run_real_time(loop_module()) == "uvloop"


def test_asyncios_own_loop_runs_it_elsewhere(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert run_real_time(loop_module()).startswith("asyncio.")


def test_exceptions_come_out():
    async def main():
        raise KeyError("out")

    with pytest.raises(KeyError, match="out"):
        run_real_time(main())


def test_only_a_real_time_loop_is_marked():
    async def main():
        return is_real_time()

    assert run_real_time(main()) is True
    assert run_virtual(main()) is False
    assert is_real_time() is False


def test_seeded_entropy_refuses_to_work_in_real_time():
    made_before = SeededEntropy(7)
    made_before.stream("hsm us-east-1")

    async def main():
        for entropy in (made_before, SeededEntropy(7)):
            with pytest.raises(AssertionError, match="predictable"):
                entropy.stream("hsm us-east-1")
        return len(OsEntropy().stream("hsm us-east-1").bytes(32))

    assert run_real_time(main()) == 32


def test_seeded_entropy_works_in_virtual_time():
    async def main():
        return SeededEntropy(7).stream("hsm us-east-1").below(2**64)

    assert run_virtual(main()) == run_virtual(main())
