"""Operations at numbers, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symdiff import ir


def apply(value: ir.Value, operands: Sequence[Any]) -> Any:
    """What the operation of `value` gives on `operands`, as a NumPy array or a tuple of them."""
    return value.op.value(*operands, **dict(value.attrs))


def evaluate(outputs: Sequence[ir.Value], known: dict[ir.Value, Any]) -> list[Any]:
    """The numbers that `outputs` come to; what is `known` is taken as it is."""
    env = dict(known)
    with np.errstate(all="ignore"):
        for value in _needed(outputs, known):
            env[value] = apply(value, [env[a] for a in value.args])
    return [env[output] for output in outputs]


def _needed(outputs: Sequence[ir.Value], known: dict[ir.Value, Any]) -> list[ir.Value]:
    """The values to compute for `outputs`, operands first."""
    wanted = {output for output in outputs if output not in known}
    if not wanted:
        return []
    found: list[ir.Value] = []
    graph = outputs[0].graph
    for index in range(max(v.index for v in wanted), -1, -1):
        value = graph.values[index]
        if value in wanted:
            found.append(value)
            wanted.update([a for a in value.args if a not in known])
    found.reverse()
    return found
