"""The limits: derivatives by hand in C, called as cheaply as Python can. See `bench.native`."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from typing import Any, Final

import numpy as np

from bench import jacobians, models
from bench.core import Inputs, Maker, Ready, Way
from bench.native import extension, kernel
from bench.workloads import FORMULAS

LABEL: Final = "C"


def ways(workload: str) -> dict[str, Way]:
    """The C code for a workload."""
    suite, name = workload.split("/")
    if suite == "calls":
        found = {LABEL: Way(partial(_call, name), "limit")}
        if not FORMULAS[name].greeks:
            make = partial(_call, f"{name}_nested")
            found["C: (value, gradient)"] = Way(make, "by hand")
        return found
    if suite == "batches":
        found = {LABEL: Way(partial(_batch, name), "limit", parallel=True)}
        if name == "radiation":
            make = partial(_batch, "radiation_simplified")
            found["C: simplified by hand"] = Way(make, "by hand", parallel=True)
        return found
    if name in TENSORS:
        make, parallel = TENSORS[name]
        return {LABEL: Way(make, "limit", parallel=parallel)}
    return {}


def bound(
    source: str, name: str, operands: Sequence[Any], results: Sequence[Any], threads: int = 1
) -> Ready:
    """A function of bench/c on fixed memory."""
    call = kernel(source, name, [*operands, *results], threads)
    return Ready(call, (), lambda _: list(results))


def _call(name: str, inputs: Inputs, threads: int) -> Ready:
    return Ready(getattr(extension("calls"), name), list(inputs.values()))


def _batch(name: str, inputs: Inputs, threads: int) -> Ready:
    operands = list(inputs.values())
    results = list(np.empty((4 if name == "lecture" else 6, len(operands[0]))))
    return bound("batches", name, [_sizes(len(operands[0])), *operands], results, threads)


def _sizes(*numbers: int) -> Any:
    return np.array(numbers, np.int64)


def _rosenbrock(inputs: Inputs, threads: int) -> Ready:
    x = inputs["x"]
    # Threads cost more than a thousand elements do.
    count = threads if len(x) > 100_000 else 1
    results = [np.empty(()), np.empty_like(x)]
    return bound("tensors", "rosenbrock", [_sizes(len(x)), x], results, count)


def _lennard_jones(inputs: Inputs, threads: int) -> Ready:
    x = inputs["x"]
    results = [np.empty(()), np.empty_like(x)]
    return bound("tensors", "lennard_jones", [_sizes(len(x)), x], results)


def _mixture(inputs: Inputs, threads: int) -> Ready:
    x, alphas, means, icf = inputs.values()
    (n, d), k = x.shape, len(alphas)
    constant = -0.5 * n * d * np.log(2 * np.pi) - k * models.wishart_constant(d)
    operands = [_sizes(n), _sizes(k), np.array(constant), x, alphas, means, icf]
    results = [np.empty(()), *map(np.empty_like, (alphas, means, icf))]
    return bound("tensors", "mixture", operands, results)


def _network(inputs: Inputs, threads: int) -> Ready:
    """With the matrix product of SciPy's BLAS, which symdiff and NumPy's users have, too."""
    X, labels, W, b, U = inputs.values()
    (n, features), (hidden, classes) = X.shape, U.shape
    capsule: Any = import_module("scipy.linalg.cython_blas").__pyx_capi__["dgemm"]
    api: Any = ctypes.pythonapi
    api.PyCapsule_GetName.restype, api.PyCapsule_GetName.argtypes = (
        ctypes.c_char_p,
        [ctypes.py_object],
    )
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    address = api.PyCapsule_GetPointer(capsule, api.PyCapsule_GetName(capsule))
    sizes = _sizes(n, features, hidden, classes, address)
    scratch = [np.empty((n, hidden)), np.empty((n, classes)), np.empty((n, hidden))]
    results = [np.empty(()), *map(np.empty_like, (W, b, U))]
    return bound("tensors", "network", [sizes, X, labels, W, b, U, *scratch], results)


def _lstm(inputs: Inputs, threads: int) -> Ready:
    main, extra, state, sequence = inputs.values()
    steps, width = len(sequence) - 1, sequence.shape[1]
    scratch = np.empty(steps * (2 * 8 + 2) * 16)
    operands = [_sizes(steps), _sizes(width), main, extra, state, sequence, scratch]
    results = [np.empty(()), np.empty_like(main), np.empty_like(extra)]
    return bound("lstm", "lstm", operands, results)


def _arm(inputs: Inputs, threads: int) -> Ready:
    return bound("jacobians", "arm", [inputs["q"]], [np.empty(6), np.empty((6, 7))])


def _many(name: str, outputs: int, derivatives: int, inputs: Inputs, threads: int) -> Ready:
    matrix = jacobians.columns(inputs)
    n = matrix.shape[1]
    results = [np.empty((outputs, n)), np.empty((derivatives, n))]
    return bound("jacobians", name, [_sizes(n), matrix], results, threads)


# The maker, and whether it can use several threads.
TENSORS: Final[dict[str, tuple[Maker, bool]]] = {
    "rosenbrock": (_rosenbrock, True),
    "rosenbrock_small": (_rosenbrock, True),
    "lennard_jones": (_lennard_jones, False),
    "lennard_jones_text": (_lennard_jones, False),
    "mixture": (_mixture, False),
    "network": (_network, False),
    "lstm": (_lstm, False),
    "arm": (_arm, False),
    "arms": (partial(_many, "arms", 6, 42), True),
    "reprojection": (partial(_many, "reprojection", 2, 30), True),
}
