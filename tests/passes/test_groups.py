"""Calls of libm in groups: the same function, and what is in a group is independent."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from formulas import functions
from hypothesis import given

import symdiff as sd
from symdiff import ops, passes
from symdiff.ir import Function, Graph, Value, f32, interpret, print_function, read_function, verify
from symdiff.passes import groups

POINTS = [np.array([0.5, -1.25, 0.0]), np.array([0.25, 3.0, -0.5]), np.array([-4.0, 0.1, 1.0])]


def mapped(fn: Function) -> list[Value]:
    return [v for v in fn.live() if v.op is ops.map_points]


def calls(fn: Function) -> int:
    """How many points all groups have."""
    return sum(len(v.args) // len(v.attr("body").params) for v in mapped(fn))


def layers(width: int, depth: int) -> str:
    """`depth` layers of `width` calls each, each on two neighbours of the layer before."""
    lines: list[str] = []
    for k in range(depth):
        for i in range(width):
            a, b = i, (i + 1) % width
            before = f"x{a} + x{b}" if k == 0 else f"t{k - 1}_{a} - t{k - 1}_{b}"
            lines.append(f"t{k}_{i} = {('sin', 'tanh')[i % 2]}({before})")
    return "\n".join([*lines, " + ".join(f"t{depth - 1}_{i}" for i in range(width))])


@given(fn=functions())
def test_groups_keep_the_value(fn: Function) -> None:
    optimized = passes.run(passes.PIPELINE, fn)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(groups, "LEAST", 1)
        result = passes.group_calls(optimized)
    verify(result)
    before = interpret(optimized, POINTS)[0]
    for i in range(3):
        after = interpret(result, [row[i] for row in POINTS])[0]
        expected = np.broadcast_to(before, 3)[i]
        np.testing.assert_allclose(after, expected, rtol=1e-9, atol=1e-12)


def test_all_independent_calls_of_a_kind_are_one_group() -> None:
    fn = sd.value_and_grad(layers(width=8, depth=3)).optimized()
    grouped = passes.group_calls(fn)
    verify(grouped)
    bodies = [v.attr("body").name for v in mapped(grouped)]
    assert sorted(bodies) == ["sech2_tanh"] * 3 + ["sincos"] * 3
    assert calls(grouped) == 24
    assert not {v.op for v in grouped.live()} & {ops.tanh, ops.sech2, ops.sincos}


def test_bodies_have_what_back_ends_know() -> None:
    grouped = passes.group_calls(sd.value_and_grad(layers(8, 1)).optimized())
    for value in mapped(grouped):
        assert all(v.op.emit or not v.args for v in value.attr("body").live() if v.op.elementwise)


def test_text_of_groups_reads_back() -> None:
    text = print_function(passes.group_calls(sd.function(layers(8, 2)).optimized()))
    assert print_function(read_function(text, ops.OPS)) == text


@pytest.mark.parametrize(
    "source",
    [
        "sin(sin(sin(sin(sin(x)))))",  # each needs the one before
        "sin(x) + exp(y) + tanh(z)",  # nothing is called often enough
        "digamma(x) + digamma(y) + digamma(z) + digamma(w) + digamma(v)",  # not libm's
        "sqrt(x) + sqrt(y) + sqrt(z) + sqrt(v) + sqrt(w)",  # an instruction
    ],
)
def test_what_gains_nothing_stays(source: str) -> None:
    assert not mapped(passes.group_calls(sd.function(source).optimized()))


def test_single_precision_stays() -> None:
    assert not mapped(passes.group_calls(passes.as_dtype(sd.function(layers(8, 1)).ir, f32)))


def test_the_work_grows_linearly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values that are added, over those of the function: as many for a long one."""

    def ratio(depth: int) -> float:
        fn = sd.function(layers(16, depth)).optimized()
        added: list[Any] = []
        add = Graph.add

        def counted(self: Any, *args: Any) -> Value:
            added.append(args)
            return add(self, *args)

        with monkeypatch.context() as patch:
            patch.setattr(Graph, "add", counted)
            passes.group_calls(fn)
        return len(added) / len(fn.live())

    assert ratio(64) <= 1.1 * ratio(8)


def test_large_groups_are_split() -> None:
    n = 2 * groups.MOST + 3
    fn = sd.function(" + ".join(f"sin({i}*x)" for i in range(1, n + 1))).optimized()
    grouped = passes.group_calls(fn)
    assert [len(v.args) for v in mapped(grouped)] == [groups.MOST, groups.MOST, 3]
    found = interpret(grouped, [np.float64(0.25)])
    np.testing.assert_allclose(found[0], np.sin(np.arange(1, n + 1) * 0.25).sum(), rtol=1e-12)
