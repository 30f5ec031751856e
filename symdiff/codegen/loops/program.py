"""The loop IR: what stands between a graph of tensors and the text of LLVM or C.

A `Program` is a list of steps over buffers. Most steps are `Nest`s: loops around straight-line
code on scalars, which is written with the operations of the table. Indices are affine in the loop
variables, plus the registers that a gather loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final, NamedTuple

from symdiff.errors import UnsupportedError
from symdiff.ir import DTYPES, DType, Location, Op, boolean
from symdiff.ops import OPS


class Var:
    """A loop variable, or a register used as an index; `extent` bounds it: 0 <= var < extent.

    `depth` is that of the block where it is known. `start` and `stop` are the part of its range
    that the code being built is for.
    """

    __slots__ = ("depth", "extent", "register", "start", "stop")

    def __init__(self, extent: int, depth: int, register: int | None = None) -> None:
        self.extent = extent
        self.depth = depth
        self.register = register
        self.start, self.stop = 0, extent


class Affine(NamedTuple):
    """const + sum of coefficient * variable."""

    const: int
    terms: tuple[tuple[Var, int], ...] = ()

    def __add__(self, other: Affine | int) -> Affine:  # type: ignore[override]
        if isinstance(other, int):
            return Affine(self.const + other, self.terms)
        if not other.terms:
            return Affine(self.const + other.const, self.terms)
        terms = dict(self.terms)
        for var, coefficient in other.terms:
            terms[var] = terms.get(var, 0) + coefficient
        kept = tuple((v, c) for v, c in terms.items() if c)
        return Affine(self.const + other.const, kept)

    def __mul__(self, factor: int) -> Affine:  # type: ignore[override]
        if factor == 0:
            return ZERO
        return Affine(self.const * factor, tuple((v, c * factor) for v, c in self.terms))

    def __sub__(self, other: Affine) -> Affine:
        return self + other * -1

    @property
    def depth(self) -> int:
        """The depth of the block where all of it is known."""
        return max((v.depth for v, _ in self.terms), default=0)

    def bounds(self) -> tuple[int, int]:
        """The least and the largest value over the ranges of its variables."""
        low = high = self.const
        for var, c in self.terms:
            first, last = c * var.start, c * (var.stop - 1)
            low, high = low + min(first, last), high + max(first, last)
        return low, high


ZERO = Affine(0)


@dataclass(eq=False, slots=True)
class Buffer:
    """Memory for the elements of a value, or of a step's local result.

    `kind` is "param", "output", "scratch" or "const". Scratch has an `offset` in bytes within
    the workspace once it is planned.
    """

    name: str
    dtype: DType
    size: int  # elements
    kind: str
    offset: int = -1
    data: bytes = b""
    position: int = -1  # of a parameter or an output


class Constant(NamedTuple):
    """A number as an operand."""

    number: float
    dtype: DType


Operand = int | Constant  # a register's number, or a number


@dataclass(eq=False, slots=True)
class Located:
    """A part of a program, and the `location` of the value for which it is there, if of one."""

    location: Location | None = field(default=None, kw_only=True)


# Statements of a block.


@dataclass(eq=False, slots=True)
class Compute(Located):
    """`dest` = op(args), elementwise; dtype is that of the last operand."""

    dest: int | tuple[int, ...]
    op: Op
    args: tuple[Operand, ...]
    attrs: tuple[tuple[str, Any], ...]
    dtype: DType


@dataclass(eq=False, slots=True)
class Load(Located):
    """`dest` = buffer[index]."""

    dest: int
    buffer: Buffer
    index: Affine


@dataclass(eq=False, slots=True)
class Store(Located):
    """buffer[index] = value."""

    buffer: Buffer
    index: Affine
    value: Operand


@dataclass(eq=False, slots=True)
class Index(Located):
    """`dest` = the affine expression as a number of `dtype`."""

    dest: int
    index: Affine
    dtype: DType


@dataclass(eq=False, slots=True)
class Local(Located):
    """A variable outside of the loops below it, set to `initial`."""

    name: str
    dtype: DType
    initial: Constant


@dataclass(eq=False, slots=True)
class Read(Located):
    """`dest` = local."""

    dest: int
    local: Local


@dataclass(eq=False, slots=True)
class Write(Located):
    """local = value."""

    local: Local
    value: Operand


@dataclass(eq=False, slots=True)
class Update(Located):
    """target = target `kind` value, for kind "sum", "max", "min" or "any".

    The target is a Local, or an element of a buffer. Sums may be taken in any fixed order.
    """

    kind: str
    target: Local | Buffer
    index: Affine
    value: Operand
    dtype: DType


@dataclass(eq=False, slots=True)
class For(Located):
    """A loop over max(low) <= var < min(high). Iterations of a `parallel` one share no memory."""

    var: Var
    low: tuple[Affine, ...]
    high: tuple[Affine, ...]
    body: Block
    parallel: bool = True


@dataclass(eq=False, slots=True)
class Block:
    """Statements in order, `depth` loops deep."""

    depth: int
    statements: list[Any] = field(default_factory=list[Any])


# Steps of a program.


@dataclass(eq=False, slots=True)
class Nest(Located):
    """Loops and what is around them. With `status`, a failed check ends the program with it.

    `given` are variables that whoever runs it sets.
    """

    block: Block
    status: tuple[Local, int] | None = None
    given: tuple[Var, ...] = ()


@dataclass(eq=False, slots=True)
class Zero(Located):
    """All elements of a buffer set to zero."""

    buffer: Buffer


@dataclass(eq=False, slots=True)
class Copy(Located):
    """The elements of one buffer copied to another of the same size."""

    source: Buffer
    target: Buffer


@dataclass(eq=False, slots=True)
class Gemm(Located):
    """c = op(a) op(b) for row-major matrices, `batch` times: a is m x k, b is k x n after op."""

    a: Buffer
    b: Buffer
    c: Buffer
    m: int
    n: int
    k: int
    transposed: tuple[bool, bool]
    batch: tuple[int, tuple[int, int, int]]  # how often, and elements to move on by each time


@dataclass(eq=False, slots=True)
class Repeat(Located):
    """A loop over a program: the body of a scan.

    `operands` are the buffers for the parameters and outputs of `body`, in order, with the number
    of elements to move on by after each step (from the end, if `reverse`).
    """

    body: Program
    length: int
    reverse: bool
    operands: tuple[tuple[Buffer, int], ...]
    status: int  # the checks of the body are counted from here


Step = Nest | Zero | Copy | Gemm | Repeat


@dataclass(eq=False, slots=True)
class Program:
    """Steps over buffers.

    Attributes:
        params, outputs: buffers that the caller provides.
        scratch: buffers within the workspace, `workspace` bytes in all.
        constants: buffers with data.
        checks: messages, one a status that the program may end with, counted from 1.
    """

    name: str
    params: list[Buffer] = field(default_factory=list[Buffer])
    outputs: list[Buffer] = field(default_factory=list[Buffer])
    scratch: list[Buffer] = field(default_factory=list[Buffer])
    constants: list[Buffer] = field(default_factory=list[Buffer])
    steps: list[Step] = field(default_factory=list[Any])
    checks: list[str] = field(default_factory=list[str])
    workspace: int = 0


def statements(block: Block) -> Iterator[Any]:
    """All statements of a block and of the loops in it, in order."""
    for statement in block.statements:
        yield statement
        if isinstance(statement, For):
            yield from statements(statement.body)


_TRUTHS: Final = frozenset(OPS[name] for name in ("lt", "le", "eq", "ne", "and", "or", "not"))


def result_dtype(s: Compute) -> DType:
    """The dtype of what a statement computes."""
    if s.op in _TRUTHS:
        return boolean
    if s.op.name == "convert":
        return DTYPES[dict(s.attrs)["dtype"]]
    return s.dtype


def neutral(kind: str, dtype: DType) -> Constant:
    """What an update of `kind` starts from.

    Raises:
        UnsupportedError: there is no such number.
    """
    if kind in ("sum", "any"):
        return Constant(0.0 if kind == "sum" else 0, dtype)
    if dtype.kind == "f":
        return Constant(-inf if kind == "max" else inf, dtype)
    if dtype.kind != "i":
        raise UnsupportedError(f"the {kind}imum of {dtype} elements")
    high = 2 ** (8 * dtype.itemsize - 1)
    return Constant(-high if kind == "max" else high - 1, dtype)


def registers_of(statement: Any) -> set[int] | None:
    """The registers that a statement sets; None for one that does something else."""
    dest: int | tuple[int, ...] | None = getattr(statement, "dest", None)
    return None if dest is None else set(dest) if isinstance(dest, tuple) else {dest}


def read_registers(block: Block) -> set[int]:
    """The registers on which what is written to memory, or the course of the loops, depends."""
    found: set[int] = set()
    for s in reversed(list(statements(block))):
        made = registers_of(s)
        if made is not None and found.isdisjoint(made):
            continue
        operands = s.args if isinstance(s, Compute) else (getattr(s, "value", None),)
        found.update(o for o in operands if isinstance(o, int))
        indices = (*s.low, *s.high) if isinstance(s, For) else (getattr(s, "index", None),)
        for index in indices:
            if index is not None:
                found.update(v.register for v, _ in index.terms if v.register is not None)
    return found


def buffers_of(step: Step) -> list[Buffer]:
    """The buffers that a step reads or writes, each once."""
    found: dict[Buffer, None] = {}
    if isinstance(step, Nest):
        for statement in statements(step.block):
            target = getattr(statement, "buffer", None) or getattr(statement, "target", None)
            if isinstance(target, Buffer):
                found[target] = None
    elif isinstance(step, Zero):
        found[step.buffer] = None
    elif isinstance(step, Copy):
        found |= dict.fromkeys((step.source, step.target))
    elif isinstance(step, Gemm):
        found |= dict.fromkeys((step.a, step.b, step.c))
    else:
        found |= dict.fromkeys(b for b, _ in step.operands)
    return list(found)


def steps_of(program: Program) -> Iterator[Step]:
    """All steps of a program and of the loops over programs in it, in order."""
    pending = list(reversed(program.steps))
    while pending:
        step = pending.pop()
        yield step
        if isinstance(step, Repeat):
            pending += reversed(step.body.steps)


def loads_indices(program: Program) -> bool:
    """Whether an index is a number that the program computes or reads."""
    return any(
        var.register is not None
        for step in steps_of(program)
        if isinstance(step, Nest)
        for statement in statements(step.block)
        if (index := getattr(statement, "index", None)) is not None
        for var, _ in index.terms
    )
