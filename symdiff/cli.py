"""The command line: `symdiff compile`, `check` and `cache`.

Results go to standard output, diagnostics to standard error. The exit status is 0 for success,
1 for a failed check and 2 for bad input.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

import symdiff as sd
from symdiff import ir


def _unchanged(source: sd.Function, **_: Any) -> sd.Function:
    return source


SHOWN: Final = 40  # assignments in a summary; --emit shows everything
OUTPUTS: Final[dict[str, Callable[..., sd.Function]]] = {
    "value": _unchanged,
    "grad": sd.grad,
    "value_and_grad": sd.value_and_grad,
    "jacobian": sd.jacobian,
    "value_and_jacobian": sd.value_and_jacobian,
    "hessian": sd.hessian,
}
EMITTERS: Final[dict[str, Callable[[sd.Function, sd.Kernel], str | bytes]]] = {
    "ir": lambda fn, kernel: kernel.ir,
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
        try:
            return super().invoke(ctx)
        except sd.SymdiffError as error:
            _fail(str(error))
        except MemoryError:
            _fail("out of memory")
        except OSError as error:
            if isinstance(error, BrokenPipeError):
                raise
            _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))


def _fail(message: str) -> NoReturn:
    click.echo(f"error: {message}", err=True)
    sys.exit(2)


@click.group(cls=FormulaGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(sd.__version__, prog_name="symdiff")
def main() -> None:
    """From a formula to a native function for its value and its derivatives."""


def _source_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What every command that reads a formula takes."""
    for decorate in (
        click.argument("source"),
        click.option("--arg", "args", multiple=True, metavar="NAME:TYPE", help="A parameter."),
        click.option("--at", multiple=True, metavar="X=1,Y=2", help="Evaluate at this point."),
        click.option("--json", "as_json", is_flag=True, help="Write JSON, for programs."),
    ):
        command = decorate(command)
    return command


@main.command(name="compile")
@_source_options
@click.option("--wrt", metavar="X,Y", help="Parameters to differentiate with respect to.")
@click.option("--output", type=click.Choice(list(OUTPUTS)), help="Default: value_and_grad.")
@click.option("--emit", type=click.Choice(["summary", *EMITTERS]), default="summary")
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
    """Compile SOURCE: an expression, a file, or - for standard input."""
    formula = _function(source, args)
    point = _point(at)
    output = output or ("value_and_grad" if len(formula.outputs) == 1 else "value_and_jacobian")
    names = [name.strip() for name in wrt.split(",")] if wrt else None
    chosen = names[0] if names and len(names) == 1 else names
    whole = OUTPUTS[output](formula, wrt=chosen)
    kernel: sd.Kernel = sd.compile(whole, dtype=dtype, fastmath=fastmath, target=target)
    report = sd.check(formula, point or None) if verify else None
    if emit != "summary":
        _write(EMITTERS[emit](whole, kernel), file)
        if point:
            _console(stderr=True).print(_values(whole, kernel, point))
    else:
        values = kernel(**point) if point else None
        if as_json:
            facts = _facts(formula, whole, kernel)
            if point:
                facts |= {"at": point, "values": _named(whole, values)}
            if report:
                facts["check"] = _report_facts(report)
            _write(json.dumps(facts, indent=2) + "\n", file)
        else:
            _summary(formula, whole, kernel, file)
            if point:
                _print(_values(whole, kernel, point), file)
    if report:
        if not as_json:
            _console(stderr=emit != "summary").print(_report_table(report))
        sys.exit(0 if report.passed else 1)


@main.command(name="check")
@_source_options
def check_command(source: str, args: Sequence[str], at: Sequence[str], as_json: bool) -> None:
    """Compare the derivatives of SOURCE with differences and with 50-digit arithmetic."""
    report = sd.check(_function(source, args), _point(at) or None)
    if as_json:
        click.echo(json.dumps(_report_facts(report), indent=2))
    else:
        _console().print(_report_table(report))
    sys.exit(0 if report.passed else 1)


@main.group(name="cache", cls=click.Group)
def cache_command() -> None:
    """Machine code kept on disk."""


@cache_command.command(name="info", cls=click.Command)
def cache_info() -> None:
    """Say where the cache is and how large."""
    click.echo("no cache yet: this version of symdiff keeps no machine code on disk")


@cache_command.command(name="clear", cls=click.Command)
def cache_clear() -> None:
    """Empty the cache."""
    click.echo("no cache yet: there is nothing to clear")


# Reading.


def _function(source: str, args: Sequence[str]) -> sd.Function:
    """The function that the words on the command line denote."""
    types: dict[str, str] = {}
    for word in args:
        name, _, kind = word.partition(":")
        if not name.strip() or name.strip() in types:
            raise sd.ArgumentError(f"--arg {word}: write NAME:TYPE, each name once")
        types[name.strip()] = kind.strip() or "f64"
    return sd.function(_text(source), types or None)


def _text(source: str) -> str:
    """The formula itself: the argument, or what the file or standard input holds."""
    try:
        if source == "-":
            return sys.stdin.buffer.read().decode()
        if len(source) < 4096 and "\0" not in source and Path(source).is_file():
            return Path(source).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise sd.ArgumentError(f"{source}: not UTF-8 text: {error}") from None
    except OSError as error:
        if "File name too long" not in str(error):
            raise
    return source


