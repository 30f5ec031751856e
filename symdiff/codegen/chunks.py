"""How a huge body is cut: chunks of bounded size that pass values through memory.

Register allocation takes time that grows faster than a function's length, so a long straight
line is cut into functions of `CHUNK` values. Only what a later chunk needs is stored, in slots
that are used again once their last reader is done. A function at several points (`map_points`) is a
chunk of its own: its operands and its results have slots side by side, as vectors are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from symdiff.ir import CONST, ITEM, PARAM, Function, TupleType, Value
from symdiff.ops import map_points

SMALL: Final = 1000  # values up to which a body is one piece, optimised in registers
CHUNK: Final = 500
LANES: Final = 8  # numbers that a vector function takes at most


@dataclass(frozen=True, slots=True)
class Points:
    """The slots of a `map_points`.

    Operand j of point i stands in slot `operands + j*extent + i`, output k of it in slot
    `results + k*extent + i`; up to `extent`, a multiple of `LANES`, the last point is repeated.
    `copied` has those operands that no chunk stores in their slot.
    """

    count: int
    extent: int
    operands: int
    results: int
    copied: tuple[tuple[Value, int], ...]

    def slot(self, index: int) -> int:
        """The slot of an element of the result."""
        output, point = divmod(index, self.count)
        return self.results + output * self.extent + point


@dataclass(frozen=True, slots=True)
class Plan:
    """A body in pieces. `slots` gives the place of each value that crosses a border."""

    chunks: tuple[tuple[Value, ...], ...]
    slots: dict[Value, int]
    slot_count: int
    points: dict[Value, Points]


def plan_chunks(fn: Function, size: int = CHUNK) -> Plan:
    """Cut the body of `fn` into chunks of `size` values and place what crosses between them."""
    chunks = _chunks(fn, size)
    home = {v for chunk in chunks for v in chunk}
    last: dict[Value, int] = {}  # the last chunk that reads each operand
    for k, chunk in enumerate(chunks):
        for value in chunk:
            for arg in value.args:
                last[arg] = k
    slots: dict[Value, int] = {}
    points: dict[Value, Points] = {}
    count = 0
    for chunk in chunks:
        whole, *items = chunk
        if whole.op is map_points:
            points[whole] = place = _place(whole, count, slots, home)
            count = place.results + place.extent * len(whole.attr("body").outputs)
            for item in items:
                slots[item] = place.slot(item.attr("index"))
    free: list[int] = []
    freed_after: dict[int, list[int]] = {}
    for k, chunk in enumerate(chunks):
        for value in chunk:
            if last.get(value, k) > k and not isinstance(value.type, TupleType):
                slot = slots.get(value)
                if slot is None:
                    slot = free.pop() if free else count
                    count = max(count, slot + 1)
                    slots[value] = slot
                freed_after.setdefault(last[value], []).append(slot)
        free += freed_after.pop(k, [])
    return Plan(tuple(chunks), slots, count, points)


def _place(value: Value, first: int, slots: dict[Value, int], home: set[Value]) -> Points:
    """The slots of a `map_points` from `first` on; sets those of the operands that it can."""
    body: Function = value.attr("body")
    count = len(value.args) // len(body.params)
    extent = -(-count // LANES) * LANES
    copied: list[tuple[Value, int]] = []
    for j in range(len(body.params)):
        row = value.args[j * count : (j + 1) * count]
        start = first + j * extent
        for slot, operand in enumerate(row, start):
            if operand in home and operand not in slots:
                slots[operand] = slot
            else:
                copied.append((operand, slot))
        copied += [(row[-1], slot) for slot in range(start + count, start + extent)]
    results = first + len(body.params) * extent
    return Points(count, extent, first, results, tuple(copied))


def _chunks(fn: Function, size: int) -> list[tuple[Value, ...]]:
    """The computed values in order, each operation of several results together with its items."""
    chunks: list[list[Value]] = [[]]
    whole: dict[Value, list[Value]] = {}
    room = size
    for value in fn.live():
        if value.op is ITEM:
            whole[value.args[0]].append(value)
        elif value.op is map_points:
            whole[value] = [value]
            chunks += [whole[value], []]
            room = size
        elif value.op is not PARAM and value.op is not CONST:
            if not room:
                chunks.append([])
                room = size
            chunks[-1].append(value)
            room -= 1
            if isinstance(value.type, TupleType):
                whole[value] = chunks[-1]
    return [tuple(chunk) for chunk in chunks if chunk]
