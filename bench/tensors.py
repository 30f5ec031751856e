"""Whole models: value and gradient beside JAX, on one thread.

    python bench/tensors.py [--rounds 15] [--only TEXT] [--json FILE]

Every model of `models` runs in a process of its own, on one core, and takes turns with JAX, which
is given its operands as its own arrays. Results are compared before anything is timed; figures are
medians.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Final, cast

import numpy as np
from models import MODELS, Model
from tables import duration, machine, markdown

import symdiff as sd

AGREEMENT: Final = 1e-10  # of value and gradient, relative to the largest element of each
SLICE: Final = 0.03  # seconds of calls in each round
OWN: Final = "symdiff"

# Read by OpenBLAS, OpenMP and XLA when they are loaded.
ONE_THREAD: Final = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--only", default="", help="models whose name contains this")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the seconds here, too")
    parser.add_argument("--measure", help=argparse.SUPPRESS)  # what the processes do
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(_measured(options.measure, options.rounds)))
        return
    found = {name: _in_process(name, options.rounds) for name in MODELS if options.only in name}
    print(f"{machine()}\n\n{_table(found)}", flush=True)
    if options.json:
        result = {"machine": machine(), "tensors": found}
        options.json.write_text(json.dumps(result, indent=2) + "\n")


def _in_process(name: str, rounds: int) -> dict[str, Any]:
    """What `_measured` finds in a fresh process with one thread."""
    command = [sys.executable, __file__, "--measure", name, "--rounds", str(rounds)]
    ran = subprocess.run(command, capture_output=True, text=True, env=os.environ | ONE_THREAD)
    if ran.returncode != 0:
        return {"reason": (ran.stderr.strip() or "no output").splitlines()[-1][:100]}
    return json.loads(ran.stdout)


def _measured(name: str, rounds: int) -> dict[str, Any]:
    """Seconds per call and to the first result, by contender, and what else the table shows."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    model = MODELS[name]
    inputs = model.inputs()
    sd.compile("x")(1.0)  # loads LLVM
    start = perf_counter()
    derivative = sd.value_and_grad(model.source, wrt=list(model.wrt), args=types_of(inputs))
    kernel = sd.compile(derivative, cache=False)
    operands = list(inputs.values())
    expected = kernel(*operands)
    ready = {OWN: perf_counter() - start}
    contenders: dict[str, Callable[[], Any]] = {OWN: lambda: kernel(*operands)}
    found: dict[str, Any] = {"workspace": derivative.cost().workspace_bytes}
    try:
        peers: Any = import_module("models_jax")
    except ModuleNotFoundError as error:
        found["reason"] = f"{error.name} is not installed"
    else:
        contenders |= _jax(peers, name, model, inputs, ready)
        others = [call() for label, call in contenders.items() if label != OWN]
        found["difference"] = max(difference(expected, other) for other in others)
        if not found["difference"] < AGREEMENT:
            found["reason"] = f"another result: {found['difference']:.1e}"
    return found | {"ready": ready, "call": _times(contenders, rounds)}


def types_of(inputs: Mapping[str, Any]) -> dict[str, str]:
    """The types of arguments as `args=` takes them."""
    return {
        name: f"{array.dtype}[{','.join(map(str, array.shape))}]" for name, array in inputs.items()
    }


def _jax(
    peers: Any, name: str, model: Model, inputs: Mapping[str, Any], ready: dict[str, float]
) -> dict[str, Callable[[], Any]]:
    """A call for every way in which JAX does the model; enters when each was ready."""
    jax = peers.jax
    jax.block_until_ready(jax.jit(jax.numpy.sin)(1.0))  # loads XLA
    operands = [jax.numpy.asarray(array) for array in inputs.values()]
    contenders: dict[str, Callable[[], Any]] = {}
    for way, function in peers.PEERS[name].items():
        start = perf_counter()
        both = peers.value_and_grad(function, list(inputs), model.wrt)
        jax.block_until_ready(both(*operands))
        ready[f"JAX, {way}"] = perf_counter() - start
        contenders[f"JAX, {way}"] = lambda f=both: jax.block_until_ready(f(*operands))
    return contenders


def difference(ours: Any, theirs: Any) -> float:
    """The largest difference, relative to the largest element of each value or gradient block."""
    pairs = zip(blocks(ours), blocks(theirs), strict=True)
    return max(float(np.max(np.abs(a - b)) / np.max(np.abs(b))) for a, b in pairs)


def blocks(result: Any) -> list[Any]:
    """The value and the gradient with respect to each parameter, as arrays."""
    value, gradient = result
    parts = cast("Sequence[Any]", gradient if isinstance(gradient, tuple) else [gradient])
    return [np.asarray(part) for part in (value, *parts)]


def _times(contenders: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Median seconds per call; contenders take turns, round after round."""
    counts: dict[str, int] = {}
    for name, call in contenders.items():
        call()
        counts[name] = max(1, int(SLICE / _seconds(call, 1)))
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, call in contenders.items():
            taken[name].append(_seconds(call, counts[name]))
    return {name: median(times) for name, times in taken.items()}


def _seconds(call: Callable[[], Any], count: int) -> float:
    """Seconds per call, over `count` calls."""
    start = perf_counter()
    for _ in range(count):
        call()
    return (perf_counter() - start) / count


def _table(found: Mapping[str, Mapping[str, Any]]) -> str:
    header = ("model", "symdiff", "JAX", "ratio", "way", "ready", "JAX ready", "differ", "scratch")
    return markdown(header, [_row(MODELS[name].title, row) for name, row in found.items()])


def _row(title: str, found: Mapping[str, Any]) -> tuple[str, ...]:
    """One model: JAX in its fastest way; the ratio below 1 is symdiff's lead."""
    if "call" not in found:
        return (title, found["reason"], *[""] * 7)
    call, ready = found["call"], found["ready"]
    scratch = f"{found['workspace']:,} B"
    peers = [name for name in call if name != OWN]
    if "reason" in found or not peers:
        own = (duration(call[OWN]), found["reason"], "", "", duration(ready[OWN]))
        return (title, *own, "", "", scratch)
    best = min(peers, key=lambda name: call[name])
    return (
        title,
        duration(call[OWN]),
        duration(call[best]),
        f"{call[OWN] / call[best]:.2f}",
        best.removeprefix("JAX, "),
        duration(ready[OWN]),
        duration(ready[best]),
        f"{found['difference']:.0e}",
        scratch,
    )


if __name__ == "__main__":
    main()