def _point(words: Iterable[str]) -> dict[str, float]:
    """The point that `x=1,y=pi/2` denotes."""
    point: dict[str, float] = {}
    for part in (p for word in words for p in word.split(",") if p.strip()):
        name, equals, text = part.partition("=")
        if not equals or name.strip() in point:
            raise sd.ArgumentError(f"--at {part.strip()!r}: write x=1,y=2, each name once")
        point[name.strip()] = _number(text)
    return point


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float(sd.function(text, [])())


# Writing.


def _console(stderr: bool = False, file: Any = None) -> Console:
    console = Console(stderr=stderr, file=file, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = 200  # a file has no edge at which digits would have to be cut off
    return console


def _print(renderable: Any, file: Path | None) -> None:
    """To standard output, or appended to `file`."""
    if file is None:
        _console().print(renderable)
    else:
        with file.open("a", encoding="utf-8") as stream:
            _console(file=stream).print(renderable)


def _write(content: str | bytes, file: Path | None) -> None:
    if isinstance(content, bytes):
        if file is None and sys.stdout.isatty():
            raise sd.ArgumentError("machine code is not text; write it to a file with -o FILE")
        if file is None:
            sys.stdout.buffer.write(content)
        else:
            file.write_bytes(content)
    elif file is None:
        click.echo(content, nl=not content.endswith("\n"))
    else:
        file.write_text(content if content.endswith("\n") else content + "\n", encoding="utf-8")


def _summary(
    formula: sd.Function, whole: sd.Function, kernel: sd.Kernel, file: Path | None
) -> None:
    if file is not None:
        file.write_text("", encoding="utf-8")
    cost = kernel.cost()
    signature = f"{formula.name}({', '.join(formula.parameters)})"
    _print(Text.assemble((signature, "bold cyan"), f" = {_short(formula.formula())}\n"), file)
    assignments = whole.assignments()
    for name, expression in assignments[:SHOWN]:
        style = "green" if name in whole.outputs else "yellow"
        _print(Text.assemble("  ", (name, style), f" = {_short(expression)}"), file)
    if len(assignments) > SHOWN:
        _print(f"  ... {len(assignments) - SHOWN} more; --emit ir shows all", file)
    rows = [
        ("parameters", _parameters(whole)),
        ("operations", f"{cost.value.total} for the value ({_kinds(cost.value)})"),
        ("", f"{cost.value_and_grad.total} for value and gradient, {cost.ratio:.1f} times as many"),
        ("machine code", f"{kernel.code_size} bytes"),
        ("compiled in", _times(kernel.stages)),
    ]
    _print("", file)
    for label, text in rows:
        _print(Text.assemble((f"  {label:13}", "dim"), text), file)


def _parameters(fn: sd.Function) -> str:
    shown = [f"{p.attr('name')}: {p.type}" for p in fn.ir.params[:12]]
    more = len(fn.ir.params) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _kinds(count: Any) -> str:
    return ", ".join(f"{number} {kind}" for kind, number in sorted(count.items())) or "none"


def _times(stages: dict[str, float]) -> str:
    parts = ", ".join(f"{name} {1e3 * seconds:.1f}" for name, seconds in stages.items())
    return f"{1e3 * sum(stages.values()):.1f} ms ({parts})"


def _short(text: str, width: int = 2000) -> str:
    return text if len(text) <= width else f"{text[:width]} ... ({len(text)} characters)"


def _values(whole: sd.Function, kernel: sd.Kernel, point: dict[str, float]) -> Table:
    where = ", ".join(f"{name}={value:g}" for name, value in point.items())
    table = Table("", "", title=f"\nat {where}", title_justify="left", box=None, show_header=False)
    for name, value in _named(whole, kernel(**point)).items():
        table.add_row(Text(f"  {name}", "green"), repr(value))
    return table


def _named(fn: sd.Function, result: Any) -> dict[str, float]:
    return dict(zip(fn.outputs, ir.flatten(fn.ir.result, result), strict=True))


def _facts(formula: sd.Function, whole: sd.Function, kernel: sd.Kernel) -> dict[str, Any]:
    """A summary for programs."""
    cost = kernel.cost()
    return {
        "name": formula.name,
        "formula": formula.formula(),
        "parameters": list(formula.parameters),
        "outputs": list(whole.outputs),
        "assignments": [list(pair) for pair in whole.assignments()],
        "operations": {"value": dict(cost.value), "value_and_grad": dict(cost.value_and_grad)},
        "ratio": cost.ratio,
        "workspace_bytes": cost.workspace_bytes,
        "code_bytes": kernel.code_size,
        "seconds": kernel.stages,
    }


def _report_facts(report: sd.Report) -> dict[str, Any]:
    rows = [{name: getattr(row, name) for name in row.__slots__} for row in report.rows]
    return {"passed": report.passed, "at": dict(report.at), "rows": rows}


def _report_table(report: sd.Report) -> Table:
    where = ", ".join(f"{name}={value:g}" for name, value in report.at.items())
    table = Table(title=f"derivatives at {where}", title_justify="left")
    for heading in ("", "symdiff", "differences", "50 digits", "error", ""):
        table.add_column(heading, no_wrap=True)
    for row in report.rows:
        table.add_row(
            f"d {row.output} / d {row.parameter}",
            repr(row.gradient),
            repr(row.difference),
            "" if row.exact is None else repr(row.exact),
            f"{row.error:.1e}",
            Text("ok", "green") if row.passed else Text("FAILED", "bold red"),
        )
    return table


if __name__ == "__main__":
    main()
