"""The command line: `symdiff compile`, `check`, `bench` and `cache`.

Results go to standard output, diagnostics to standard error. The exit status is 0 for success,
1 for a failed check and 2 for bad input.
"""

from __future__ import annotations

import gc
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, NoReturn

import click

import symdiff as sd
from symdiff.cli import bench, peers
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
    usage_table,
    value_table,
    write,
)


def _unchanged(source: sd.Function, **_: Any) -> sd.Function:
    return source


OUTPUTS: Final[dict[str, Callable[..., sd.Function]]] = {
    "value": _unchanged,
    "grad": sd.grad,
    "value_and_grad": sd.value_and_grad,
    "jacobian": sd.jacobian,
    "value_and_jacobian": sd.value_and_jacobian,
    "hessian": sd.hessian,
}
LARGE: Final = 1_000_000  # entries of a Jacobian that nobody gets without asking
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


class FormulaCommand(click.Command):
    """A command whose SOURCE may begin with a minus sign: `symdiff compile "-x*y"`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Sort the words into options and sources; a short word that is no option is a source."""
        takes_value = {
            name: not getattr(param, "is_flag", False)
            for param in self.get_params(ctx)
            for name in (*param.opts, *param.secondary_opts)
            if isinstance(param, click.Option)
        }
        options: list[str] = []
        sources: list[str] = []
        words = iter(args)
        for word in words:
            if word == "--":
                sources += words
            elif word.startswith("--") or word in takes_value:
                options.append(word)
                if takes_value.get(word):
                    options += [value for value in [next(words, None)] if value is not None]
            else:
                sources.append(word)
        return super().parse_args(ctx, [*options, "--", *sources])


class FormulaGroup(click.Group):
    """Commands that report symdiff's errors as one message and exit status 2."""

    command_class = FormulaCommand

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; errors on purpose become messages."""
        collecting = gc.isenabled()
        gc.disable()  # a command is short, and walking a large graph again and again is not
        try:
            return super().invoke(ctx)
        except sd.SymdiffError as error:
            _fail(IN_PYTHON.sub(r"--arg '\1:\2'", str(error)))
        except MemoryError:
            _fail("out of memory")
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise
            _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        finally:
            if collecting:
                gc.enable()


# How Python says what --arg says here.
IN_PYTHON: Final = re.compile(r"""args=\{["'](\w+)["']: ["']([^"']+)["']\}""")


def _fail(message: str) -> NoReturn:
    click.echo(f"error: {message}", err=True)
    sys.exit(2)


@click.group(cls=FormulaGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(sd.__version__, prog_name="symdiff")
def main() -> None:
    """From a formula to a native function for its value and its derivatives."""


ARG: Final = (
    "A parameter: W:f64[8,4], x:f64, idx:i64[5]. An extent that is a name, as in x:f64[n], is "
    "that of the array in --at."
)
AT: Final = (
    "Evaluate at this point: numbers, arrays as nested lists, and files: x=@x.npy, x=@x.json, "
    "@point.json."
)
AS_JSON: Final = 'Write JSON, for programs; what is not finite is "nan", "inf" or "-inf".'


def _source_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What every command that reads a formula takes."""
    for decorate in (
        click.argument("source"),
        click.option("--arg", "args", multiple=True, metavar="NAME:TYPE", help=ARG),
        click.option("--at", multiple=True, metavar="X=1,Y=[2,3]", help=AT),
        click.option("--json", "as_json", is_flag=True, help=AS_JSON),
    ):
        command = decorate(command)
    return command


@main.command(name="compile")
@_source_options
@click.option("--wrt", metavar="X,Y", help="Parameters to differentiate with respect to.")
@click.option("--output", type=click.Choice(list(OUTPUTS)), help="What to compile.")
@click.option(
    "--emit",
    type=click.Choice(["summary", *EMITTERS]),
    default="summary",
    help="The stage of the compilation to write.",
)
@click.option("-o", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write here.")
@click.option("--check", "verify", is_flag=True, help="Verify the derivatives.")
@click.option("--dtype", type=click.Choice(["f64", "f32"]), default="f64", show_default=True)
@click.option("--fastmath", is_flag=True, help="Allow rewrites that change rounding.")
@click.option("--target", default="host", metavar="TRIPLE", help="Generate code for this machine.")
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
    names = [name.strip() for name in wrt.split(",")] if wrt else None
    chosen = names[0] if names and len(names) == 1 else names
    output = output or _default_output(formula)
    whole = OUTPUTS[output](formula, wrt=chosen)
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


def _default_output(formula: sd.Function) -> str:
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


@main.command(name="check")
@_source_options
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


@main.command(name="bench")
@_source_options
@click.option("--wrt", metavar="X,Y", help="Parameters to differentiate with respect to.")
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
    by = [name.strip() for name in wrt.split(",")] if wrt else None
    output = _default_output(formula)
    whole = OUTPUTS[output](formula, wrt=by[0] if by and len(by) == 1 else by)
    result = bench.measure(
        formula,
        whole,
        fitted(formula, point) if point else None,
        points=points,
        threads=count,
        names=chosen if by is None else [],
        rounds=rounds,
    )
    bench.show(result, as_json, file)
    sys.exit(0 if result.passed else 1)


def _whole(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise sd.ArgumentError(f'--threads {text}: expected a number, 1 or more, or "all"')
    return int(text)


@main.group(name="cache", cls=click.Group)
def cache_command() -> None:
    """Machine code kept on disk."""


@cache_command.command(name="info", cls=click.Command)
@click.option("--json", "as_json", is_flag=True, help=AS_JSON)
def cache_info(as_json: bool) -> None:
    """Say where the cache is, how large it is, and how large it may become."""
    usage = sd.cache.info()
    if as_json:
        click.echo(as_text(asdict(usage)), nl=False)
    else:
        console().print(usage_table(usage))


@cache_command.command(name="clear", cls=click.Command)
@click.option("--json", "as_json", is_flag=True, help=AS_JSON)
def cache_clear(as_json: bool) -> None:
    """Remove all machine code that is kept on disk."""
    folder, removed = sd.cache.info().folder, sd.cache.clear()
    if as_json:
        click.echo(as_text({"folder": folder, "removed": removed}), nl=False)
    else:
        click.echo(f"removed {removed} {'entry' if removed == 1 else 'entries'} from {folder}")
