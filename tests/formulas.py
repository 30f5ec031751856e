"""Random functions for property tests, and the equations of physics."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from symdiff import ops
from symdiff.ir import F64, PARAM, Function, Graph, Value, interpret

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


DISTURBANCES = 8  # patterns of signs
DISTURBANCE = 4 * 2.0**-52  # relative, of every operation


def assert_as_conditioned(fn: Function, args: Sequence[Any], after: Any) -> None:
    """That `after` is the output of `fn` at `args`, but for rounding.

    How much rounding may matter is the formula's own affair (the sine of 1e15 keeps no digit of
    its operand's last place), so it is measured: by how much the output moves when every operation
    is off by a few ULP. Where it moves between numbers and no numbers anything is right.
    """
    rng = np.random.default_rng(0)
    before = interpret(fn, args)[0]
    after, before = np.broadcast_arrays(after, before)
    runs = [np.broadcast_to(_disturbed(fn, args, rng), before.shape) for _ in range(DISTURBANCES)]
    with np.errstate(all="ignore"):
        moved = np.max([np.abs(run - before) for run in runs], axis=0)
        near = np.abs(after - before) <= 8 * moved + 1e-13 * np.abs(before) + 1e-300
    steady = np.all([np.isfinite(run) == np.isfinite(before) for run in runs], axis=0)
    same = (after == before) | (np.isnan(after) & np.isnan(before))
    fits = np.where(np.isfinite(before), near, same) | ~steady
    assert fits.all(), f"{after[~fits]} instead of {before[~fits]}, which moves by {moved[~fits]}"


def _disturbed(fn: Function, args: Sequence[Any], rng: np.random.Generator) -> Any:
    """The output of `fn` where every operation is off by a few ULP, up or down."""
    env: dict[Value, Any] = dict(zip(fn.params, args, strict=True))
    with np.errstate(all="ignore"):
        for value in fn.live():
            if value.op is PARAM:
                continue
            result = value.op.value(*[env[a] for a in value.args], **dict(value.attrs))
            if value.args and value.type.dtype.kind == "f":
                result = result * (1 + DISTURBANCE * rng.choice([-1.0, 1.0], np.shape(result)))
            env[value] = result
    return env[fn.outputs[0]]
