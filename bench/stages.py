"""Where the time goes from a formula to its gradient: each stage on its own.

    python -m bench.stages [--rounds 5] [--only TEXT] [--million] [--json FILE]

Every figure is the median over fresh processes. "First" is the first compilation of a process,
which loads and initialises LLVM; "again" the median of five more of the same formula; "from disk"
the first in a process that finds the machine code in the disk cache. "Memory" is what the process
grew by at most, in megabytes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import timeit
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Final

from bench import workloads
from bench.tables import duration, machine, markdown

# The keys of `kernel.stages` in order, as the table calls them; the rest is measured here.
STAGES: Final = {
    "parse": "parse",
    "autodiff": "autodiff",
    "passes": "passes",
    "lowering": "lowering",  # expansion and multiply-adds, still in our IR
    "lower": "LLVM text",
    "llvm": "LLVM",
    "cache": "cache",  # the entry found and read
    "load": "load",
    "other": "other",
    "total": "total",
    "first_call": "first call",
    "steady_call": "steady call",
}
AGAIN_BELOW: Final = 10_000  # characters of source: beyond, one compilation says enough
ROUNDS_OF_LONG: Final = 3

IMPORTS: Final = {
    "numpy": ("", "numpy"),
    "symdiff": ("", "symdiff"),
    "symdiff, NumPy loaded before": ("numpy", "symdiff"),
    "sympy": ("", "sympy"),
    "symdiff, SymPy loaded before": ("sympy", "symdiff"),
    "llvmlite.binding, symdiff loaded before": ("symdiff", "llvmlite.binding"),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="fresh processes per figure")
    parser.add_argument("--only", default="", help="workloads whose name contains this")
    parser.add_argument("--million", action="store_true", help="a million operations, too; once")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the seconds here, too")
    # What the fresh processes do.
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--kept", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        every = workloads.WORKLOADS | workloads.MILLION
        print(json.dumps(_measured(every[options.measure](), options.kept)))
        return
    imports = _import_times(options.rounds)
    print(f"{machine()}\n\n{_import_table(imports)}\n", flush=True)
    measured: dict[str, dict[str, float]] = {}
    for name, source in workloads.WORKLOADS.items():
        if options.only in name:
            long = len(source()) >= AGAIN_BELOW
            rounds = min(options.rounds, ROUNDS_OF_LONG) if long else options.rounds
            measured |= _in_fresh_processes(name, rounds)
    if options.million:
        for name in workloads.MILLION:
            measured |= _in_fresh_processes(name, rounds=1)
    print(_stage_table(measured))
    if options.json:
        result = {"machine": machine(), "import": imports, "stages": measured}
        options.json.write_text(json.dumps(result, indent=2) + "\n")


def _import_times(rounds: int) -> dict[str, float]:
    """Seconds that each import takes in a process that has nothing else loaded."""
    start = [_timed(lambda: _python("-c", "pass")) for _ in range(rounds)]
    found = {"Python alone, start to end": median(start)}
    for name, (before, module) in IMPORTS.items():
        code = (
            f"{'import ' + before if before else 'pass'}\n"
            "from time import perf_counter\n"
            f"start = perf_counter()\nimport {module}\nprint(perf_counter() - start)"
        )
        found[name] = median(float(_python("-c", code)) for _ in range(rounds))
    return found


def _in_fresh_processes(name: str, rounds: int) -> dict[str, dict[str, float]]:
    """Medians of what `_measured` finds, one row for "first" and, if it is there, for "again"."""
    command = (__file__, "--measure", name)
    runs = [json.loads(_python(*command)) for _ in range(rounds)]
    with tempfile.TemporaryDirectory() as folder:
        kept = [json.loads(_python(*command, "--kept", cache=folder)) for _ in range(rounds + 1)]
    for run, warm in zip(runs, kept[1:], strict=True):  # the first one fills the cache
        run["from disk"] = warm["first"]
    return {
        f"{name}, {kind}": {stage: median(run[kind][stage] for run in runs) for stage in figures}
        for kind, figures in runs[0].items()
    }


def _python(*arguments: str, cache: str = "") -> str:
    """What a fresh process prints; `cache` is the folder of its disk cache, none if empty."""
    command = [sys.executable, *arguments]
    # As users run it: with compiled bytecode kept, whatever this shell says.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"SYMDIFF_CACHE": str(int(bool(cache))), "SYMDIFF_CACHE_DIR": cache}
    ran = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return ran.stdout


def _measured(text: str, kept: bool) -> dict[str, dict[str, float]]:
    """Seconds of each stage in this process, for the first compilation and for later ones."""
    sd: Any = import_module("symdiff")
    found = {"first": _compiled(sd, text, kept)}
    if len(text) < AGAIN_BELOW and not kept:
        again = [_compiled(sd, text, kept) for _ in range(5)]
        found["again"] = {stage: median(run[stage] for run in again) for stage in found["first"]}
    return found


def _compiled(sd: Any, text: str, kept: bool) -> dict[str, float]:
    memory = _peak_memory()
    start = perf_counter()
    kernel = sd.compile(sd.value_and_grad(text), cache=kept)
    total = perf_counter() - start
    found: dict[str, float] = {
        stage: kernel.stages.get(stage, 0.0)
        for stage in list(STAGES)[: list(STAGES).index("other")]
    }
    point = _point(kernel.parameters)
    found["other"] = total - sum(found.values())
    found["total"] = total
    found["memory"] = _peak_memory() - memory
    found["first_call"] = _timed(lambda: kernel(*point))
    found["steady_call"] = _steady(kernel, point)
    return found


def _peak_memory() -> float:
    """Megabytes that this process has had at most; 0 where nothing tells."""
    try:
        resource: Any = import_module("resource")
    except ImportError:  # Windows
        return 0.0
    units = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * units / 1e6


def _point(parameters: Sequence[str]) -> list[float]:
    for formula in (workloads.LECTURE, workloads.RADIATION):
        if set(formula.point) == set(parameters):
            return [formula.point[name] for name in parameters]
    return [0.5] * len(parameters)


def _steady(kernel: Any, point: Sequence[float]) -> float:
    """Seconds per call; the arguments are literals, as in a program, where they are few."""
    few = len(point) <= workloads.INPUTS
    call = f"f({', '.join(map(repr, point))})" if few else "f(*point)"
    timer = timeit.Timer(call, globals={"f": kernel, "point": tuple(point)})
    count, taken = timer.autorange()
    count = max(1, int(count * 0.05 / taken))
    return median(timer.repeat(7, count)) / count


def _timed(action: Callable[[], object]) -> float:
    start = perf_counter()
    action()
    return perf_counter() - start


def _import_table(imports: dict[str, float]) -> str:
    rows = [(name, duration(seconds)) for name, seconds in imports.items()]
    return markdown(("import", "time"), rows)


def _stage_table(measured: dict[str, dict[str, float]]) -> str:
    rows = [
        (name, *(duration(figures[stage]) for stage in STAGES), f"{figures['memory']:.0f} MB")
        for name, figures in measured.items()
    ]
    return markdown(("value and gradient of", *STAGES.values(), "memory"), rows)


if __name__ == "__main__":
    main()
