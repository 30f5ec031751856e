"""`symdiff compile`: a formula compiled, evaluated, or written out at any stage."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import click

import symdiff as sd
from symdiff.cli.commands import (
    FormulaCommand,
    machine_options,
    output_option,
    source_options,
    wrt_option,
)
from symdiff.cli.outputs import transformed
from symdiff.cli.read import fitted, read_function, read_point
from symdiff.cli.write import (
    as_text,
    console,
    facts_of,
    named,
    report_facts,
    report_table,
    show,
    stage_facts,
    summary,
    value_table,
    write,
)

EMITTERS: Final[dict[str, Callable[[sd.Function, sd.Kernel], str | bytes]]] = {
    "ir": lambda fn, kernel: kernel.ir,
    "loops": lambda fn, kernel: kernel.loop_ir,
    "llvm": lambda fn, kernel: kernel.llvm_ir,
    "asm": lambda fn, kernel: kernel.asm,
    "c": lambda fn, kernel: kernel.c_source,
    "numpy": lambda fn, kernel: kernel.numpy_source,
    "latex": lambda fn, kernel: fn.latex(),
    "dot": lambda fn, kernel: fn.graph(),
    "obj": lambda fn, kernel: kernel.object_code,
}


@click.command(name="compile", cls=FormulaCommand)
@source_options
@wrt_option
@output_option
@click.option(
    "--emit",
    type=click.Choice(["summary", *EMITTERS]),
    default="summary",
    help="The stage of the compilation to write.",
)
@click.option("-o", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write here.")
@click.option("--check", "verify", is_flag=True, help="Verify the derivatives.")
@machine_options
def compile_command(
    source: str,
    args: Sequence[str],
    at: Sequence[str],
    as_json: bool,
    wrt: str | None,
    output: str | None,
    emit: str,
    file: Path | None,
    verify: bool,
    dtype: str,
    fastmath: bool,
    target: str,
) -> None:
    """Compile SOURCE: an expression, a file, or - for standard input.

    What is compiled is the value with its gradient, or with its Jacobian where there are several
    numbers; --output says otherwise.
    """
    point = read_point(at)
    formula = read_function(source, args, point)
    point = fitted(formula, point) if point else {}
    whole = transformed(formula, output, wrt)
    kernel: sd.Kernel = sd.compile(whole, dtype=dtype, fastmath=fastmath, target=target)
    report = sd.check(formula, point or None) if verify else None
    values = named(whole, kernel(*point.values())) if point else {}
    if as_json:
        stage = {} if emit == "summary" else stage_facts(emit, EMITTERS[emit](whole, kernel))
        facts = stage or facts_of(formula, whole, kernel)
        if point:
            facts |= {"at": point, "values": values}
        if report is not None:
            facts["check"] = report_facts(report)
        write(as_text(facts), file)
    elif emit != "summary":
        write(EMITTERS[emit](whole, kernel), file)
        if point:
            console(stderr=True).print(value_table(point, values))
    else:
        summary(formula, whole, kernel, file)
        if point:
            show(value_table(point, values), file)
    if report is not None:  # a failed one is false
        if not as_json:
            console(stderr=emit != "summary").print(report_table(report))
        sys.exit(0 if report.passed else 1)
