"""What the tests of the source back ends share: a function for every operation."""

from __future__ import annotations

from typing import Any

import numpy as np

from symdiff.ir import BOOL, F64, DType, Function, Graph, Op
from symdiff.ops import OPS
from symdiff.passes import LOWERING, PIPELINE, as_dtype, run

Array = np.ndarray[Any, np.dtype[Any]]
ELEMENTWISE = [op for op in OPS.values() if op.samples is not None and op.elementwise]
NOT_IN_LIBM = {"digamma"}

# SciPy's error and gamma functions and the C library's differ by more than others do, and the
# interpreter's multiply-add rounds twice.
ULPS = {"erfc": 8, "gamma": 16, "lgamma": 64, "fma": 64}


def samples(op: Op) -> list[Array]:
    """One array of 16 sample points per operand."""
    assert op.samples is not None
    return [np.asarray(a) for a in op.samples(np.random.default_rng(0), 16)]


def of_op(op: Op) -> Function:
    """A function that applies `op` to its parameters `a`, `b`, ..."""
    graph = Graph()
    types = [BOOL if a.dtype == bool else F64 for a in samples(op)]
    params = tuple(graph.param(name, t) for name, t in zip("abc", types, strict=False))
    value = graph.add(op, params, op.attr_samples)
    return Function(f"of_{op.name}", params, (value,))


def lowered(fn: Function, dtype: DType | None = None) -> Function:
    """`fn` as back ends get it."""
    return run((*PIPELINE, *LOWERING), fn if dtype is None else as_dtype(fn, dtype), check=True)
