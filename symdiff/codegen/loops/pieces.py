"""A nest in pieces that are run one after the other, and what they pass on through memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from symdiff.codegen.loops.program import (
    ZERO,
    Affine,
    Block,
    Buffer,
    Compute,
    Constant,
    For,
    Index,
    Load,
    Local,
    Read,
    Store,
    Write,
    registers_of,
    result_dtype,
    statements,
)
from symdiff.ir import DType

Memory = Callable[[str, DType, int], Buffer]  # a new buffer: name, dtype, elements


class Pieces:
    """The statements of a nest, cut into pieces: every other one is a loop that is shared.

    Variables that such a loop adds to are joined with its sums in the piece after it. `kept` are
    variables that are read at the end.
    """

    def __init__(
        self, pieces: Sequence[Sequence[Any]], kept: Collection[Local], memory: Memory
    ) -> None:
        self._memory = memory
        self._made: dict[int, tuple[int, Any]] = {}  # a register's piece and statement
        self._declared: dict[Local, int] = {}
        self._plain: dict[int, int] = {}  # registers that depend on constants alone, in order
        self._registers: list[set[int]] = []  # that each piece uses
        self._locals: list[set[Local]] = []
        for at, piece in enumerate(pieces):
            for s in piece:
                for register in sorted(registers_of(s) or ()):
                    self._made[register] = (at, s)
                    if isinstance(s, Compute) and _registers(s) <= self._plain.keys():
                        self._plain[register] = len(self._plain)
                if isinstance(s, Local):
                    self._declared[s] = at
            inside = [*statements(Block(0, list(piece)))]
            self._registers.append(set[int]().union(*map(_registers, inside)))
            self._locals.append({s.local for s in inside if isinstance(s, (Read, Write))})
            self._locals[-1] |= {
                s.target for s in inside if isinstance(getattr(s, "target", None), Local)
            }
        for at in range(1, len(pieces), 2):
            self._locals[at + 1] |= self._locals[at] & self._declared.keys()
            self._locals[at] = set()
        self._locals[-1] |= set(kept)
        self._next = 1 + max(
            (
                r
                for p in pieces
                for s in statements(Block(0, list(p)))
                for r in registers_of(s) or ()
            ),
            default=-1,
        )
        self._places: dict[int | Local, Buffer] = {}

    def register(self) -> int:
        """A new register."""
        self._next += 1
        return self._next - 1

    def before(self, at: int) -> list[Any]:
        """What piece `at` needs of those before it."""
        found: list[Any] = []
        plain: set[int] = set()
        for register in sorted(self._registers[at]):
            if register not in self._made or self._made[register][0] >= at:
                continue
            if register in self._plain:
                plain.add(register)
            else:
                found.append(Load(register, self._places[register], ZERO))
        return [*self._again(plain), *found, *self._variables(at)]

    def _again(self, wanted: set[int]) -> list[Any]:
        """The statements that compute registers from constants."""
        pending = list(wanted)
        needed: dict[Any, int] = {}
        while pending:
            register = pending.pop()
            statement = self._made[register][1]
            if statement not in needed:
                needed[statement] = self._plain[register]
                pending += _registers(statement)
        return sorted(needed, key=lambda s: needed[s])

    def _variables(self, at: int) -> list[Any]:
        found: list[Any] = []
        for local in self._in_order(self._locals[at]):
            if self._declared[local] < at:
                found.append(local)
                if local in self._places:  # else it has its first value still
                    register = self.register()
                    found += [Load(register, self._places[local], ZERO), Write(local, register)]
        return found

    def after(self, at: int) -> list[Any]:
        """What keeps for later pieces what piece `at` has computed."""
        found: list[Any] = []
        later = set[int]().union(*self._registers[at + 1 :])
        for register, (piece, statement) in self._made.items():
            if piece == at and register in later and register not in self._plain:
                place = self._place(register, _dtype(statement))
                found.append(Store(place, ZERO, register))
        wanted = set[Local]().union(*self._locals[at + 1 :])
        for local in self._in_order(self._locals[at] & wanted):
            register = self.register()
            place = self._place(local, local.dtype)
            found += [Read(register, local), Store(place, ZERO, register)]
        return found

    def _in_order(self, locals_: Collection[Local]) -> list[Local]:
        return [local for local in self._declared if local in locals_]

    def _place(self, key: int | Local, dtype: DType) -> Buffer:
        if key not in self._places:
            name = key.name if isinstance(key, Local) else f"r{key}"
            self._places[key] = self._memory(name, dtype, 1)
        return self._places[key]


def _registers(s: Any) -> set[int]:
    """The registers that a statement reads, not counting those in a loop that it is."""
    operands = s.args if isinstance(s, Compute) else (getattr(s, "value", None),)
    found = {o for o in operands if isinstance(o, int) and not isinstance(o, Constant)}
    indices: Sequence[Affine | None] = (
        (*s.low, *s.high) if isinstance(s, For) else (getattr(s, "index", None),)
    )
    for index in indices:
        if index is not None:
            found.update(v.register for v, _ in index.terms if v.register is not None)
    return found


def _dtype(s: Any) -> DType:
    """The dtype of the registers that a statement sets."""
    if isinstance(s, Compute):
        return result_dtype(s)
    if isinstance(s, Load):
        return s.buffer.dtype
    if isinstance(s, Read):
        return s.local.dtype
    assert isinstance(s, Index)
    return s.dtype
