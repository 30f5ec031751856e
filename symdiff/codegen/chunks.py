"""How a huge body is cut: chunks of bounded size that pass values through memory.

Register allocation takes time that grows faster than a function's length, so a long straight
line is cut into functions of `CHUNK` values. Only what a later chunk needs is stored, in slots
that are used again once their last reader is done.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from symdiff.ir import CONST, ITEM, PARAM, Function, Value

SMALL: Final = 1000  # values up to which a body is one piece, optimised in registers
CHUNK: Final = 500


@dataclass(frozen=True, slots=True)
class Plan:
    """A body in pieces. `slots` gives the place of each value that crosses a border."""

    chunks: tuple[tuple[Value, ...], ...]
    slots: dict[Value, int]
    slot_count: int


def plan_chunks(fn: Function, size: int = CHUNK) -> Plan:
    """Cut the body of `fn` into chunks of `size` values and place what crosses between them."""
    groups = _computed(fn)
    chunks = [
        tuple(v for group in groups[i : i + size] for v in group)
        for i in range(0, len(groups), size)
    ]
    home = {v: k for k, chunk in enumerate(chunks) for v in chunk}
    last: dict[Value, int] = {}
    for k, chunk in enumerate(chunks):
        for value in chunk:
            for arg in value.args:
                if arg in home and arg.op is not CONST:
                    last[arg] = k
    slots: dict[Value, int] = {}
    free: list[int] = []
    freed_after: dict[int, list[int]] = {}
    count = 0
    for k, chunk in enumerate(chunks):
        for value in chunk:
            if last.get(value, k) > k and not hasattr(value.type, "elements"):
                slot = free.pop() if free else count
                count = max(count, slot + 1)
                slots[value] = slot
                freed_after.setdefault(last[value], []).append(slot)
        free += freed_after.pop(k, [])
    return Plan(tuple(chunks), slots, count)


def _computed(fn: Function) -> list[list[Value]]:
    """The computed values in order, each operation of several results together with its items."""
    groups: list[list[Value]] = []
    whole: dict[Value, list[Value]] = {}
    for value in fn.live():
        if value.op is ITEM:
            whole[value.args[0]].append(value)
        elif value.op is not PARAM and value.op is not CONST:
            groups.append([value])
            if hasattr(value.type, "elements"):
                whole[value] = groups[-1]
    return groups
