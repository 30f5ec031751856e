"""`symdiff check`: the derivatives of a formula, verified."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

import symdiff as sd
from symdiff.cli.commands import FormulaCommand, source_options
from symdiff.cli.read import fitted, read_function, read_point
from symdiff.cli.write import as_text, console, report_facts, report_table


@click.command(name="check", cls=FormulaCommand)
@source_options
def check_command(source: str, args: Sequence[str], at: Sequence[str], as_json: bool) -> None:
    """Compare the derivatives of SOURCE with differences and with 50-digit arithmetic.

    Of an array every entry is compared, of a large one some entries and random directions. Without
    --at, the point is drawn.
    """
    point = read_point(at)
    formula = read_function(source, args, point)
    report = sd.check(formula, fitted(formula, point) if point else None)
    if as_json:
        click.echo(as_text(report_facts(report)), nl=False)
    else:
        console().print(report_table(report))
    sys.exit(0 if report.passed else 1)
