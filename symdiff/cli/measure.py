"""A formula measured: what it costs here, beside NumPy and beside peers that are asked for."""

from __future__ import annotations

import math
import os
import platform
import timeit
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
from rich.console import Group
from rich.table import Table
from rich.text import Text

import symdiff as sd
from symdiff import ir
from symdiff.cli import peers
from symdiff.cli.write import as_text, console, write

AGREEMENT: Final = 1e-9  # of a contender's results, relative to the largest element of each
SLICE: Final = 0.02  # seconds of calls in each round
MEMORY: Final = 1 << 30  # bytes of a batch, at most
BASE: Final = "symdiff"


@dataclass
class Row:
    """One contender.

    Attributes:
        name: as in the tables.
        what: "value", or what the command differentiates.
        threads: how many it used.
        points: how many points a call computed.
        bytes: what a call read and wrote at least.
        reason: why there is no time, if there is none.
        seconds: a call, the median over the rounds.
        verified: its results are those of symdiff's kernel, or the differences that check it.
    """

    name: str
    what: str
    threads: int = 1
    points: int = 1
    bytes: int = 0
    reason: str = ""
    seconds: float | None = None
    verified: bool = False


@dataclass
class Result:
    """Everything that was found.

    Attributes:
        formula: the name of the function.
        at: the point of the single calls.
        stages: seconds of each stage of the compilation.
        passed: symdiff's results are those of the references.
        rows: what was measured, single calls first.
    """

    formula: str
    at: dict[str, Any]
    machine: str
    stages: dict[str, float]
    passed: bool = True
    rows: list[Row] = field(default_factory=list[Row])


def measure(
    formula: sd.Function,
    whole: sd.Function,
    point: Mapping[str, Any] | None,
    *,
    points: int,
    threads: int,
    names: Sequence[str],
    rounds: int,
) -> Result:
    """Verify and time the value of `formula` and the derivatives in `whole`.

    Without a point, one is drawn. Formulas of numbers are also called with `points` points, on one
    thread and on `threads`. `names` are those of the peers.
    """
    report = sd.check(formula, point)
    at = {name: report.at[name] for name in formula.parameters}
    kernel = sd.compile(whole, cache=False)
    name = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    result = Result(formula.name, at, name, dict(kernel.stages), passed=report.passed)
    operands = list(at.values())
    _race(result, formula, whole, operands, 1, threads, names, rounds)
    scalars = all(np.ndim(x) == 0 and isinstance(x, float) for x in operands)
    count = min(points, MEMORY // (8 * (len(operands) + len(whole.outputs))))
    if scalars and operands and count > 1:
        draw = np.random.default_rng(1)
        many = [x * draw.uniform(0.98, 1.02, count) for x in operands]
        _race(result, formula, whole, many, count, threads, names, rounds)
    return result


def _race(
    result: Result,
    formula: sd.Function,
    whole: sd.Function,
    operands: list[Any],
    points: int,
    threads: int,
    names: Sequence[str],
    rounds: int,
) -> None:
    """Add the rows of all contenders at these operands; they take turns, round after round."""
    what = whole.name.removeprefix(f"{formula.name}_").replace("_", " ")
    value_expected = _flat(formula, sd.compile(formula, cache=False)(*operands))
    expected = _flat(whole, sd.compile(whole, cache=False)(*operands))
    contenders: list[tuple[Row, Callable[[], peers.Made], list[Any]]] = []
    for function, label, results in ((formula, "value", value_expected), (whole, what, expected)):
        size = 8 * (sum(map(np.size, operands)) + sum(map(np.size, results)))
        add = partial(Row, what=label, points=points, bytes=size)
        contenders.append((add(BASE), partial(_kernel, function, operands, 1), results))
        if threads > 1 and (points > 1 or any(map(np.ndim, operands))):
            make = partial(_kernel, function, operands, threads)
            contenders.append((add(BASE, threads=threads), make, results))
        contenders.append(
            (add("NumPy source"), partial(_numpy_source, function, operands), results)
        )
        for name in names:
            make = partial(peers.PEERS[name], formula, function is not formula, operands)
            contenders.append((add(name), make, results))
    running: list[tuple[Row, timeit.Timer, int]] = []
    for row, make, results in contenders:
        result.rows.append(row)
        made = _verified(row, make, results, result)
        if made is not None:
            running.append((row, *_timer(*made)))
    times: list[list[float]] = [[] for _ in running]
    for _ in range(rounds):
        for (_, timer, number), found in zip(running, times, strict=True):
            found.append(timer.timeit(number) / number)
    for (row, _, _), found in zip(running, times, strict=True):
        row.seconds = median(found)


def _verified(
    row: Row, make: Callable[[], peers.Made], expected: list[Any], result: Result
) -> peers.Made | None:
    """The contender's call, or None with the reason in its row."""
    try:
        function, given = make()
        found = peers.leaves(function(*given))
    except ModuleNotFoundError as error:
        row.reason = f"{error.name} is not installed"
    except sd.SymdiffError as error:
        row.reason = _first_line(error)
    except Exception as error:  # a peer's own limits; the table says so
        row.reason = f"cannot: {_first_line(error)}"
    else:
        if _agree(found, expected):
            row.verified = True
            return function, given
        row.reason = "another result"
        # The NumPy source is the reference: if the kernel differs, symdiff is wrong somewhere.
        result.passed = result.passed and row.name not in (BASE, "NumPy source")
    return None


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:70]


