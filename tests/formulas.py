"""Random functions for property tests, and the equations of physics."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import strategies as st

from symdiff import ops
from symdiff.ir import F64, Function, Graph, Value

DATA = Path(__file__).parent / "data"


class Equation(NamedTuple):
    """A formula with the range of each of its variables."""

    name: str
    formula: str
    ranges: dict[str, tuple[float, float]]


def physics() -> list[Equation]:
    """The equations of tests/data/physics.csv."""
    with (DATA / "physics.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    equations: list[Equation] = []
    for row in rows:
        words = [word.split(":") for word in row["variables (name:low:high)"].split()]
        ranges = {name: (float(low), float(high)) for name, low, high in words}
        equations.append(Equation(row["id"], row["formula"], ranges))
    return equations


_UNARY = [ops.neg, ops.sin, ops.cos, ops.tanh, ops.sigmoid, ops.abs, ops.exp, ops.softplus]
_BINARY = [ops.add, ops.sub, ops.mul, ops.div, ops.min, ops.max, ops.hypot, ops.atan2]
_COMPARE = [ops.lt, ops.le, ops.eq]
_CONSTANTS = [0.0, -0.0, 1.0, -1.0, 2.0, 0.5, -3.25, 1e-300]


@st.composite
def functions(draw: Any) -> Function:
    """A function of three numbers: up to 14 operations on parameters and constants."""
    graph = Graph()
    params = tuple(graph.param(name, F64) for name in "xyz")
    values: list[Value] = [*params]
    values += [graph.const(c, F64) for c in draw(st.lists(st.sampled_from(_CONSTANTS), max_size=3))]
    pick = st.integers(0, 1 << 30).map(lambda i: values[i % len(values)])
    for _ in range(draw(st.integers(1, 14))):
        kind = draw(st.sampled_from("uubbbbpw"))
        if kind == "u":
            values.append(draw(st.sampled_from(_UNARY))(draw(pick)))
        elif kind == "b":
            values.append(draw(st.sampled_from(_BINARY))(draw(pick), draw(pick)))
        elif kind == "p":
            power = draw(st.sampled_from([0.0, 1.0, 2.0, 3.0, -1.0, -2.0]))
            values.append(ops.pow(draw(pick), graph.const(power, F64)))
        else:
            condition = draw(st.sampled_from(_COMPARE))(draw(pick), draw(pick))
            values.append(ops.where(condition, draw(pick), draw(pick)))
    return Function("f", params, (values[-1],))
