"""`symdiff check --trace`, and the differences of textbooks in `symdiff check`."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import symdiff as sd
from symdiff.cli import main


def run(*words: str) -> Any:
    return CliRunner().invoke(main, words)


def test_a_trace_points_into_the_formula() -> None:
    result = run("check", "x*y + log(y - x)", "--at", "x=3,y=2", "--trace")
    assert result.exit_code == 1
    assert (
        "forward: NaN first made by log(y - x), line 1, column 7\n"
        "  x*y + log(y - x)\n"
        "        ^\n"
        "  operands: y - x = -1\n" in result.stdout
    )
    result = run("check", "x*y + sqrt(x)", "--at", "x=0,y=2", "--trace")
    assert result.exit_code == 1
    assert "backward: infinity first made by sqrt(x), line 1, column 7, for x" in result.stdout


def test_a_trace_at_a_point_that_is_drawn() -> None:
    result = run(
        "check", "sum(max(W @ x, 0))", "--arg", "W:f64[4,3]", "--arg", "x:f64[3]", "--trace"
    )
    assert result.exit_code == 0
    assert "the value and all gradients are finite" in result.stdout
    assert "of 4 elements are flat" in result.stdout


def test_a_trace_for_programs() -> None:
    result = run("check", "a = y - x\nsqrt(a)*x", "--at", "x=3,y=2", "--trace", "--json")
    assert result.exit_code == 1
    trace = json.loads(result.stdout)["trace"]
    assert (trace["finite"], trace["value"]) == (False, "nan")
    (found,) = trace["findings"]
    assert (found["phase"], found["kind"], found["operation"]) == ("forward", "NaN", "sqrt(a)")
    assert (found["line"], found["column"], found["operands"]) == (2, 1, {"a": -1.0})
    nodes = {node["node"]: node["gradient_norm"] for node in trace["nodes"]}
    assert nodes["x"] == "nan"
    relus = json.loads(run("check", "relu(x)", "--at", "x=-1", "--trace", "--json").stdout)
    assert relus["trace"]["relus"][0]["dead"] == 1
    assert "trace" not in json.loads(run("check", "x", "--json").stdout)


@pytest.mark.parametrize(
    ("source", "f", "x"),
    [("exp(x)*x", lambda x: math.exp(x) * x, 1.5), ("x**3", lambda x: x**3, -2.0)],
)
def test_differences_with_the_step_of_textbooks(source: str, f: Any, x: float) -> None:
    h = 1e-4
    (row,) = sd.check(source, [x]).rows
    assert row.plain == pytest.approx((f(x + h) - f(x - h)) / (2 * h), rel=1e-12)
    assert abs(row.plain - row.gradient) < 1e-6 * abs(row.gradient)
    assert abs(row.difference - row.gradient) < abs(row.plain - row.gradient)  # the better ones
    assert "step 1e-4" in run("check", source, "--at", f"x={x}").stdout


def test_differences_of_arrays() -> None:
    x = np.array([0.5, 1.0])
    (row,) = sd.check(lambda x: np.sum(x**3), [x]).rows
    assert row.index is not None
    assert row.plain == pytest.approx(3 * x[row.index] ** 2, rel=1e-7)
