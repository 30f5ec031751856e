"""What `--output` and `--wrt` make of a formula."""

from __future__ import annotations

import click

import symdiff as sd
from symdiff.outputs import OUTPUTS, default_output, jacobian_entries


def transformed(formula: sd.Function, output: str | None, wrt: str | None) -> sd.Function:
    """`formula` as what `--output` and `--wrt` say."""
    names = [name.strip() for name in wrt.split(",")] if wrt else None
    chosen = names[0] if names and len(names) == 1 else names
    return OUTPUTS[output or chosen_output(formula)](formula, wrt=chosen)


def chosen_output(formula: sd.Function) -> str:
    """What is made of `formula` unless the user says; a Jacobian left out is told of."""
    output = default_output(formula)
    derivable = any(p.type.dtype.kind == "f" for p in formula.ir.params)
    if output == "value" and derivable:
        click.echo(
            f"the Jacobian has {jacobian_entries(formula)} entries: compiling the value alone; "
            "--output jacobian for the Jacobian",
            err=True,
        )
    return output
