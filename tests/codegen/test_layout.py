"""Memory that programs use once."""

from __future__ import annotations

from loop_programs import index, nested

from symdiff.codegen.loops import print_program
from symdiff.codegen.loops.layout import share_stores
from symdiff.codegen.loops.program import (
    ZERO,
    Buffer,
    Load,
    Program,
    Store,
)
from symdiff.ir import f64


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
