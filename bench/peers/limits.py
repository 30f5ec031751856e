"""The limits: derivatives by hand in C, called as cheaply as Python can. See `bench.native`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import numpy as np

from bench.core import Inputs, Ready, Way
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
    return {}


def _call(name: str, inputs: Inputs, threads: int) -> Ready:
    return Ready(getattr(extension("calls"), name), list(inputs.values()))


def _batch(name: str, inputs: Inputs, threads: int) -> Ready:
    operands = list(inputs.values())
    count = {"lecture": 4}.get(name, 6)
    results = list(np.empty((count, len(operands[0]))))
    size = np.array([len(operands[0])])
    return bound("batches", name, [size, *operands], results, threads)


def bound(
    source: str, name: str, operands: Sequence[Any], results: Sequence[Any], threads: int = 1
) -> Ready:
    """A function of bench/c on fixed memory."""
    return Ready(kernel(source, name, [*operands, *results], threads), (), lambda _: list(results))
