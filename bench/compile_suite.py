"""Time to the first gradient: from the formula to the first result, each in a fresh process.

Times are those of the processor, imports are measured apart. The processes run this module, as
`python -m bench.compile_suite PEER SOURCE REFERENCE`, and answer with a line of JSON.
"""

from __future__ import annotations

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
from time import process_time
from typing import Any, Final

import numpy as np

from bench.core import AGREEMENT, difference, leaves
from bench.peers.programs import MAKERS, PEERS
from bench.run import ONE_THREAD, ROOT
from bench.tables import duration, markdown
from bench.workloads import FORMULAS, INPUTS, random_graph

PATIENCE: Final = 90.0  # seconds, of one process
LARGE_PATIENCE: Final = 600.0  # the same for what --large adds

# The first two graphs are equally deep, lest the second make noise of rounding errors. That of
# 1,000,000 is for symdiff alone, in practice.
SOURCES: Final[dict[str, tuple[str, Callable[[], str]]]] = {
    "radiation": ("radiation of the sky, 25 operations", lambda: FORMULAS["radiation"].text),
    "solar": ("sunlight on a plane, 24 operations", lambda: FORMULAS["solar"].text.strip()),
    "graph_10k": ("random graph, 10,000 operations", lambda: random_graph(10_000)),
    "graph_100k": ("random graph, 100,000 operations", lambda: random_graph(100_000, 3_000)),
    "graph_1m": ("random graph, 1,000,000 operations", lambda: random_graph(1_000_000)),
}
LARGE: Final = frozenset({"graph_1m"})

IMPORTS: Final = (
    "numpy", "symdiff", "sympy", "symengine", "casadi", "heyoka", "numba", "jax", "autograd.numpy",
    "torch",
)  # fmt: skip


def compare(
    rounds: int, only: str, large: bool, peers: Sequence[str], tell: Callable[[str], None]
) -> dict[str, Any]:
    """Facts by source, by contender; medians over fresh processes, contenders in turn."""
    found: dict[str, Any] = {}
    lost: dict[str, str] = {}  # who had no result at a shorter program, and the reason
    for source in SOURCES:
        if only not in source or (source in LARGE and not large):
            continue
        chosen = [p for p in PEERS if not peers or p.startswith(("symdiff", *peers))]
        facts = _contenders(source, rounds, [p for p in chosen if p not in lost], tell)
        found[source] = {p: facts.get(p, {"reason": lost.get(p, "")}) for p in chosen}
        for peer, figures in facts.items():
            if "reason" in figures and source not in FORMULAS:
                lost[peer] = f"none at {SOURCES[source][0].rpartition(', ')[2]}"
    return found


