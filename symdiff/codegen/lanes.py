"""Many points at once: a formula of numbers as loops over tiles of points.

A tile is a fixed number of points, contiguous in memory, for which the formula is a function of
arrays; its loops are vectorised like any others. Operands that are not contiguous, and the last
points of a batch, are copied to and from tiles of their own, so that every point of a batch is
computed by the same instructions wherever it stands.
"""

from __future__ import annotations

from typing import Final

from symdiff.codegen.llvm import MEMORY_TYPES, LLVMEmitter
from symdiff.codegen.loops import Program, VectorMath, build_program
from symdiff.codegen.loops.llvm import ProgramWriter
from symdiff.ir import DType, Function, Graph, Literal, TupleType, Type, Value

FEW: Final = 32  # points that are computed one by one: copying to a tile would cost more
_POINTS: Final = 256
_CACHE: Final = 1 << 18  # bytes that the tiles of all operands may take


def tile_points(fn: Function) -> int:
    """The number of points in a tile: as many as keep all operands in the second-level cache."""
    points = _POINTS
    while points > 32 and (len(fn.params) + len(fn.outputs)) * points * 8 > _CACHE:
        points //= 2
    return points


def tiled(fn: Function, points: int) -> Function:
    """`fn`, a function of numbers, for `points` points at once."""
    graph = Graph()
    known: dict[Value, Value] = {}
    for value in (*fn.params, *fn.live()):
        if value in known:
            continue
        attrs = value.attrs
        type: Type | TupleType = value.type
        if isinstance(type, TupleType):
            type = TupleType(tuple(t.with_shape((points,)) for t in type.elements))
        else:
            type = type.with_shape((points,))
            if value.literal is not None:
                attrs = (("value", Literal(type, value.literal.data)),)
            elif not value.args:
                attrs = tuple((k, type if k == "type" else v) for k, v in attrs)
        args = tuple([known[a] for a in value.args])
        known[value] = graph.add(value.op, args, attrs, type)
    params = tuple(known[p] for p in fn.params)
    return Function(fn.name, params, tuple(known[o] for o in fn.outputs), fn.result)


