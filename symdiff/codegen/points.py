"""A function of numbers at many points, as a loop over vectors."""

from __future__ import annotations

from dataclasses import replace

from symdiff.codegen.llvm import LLVMEmitter, emit_values
from symdiff.codegen.vectors import VectorMath
from symdiff.ir import Function, Value, f64


def points_function(
    name: str, body: Function, flags: str, vectors: VectorMath
) -> tuple[str, dict[str, str]]:
    """The text of `@name(ptr operands, ptr results, i64 count, i64 extent)`, and what it declares.

    Parameter j of point i is double `j*extent + i` at `operands`, output k double `k*extent + i`
    at `results`. A vector at a time is computed where there are library functions of vectors for
    all that `body`, a function of float64 numbers, calls: our own are slow in code that is not
    optimised. Both arrays are then read and written up to `extent`, which is a multiple of the
    length of the vectors.
    """
    for _, lanes in vectors.variants[:1]:
        wide = LLVMEmitter(flags, lanes, replace(vectors, inlines=False))
        text = _function(name, body, wide)
        if not wide.went_lane_by_lane:
            return text, wide.declarations
    one = LLVMEmitter(flags)
    return _function(name, body, one), one.declarations


def _function(name: str, body: Function, b: LLVMEmitter) -> str:
    def place(pointer: str, row: int) -> str:
        """Where the points from %i on are in a row."""
        at = b.put(f"mul i64 %extent, {row}")
        return b.offset(pointer, b.put(f"add i64 %i, {at}"))

    handles: dict[Value, str] = {}
    for j, param in enumerate(body.params):
        handles[param] = b.load(f64, place("%operands", j))
    emit_values(b, body.live(), handles)
    for k, output in enumerate(body.outputs):
        b.store(f64, handles[output], place("%results", k))
    return "\n".join([
        f"define internal void @{name}(ptr noalias %operands, ptr noalias %results, "
        "i64 %count, i64 %extent) {",
        "entry:",
        "  br label %body",
        "body:",
        "  %i = phi i64 [ 0, %entry ], [ %next, %body ]",
        *b.lines,
        f"  %next = add i64 %i, {b.lanes}",
        "  %more = icmp slt i64 %next, %count",
        "  br i1 %more, label %body, label %exit",
        "exit:",
        "  ret void",
        "}",
    ])  # fmt: skip
