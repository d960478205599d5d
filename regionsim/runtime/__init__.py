"""What everything else runs on: the loop, clocks, entropy, mailboxes, the trace and histograms.

Theory of operation. One node's code runs under three clocks and never asks which:

* flat out in virtual time (`loop.run_virtual`): the loop's clock is an integer count of nanoseconds from 0 that jumps
  to the next timer as soon as nothing is left to do now;
* paced (`loop.PacedRun`): the same loop in a thread of its own, let through to each next instant when the wall clock
  says so. It runs the same callbacks in the same order, so its trace is the same;
* in real time (`loop.run_real_time`): an ordinary loop, uvloop where there is one.

A virtual run is repeatable because nothing in it has a choice: callbacks run in the order of (instant, posting), all
randomness comes from streams named by (seed, label), and no other thread can slip a callback in between. Node code
awaits only what is in `tasks` and `mailbox`; tasks belong to a `Scope`, which is fenced before it is cancelled when
its node crashes. A failure that nobody looks at stops the run instead of being logged.

Modules: `loop` (the three ways to run), `virtual_loop`, `stalls`, `paced`, `tasks`, `mailbox`, `clock` (also instants
and durations as text), `entropy`, `trace`, `histogram`, `interrupts`. This package re-exports nothing: import the
module that you mean.
"""
