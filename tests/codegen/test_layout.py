"""Memory that programs use once, and in the order in which loops read it."""

from __future__ import annotations

from typing import Any

from symdiff.codegen.loops import print_program
from symdiff.codegen.loops.layout import copy_columns, share_stores
from symdiff.codegen.loops.program import (
    ZERO,
    Affine,
    Block,
    Buffer,
    For,
    Load,
    Nest,
    Program,
    Store,
    Var,
)
from symdiff.ir import f64


def nested(extents: tuple[int, ...], statements: Any) -> Nest:
    """Loops of the given extents around `statements(variables)`."""
    variables = [Var(extent, depth) for depth, extent in enumerate(extents, 1)]
    block = Block(len(extents), statements(*variables))
    for depth, var in reversed(list(enumerate(variables))):
        block = Block(depth, [For(var, (ZERO,), (Affine(var.extent),), block)])
    return Nest(block)


def index(*terms: tuple[Var, int]) -> Affine:
    return Affine(0, terms)


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
    assert "in0_by_column0[200*i0 + i1] = %0" in text
    assert "%0 = in0_by_column0[i2 + 200*i1]" in text


def test_others_are_read_where_they_are() -> None:
    for reads, rows, columns in ((2, 200, 5), (30, 8, 5), (30, 200, 1)):
        made = program(reads, rows, columns)
        before = print_program(made)
        copy_columns(made)
        assert print_program(made) == before


def test_equal_numbers_are_stored_once() -> None:
    source = Buffer("in0", f64, 10, "param")
    first, second, third = (Buffer(f"s{i}", f64, 10, "scratch") for i in range(3))
    target = Buffer("out0", f64, 10, "output")
    twice = nested(
        (10,),
        lambda i: [
            Load(0, source, index((i, 1))),
            Store(first, index((i, 1)), 0),
            Store(second, index((i, 1)), 0),
            Store(third, index((i, -1)) + 9, 0),  # in another order
        ],
    )
    reading = nested((10,), lambda i: [Load(1, second, index((i, 1))), Store(target, ZERO, 1)])
    made = Program("p", [source], [target], [first, second, third], steps=[twice, reading])
    share_stores(made)
    assert made.scratch == [first, third]
    assert "s1" not in print_program(made)
    assert "%1 = s0[i0]" in print_program(made)
