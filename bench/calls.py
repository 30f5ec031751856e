"""What a call costs: value and gradient at one point, and at a million points.

    python bench/calls.py [--rounds 15] [--json FILE]

Contenders are timed in turn, round after round, so that a busy moment of the machine hits all of
them; every figure is a median. Each result is compared with symdiff's before it is timed. Peers
that are not installed, or cannot do a formula, are listed with the reason.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import timeit
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Final, cast

import numpy as np
import peers
from tables import duration, machine, markdown
from workloads import LECTURE, RADIATION, Formula

import symdiff as sd

FORMULAS: Final = {
    "the lecture's formula, (x + y)*max(y, z)": LECTURE,
    "radiation, 25 operations": RADIATION,
}
POINTS: Final = 1_000_000
SLICE: Final = 0.02  # seconds of calls in each round
BASE: Final = "symdiff: kernel"


@dataclass
class Contender:
    """One way to get value and gradient.

    Attributes:
        name: as in the table.
        statement: what is timed, with `scope` as its globals.
        ready: seconds from the formula to the first result, imports apart; None if unmeasured.
        reason: why there is no figure, if there is none.
        times: seconds per call, one per round.
    """

    name: str
    statement: str
    scope: dict[str, Any]
    ready: float | None = None
    reason: str = ""
    times: list[float] = field(default_factory=list[float])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the seconds here, too")
    parser.add_argument(
        "--seconds-of", help=argparse.SUPPRESS
    )  # for the process without vectorcall
    options = parser.parse_args()
    if options.seconds_of:
        formula = FORMULAS[options.seconds_of]
        only = _prepared(BASE, formula, _kernel, None)
        _time([only], options.rounds)
        print(median(only.times))
        return
    print(f"{machine()}")
    found: dict[str, dict[str, float]] = {}
    for name, formula in FORMULAS.items():
        for title, contenders in (
            (f"one point a call: {name}", _single(name, formula, options.rounds)),
            (f"{POINTS:,} points a call: {name}", _batch(formula, options.rounds)),
        ):
            found[title] = {c.name: median(c.times) for c in contenders if c.times}
            print(f"\n{title}\n\n{_table(contenders)}", flush=True)
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(), "calls": found}, indent=2) + "\n")


def _kernel(formula: Formula) -> Callable[..., Any]:
    return sd.compile(sd.value_and_grad(formula.text), cache=False)


def _function(formula: Formula) -> Callable[..., Any]:
    return sd.value_and_grad(formula.text)


def _numpy_source(formula: Formula) -> Callable[..., Any]:
    """The kernel's NumPy source, as a user would run it."""
    scope: dict[str, Any] = {}
    kernel: Any = _kernel(formula)
    exec(kernel.numpy_source, scope)
    return scope[kernel.name]


def _single(name: str, formula: Formula, rounds: int) -> list[Contender]:
    """All contenders at one point, timed."""
    expected = _flat(_kernel(formula)(*formula.point.values()))
    own = {
        BASE: _kernel,
        "symdiff: Function": _function,
        "symdiff: NumPy source": _numpy_source,
    }
    contenders = [
        Contender("empty loop", "pass", {}),
        Contender("math.sin(1.0)", "f(1.0)", {"f": math.sin}),
        Contender("math.hypot(1.0, 2.0)", "f(1.0, 2.0)", {"f": math.hypot}),
        *(_prepared(n, formula, m, expected) for n, m in (own | peers.SCALAR).items()),
    ]
    _time(contenders, rounds)
    ctypes = Contender("symdiff: kernel, ctypes fallback", "", {})
    ctypes.times = [_without_vectorcall(name, rounds)]
    contenders.insert(5, ctypes)
    return contenders


def _batch(formula: Formula, rounds: int) -> list[Contender]:
    """All contenders at many points around the formula's own, timed."""
    draw = np.random.default_rng(1)
    points = [x * draw.uniform(0.95, 1.05, POINTS) for x in formula.point.values()]
    expected = _flat(_kernel(formula)(*points))
    own = {BASE: _kernel, "symdiff: NumPy source": _numpy_source}
    makers = (own | peers.BATCH).items()
    contenders = [_prepared(n, formula, m, expected, points) for n, m in makers]
    _time(contenders, rounds)
    return contenders


def _prepared(
    name: str,
    formula: Formula,
    make: peers.Maker,
    expected: Sequence[Any] | None,
    points: Sequence[Any] | None = None,
) -> Contender:
    """The contender, its result compared with `expected`; with the reason if that fails."""
    operands = list(formula.point.values()) if points is None else points
    literal = ", ".join(map(repr, operands)) if points is None else "*points"
    contender = Contender(name, f"f({literal})", {"points": operands})
    try:
        make(formula)  # imports, and what a package does once in a process
        start = perf_counter()
        function = make(formula)
        result = function(*operands)
        contender.ready = perf_counter() - start
        if expected is not None:
            for got, want in zip(_flat(result), expected, strict=True):
                np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-10)
        contender.scope["f"] = function
    except ModuleNotFoundError as error:
        contender.reason = f"{error.name} is not installed"
    except AssertionError:
        contender.reason = "another result"
    except Exception as error:  # a peer's own limits; the table says so
        contender.reason = f"cannot: {(str(error) or type(error).__name__).splitlines()[0][:40]}"
    return contender


def _flat(result: Any) -> list[Any]:
    """Value and derivatives in one list, whatever structure a package hands back."""
    if isinstance(result, (tuple, list)):
        parts = cast("Iterable[Any]", result)
        return [leaf for part in parts for leaf in _flat(part)]
    numbers = np.asarray(result, float)
    # A row per result, or value and derivatives at one point.
    return list(numbers) if numbers.ndim == 2 or 1 < numbers.size < 10 else [numbers]


def _time(contenders: Sequence[Contender], rounds: int) -> None:
    """Fill in the times of those that work, in turn."""
    timers: list[tuple[Contender, timeit.Timer, int]] = []
    for contender in contenders:
        if not contender.reason:
            timer = timeit.Timer(contender.statement, globals=contender.scope)
            timer.timeit(1)
            count, taken = 1, timer.timeit(1)
            while taken < SLICE / 4:
                count *= 4
                taken = timer.timeit(count)
            timers.append((contender, timer, max(1, int(count * SLICE / taken))))
    for _ in range(rounds):
        for contender, timer, count in timers:
            contender.times.append(timer.timeit(count) / count)


def _without_vectorcall(name: str, rounds: int) -> float:
    """Seconds per call of the kernel in a process where CPython calls it through ctypes."""
    command = [sys.executable, __file__, "--rounds", str(rounds), "--seconds-of", name]
    environment = os.environ | {"SYMDIFF_NATIVE_CALL": "0"}
    ran = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return float(ran.stdout)


def _table(contenders: Sequence[Contender]) -> str:
    base = next(median(c.times) for c in contenders if c.name == BASE)
    rows: list[tuple[str, str, str, str]] = []
    for contender in contenders:
        if contender.reason:
            rows.append((contender.name, contender.reason, "", ""))
            continue
        seconds = median(contender.times)
        ready = "" if contender.ready is None else duration(contender.ready)
        rows.append((contender.name, duration(seconds), f"{seconds / base:.2f}", ready))
    return markdown(("", "a call", "ratio", "ready after"), rows)


if __name__ == "__main__":
    main()
