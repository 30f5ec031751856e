"""The slow, obvious truth: a function evaluated with NumPy, one value after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symdiff.ir.graph import PARAM, Function


def interpret(fn: Function, args: Sequence[Any]) -> list[Any]:
    """The outputs of `fn` at `args` (one array or number per parameter), as NumPy arrays.

    A scalar parameter also takes an array: elementwise operations broadcast.
    """
    env: dict[Any, Any] = {
        p: np.asarray(a, p.type.dtype.numpy) for p, a in zip(fn.params, args, strict=True)
    }
    with np.errstate(all="ignore"):
        for value in fn.live():
            if value.op is not PARAM:
                operands = [env[a] for a in value.args]
                env[value] = value.op.value(*operands, **dict(value.attrs))
    return [env[v] for v in fn.outputs]
