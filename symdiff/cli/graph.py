"""`symdiff graph`: the computation graph of a formula, drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

import symdiff as sd
from symdiff.cli.commands import ARG, AT, FormulaCommand
from symdiff.cli.read import fitted, read_function, read_point
from symdiff.cli.write import write


@click.command(name="graph", cls=FormulaCommand)
@click.argument("source")
@click.option("--arg", "args", multiple=True, metavar="NAME:TYPE", help=ARG)
@click.option("--at", multiple=True, metavar="X=1,Y=[2,3]", help=AT)
@click.option(
    "-o",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write here: .svg, .html, .png or .dot.",
)
def graph_command(source: str, args: Sequence[str], at: Sequence[str], file: Path | None) -> None:
    """Draw the computation graph of SOURCE: an expression, a file, or - for standard input.

    With --at every wire has the value that runs along it and, below, the gradient that comes back.
    An .html file steps through that. Without -o, DOT text goes to standard output.
    """
    point = read_point(at)
    formula = read_function(source, args, point)
    drawing = sd.draw(formula, fitted(formula, point) if point else None)
    if file is None:
        write(drawing, None)
    else:
        drawing.save(file)
