"""What is made of a formula: its value, its derivatives, or both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from symdiff import api
from symdiff.functions import Function


def unchanged(source: Function, **_: Any) -> Function:
    """The function itself, whatever parameters there are to differentiate by."""
    return source


OUTPUTS: Final[dict[str, Callable[..., Function]]] = {
    "value": unchanged,
    "grad": api.grad,
    "value_and_grad": api.value_and_grad,
    "jacobian": api.jacobian,
    "value_and_jacobian": api.value_and_jacobian,
    "hessian": api.hessian,
}
LARGE: Final = 1_000_000  # entries of a Jacobian that nobody gets without asking


def default_output(formula: Function) -> str:
    """What is made of `formula` unless the user says: derivatives, if any and not too many."""
    if not any(p.type.dtype.kind == "f" for p in formula.ir.params):
        return "value"  # a constant: `symdiff compile "1 + 2"`
    outputs = formula.ir.outputs
    if len(outputs) == 1 and not outputs[0].type.shape:
        return "value_and_grad"
    return "value" if jacobian_entries(formula) > LARGE else "value_and_jacobian"


def jacobian_entries(formula: Function) -> int:
    """The number of entries that the Jacobian with respect to all real parameters has."""
    inputs = sum(p.type.size for p in formula.ir.params if p.type.dtype.kind == "f")
    return inputs * sum(o.type.size for o in formula.ir.outputs)
