"""What the commands print: summaries, tables and JSON."""

from __future__ import annotations

import base64
import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

import click
import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

import symdiff as sd
from symdiff import ir, passes
from symdiff.check import brief

SHOWN: Final = 40  # lines of a summary; --emit and --json show everything
NAMED: Final = 12  # parameters in one line
LARGE: Final = 2000  # operations that nobody reads as assignments
LINE: Final = 100  # characters in a line of an array
ELEMENTS: Final = 200  # elements of an array that are all written
VERDICTS: Final = {
    "ok": "green",
    "FAILED": "bold red",
    "no reference": "yellow",
    "empty": "yellow",
}


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
    assignments = _assignments(whole)
    if assignments is None:
        number = passes.count_operations(whole.optimized()).total
        outputs = f"{len(whole.outputs)} output{'s'[: len(whole.outputs) != 1]}"
        show(f"  {number} operations, {outputs}; --emit ir shows them", file)
    else:
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


def _assignments(fn: sd.Function) -> list[tuple[str, str]] | None:
    """A function as people read it; None for a large one, or one that formulas cannot say."""
    try:
        return None if _is_large(fn) else fn.assignments()
    except sd.UnsupportedError:
        return None


def _formula(fn: sd.Function) -> str | None:
    """A function as text; None as for `_assignments`."""
    try:
        return None if _is_large(fn) else fn.formula()
    except sd.UnsupportedError:
        return None


def _is_large(fn: sd.Function) -> bool:
    return sum(bool(value.args) for value in fn.optimized().live()) > LARGE


def _definition(fn: sd.Function) -> str:
    """What follows the signature of a function."""
    text = _formula(fn)
    if text is None:
        return f": {passes.count_operations(fn.optimized()).total} operations"
    statements = [_short(line) for line in text.split("\n")]
    if len(statements) == 1:
        return f" = {statements[0]}"
    more = len(statements) - SHOWN
    last = [f"... {more} more"] if more > 0 else []
    return ":" + "".join(f"\n  {line}" for line in [*statements[:SHOWN], *last])


def _listed(items: Sequence[str]) -> str:
    """All of a few; of many the first two and the last."""
    return ", ".join(items if len(items) <= NAMED else [*items[:2], "...", items[-1]])


def _where(point: Mapping[str, Any]) -> str:
    return _listed([f"{name}={_brief(value)}" for name, value in point.items()])


def _brief(value: Any) -> str:
    """A value of a point: numbers and short arrays with all digits, the type of a long array."""
    array = np.asarray(cast("list[Any]", value)) if isinstance(value, list) else value
    return brief(array).removesuffix(".0")


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


def usage_table(usage: sd.cache.Usage) -> Table:
    """Where the cache is and how full."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_row("folder", Text(usage.folder))
    table.add_row("in use", "yes" if usage.enabled else f"no: {usage.reason}")
    table.add_row("entries", str(usage.entries))
    table.add_row("size", f"{_megabytes(usage.size)} of at most {_megabytes(usage.limit)}")
    return table


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def value_table(point: Mapping[str, Any], values: Mapping[str, Any]) -> Text:
    """The outputs at a point, the first of many."""
    shown = list(values.items())[:SHOWN]
    width = max((len(name) for name, _ in shown), default=0)
    table = Text.assemble("\n", (f"at {_where(point)}", "italic"))
    for name, value in shown:
        table.append(f"\n   {name:{width}}", "green").append("  ")
        table.append(_digits(value, " " * (width + 5)))
    if len(values) > SHOWN:
        table.append(f"\n   ... {len(values) - SHOWN} more; --json shows all")
    return table


def _digits(value: Any, indent: str) -> str:
    """All digits of a number or of an array, of a large array the first and last elements."""
    if not isinstance(value, np.ndarray):
        return repr(value)
    array = cast("Any", value)
    if not array.size:
        return f"no elements, shape {list(array.shape)}"
    return np.array2string(
        array, max_line_width=LINE, separator=", ", prefix=indent, threshold=ELEMENTS,
        floatmode="unique",
    )  # fmt: skip


def named(fn: sd.Function, result: Any) -> dict[str, Any]:
    """The outputs by name."""
    return dict(zip(fn.outputs, ir.flatten(fn.ir.result, result), strict=True))


def facts_of(formula: sd.Function, whole: sd.Function, kernel: sd.Kernel) -> dict[str, Any]:
    """A summary for programs; of a large function without the text."""
    cost = kernel.cost()
    return {
        "name": formula.name,
        "formula": _formula(formula),
        "parameters": list(formula.parameters),
        "types": {p.attr("name"): str(p.type) for p in formula.ir.params},
        "outputs": list(whole.outputs),
        "assignments": _assignments(whole),
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
    if isinstance(facts, (np.ndarray, np.generic)):
        facts = cast("Any", facts).tolist()
    if isinstance(facts, float) and not math.isfinite(facts):
        return str(facts)
    if isinstance(facts, dict):
        return {name: _spelled(fact) for name, fact in cast("dict[str, Any]", facts).items()}
    if isinstance(facts, (list, tuple)):
        return [_spelled(fact) for fact in cast("list[Any]", facts)]
    return facts


def stage_facts(emit: str, content: str | bytes) -> dict[str, Any]:
    """A stage of the compilation for programs: text, or machine code in Base64."""
    if isinstance(content, bytes):
        return {"emit": emit, "base64": base64.b64encode(content).decode()}
    return {"emit": emit, "text": content}


def report_facts(report: sd.Report) -> dict[str, Any]:
    """A report for programs."""
    names = (
        "output", "output_shape", "parameter", "shape", "index", "gradient", "plain", "difference",
        "exact", "error", "absolute", "entries", "directions", "passed", "verdict",
    )  # fmt: skip
    rows = [{name: getattr(row, name) for name in names} for row in report.rows]
    skipped = list(report.skipped)
    return {"passed": report.passed, "at": dict(report.at), "rows": rows, "skipped": skipped}


def report_table(report: sd.Report) -> Table:
    """A report for people."""
    title, notes = Text(f"derivatives at {_where(report.at)}"), Text("\n".join(report.notes))
    table = Table(title=title, title_justify="left")
    table.caption, table.caption_justify = notes if report.notes else None, "left"
    arrays = any(row.shape for row in report.rows)
    numbers = ("symdiff", "step 1e-4", "extrapolated", "50 digits", "error")
    of_arrays = ("where", "symdiff", "step 1e-4", "reference", "relative", "absolute", "checked")
    for heading in ("", *(of_arrays if arrays else numbers), ""):
        table.add_column(heading, no_wrap=True)
    for row in report.rows:
        gradient = repr(row.gradient) if row.entries else ""
        exact = "" if row.exact is None else repr(row.exact)
        found = row.reference is not None
        error = f"{row.error:.1e}" if found else ""
        plain = repr(row.plain) if found else ""
        cells = [gradient, plain, repr(row.difference), exact, error]
        if arrays:
            reference = repr(row.reference) if found else ""
            absolute = f"{row.absolute:.1e}" if found else ""
            cells = [row.place, gradient, plain, reference, error, absolute, row.extent]
        table.add_row(*map(Text, (row.label, *cells)), Text(row.verdict, VERDICTS[row.verdict]))
    return table
