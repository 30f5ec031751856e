"""What must hold of every operation on arrays of all shapes, the empty ones included."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from arraycases import ALL, IDS, applied, operands
from derivatives import check_derivatives, verified
from numpy.testing import assert_allclose

from symdiff import autodiff
from symdiff.ir import Op, f32, interpret
from symdiff.ops import OPS
from symdiff.passes import as_dtype

every_case = pytest.mark.parametrize(("op", "case"), ALL, ids=IDS)


@every_case
def test_types_and_derivatives(op: Op, case: Any, rng: np.random.Generator) -> None:
    fn = verified(applied(op, case))
    at = operands(op, fn, rng)
    (found,) = interpret(fn, at)
    type = fn.outputs[0].type
    assert np.shape(found) == type.shape
    assert np.asarray(found).dtype == type.dtype.numpy
    if type.dtype is f32:  # differences tell nothing
        return
    if type.dtype.kind == "f" and op is not OPS["stop_gradient"]:
        check_derivatives(fn, at, second=not op.elementwise)


@every_case
def test_batches_give_what_single_points_give(op: Op, case: Any, rng: np.random.Generator) -> None:
    """Each operand batched alone, and all of them, against a loop in Python."""
    fn = applied(op, case)
    count = len(fn.params)
    choices = [[True] * count, *([i == k for i in range(count)] for k in range(count))]
    size = 3
    for chosen in choices[: 1 if count == 1 else None]:
        many = operands(op, fn, rng, size)
        args = [m if has else m[0] for m, has in zip(many, chosen, strict=True)]
        batched = verified(autodiff.batch(fn, [0 if has else None for has in chosen], size))
        (found,) = interpret(batched, args)
        assert found.shape == (size, *fn.outputs[0].type.shape)
        for k in range(size):
            point = [a[k] if has else a for a, has in zip(args, chosen, strict=True)]
            assert_allclose(found[k], interpret(fn, point)[0], rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(
    ("op", "case"), [a for a in ALL if not a[0].elementwise],
    ids=[i for i, a in zip(IDS, ALL, strict=True) if not a[0].elementwise],
)  # fmt: skip
def test_single_precision_stays_so(op: Op, case: Any, rng: np.random.Generator) -> None:
    fn = verified(as_dtype(applied(op, case), f32))
    at = operands(op, fn, rng)
    exact = interpret(applied(op, case), at)
    (found,) = interpret(fn, at)
    assert found.dtype == (np.int64 if op.name.startswith("arg") else np.float32)
    assert_allclose(found, exact[0], rtol=1e-5, atol=1e-5)
    if fn.outputs[0].type.dtype is f32:
        wrt = [i for i, p in enumerate(fn.params) if p.type.dtype is f32]
        pulled = verified(autodiff.vjp(fn, wrt, bare=False))
        assert {o.type.dtype for o in pulled.outputs} == {f32}