def _contenders(
    source: str, rounds: int, chosen: Sequence[str], tell: Callable[[str], None]
) -> dict[str, Any]:
    runs: dict[str, list[dict[str, Any]]] = {peer: [] for peer in chosen}
    small = source in FORMULAS
    patience = LARGE_PATIENCE if source in LARGE else PATIENCE
    with tempfile.TemporaryDirectory() as folder:
        reference = Path(folder) / "expected.npz"
        _answer("symdiff, from the cache", source, reference, Path(folder), patience)
        for _ in range(rounds if small else max(1, rounds // 5)):
            for peer in chosen:
                if runs[peer] and "reason" in runs[peer][-1]:
                    continue  # once is enough
                tell(f"compile/{source}: {peer}")
                runs[peer].append(_answer(peer, source, reference, Path(folder), patience))
    return {peer: _medians(answers) for peer, answers in runs.items()}


def _answer(
    peer: str, source: str, reference: Path, cache: Path, patience: float
) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.compile_suite", peer, source, str(reference)]
    # As users run it: with compiled bytecode kept, whatever this shell says.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment |= ONE_THREAD | {"SYMDIFF_CACHE_DIR": str(cache / "cache")}
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    try:
        ran = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=patience, cwd=cache
        )
    except subprocess.TimeoutExpired:
        return {"reason": f"no result after {patience:.0f} s"}
    if ran.returncode != 0 or not ran.stdout:
        last = (ran.stderr.strip() or f"exit {ran.returncode}").splitlines()[-1]
        return {"reason": f"died: {last[:60]}"}
    return json.loads(ran.stdout.splitlines()[-1])


def _medians(answers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    failed = [a["reason"] for a in answers if "reason" in a]
    if failed:
        return {"reason": failed[0]}
    return {key: median(a[key] for a in answers) for key in answers[0]}


def imports(rounds: int) -> dict[str, float]:
    """Seconds that each import takes in a process that has nothing else loaded."""
    found: dict[str, float] = {}
    for name in IMPORTS:
        code = f"from time import perf_counter as t; start = t(); import {name}; print(t() - start)"
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        command = [sys.executable, "-c", code]
        runs = [
            subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)
            for _ in range(rounds)
        ]
        if all(run.returncode == 0 for run in runs):
            found[name.split(".")[0]] = median(float(run.stdout) for run in runs)
    return found


def tables(found: dict[str, Any], imported: dict[str, float]) -> str:
    """What was found, as Markdown."""
    parts: list[str] = []
    for source, contenders in found.items():
        header = (SOURCES[source][0], "first gradient", "then a call", "peak memory", "differs by")
        rows = [_row(peer, facts) for peer, facts in contenders.items()]
        parts.append(markdown(header, rows))
    rows = [(name, duration(seconds)) for name, seconds in imported.items()]
    return "\n\n".join([*parts, markdown(("import", "time"), rows)])


def _row(peer: str, facts: dict[str, Any]) -> tuple[str, ...]:
    if "reason" in facts:
        return (peer, facts["reason"], "", "", "")
    return (
        peer,
        duration(facts["ready"]),
        duration(facts["seconds"]),
        f"{facts['memory'] / 1e6:.0f} MB",
        f"{facts['difference']:.0e}",
    )


# What runs in the processes.


def main() -> None:
    """Measure one contender, once."""
    peer, source, reference = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    sys.setrecursionlimit(100_000)  # peers that are recursive
    text = SOURCES[source][1]()
    point = FORMULAS[source].point if source in FORMULAS else {}
    point = point or {f"x{i}": 0.3 + 0.02 * i for i in range(INPUTS)}
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        facts = _measured(peer, text, point, reference)
    except ModuleNotFoundError as error:
        facts = {"reason": f"{error.name} is not installed"}
    except Exception as error:  # a contender's own limits; the table says so
        words = (str(error) or type(error).__name__).strip().splitlines()[0]
        facts = {"reason": f"cannot: {words[:60]}"}
    print(json.dumps(facts), file=answers, flush=True)


def _measured(peer: str, text: str, point: dict[str, float], reference: Path) -> dict[str, Any]:
    if peer == "numba: sympy's code":
        import_module("sympy")
    package = import_module(PEERS[peer])
    numbers = list(point.values())
    start = _processor_time()
    function = MAKERS[peer](package, text, list(point))
    result = function(*numbers)
    ready = _processor_time() - start
    found = leaves(result)
    flat = np.concatenate([np.ravel(part) for part in found])
    if not reference.exists():
        np.savez(reference, flat)
    with np.load(reference) as kept:
        error = difference([flat], [kept["arr_0"]])
    if not error < AGREEMENT:
        return {"reason": f"another result: {error:.1e}"}
    timer = timeit.Timer(lambda: function(*numbers), timer=process_time)
    count, taken = timer.autorange()
    best = min(taken / count, *(timer.timeit(count) / count for _ in range(2)))
    return {"ready": ready, "seconds": best, "memory": _peak(), "difference": error}


def _processor_time() -> float:
    """Seconds of the processor in this process and in compilers that it has called."""
    children = os.times()
    return process_time() + children.children_user + children.children_system


def _peak() -> int:
    """Bytes of memory that this process has had at most."""
    try:
        usage = import_module("resource")
    except ModuleNotFoundError:  # Windows
        return 0
    return usage.getrusage(usage.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main()
