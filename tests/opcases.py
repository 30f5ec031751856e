"""Every operation at its sample points, for the tests that are generated from the table."""

from __future__ import annotations

from typing import Any

import numpy as np

from symdiff.ir import DTYPES, F64, DType, Function, Graph, Op, Type
from symdiff.ops import OPS

COUNT = 24
SAMPLED = [op for op in OPS.values() if op.samples is not None]
ELEMENTWISE = [op for op in SAMPLED if op.elementwise]


def samples(op: Op, rng: np.random.Generator) -> list[np.ndarray[Any, Any]]:
    """Operand arrays; for elementwise operations each entry is one sample point."""
    assert op.samples is not None
    return [np.asarray(a) for a in op.samples(rng, COUNT)]


def attributes(op: Op) -> dict[str, Any]:
    return dict(op.attr_samples)


def single(op: Op, rng: np.random.Generator, dtype: DType | None = None) -> Function:
    """The function that is one application of `op`: scalar parameters where it is elementwise."""
    graph = Graph()
    params = [graph.param(f"x{i}", _type(op, a, dtype)) for i, a in enumerate(samples(op, rng))]
    return Function(op.name, tuple(params), (op(*params, **attributes(op)),))


def _type(op: Op, sample: np.ndarray[Any, Any], dtype: DType | None) -> Type:
    fixed = {"b": DTYPES["bool"], "i": DTYPES["i64"]}
    kind = fixed.get(sample.dtype.kind) or dtype or F64.dtype
    return Type(kind, () if op.elementwise else sample.shape)


def differentiable(op: Op, rng: np.random.Generator) -> bool:
    """Whether `op` gives real numbers from real numbers."""
    if op is OPS["stop_gradient"]:  # its derivative is wrong on purpose
        return False
    fn = single(op, rng)
    return fn.outputs[0].type.dtype.kind == "f" and op.vjp is not None


def real_positions(fn: Function) -> list[int]:
    return [i for i, p in enumerate(fn.params) if p.type.dtype.kind == "f"]
