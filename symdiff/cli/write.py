"""What the commands print: summaries, tables and JSON."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

import symdiff as sd
from symdiff import ir, passes

SHOWN: Final = 40  # lines of a summary; --emit and --json show everything
NAMED: Final = 12  # parameters in one line
LARGE: Final = 2000  # operations that nobody reads as assignments
VERDICTS: Final = {"ok": "green", "FAILED": "bold red", "no reference": "yellow"}


def console(stderr: bool = False, file: Any = None) -> Console:
    """Where tables go; without colours and edges where no person is looking."""
    made = Console(stderr=stderr, file=file, highlight=False, soft_wrap=True)
    if not made.is_terminal:
        made.width = 200  # a file has no edge at which digits would have to be cut off
    return made


def show(renderable: Any, file: Path | None) -> None:
    """To standard output, or appended to `file`."""
    if file is None:
        console().print(renderable)
    else:
        with file.open("a", encoding="utf-8") as stream:
            console(file=stream).print(renderable)


def write(content: str | bytes, file: Path | None) -> None:
    """A whole result, to standard output or as `file`."""
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


def summary(formula: sd.Function, whole: sd.Function, kernel: sd.Kernel, file: Path | None) -> None:
    """The function, what was made of it, and what it costs, for people."""
    if file is not None:
        file.write_text("", encoding="utf-8")
    cost = kernel.cost()
    signature = f"{formula.name}({_listed(formula.parameters)})"
    show(Text.assemble((signature, "bold cyan"), _definition(formula)), file)
    show("", file)
    if _is_large(whole):
        number = passes.count_operations(whole.optimized()).total
        outputs = f"{len(whole.outputs)} output{'s'[: len(whole.outputs) != 1]}"
        show(f"  {number} operations, {outputs}; --emit ir shows them", file)
    else:
        assignments = whole.assignments()
        for name, expression in assignments[:SHOWN]:
            style = "green" if name in whole.outputs else "yellow"
            show(Text.assemble("  ", (name, style), f" = {_short(expression)}"), file)
        if len(assignments) > SHOWN:
            show(f"  ... {len(assignments) - SHOWN} more; --emit ir shows all", file)
    rows = [
        ("parameters", _parameters(whole)),
        ("operations", f"{cost.value.total} for the value ({_kinds(cost.value)})"),
        ("", f"{cost.value_and_grad.total} for value and gradient, {cost.ratio:.1f} times as many"),
        ("machine code", f"{kernel.code_size} bytes"),
        ("compiled in", _times(kernel.stages)),
    ]
    show("", file)
    for label, text in rows:
        show(Text.assemble((f"  {label:13}", "dim"), text), file)


def _is_large(fn: sd.Function) -> bool:
    return passes.count_operations(fn.optimized()).total > LARGE


def _definition(fn: sd.Function) -> str:
    """What follows the signature of a function."""
    if _is_large(fn):
        return f": {passes.count_operations(fn.optimized()).total} operations"
    statements = [_short(line) for line in fn.formula().split("\n")]
    if len(statements) == 1:
        return f" = {statements[0]}"
    more = len(statements) - SHOWN
    last = [f"... {more} more"] if more > 0 else []
    return ":" + "".join(f"\n  {line}" for line in [*statements[:SHOWN], *last])


def _listed(items: Sequence[str]) -> str:
    """All of a few; of many the first two and the last."""
    return ", ".join(items if len(items) <= NAMED else [*items[:2], "...", items[-1]])


def _where(point: Mapping[str, float]) -> str:
    return _listed([f"{name}={repr(value).removesuffix('.0')}" for name, value in point.items()])


def _parameters(fn: sd.Function) -> str:
    shown = [f"{p.attr('name')}: {p.type}" for p in fn.ir.params[:NAMED]]
    more = len(fn.ir.params) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _kinds(count: Any) -> str:
    return ", ".join(f"{number} {kind}" for kind, number in sorted(count.items())) or "none"


def _times(stages: dict[str, float]) -> str:
    parts = ", ".join(f"{name} {1e3 * seconds:.1f}" for name, seconds in stages.items())
    return f"{1e3 * sum(stages.values()):.1f} ms ({parts})"


def _short(text: str, width: int = 2000) -> str:
    return text if len(text) <= width else f"{text[:width]} ... ({len(text)} characters)"


def value_table(point: Mapping[str, float], values: dict[str, float]) -> Text:
    """The outputs at a point, the first of many."""
    shown = list(values.items())[:SHOWN]
    width = max(len(name) for name, _ in shown)
    table = Text.assemble("\n", (f"at {_where(point)}", "italic"))
    for name, value in shown:
        table.append(f"\n   {name:{width}}", "green").append(f"  {value!r}")
    if len(values) > SHOWN:
        table.append(f"\n   ... {len(values) - SHOWN} more; --json shows all")
    return table


def named(fn: sd.Function, result: Any) -> dict[str, float]:
    """The outputs by name."""
    return dict(zip(fn.outputs, ir.flatten(fn.ir.result, result), strict=True))


def facts_of(formula: sd.Function, whole: sd.Function, kernel: sd.Kernel) -> dict[str, Any]:
    """A summary for programs; of a large function without the text."""
    cost = kernel.cost()
    assignments = None if _is_large(whole) else [list(pair) for pair in whole.assignments()]
    return {
        "name": formula.name,
        "formula": None if _is_large(formula) else formula.formula(),
        "parameters": list(formula.parameters),
        "outputs": list(whole.outputs),
        "assignments": assignments,
        "operations": {"value": dict(cost.value), "value_and_grad": dict(cost.value_and_grad)},
        "ratio": cost.ratio,
        "workspace_bytes": cost.workspace_bytes,
        "code_bytes": kernel.code_size,
        "seconds": kernel.stages,
    }


def as_text(facts: Any) -> str:
    """JSON; numbers that it does not have become the strings "nan", "inf" and "-inf"."""
    return json.dumps(_spelled(facts), indent=2, allow_nan=False) + "\n"


def _spelled(facts: Any) -> Any:
    if isinstance(facts, float) and not math.isfinite(facts):
        return str(facts)
    if isinstance(facts, dict):
        return {name: _spelled(fact) for name, fact in cast("dict[str, Any]", facts).items()}
    if isinstance(facts, list):
        return [_spelled(fact) for fact in cast("list[Any]", facts)]
    return facts


def report_facts(report: sd.Report) -> dict[str, Any]:
    """A report for programs."""
    names = ("output", "parameter", "gradient", "difference", "exact", "error", "passed", "verdict")
    rows = [{name: getattr(row, name) for name in names} for row in report.rows]
    return {"passed": report.passed, "at": dict(report.at), "rows": rows}


def report_table(report: sd.Report) -> Table:
    """A report for people."""
    table = Table(title=f"derivatives at {_where(report.at)}", title_justify="left")
    for heading in ("", "symdiff", "differences", "50 digits", "error", ""):
        table.add_column(heading, no_wrap=True)
    for row in report.rows:
        table.add_row(
            f"d {row.output} / d {row.parameter}",
            repr(row.gradient),
            repr(row.difference),
            "" if row.exact is None else repr(row.exact),
            "" if row.reference is None else f"{row.error:.1e}",
            Text(row.verdict, VERDICTS[row.verdict]),
        )
    return table
