"""What the variables of a Python program call the values that are assigned to them."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterable
from itertools import groupby

from symdiff import ir

_Span = tuple[int, int, int, int]  # first line, column in bytes, last line, column after the end


def variables(values: Iterable[ir.Value]) -> dict[ir.Value, str]:
    """The names of those among `values`, in order, that are what stands right of a `name =`.

    An expression may come to several values, one after the other: the last of them is the one.
    """
    found: dict[ir.Value, str] = {}
    assigned: dict[str, dict[_Span, str]] = {}
    located = [(value, value.location) for value in values if value.args]
    for call, run in groupby(located, key=lambda pair: pair[1]):
        if not isinstance(call, ir.Call):
            continue
        file = call.code.co_filename
        if file not in assigned:
            assigned[file] = _assignments("".join(linecache.getlines(file)))
        columns = call.columns()
        if columns is None:
            continue
        (first, last), (start, end) = call.lines(), columns
        name = assigned[file].get((first, start, last, end))
        if name is not None:
            *_, (value, _) = run
            found[value] = name
    return found


def _assignments(program: str) -> dict[_Span, str]:
    """What is assigned to a single name, by where it stands."""
    try:
        tree = ast.parse(program)
    except (SyntaxError, ValueError):
        return {}
    found: dict[_Span, str] = {}
    for node in ast.walk(tree):
        target: ast.expr | None = None
        value: ast.AST | None = None
        if isinstance(node, ast.Assign):
            target, value = node.targets[-1], node.value
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)):
            target, value = node.target, node.value
        elif isinstance(node, ast.AugAssign):
            target, value = node.target, node  # the operation is the statement
        if isinstance(target, ast.Name) and isinstance(value, (ast.expr, ast.AugAssign)):
            ends = value.end_lineno or value.lineno, value.end_col_offset or 0
            found[value.lineno, value.col_offset, *ends] = target.id
    return found
