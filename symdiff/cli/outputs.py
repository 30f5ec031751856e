"""What is made of a formula: its value, its derivatives, or both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import click

import symdiff as sd


def unchanged(source: sd.Function, **_: Any) -> sd.Function:
    return source


OUTPUTS: Final[dict[str, Callable[..., sd.Function]]] = {
    "value": unchanged,
    "grad": sd.grad,
    "value_and_grad": sd.value_and_grad,
    "jacobian": sd.jacobian,
    "value_and_jacobian": sd.value_and_jacobian,
    "hessian": sd.hessian,
}
LARGE: Final = 1_000_000  # entries of a Jacobian that nobody gets without asking


def default_output(formula: sd.Function) -> str:
    """What is compiled unless the user says: derivatives, if there are any and not too many."""
    inputs = sum(p.type.size for p in formula.ir.params if p.type.dtype.kind == "f")
    outputs = formula.ir.outputs
    if not any(p.type.dtype.kind == "f" for p in formula.ir.params):
        return "value"  # a constant: `symdiff compile "1 + 2"`
    if len(outputs) == 1 and not outputs[0].type.shape:
        return "value_and_grad"
    entries = inputs * sum(o.type.size for o in outputs)
    if entries > LARGE:
        click.echo(
            f"the Jacobian has {entries} entries: compiling the value alone; "
            "--output jacobian for the Jacobian",
            err=True,
        )
        return "value"
    return "value_and_jacobian"


def transformed(formula: sd.Function, output: str | None, wrt: str | None) -> sd.Function:
    """`formula` as what `--output` and `--wrt` say."""
    names = [name.strip() for name in wrt.split(",")] if wrt else None
    chosen = names[0] if names and len(names) == 1 else names
    return OUTPUTS[output or default_output(formula)](formula, wrt=chosen)
