"""Numbers and conditions: operands turned into what a named function takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symdiff.ir import BOOL, SCALARS, DType, Function, Graph, Value, boolean, f32, f64, interpret
from symdiff.ops import NamedFunction, convert, ne


def as_number(value: Value, dtype: DType) -> Value:
    """`value` as a number of the given dtype; a condition becomes 1 or 0."""
    return value if value.type.dtype is dtype else convert(value, dtype=dtype.name)


def as_condition(value: Value) -> Value:
    """`value` as a condition; a number holds where it is not 0."""
    return value if value.type.dtype is boolean else ne(value, 0.0)


def build_call(entry: NamedFunction, operands: Sequence[Value], dtype: DType) -> Value:
    """The function `entry` of `operands`, each converted to the number or condition it takes.

    Raises:
        ValueError: an operand that the function does not take.
    """
    if entry.name in ("eq", "ne") and all(o.type.dtype is boolean for o in operands):
        return entry.build(*operands)
    return entry.build(
        *[
            as_condition(o) if entry.takes_condition(i) else as_number(o, dtype)
            for i, o in enumerate(operands)
        ]
    )


def compute_call(entry: NamedFunction, operands: Sequence[Any]) -> Any:
    """The function `entry` of plain numbers and arrays, computed at once by NumPy.

    Raises:
        ValueError: an operand that is not real, or that the function does not take.
    """
    arrays = [np.asarray(o) for o in operands]
    if not all(a.dtype.kind in "fiub" for a in arrays):
        raise ValueError(f"{entry.name} takes real numbers")
    # Python's own numbers take the dtype of the arrays they meet.
    numbers = [
        o if isinstance(o, (int, float)) else a for o, a in zip(operands, arrays, strict=True)
    ]
    dtype = f32 if np.result_type(*numbers) == np.float32 else f64
    graph = Graph()
    params: list[Value] = []
    values: list[Value] = []
    for i, array in enumerate(arrays):
        type = BOOL if array.dtype.kind == "b" else SCALARS[dtype]
        if array.shape:
            params.append(graph.param(f"x{i}", type))
            values.append(params[-1])
        else:  # a constant, which is what polygamma asks of its order
            values.append(graph.const(array.item(), type))
    fn = Function(entry.name, tuple(params), (build_call(entry, values, dtype),))
    (result,) = interpret(fn, [a for a in arrays if a.shape])
    return np.asarray(result)[()]