class Lanes:
    """The tile program of a function, and the memory that a batch takes."""

    def __init__(self, fn: Function) -> None:
        self.points = tile_points(fn)
        self.program: Program = build_program(tiled(fn, self.points), blas=False)
        self.dtypes = [v.type.dtype for v in (*fn.params, *fn.outputs)]
        self.inputs = len(fn.params)

    @property
    def workspace(self) -> int:
        """8-byte words: a tile per operand, and the scratch memory of the loops."""
        return len(self.dtypes) * self.points + -(-self.program.workspace // 8)

    def write(self, symbol: str, flags: str, vectors: VectorMath) -> ProgramWriter:
        """The functions that compute `n` points, as `@NAME.tiles(pointers, steps, n, ws)`."""
        writer = ProgramWriter(symbol, flags, vectors)
        writer.write(self.program, f"{symbol}.tile")
        for dtype in dict.fromkeys(self.dtypes):
            writer.functions.append(_copy(symbol, dtype, self.points))
        b = LLVMEmitter()
        count = len(self.dtypes)
        bases = [b.put(f"load ptr, ptr {b.offset('%pointers', i)}") for i in range(count)]
        steps = [b.put(f"load i64, ptr {b.offset('%steps', i)}") for i in range(count)]
        b.lines += [
            "  br label %head",
            "head:",
            "  %i = phi i64 [ 0, %entry ], [ %next, %done ]",
            "  %left = sub i64 %n, %i",
            "  %more = icmp sgt i64 %left, 0",
            "  br i1 %more, label %body, label %exit",
            "body:",
            f"  %full = icmp sge i64 %left, {self.points}",
            f"  %count = select i1 %full, i64 {self.points}, i64 %left",
        ]
        passed: list[str] = []
        places: list[tuple[str, str]] = []
        for k, (base, step, dtype) in enumerate(zip(bases, steps, self.dtypes, strict=True)):
            distance = b.put(f"mul i64 %i, {step}")
            place = b.offset(base, distance, 1)
            tile = b.offset("%ws", k * self.points)
            dense = b.put(f"icmp eq i64 {step}, {dtype.itemsize}")
            direct = b.put(f"and i1 {dense}, %full")
            if k < self.inputs:
                b.lines += [
                    f"  br i1 {direct}, label %have{k}, label %copy{k}",
                    f"copy{k}:",
                    f"  call void @{symbol}.in.{dtype}(ptr {tile}, ptr {place}, i64 {step}, "
                    "i64 %count)",
                    f"  br label %have{k}",
                    f"have{k}:",
                ]
            passed.append("ptr " + b.put(f"select i1 {direct}, ptr {place}, ptr {tile}"))
            places.append((place, direct))
        scratch = b.offset("%ws", count * self.points)
        b.put(f"call i64 @{symbol}.tile({', '.join([*passed, f'ptr {scratch}'])})")
        for k in range(self.inputs, count):
            place, direct = places[k]
            tile, dtype = b.offset("%ws", k * self.points), self.dtypes[k]
            b.lines += [
                f"  br i1 {direct}, label %sent{k}, label %send{k}",
                f"send{k}:",
                f"  call void @{symbol}.out.{dtype}(ptr {place}, ptr {tile}, i64 {steps[k]}, "
                "i64 %count)",
                f"  br label %sent{k}",
                f"sent{k}:",
            ]
        b.lines += [
            "  br label %done",
            "done:",
            f"  %next = add i64 %i, {self.points}",
            "  br label %head",
            "exit:",
            "  ret void",
        ]
        arguments = "ptr %pointers, ptr %steps, i64 %n, ptr %ws"
        header = f"define internal void @{symbol}.tiles({arguments}) {{"
        writer.functions.append("\n".join([header, "entry:", *b.lines, "}"]))
        writer.declarations |= b.declarations
        return writer


def batch_entry(symbol: str) -> str:
    """`@NAME.batch`: few points one by one, many of them in tiles."""
    arguments = "ptr %pointers, ptr %steps, i64 %n, ptr %ws"
    return f"""\
define void @{symbol}.batch({arguments}) {{
entry:
  %few = icmp slt i64 %n, {FEW}
  br i1 %few, label %one, label %many
one:
  call void @{symbol}.points({arguments})
  ret void
many:
  call void @{symbol}.tiles({arguments})
  ret void
}}"""


def _copy(symbol: str, dtype: DType, points: int) -> str:
    """Functions that fill a tile, repeating the last point, and that empty one."""
    kind = MEMORY_TYPES[dtype.name]
    return f"""\
define internal void @{symbol}.in.{dtype}(ptr %tile, ptr %place, i64 %step, i64 %count) {{
entry:
  %last = sub i64 %count, 1
  br label %head
head:
  %j = phi i64 [ 0, %entry ], [ %next, %head ]
  %within = icmp slt i64 %j, %last
  %at = select i1 %within, i64 %j, i64 %last
  %distance = mul i64 %at, %step
  %element = getelementptr i8, ptr %place, i64 %distance
  %value = load {kind}, ptr %element
  %target = getelementptr {kind}, ptr %tile, i64 %j
  store {kind} %value, ptr %target
  %next = add i64 %j, 1
  %more = icmp slt i64 %next, {points}
  br i1 %more, label %head, label %exit
exit:
  ret void
}}

define internal void @{symbol}.out.{dtype}(ptr %place, ptr %tile, i64 %step, i64 %count) {{
entry:
  br label %head
head:
  %j = phi i64 [ 0, %entry ], [ %next, %head ]
  %source = getelementptr {kind}, ptr %tile, i64 %j
  %value = load {kind}, ptr %source
  %distance = mul i64 %j, %step
  %element = getelementptr i8, ptr %place, i64 %distance
  store {kind} %value, ptr %element
  %next = add i64 %j, 1
  %more = icmp slt i64 %next, %count
  br i1 %more, label %head, label %exit
exit:
  ret void
}}"""
