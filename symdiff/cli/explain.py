"""`symdiff explain`: what the compiler made of a formula, stage by stage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from symdiff.cli.commands import (
    FormulaCommand,
    machine_options,
    output_option,
    source_options,
    wrt_option,
)
from symdiff.cli.outputs import chosen_output, transformed
from symdiff.cli.read import fitted, function_of, read_point, read_text
from symdiff.cli.write import as_text, console, write
from symdiff.explain import explain_function


@click.command(name="explain", cls=FormulaCommand)
@source_options
@wrt_option
@output_option
@click.option(
    "-o",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write here: a page as .html, else the report as text.",
)
@machine_options
def explain_command(
    source: str,
    args: Sequence[str],
    at: Sequence[str],
    as_json: bool,
    wrt: str | None,
    output: str | None,
    file: Path | None,
    dtype: str,
    fastmath: bool,
    target: str,
) -> None:
    """Show what the compiler does with SOURCE, from the formula to the machine code.

    Each stage is shown beside the one before it, and each line with the part of the formula that
    it comes from. With -o report.html all of it is a page that needs no network. --at gives the
    shapes of arrays.
    """
    point = read_point(at)
    text = read_text(source)
    formula = function_of(text, args, point)
    if point:
        fitted(formula, point)  # names that there are not are an error here too
    chosen = output or chosen_output(formula)
    whole = transformed(formula, chosen, wrt)
    options = {"dtype": dtype, "fastmath": fastmath, "target": target}
    explanation = explain_function(formula, whole, chosen, text, options)
    if as_json:
        write(as_text(explanation.facts()), file)
    elif file is None:
        console().print(explanation)
    elif file.suffix.lower() in (".html", ".htm"):
        explanation.save(file)
        click.echo(f"wrote {file}", err=True)
    else:
        write(str(explanation), file)
