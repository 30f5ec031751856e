"""Many points at once: W of them in the lanes of vectors, one group of W after the other.

A group reads every operand from memory where the W numbers of an element lie side by side. Numbers
that a caller has one after the other are read and written where they are. All others (further
apart, the same for all points, arrays) are copied to and from a place of the group's own, and so
are the last points of a batch: every point is computed by the same instructions wherever it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple

from symdiff.codegen.llvm import MEMORY_TYPES, LLVMEmitter
from symdiff.ir import DType

_ALIGNMENT: Final = 64  # bytes

# Writes the computation of a group whose operands are at the given pointers.
Compute = Callable[[LLVMEmitter, Sequence[str]], None]


class Item(NamedTuple):
    """What an operand is at one point: so many elements."""

    dtype: DType
    size: int


@dataclass(frozen=True)
class Groups:
    """How a batch is cut into groups.

    Attributes:
        inputs, outputs: the operands.
        lanes: the points of a group.
        scratch: bytes that a group needs besides its operands.
        replaced: the input whose memory an output takes, by the position of the output.
    """

    inputs: tuple[Item, ...]
    outputs: tuple[Item, ...]
    lanes: int
    scratch: int = 0
    replaced: Mapping[int, int] = field(default_factory=dict[int, int])

    @cached_property
    def places(self) -> list[int]:
        """Where the operands have places of their own, in bytes, and where scratch begins."""
        starts: list[int] = []
        end = 0
        for k, item in enumerate((*self.inputs, *self.outputs)):
            donor = self.replaced.get(k - len(self.inputs))
            if donor is not None:
                starts.append(starts[donor])
                continue
            starts.append(end)
            size = item.size * item.dtype.itemsize * self.lanes
            end += -(-size // _ALIGNMENT) * _ALIGNMENT
        return [*starts, end]

    @property
    def workspace(self) -> int:
        """Bytes that a batch needs."""
        return self.places[-1] + self.scratch


class GroupWriter:
    """LLVM text of `i64 @NAME.many(ptr pointers, ptr steps, i64 n, ptr ws)`.

    It calls `i64 @NAME.group(ptr operand, ..., ptr scratch)` for one group after the other and
    ends with the first status that is not 0. With `compute`, a batch of numbers that lie one
    after the other has a loop around that instead.
    """

    def __init__(
        self, groups: Groups, symbol: str, compute: Compute | None, b: LLVMEmitter
    ) -> None:
        self.groups, self.symbol, self.compute, self.b = groups, symbol, compute, b
        self.items = (*groups.inputs, *groups.outputs)

    def functions(self) -> list[str]:
        """The function and what it calls, apart from the computation of a group."""
        b, items, lanes = self.b, self.items, self.groups.lanes
        b.lines.append("entry:")
        count = len(items)
        self.bases = [b.put(f"load ptr, ptr {b.offset('%pointers', k)}") for k in range(count)]
        self.steps = [b.put(f"load i64, ptr {b.offset('%steps', k)}") for k in range(count)]
        self.own = [b.offset("%ws", start, 1) for start in self.groups.places[:-1]]
        self.scratch = b.offset("%ws", self.groups.places[-1], 1)
        self.dense = [
            b.put(f"icmp eq i64 {step}, {item.dtype.itemsize}") if item.size == 1 else "false"
            for step, item in zip(self.steps, items, strict=True)
        ]
        self.still = [
            b.put(f"icmp eq i64 {step}, 0") for step in self.steps[: len(self.groups.inputs)]
        ]
        for k, still in enumerate(self.still):
            b.lines += [f"  br i1 {still}, label %fill{k}, label %filled{k}", f"fill{k}:"]
            self.pack(k, self.bases[k], "1")
            b.lines += [f"  br label %filled{k}", f"filled{k}:"]
        done = self.whole_groups() if self.compute else "0"
        self.any_groups(done)
        arguments = "ptr %pointers, ptr %steps, i64 %n, ptr %ws"
        header = f"define i64 @{self.symbol}.many({arguments}) {{"
        text = "\n".join([header, *b.lines, "}"])
        dtypes = dict.fromkeys(item.dtype for item in items)
        copies = [f(self.symbol, d, lanes) for d in dtypes for f in (_pack, _unpack)]
        return [*copies, text]

    def pack(self, k: int, place: str, count: str) -> None:
        """Copy operand k of `count` points at `place` to where the group has its own."""
        size = self.items[k].size
        arguments = f"ptr {self.own[k]}, ptr {place}, i64 {self.steps[k]}, i64 {size}, i64 {count}"
        self.b.lines.append(f"  call void @{self.symbol}.pack.{self.items[k].dtype}({arguments})")

    def unpack(self, k: int, place: str, count: str) -> None:
        """The way back."""
        size = self.items[k].size
        arguments = f"ptr {place}, ptr {self.own[k]}, i64 {self.steps[k]}, i64 {size}, i64 {count}"
        self.b.lines.append(f"  call void @{self.symbol}.unpack.{self.items[k].dtype}({arguments})")

    def whole_groups(self) -> str:
        """The loop over whole groups without any copies; the number of points that it did."""
        assert self.compute is not None
        b, lanes = self.b, self.groups.lanes
        fits = "true"
        for k, dense in enumerate(self.dense):
            if k < len(self.still):
                dense = b.put(f"or i1 {dense}, {self.still[k]}")
            fits = b.put(f"and i1 {fits}, {dense}")
        whole = b.put(f"and i64 %n, {-lanes}")
        end = b.put(f"select i1 {fits}, i64 {whole}, i64 0")
        starts = [
            b.put(f"select i1 {self.still[k]}, ptr {self.own[k]}, ptr {base}")
            if k < len(self.still)
            else base
            for k, base in enumerate(self.bases)
        ]
        first = b.put(f"icmp sgt i64 {end}, 0")
        b.lines += [
            "  br label %whole.pre",
            "whole.pre:",
            f"  br i1 {first}, label %whole, label %whole.end",
            "whole:",
            "  %g = phi i64 [ 0, %whole.pre ], [ %g.next, %whole.latch ]",
        ]
        places = [
            b.offset(start, b.put(f"mul i64 %g, {step}"), 1)
            for start, step in zip(starts, self.steps, strict=True)
        ]
        self.compute(b, places)
        b.lines += [
            "  br label %whole.latch",
            "whole.latch:",
            f"  %g.next = add i64 %g, {lanes}",
            f"  %g.more = icmp slt i64 %g.next, {end}",
            "  br i1 %g.more, label %whole, label %whole.end",
            "whole.end:",
        ]
        return end

    def any_groups(self, done: str) -> None:
        """The loop over the groups from point `done` on, which copies what has to be copied."""
        b, lanes = self.b, self.groups.lanes
        b.lines += [
            "  br label %any.pre",
            "any.pre:",
            "  br label %any",
            "any:",
            f"  %i = phi i64 [ {done}, %any.pre ], [ %next, %fine ]",
            "  %left = sub i64 %n, %i",
            "  %more = icmp sgt i64 %left, 0",
            "  br i1 %more, label %body, label %exit",
            "body:",
            f"  %full = icmp sge i64 %left, {lanes}",
            f"  %count = select i1 %full, i64 {lanes}, i64 %left",
        ]
        places: list[str] = []
        direct: list[str] = []
        passed: list[str] = []
        for k in range(len(self.items)):
            places.append(b.offset(self.bases[k], b.put(f"mul i64 %i, {self.steps[k]}"), 1))
            direct.append(b.put(f"and i1 {self.dense[k]}, %full"))
            if k < len(self.still):
                ready = b.put(f"or i1 {direct[k]}, {self.still[k]}")
                b.lines += [f"  br i1 {ready}, label %have{k}, label %copy{k}", f"copy{k}:"]
                self.pack(k, places[k], "%count")
                b.lines += [f"  br label %have{k}", f"have{k}:"]
            passed.append(b.put(f"select i1 {direct[k]}, ptr {places[k]}, ptr {self.own[k]}"))
        arguments = ", ".join(f"ptr {p}" for p in [*passed, self.scratch])
        status = b.put(f"call i64 @{self.symbol}.group({arguments})")
        for k in range(len(self.still), len(self.items)):
            b.lines += [f"  br i1 {direct[k]}, label %sent{k}, label %send{k}", f"send{k}:"]
            self.unpack(k, places[k], "%count")
            b.lines += [f"  br label %sent{k}", f"sent{k}:"]
        good = b.put(f"icmp eq i64 {status}, 0")
        b.lines += [
            f"  br i1 {good}, label %fine, label %bad",
            "bad:",
            f"  ret i64 {status}",
            "fine:",
            f"  %next = add i64 %i, {lanes}",
            "  br label %any",
            "exit:",
            "  ret i64 0",
        ]


def group_function(
    symbol: str, groups: Groups, compute: Compute, b: LLVMEmitter
) -> tuple[str, dict[str, str]]:
    """LLVM text of `@NAME.group` with the computation in it, and what it declares."""
    names = [f"%p{k}" for k in range(len(groups.inputs) + len(groups.outputs))]
    compute(b, names)
    arguments = ", ".join(f"ptr {p}" for p in [*names, "%ws"])
    header = f"define internal i64 @{symbol}.group({arguments}) {{"
    return "\n".join([header, "entry:", *b.lines, "  ret i64 0", "}"]), b.declarations


def _pack(symbol: str, dtype: DType, lanes: int) -> str:
    """`@NAME.pack.T(tile, place, step, size, count)`: elements of points to lanes.

    The last of fewer points than lanes is repeated.
    """
    kind = MEMORY_TYPES[dtype.name]
    vector = f"<{lanes} x {kind}>"
    b = LLVMEmitter()
    b.lines += ["entry:", "  %last = sub i64 %count, 1"]
    rows: list[str] = []
    for lane in range(lanes):
        within = b.put(f"icmp slt i64 {lane}, %count")
        point = b.put(f"select i1 {within}, i64 {lane}, i64 %last")
        rows.append(b.offset("%place", b.put(f"mul i64 {point}, %step"), 1))
    b.lines += [
        f"  %blocks = and i64 %size, {-lanes}",
        "  %any = icmp sgt i64 %blocks, 0",
        "  br i1 %any, label %block, label %rest",
        "block:",
        "  %k = phi i64 [ 0, %entry ], [ %k.next, %block ]",
    ]
    loaded = [_access(b, row, "%k", kind, f"load {vector}", dtype) for row in rows]
    for m, column in enumerate(_transpose(b, loaded, vector, lanes)):
        at = b.put(f"add i64 %k, {m}")
        pointer = b.put(f"getelementptr {vector}, ptr %tile, i64 {at}")
        b.lines.append(f"  store {vector} {column}, ptr {pointer}, align {dtype.itemsize}")
    b.lines += [
        *_end_of_blocks(lanes),
        "  %j = phi i64 [ %blocks, %rest ], [ %j.next, %single ]",
    ]
    gathered = "poison"
    for lane, row in enumerate(rows):
        element = _access(b, row, "%j", kind, f"load {kind}", dtype)
        gathered = b.put(f"insertelement {vector} {gathered}, {kind} {element}, i64 {lane}")
    target = b.put(f"getelementptr {vector}, ptr %tile, i64 %j")
    b.lines += [
        f"  store {vector} {gathered}, ptr {target}, align {dtype.itemsize}",
        "  %j.next = add i64 %j, 1",
        "  %j.more = icmp slt i64 %j.next, %size",
        "  br i1 %j.more, label %single, label %exit",
        "exit:",
        "  ret void",
    ]
    arguments = "ptr noalias %tile, ptr noalias %place, i64 %step, i64 %size, i64 %count"
    header = f"define internal void @{symbol}.pack.{dtype}({arguments}) noinline {{"
    return "\n".join([header, *b.lines, "}"])


def _unpack(symbol: str, dtype: DType, lanes: int) -> str:
    """`@NAME.unpack.T(place, tile, step, size, count)`: lanes to elements of `count` points."""
    kind = MEMORY_TYPES[dtype.name]
    vector = f"<{lanes} x {kind}>"
    b = LLVMEmitter()
    rows = [b.offset("%place", b.put(f"mul i64 {lane}, %step"), 1) for lane in range(lanes)]
    b.lines.insert(0, "entry:")
    b.lines += [
        f"  %full = icmp eq i64 %count, {lanes}",
        f"  %whole = and i64 %size, {-lanes}",
        "  %blocks = select i1 %full, i64 %whole, i64 0",
        "  %any = icmp sgt i64 %blocks, 0",
        "  br i1 %any, label %block, label %rest",
        "block:",
        "  %k = phi i64 [ 0, %entry ], [ %k.next, %block ]",
    ]
    loaded: list[str] = []
    for m in range(lanes):
        at = b.put(f"add i64 %k, {m}")
        pointer = b.put(f"getelementptr {vector}, ptr %tile, i64 {at}")
        loaded.append(b.put(f"load {vector}, ptr {pointer}, align {dtype.itemsize}"))
    for row, values in zip(rows, _transpose(b, loaded, vector, lanes), strict=True):
        _access(b, row, "%k", kind, f"store {vector} {values},", dtype)
    b.lines += [
        *_end_of_blocks(lanes),
        "  %j = phi i64 [ %blocks, %rest ], [ %j.next, %lanes.end ]",
        "  br label %lane",
        "lane:",
        "  %l = phi i64 [ 0, %single ], [ %l.next, %lane ]",
        f"  %row = mul i64 %j, {lanes}",
        "  %from = add i64 %row, %l",
        f"  %source = getelementptr {kind}, ptr %tile, i64 %from",
        f"  %element = load {kind}, ptr %source",
        "  %distance = mul i64 %l, %step",
        "  %point = getelementptr i8, ptr %place, i64 %distance",
        f"  %target = getelementptr {kind}, ptr %point, i64 %j",
        f"  store {kind} %element, ptr %target",
        "  %l.next = add i64 %l, 1",
        "  %l.more = icmp slt i64 %l.next, %count",
        "  br i1 %l.more, label %lane, label %lanes.end",
        "lanes.end:",
        "  %j.next = add i64 %j, 1",
        "  %j.more = icmp slt i64 %j.next, %size",
        "  br i1 %j.more, label %single, label %exit",
        "exit:",
        "  ret void",
    ]
    arguments = "ptr noalias %place, ptr noalias %tile, i64 %step, i64 %size, i64 %count"
    header = f"define internal void @{symbol}.unpack.{dtype}({arguments}) noinline {{"
    return "\n".join([header, *b.lines, "}"])


def _end_of_blocks(lanes: int) -> list[str]:
    """From one block of elements to the next, and to the elements that do not fill one."""
    return [
        f"  %k.next = add i64 %k, {lanes}",
        "  %k.more = icmp slt i64 %k.next, %blocks",
        "  br i1 %k.more, label %block, label %rest",
        "rest:",
        "  %some = icmp slt i64 %blocks, %size",
        "  br i1 %some, label %single, label %exit",
        "single:",
    ]


def _access(b: LLVMEmitter, row: str, at: str, kind: str, what: str, dtype: DType) -> str:
    """A load or a store at element `at` of a point."""
    pointer = b.put(f"getelementptr {kind}, ptr {row}, i64 {at}")
    if what.startswith("load"):
        return b.put(f"{what}, ptr {pointer}, align {dtype.itemsize}")
    b.lines.append(f"  {what} ptr {pointer}, align {dtype.itemsize}")
    return ""


def _transpose(b: LLVMEmitter, rows: list[str], vector: str, lanes: int) -> list[str]:
    """The columns of a square of vectors, by interleaving its halves log2(lanes) times."""
    halves = [range(lanes // 2), range(lanes // 2, lanes)]
    orders = [", ".join(f"i32 {n}" for i in half for n in (i, lanes + i)) for half in halves]
    for _ in range(lanes.bit_length() - 1):
        rows = [
            b.put(f"shufflevector {vector} {x}, {vector} {y}, <{lanes} x i32> <{order}>")
            for x, y in zip(rows[: lanes // 2], rows[lanes // 2 :], strict=True)
            for order in orders
        ]
    return rows
