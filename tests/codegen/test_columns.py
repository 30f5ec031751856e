"""Memory in the order in which the innermost loops go through it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from loop_programs import index, nested

import symdiff as sd
from symdiff.codegen.loops import print_program
from symdiff.codegen.loops.columns import copy_columns, turn_scratch
from symdiff.codegen.loops.program import (
    Buffer,
    Copy,
    Load,
    Program,
    Store,
    Update,
    Var,
    Zero,
)
from symdiff.ir import f64


def program(reads: int, rows: int, columns: int) -> Program:
    """`reads` times over a matrix, down its columns."""
    source = Buffer("in0", f64, rows * columns, "param")
    target = Buffer("out0", f64, reads * rows * columns, "output")

    def body(k: Var, j: Var, i: Var) -> list[Any]:
        return [
            Load(0, source, index((i, columns), (j, 1))),
            Store(target, index((k, rows * columns), (j, rows), (i, 1)), 0),
        ]

    nest = nested((reads, columns, rows), body)
    return Program("p", params=[source], outputs=[target], steps=[nest])


def test_columns_that_are_read_often_are_read_from_a_copy() -> None:
    made = program(reads=30, rows=200, columns=5)
    copy_columns(made)
    text = print_program(made)
    assert len(made.steps) == 2
    assert "for i1 from 0 to 200:\n        %0 = in0[i0 + 5*i1]" in text
    assert "in0_by_column0[208*i0 + i1] = %0" in text
    assert "%0 = in0_by_column0[i2 + 208*i1]" in text


def test_others_are_read_where_they_are() -> None:
    for reads, rows, columns in ((2, 200, 5), (30, 8, 5), (30, 200, 1)):
        made = program(reads, rows, columns)
        before = print_program(made)
        copy_columns(made)
        assert print_program(made) == before


def test_columns_of_which_each_is_read_on_its_own() -> None:
    source, target = Buffer("in0", f64, 600, "param"), Buffer("out0", f64, 200, "output")

    def body(k: Var, i: Var) -> list[Any]:
        loads = [Load(c, source, index((i, 3)) + c) for c in range(3)]
        return [*loads, Update("sum", target, index((k, 1)), 0, f64)]

    made = Program("p", params=[source], outputs=[target], steps=[nested((200, 200), body)])
    copy_columns(made)
    text = print_program(made)
    # A column begins where a vector does: 200 elements, and 8 that nothing reads.
    assert "in0_by_column0[208*i0 + i1] = %0" in text
    for line in ("%0 = in0_by_column0[i1]", "[i1 + 208]", "[i1 + 416]"):
        assert line in text


def sums(times: int, width: int, *, moved: bool = False) -> Program:
    """A scratch buffer of 3 columns, `width` apart, to which is added `times`, and then read."""
    source, kept = Buffer("in0", f64, 100, "param"), Buffer("s0", f64, 300, "scratch")
    target = Buffer("out0", f64, 300, "output")

    def add(k: Var, i: Var) -> list[Any]:
        at = index((i, width))
        loads = [Load(0, source, index((i, 1)))]
        return [*loads, *(Update("sum", kept, at + c, 0, f64) for c in range(3))]

    steps: list[Any] = [Zero(kept), nested((times, 100), add)]
    steps.append(
        Copy(kept, target)
        if moved
        else nested(
            (100, 3),
            lambda i, c: [
                Load(0, kept, index((i, 3), (c, 1))),
                Store(target, index((i, 3), (c, 1)), 0),
            ],
        )
    )
    return Program("p", params=[source], outputs=[target], scratch=[kept], steps=steps)


def test_what_is_added_to_down_columns_is_kept_by_column() -> None:
    made = sums(50, 3)
    turn_scratch(made)
    text = print_program(made)
    for line in ("s0[i1] sum= %0", "s0[i1 + 112] sum= %0", "s0[i1 + 224] sum= %0"):
        assert line in text
    assert "%0 = s0[i0 + 112*i1]" in text
    assert made.scratch[0].size == 3 * 112


def test_what_steps_take_as_it_lies_stays() -> None:
    for made in (sums(50, 3, moved=True), sums(50, 1)):
        before = print_program(made)
        turn_scratch(made)
        assert print_program(made) == before


@pytest.mark.parametrize("n", [17, 128, 255])
def test_sums_over_pairs_of_points_in_space(n: int) -> None:
    energy = sd.value_and_grad(
        "def f(x: f64[n,3]):\n"
        "    return sum(sum((x[i,k] - x[j,k])**2 for k in range(3))**-3"
        " for i in range(n) for j in range(i))"
    )
    x = np.random.default_rng(0).normal(size=(n, 3)) * 3
    apart = x[:, None] - x
    squared = (apart**2).sum(axis=2) + np.eye(n)
    value, gradient = energy(x)
    np.testing.assert_allclose(value, (np.sum(squared**-3.0) - n) / 2, rtol=1e-12)
    expected = np.sum(-6 * apart * squared[..., None] ** -4.0, axis=1)
    np.testing.assert_allclose(gradient, expected, rtol=1e-10, atol=1e-9 * np.abs(expected).max())
