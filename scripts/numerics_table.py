"""The accuracy of every operation, measured, as the table in docs/numerics.md.

Operations on arrays are listed there, too, with their attributes and conventions, and the vector
functions of symdiff/codegen/vector_math with the largest errors of theirs.

    python scripts/numerics_table.py            writes the table
    python scripts/numerics_table.py --check    exits with 1 if the table no longer holds

Value and first derivatives come from the compiled kernel, called with numbers and with arrays,
whose vector functions are others; the larger error counts. The references come from arithmetic of
so many digits that central differences in it are exact to 50, which knows nothing of our rules.
Errors are in units in the last place (ULP) of the exact result, the largest over the sample points
of the operation. Libraries differ, so a check allows twice the error that is written, and one more.
"""

from __future__ import annotations

import argparse
import inspect
import math
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
from vector_math_accuracy import MACHINE, Accuracy, Applied, Points, measured

import symdiff as sd
from symdiff import ir
from symdiff.codegen.vector_math import FUNCTIONS
from symdiff.ops import OPS

PAGE: Final = Path(__file__).parents[1] / "docs" / "numerics.md"
BEGIN, END = "<!-- table -->", "<!-- end -->"
LIST_BEGIN, LIST_END = "<!-- arrays -->", "<!-- end of arrays -->"
VECTOR_BEGIN, VECTOR_END = "<!-- vectors -->", "<!-- end of vectors -->"
VECTOR_POINTS: Final = 4000  # of every kind
POINTS: Final = 200
SEED: Final = 20240229
DIGITS: Final = 150
STEP: Final = "1e-50"


@dataclass(frozen=True, slots=True)
class Row:
    """The largest errors of one operation, in ULP.

    Attributes:
        name: as in the table of operations.
        value: of the value.
        derivatives: of the derivative with respect to each real operand.
        note: what the operation says of its kinks and poles.
        worst: the point of the largest error and what was computed there, for the curious.
    """

    name: str
    value: float
    derivatives: tuple[float, ...]
    note: str
    worst: str = ""

    def holds(self, measured: Row) -> bool:
        """Whether `measured` says the same, and errors no larger than libraries may differ."""
        written = (self.value, *self.derivatives)
        found = (measured.value, *measured.derivatives)
        return (
            (self.name, self.note) == (measured.name, measured.note)
            and len(written) == len(found)
            and all(f <= 2 * w + 1 for w, f in zip(written, found, strict=True))
        )


def operations() -> list[ir.Op]:
    """The operations on numbers whose result is a float64 number with an exact meaning."""
    found: list[ir.Op] = []
    for op in OPS.values():
        exact = op.exact is not None or hasattr(import_module("mpmath").mp, op.name)
        if op.elementwise and op.samples is not None and exact:
            type = _application(op, _samples(op, 1)).outputs[0].type
            found += [op] if type == ir.F64 else []
    return found


def array_operations() -> list[ir.Op]:
    """The operations on arrays as a whole, and the one that only differentiation sees."""
    core = ("const", "param", "item")
    return [
        op
        for op in OPS.values()
        if op.name not in core and (not op.elementwise or op.name == "stop_gradient")
    ]


def array_list() -> str:
    """The operations on arrays as Markdown: name, static attributes, convention."""
    lines: list[str] = []
    for op in sorted(array_operations(), key=lambda op: op.name):
        attributes = ", ".join(_attributes(op))
        what = " with ".join(filter(None, (f"`{op.name}`", attributes)))
        lines.append(": ".join(filter(None, (f"- {what}", op.note))))
    return "\n".join(lines)


def _attributes(op: ir.Op) -> list[str]:
    names = list(inspect.signature(op.type).parameters.values())[1:]
    return [f"`{p.name}`" for p in names if p.kind is not inspect.Parameter.VAR_KEYWORD]


def measure(op: ir.Op, points: int = POINTS) -> Row:
    """The errors of `op` at its first `points` sample points."""
    mp: Any = import_module("mpmath").mp
    samples = _samples(op, POINTS)
    fn = _application(op, samples)
    real = [i for i, p in enumerate(fn.params) if p.type == ir.F64]
    both = sd.value_and_grad(sd.Function(fn), wrt=real)
    kernel = sd.compile(both)
    columns = ir.flatten(both.ir.result, kernel(*samples))
    errors = [0.0] * len(columns)
    worst, where = 0.0, ""
    with import_module("mpmath").workdps(DIGITS):
        for k in range(points):
            point = [s[k].item() for s in samples]
            alone = ir.flatten(both.ir.result, kernel(*point))
            for j, exact in enumerate(_exact(fn, point, real, mp)):
                for computed in (alone[j], float(columns[j][k])):
                    error = ulps(computed, exact, mp)
                    errors[j] = max(errors[j], error)
                    if error > worst:
                        result = f"d/d{fn.param_names[real[j - 1]]}" if j else "value"
                        worst = error
                        where = f"{result} at {point!r} is {computed!r}, not {mp.nstr(exact, 20)}"
    return Row(op.name, errors[0], tuple(errors[1:]), op.note, where)


def _samples(op: ir.Op, points: int) -> list[np.ndarray[Any, Any]]:
    assert op.samples is not None
    return [np.asarray(s) for s in op.samples(np.random.default_rng(SEED), points)]


def _application(op: ir.Op, samples: Sequence[np.ndarray[Any, Any]]) -> ir.Function:
    """The function that is one application of `op` to scalar parameters."""
    graph = ir.Graph()
    types = [ir.BOOL if s.dtype == bool else ir.F64 for s in samples]
    params = [graph.param(name, type) for name, type in zip("xyz", types, strict=False)]
    return ir.Function(op.name, tuple(params), (op(*params, **dict(op.attr_samples)),))