def _agree(found: Sequence[Any], expected: Sequence[Any]) -> bool:
    """They are the same up to rounding; what is not finite must be so in both."""
    if len(found) != len(expected):
        return False
    for ours, theirs in zip(found, expected, strict=True):
        if np.size(ours) == 1:  # a derivative that is the same everywhere
            ours = np.full(np.shape(theirs), np.ravel(ours)[0])
        if np.size(ours) != np.size(theirs):
            return False
        ours = np.reshape(ours, np.shape(theirs))
        finite = np.abs(theirs[np.isfinite(theirs)])
        scale = float(np.max(finite, initial=0.0))
        if not np.allclose(ours, theirs, rtol=AGREEMENT, atol=AGREEMENT * scale, equal_nan=True):
            return False
    return True


def _flat(function: sd.Function, result: Any) -> list[Any]:
    return [np.asarray(leaf, float) for leaf in ir.flatten(function.ir.result, result)]


def _kernel(function: sd.Function, operands: list[Any], threads: int) -> peers.Made:
    kernel = sd.compile(function, cache=False, threads=threads)
    return kernel, operands


def _numpy_source(function: sd.Function, operands: list[Any]) -> peers.Made:
    """The kernel as NumPy code, which is what a user could have written."""
    kernel = sd.compile(function, cache=False)
    scope: dict[str, Any] = {}
    exec(kernel.numpy_source, scope)
    return scope[kernel.name], operands


def _timer(function: Callable[..., Any], operands: list[Any]) -> tuple[timeit.Timer, int]:
    """A timer, and how often to call in each round; numbers are literals, as in a program."""
    scope: dict[str, Any] = {"f": function}
    words: list[str] = []
    for i, operand in enumerate(operands):
        literal = isinstance(operand, float) and math.isfinite(operand)
        words.append(repr(operand) if literal else f"a{i}")
        scope[f"a{i}"] = operand
    timer = timeit.Timer(f"f({', '.join(words)})", globals=scope)
    number, taken = 1, timer.timeit(1)
    while taken < SLICE / 8:
        number *= 4
        taken = timer.timeit(number)
    return timer, max(1, round(number * SLICE / taken))


# What is shown.


def show(result: Result, as_json: bool, file: Path | None) -> None:
    """Print or write it: as a table, as JSON, as Markdown or as a plot."""
    kind = "" if file is None else file.suffix.lower()
    if kind == ".png":
        assert file is not None
        _plot(result, file)
    elif as_json or kind == ".json":
        facts = asdict(result)
        for row, kept in zip(facts["rows"], result.rows, strict=True):
            row["bytes_per_second"] = kept.seconds and kept.bytes / kept.seconds
        write(as_text(facts), file)
    elif file is not None:
        write(_markdown(result), file)
    else:
        console().print(_for_people(result))


def _headings(points: int) -> tuple[str, ...]:
    if points == 1:
        return ("one point a call", "", "a call", "times symdiff")
    return (f"{points:,} points a call", "", "a call", "a point", "GB/s", "times symdiff")


