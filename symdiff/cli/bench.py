"""`symdiff bench`: a formula measured, beside NumPy and beside peers that are asked for."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

import symdiff as sd
from symdiff.cli import measure, peers
from symdiff.cli.commands import FormulaCommand, source_options, wrt_option
from symdiff.cli.outputs import transformed
from symdiff.cli.read import fitted, read_function, read_point


@click.command(name="bench", cls=FormulaCommand)
@source_options
@wrt_option
@click.option(
    "--points",
    type=click.IntRange(1),
    default=1_000_000,
    show_default=True,
    help="Points of a batch; 1 for none.",
)
@click.option(
    "--threads",
    default="all",
    metavar="N|all",
    show_default=True,
    help="Threads of a second measurement of batches.",
)
@click.option(
    "--peers",
    "names",
    metavar="X,Y",
    help="Compare with these, too: sympy, numba, jax, casadi, or all.",
)
@click.option(
    "--rounds",
    type=click.IntRange(1),
    default=9,
    show_default=True,
    help="Times that contenders take turns; the figures are medians.",
)
@click.option(
    "-o",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write here: .md, .json, or a plot as .png.",
)
def bench_command(
    source: str,
    args: Sequence[str],
    at: Sequence[str],
    as_json: bool,
    wrt: str | None,
    points: int,
    threads: str,
    names: str | None,
    rounds: int,
    file: Path | None,
) -> None:
    """Measure SOURCE: compilation, calls and batches, each result verified first.

    Values and derivatives are timed beside the NumPy code that does the same, and beside peers
    that --peers names. Without --at the point is drawn. The exit status is 1 where symdiff's
    results are not those of the references.
    """
    count = os.cpu_count() or 1 if threads == "all" else _whole(threads)
    chosen = [name.strip() for name in names.split(",")] if names else []
    chosen = list(peers.PEERS) if chosen == ["all"] else chosen
    if unknown := [name for name in chosen if name not in peers.PEERS]:
        raise sd.ArgumentError(f"--peers {unknown[0]}: expected all, or {', '.join(peers.PEERS)}")
    if file is not None and file.suffix.lower() not in (".md", ".json", ".png"):
        raise sd.ArgumentError(f"-o {file}: expected a name that ends in .md, .json or .png")
    point = read_point(at)
    formula = read_function(source, args, point)
    whole = transformed(formula, None, wrt)
    result = measure.measure(
        formula,
        whole,
        fitted(formula, point) if point else None,
        points=points,
        threads=count,
        names=[] if wrt else chosen,
        rounds=rounds,
    )
    measure.show(result, as_json, file)
    sys.exit(0 if result.passed else 1)


def _whole(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise sd.ArgumentError(f'--threads {text}: expected a number, 1 or more, or "all"')
    return int(text)
