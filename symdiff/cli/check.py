"""`symdiff check`: the derivatives of a formula, verified."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

import symdiff as sd
from symdiff.cli.commands import FormulaCommand, source_options
from symdiff.cli.read import fitted, read_function, read_point
from symdiff.cli.trace import trace_facts
from symdiff.cli.write import as_text, console, report_facts, report_table


@click.command(name="check", cls=FormulaCommand)
@source_options
@click.option(
    "--trace",
    is_flag=True,
    help="Tell which operation first made a NaN or an infinity, forward or backward, how large "
    "the gradients are, and how much of each ReLU is dead.",
)
def check_command(
    source: str, args: Sequence[str], at: Sequence[str], as_json: bool, trace: bool
) -> None:
    """Compare the derivatives of SOURCE with differences and with 50-digit arithmetic.

    The differences are those with a step of 1e-4, and ones that are extrapolated. Of an array every
    entry is compared, of a large one some entries and random directions. Without --at, the point is
    drawn.
    """
    point = read_point(at)
    formula = read_function(source, args, point)
    report = sd.check(formula, fitted(formula, point) if point else None)
    traced = sd.debug(formula)(*report.at.values()) if trace else None
    if as_json:
        facts = report_facts(report) | ({} if traced is None else {"trace": trace_facts(traced)})
        click.echo(as_text(facts), nl=False)
    else:
        console().print(report_table(report))
        if traced is not None:
            click.echo(f"\n{traced}")
    sys.exit(0 if report.passed and (traced is None or traced.finite) else 1)