def _groups(result: Result) -> list[tuple[tuple[str, ...], list[tuple[str, ...]]]]:
    """For each number of points the headings and the rows of a table."""
    found: list[tuple[tuple[str, ...], list[tuple[str, ...]]]] = []
    for points in dict.fromkeys(row.points for row in result.rows):
        rows = [row for row in result.rows if row.points == points]
        found.append((_headings(points), [_cells(row, rows) for row in rows]))
    return found


def _cells(row: Row, rows: Sequence[Row]) -> tuple[str, ...]:
    threads = f", {row.threads} threads" if row.threads > 1 else ""
    first = (f"{row.name}{threads}", row.what)
    if row.seconds is None:
        return (*first, row.reason, *[""] * (len(_headings(row.points)) - 3))
    base = next((r.seconds for r in rows if r.name == BASE and r.what == row.what), None)
    ratio = f"{row.seconds / base:.2f}" if base else ""
    batch: tuple[str, ...] = ()
    if row.points > 1:
        batch = (duration(row.seconds / row.points), f"{row.bytes / row.seconds / 1e9:.2f}")
    return (*first, duration(row.seconds), *batch, ratio)


def duration(seconds: float) -> str:
    """Three digits and a unit."""
    for unit, size in (("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3)):
        if seconds < 999.5 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def _compiled_in(result: Result) -> str:
    parts = ", ".join(f"{name} {duration(seconds)}" for name, seconds in result.stages.items())
    return f"compiled in {duration(sum(result.stages.values()))} ({parts})"


def _verdict(result: Result) -> str:
    return (
        "derivatives agree with differences, the kernel with its NumPy source"
        if result.passed
        else "FAILED: symdiff's results are not those of the references; see `symdiff check`"
    )


def _for_people(result: Result) -> Group:
    parts: list[Any] = [Text(f"{result.formula}: {result.machine}", "bold cyan")]
    parts.append(Text(_compiled_in(result)))
    for headings, rows in _groups(result):
        table = Table(title_justify="left")
        for i, heading in enumerate(headings):
            table.add_column(heading, justify="left" if i < 2 else "right", no_wrap=True)
        for cells in rows:
            table.add_row(*map(Text, cells))
        parts += [Text(), table]
    parts.append(Text(_verdict(result), "green" if result.passed else "bold red"))
    return Group(*parts)


def _markdown(result: Result) -> str:
    lines = [f"# {result.formula}", "", f"{result.machine}. {_compiled_in(result).capitalize()}."]
    for headings, rows in _groups(result):
        lines += ["", f"| {' | '.join(headings)} |"]
        lines.append(f"| {' | '.join(['---'] * 2 + ['---:'] * (len(headings) - 2))} |")
        lines += [f"| {' | '.join(cells)} |" for cells in rows]
    return "\n".join([*lines, "", f"{_verdict(result).capitalize()}."])


def _plot(result: Result, file: Path) -> None:
    """Bars of the time that a point takes.

    Raises:
        ArgumentError: there is no matplotlib.
    """
    try:
        matplotlib: Any = import_module("matplotlib")
    except ModuleNotFoundError:
        raise sd.ArgumentError(
            "a plot needs matplotlib: pip install symdiff[bench], or write .md or .json"
        ) from None
    matplotlib.use("Agg")
    pyplot: Any = import_module("matplotlib.pyplot")
    rows = [row for row in result.rows if row.seconds is not None]
    figure, axes = pyplot.subplots(figsize=(8, 1 + 0.3 * len(rows)), layout="constrained")
    labels = [f"{_cells(row, rows)[0]}, {row.what}, {row.points:,} points" for row in rows]
    heights = [(row.seconds or 0.0) / row.points * 1e9 for row in rows]
    colours = ["#1668b3" if row.name == BASE else "#b9b9b9" for row in rows]
    places = range(len(rows))
    bars = axes.barh(places, heights, color=colours)
    axes.bar_label(bars, [f" {height:.3g}" for height in heights], fontsize="small")
    axes.set_yticks(places, labels, fontsize="small")
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("nanoseconds a point")
    figure.savefig(file, dpi=130)
    pyplot.close(figure)
