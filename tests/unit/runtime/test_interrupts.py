"""Ctrl-C as a request: once heard, twice raised, and left alone where it is somebody else's."""

from __future__ import annotations

import signal
import threading

import pytest

from regionsim.runtime.interrupts import Interrupts


def test_the_first_asks_and_the_second_is_raised():
    stopped = []
    with Interrupts() as interrupts:
        interrupts.hand_to(lambda: stopped.append(1))
        assert not interrupts.is_asked
        signal.raise_signal(signal.SIGINT)
        assert (interrupts.is_asked, stopped) == (True, [1])
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert stopped == [1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_whoever_comes_after_the_interrupt_is_stopped_at_once():
    stopped = []
    with Interrupts() as interrupts:
        signal.raise_signal(signal.SIGINT)
        interrupts.hand_to(lambda: stopped.append(1))
    assert stopped == [1]


def test_another_handler_keeps_its_place():
    heard = []
    before = signal.signal(signal.SIGINT, lambda *_: heard.append(1))
    try:
        with Interrupts() as interrupts:
            signal.raise_signal(signal.SIGINT)
        assert (heard, interrupts.is_asked) == ([1], False)
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_changes_no_handler():
    seen = []

    def enter() -> None:
        with Interrupts():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