def _exact(fn: ir.Function, point: Sequence[Any], real: Sequence[int], mp: Any) -> list[Any]:
    """Value and derivatives of `fn` at `point`, many more digits than a float64 has."""
    found = [_evaluated(fn, point, mp)]
    step = mp.mpf(STEP)
    for i in real:
        above, below = (
            _evaluated(fn, [*point[:i], mp.mpf(point[i]) + h, *point[i + 1 :]], mp)
            for h in (step, -step)
        )
        found.append((above - below) / (2 * step))
    return found


def _evaluated(fn: ir.Function, point: Sequence[Any], mp: Any) -> Any:
    (result,) = ir.evaluate_exactly(fn, point, mp)
    return mp.mpf(result)


def ulps(computed: float, exact: Any, mp: Any) -> float:
    """How far `computed` is from `exact`, in units in the last place of the latter."""
    if exact == 0:
        return 0.0 if computed == 0.0 else math.inf
    if not math.isfinite(computed):
        return math.inf
    return float(abs(mp.mpf(computed) - exact) / mp.mpf(math.ulp(float(exact))))


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown, errors rounded up to a tenth."""
    cells = [
        (f"`{r.name}`", _error(r.value), ", ".join(map(_error, r.derivatives)), _cell(r.note))
        for r in rows
    ]
    return _markdown(("operation", "value", "derivatives", "convention"), cells)


def _markdown(header: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    widths = [max(len(c[i]) for c in (header, *cells)) for i in range(len(header))]
    lines = [header, ["-" * w for w in widths], *cells]
    return "\n".join(
        f"| {' | '.join(c.ljust(w) for c, w in zip(line, widths, strict=True))} |" for line in lines
    )


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def _error(error: float) -> str:
    return f"{math.ceil(round(error * 10, 6)) / 10:.1f}" if math.isfinite(error) else "inf"


def written() -> dict[str, Row]:
    """The rows that the page has."""
    found: dict[str, Row] = {}
    text = PAGE.read_text(encoding="utf-8")
    for line in text[text.index(BEGIN) : text.index(END)].splitlines():
        cells = [c.strip().replace(r"\|", "|") for c in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not cells:
            continue
        name = re.fullmatch(r"`(\w+)`", cells[0])
        if name:
            derivatives = tuple(float(d) for d in cells[2].split(",") if d)
            found[name[1]] = Row(name[1], float(cells[1]), derivatives, cells[3])
    return found


def listed() -> str:
    """The list of operations on arrays that the page has."""
    text = PAGE.read_text(encoding="utf-8")
    return text[text.index(LIST_BEGIN) + len(LIST_BEGIN) : text.index(LIST_END)].strip()


def vector_accuracies(points: int) -> list[Accuracy]:
    """The vector functions, measured at so many points of every kind."""
    return [
        measured(name, Applied(name, 8, MACHINE), Points(points).of(name)) for name in FUNCTIONS
    ]


def vector_table(rows: Sequence[Accuracy]) -> str:
    """The rows as Markdown, errors rounded up to a hundredth."""
    cells = [
        (
            f"`{row.name}`",
            f"{math.ceil(row.error * 100) / 100:.2f}",
            f"{row.points:,}",
            ", ".join(map(repr, row.worst)),
        )
        for row in rows
    ]
    return _markdown(("function", "ULP", "points", "the worst of them"), cells)


def vector_written() -> dict[str, float]:
    """The errors of vector functions that the page has."""
    text = PAGE.read_text(encoding="utf-8")
    part = text[text.index(VECTOR_BEGIN) : text.index(VECTOR_END)]
    return {m[1]: float(m[2]) for m in re.finditer(r"\| `(\w+)` *\| ([\d.]+)", part)}


def _replaced(text: str, begin: str, end: str, inner: str) -> str:
    before, after = text.split(begin)[0], text.split(end)[1]
    return f"{before}{begin}\n\n{inner}\n\n{end}{after}"


def main() -> None:
    """Write the table, or check it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--points", type=int, default=POINTS, help="sample points per operation")
    options = parser.parse_args()
    rows = [measure(op, options.points) for op in operations()]
    if not options.check:
        text = PAGE.read_text(encoding="utf-8")
        text = _replaced(text, BEGIN, END, table(rows))
        text = _replaced(text, LIST_BEGIN, LIST_END, array_list())
        vectors = vector_accuracies(VECTOR_POINTS)
        text = _replaced(text, VECTOR_BEGIN, VECTOR_END, vector_table(vectors))
        PAGE.write_text(text, encoding="utf-8")
        for row in sorted(rows, key=lambda r: -max(r.value, *r.derivatives))[:5]:
            print(f"{row.name}: {max(row.value, *row.derivatives):.1f} ULP, {row.worst}")
        return
    page = written()
    wrong = [r for r in rows if r.name not in page or not page[r.name].holds(r)]
    for row in wrong:
        print(f"{row.name}: measured {row.value:.1f}, {row.derivatives}; {row.worst}")
    for name in sorted(page.keys() - {r.name for r in rows}):
        print(f"{name}: in the table, but no operation")
    if listed() != array_list():
        print("the list of operations on arrays is not up to date")
    vector_page = vector_written()
    for row in vector_accuracies(VECTOR_POINTS // 10):
        if row.error > vector_page.get(row.name, -1.0) + 0.5:
            print(f"vectors: {row} is worse than the table says")
            wrong.append(Row(row.name, row.error, (), ""))
    stale = len(page) != len(rows) or listed() != array_list()
    sys.exit(1 if wrong or stale else 0)


if __name__ == "__main__":
    main()
