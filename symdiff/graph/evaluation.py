"""Operations at numbers, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symdiff import ir
from symdiff.ops import GateUse, gate, gate_backward


class Evaluation:
    """What goes on at one point: the objects of gates, which keep what their backward needs."""

    def __init__(self) -> None:
        self._gates: dict[GateUse, Any] = {}

    def apply(self, value: ir.Value, operands: Sequence[Any]) -> Any:
        """What the operation of `value` gives, as a NumPy array or a tuple of them."""
        if value.op is gate:
            use: GateUse = value.attr("use")
            self._gates[use] = use.make()
            return use.forward(self._gates[use], operands)
        if value.op is gate_backward:
            use = value.attr("use")
            return use.backward(self._gates[use], operands[-1])
        return value.op.value(*operands, **dict(value.attrs))

    def evaluate(self, outputs: Sequence[ir.Value], known: dict[ir.Value, Any]) -> list[Any]:
        """The numbers that `outputs` come to; what is `known` is taken as it is."""
        env = dict(known)
        with np.errstate(all="ignore"):
            for value in _needed(outputs, known):
                env[value] = self.apply(value, [env[a] for a in value.args])
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
