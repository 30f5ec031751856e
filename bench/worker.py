"""One contender in a process of its own: `python -m bench.worker`, started by `bench.run`.

It makes the contender ready, compares the result with the expected one, and then measures one round
each time that it is told to. Answers are lines of JSON on standard output.
"""

from __future__ import annotations

import json
import os
import sys
import timeit
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, Final, TextIO

import numpy as np

from bench.core import AGREEMENT, Ready, difference, leaves
from bench.registry import WORKLOADS, ways

SLICE: Final = 0.03  # seconds of calls in each round


def main() -> None:
    """Measure the contender that the arguments name."""
    workload, label, threads, reference = sys.argv[1:]
    answers = _private_output()
    if threads == "1" and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    try:
        run = _prepared(workload, label, int(threads), Path(reference), answers)
    except ModuleNotFoundError as error:
        _say(answers, reason=f"{error.name} is not installed")
        return
    except Exception as error:  # a contender's own limits; the table says so
        text = (str(error) or type(error).__name__).strip().splitlines()[0]
        _say(answers, reason=f"cannot: {text[:60]}")
        return
    for _ in sys.stdin:
        _say(answers, seconds=run())


def _private_output() -> TextIO:
    """Standard output for answers alone: what packages print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def _say(answers: TextIO, **facts: Any) -> None:
    print(json.dumps(facts), file=answers, flush=True)


def _prepared(
    workload: str, label: str, threads: int, reference: Path, answers: TextIO
) -> Callable[[], float]:
    """One round of the contender, whose result is the expected one."""
    way = ways(workload)[label]
    for package in way.packages:
        import_module(package)
    inputs = WORKLOADS[workload].inputs()
    start = perf_counter()
    ready = way.make(inputs, threads)
    result = ready.function(*ready.operands)
    seconds = perf_counter() - start
    found = leaves(ready.results(result) if ready.results else result)
    del result
    error = _compared(found, reference)
    if not error < AGREEMENT:
        _say(answers, reason=f"another result: {error:.1e}")
        raise SystemExit
    run = _round_of(ready, threads)
    _say(answers, ready=seconds, difference=error)
    return run


def _compared(found: list[Any], reference: Path) -> float:
    """How far the results are from the reference; the first contender's become it."""
    if not reference.exists():
        np.savez(reference, *found)
        return 0.0
    with np.load(reference) as kept:
        expected = [kept[name] for name in kept.files]
    return difference(found, expected)


def _round_of(ready: Ready, threads: int) -> Callable[[], float]:
    """Seconds per call, over as many calls as fill a slice.

    With one thread they are seconds of processor time, which other processes on the machine do not
    add to; with several, of the clock on the wall.
    """
    scope: dict[str, Any] = {"f": ready.function, "kept": ready}
    words: list[str] = []
    for i, operand in enumerate(ready.operands):
        if isinstance(operand, float):
            words.append(repr(operand))  # a literal, as in a program
        else:
            scope[f"a{i}"] = operand
            words.append(f"a{i}")
    clock = process_time if threads == 1 else perf_counter
    timer = timeit.Timer(f"f({', '.join(words)})", timer=clock, globals=scope)
    timer.timeit(1)
    count, taken = 1, timer.timeit(1)
    while taken < SLICE / 4:
        count *= 4
        taken = timer.timeit(count)
    count = max(1, round(count * SLICE / taken))

    def run() -> float:
        timer.timeit(max(1, count // 10))  # others have had the caches
        return timer.timeit(count) / count

    return run


if __name__ == "__main__":
    main()
