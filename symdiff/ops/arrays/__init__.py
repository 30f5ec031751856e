"""NumPy's array functions over values, written with the operations of the table.

Every front end uses them. They take Values, Python numbers (which take the dtype of what they
meet), NumPy arrays, and static Python arguments; they promote dtypes and broadcast shapes as
NumPy 2 does, and raise ShapeError naming the function and the shapes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from symdiff.ops.arrays.products import (
    cross,
    dot,
    einsum,
    inner,
    kron,
    matmul,
    matrix_power,
    multi_dot,
    outer,
    tensordot,
    trace,
    vdot,
)
from symdiff.ops.arrays.promote import (
    Operand,
    as_array,
    astype,
    cast,
    clip,
    common,
    common_dtype,
    common_shape,
    constant,
    elementwise,
    isfinite,
    nearest,
    shape_of,
    spread,
    value_in,
    where,
)
from symdiff.ops.arrays.selection import add_at, getitem, put, take, take_along_axis
from symdiff.ops.arrays.shapes import (
    atleast_1d,
    atleast_2d,
    atleast_3d,
    broadcast_arrays,
    broadcast_to,
    column_stack,
    concatenate,
    diag,
    diagonal,
    expand_dims,
    flip,
    hstack,
    matrix_transpose,
    moveaxis,
    pad,
    ravel,
    repeat,
    reshape,
    roll,
    split,
    squeeze,
    stack,
    swapaxes,
    tile,
    transpose,
    tril,
    triu,
    vstack,
)
from symdiff.ops.arrays.statistics import (
    all,
    any,
    argmax,
    argmin,
    average,
    count_nonzero,
    cumprod,
    cumsum,
    diff,
    log_softmax,
    logsumexp,
    max,
    mean,
    min,
    nan_to_num,
    norm,
    prod,
    ptp,
    softmax,
    std,
    sum,
    var,
)

# Those of NumPy under its names, and three that it lacks.
ARRAY_FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    f.__name__: f
    for f in (
        add_at, all, any, argmax, argmin, astype, atleast_1d, atleast_2d, atleast_3d, average,
        broadcast_arrays, broadcast_to, clip, column_stack, concatenate, count_nonzero, cross,
        cumprod, cumsum, diag, diagonal, diff, dot, einsum, expand_dims, flip, hstack, inner, kron,
        log_softmax, logsumexp, matmul, matrix_power, matrix_transpose, max, mean, min, moveaxis,
        multi_dot, nan_to_num, norm, outer, pad, prod, ptp, put, ravel, repeat, reshape, roll,
        softmax, split, squeeze, stack, std, sum, swapaxes, take, take_along_axis, tensordot,
        tile, trace, transpose, tril, triu, var, vdot, vstack, where,
    )
} | {"amax": max, "amin": min, "permute_dims": transpose, "concat": concatenate}  # fmt: skip

__all__ = [
    "ARRAY_FUNCTIONS", "Operand", "add_at", "all", "any", "argmax", "argmin", "as_array", "astype",
    "atleast_1d", "atleast_2d", "atleast_3d", "average", "broadcast_arrays", "broadcast_to",
    "cast", "clip", "column_stack", "common", "common_dtype", "common_shape", "concatenate",
    "constant", "count_nonzero", "cross", "cumprod", "cumsum", "diag", "diagonal", "diff", "dot",
    "einsum", "elementwise", "expand_dims", "flip", "getitem", "hstack", "inner", "isfinite",
    "kron", "log_softmax", "logsumexp", "matmul", "matrix_power", "matrix_transpose", "max",
    "mean", "min", "moveaxis", "multi_dot", "nan_to_num", "nearest", "norm", "outer", "pad",
    "prod", "ptp", "put", "ravel", "repeat", "reshape", "roll", "shape_of", "softmax", "split",
    "spread", "squeeze", "stack", "std", "sum", "swapaxes", "take", "take_along_axis",
    "tensordot", "tile", "trace", "transpose", "tril", "triu", "value_in", "var", "vdot",
    "vstack", "where",
]  # fmt: skip
