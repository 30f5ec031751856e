"""A small language for vector kernels: numbers in lanes, as LLVM text.

`Floats`, `Ints` and `Mask` are registers with one element per lane; Python's operators on them
write instructions, so a kernel reads like the mathematics that it computes. Every instruction
treats each lane alone, which is why a lane's bits depend on nothing but its own operands.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from symdiff.codegen.vectors import PORTABLE, Machine

SIGN: Final = -(1 << 63)
_ROUNDER: Final = 1.5 * 2.0**52  # added to a small number, leaves its nearest integer

Number = float
Results = tuple["Floats", ...]


def double(number: float) -> str:
    """`number` as LLVM writes it."""
    return f"0x{struct.unpack('<Q', struct.pack('<d', number))[0]:016X}"


def bits_of(number: float) -> int:
    """The 64 bits of `number` as an integer."""
    return struct.unpack("<q", struct.pack("<d", number))[0]


@dataclass(eq=False, frozen=True, slots=True)
class Floats:
    """Doubles, one per lane."""

    kernel: Kernel
    name: str

    def __add__(self, other: Floats | Number) -> Floats:
        return self.kernel.float_op("fadd", self, other)

    def __radd__(self, other: Number) -> Floats:
        return self.kernel.float_op("fadd", other, self)

    def __sub__(self, other: Floats | Number) -> Floats:
        return self.kernel.float_op("fsub", self, other)

    def __rsub__(self, other: Number) -> Floats:
        return self.kernel.float_op("fsub", other, self)

    def __mul__(self, other: Floats | Number) -> Floats:
        return self.kernel.float_op("fmul", self, other)

    def __rmul__(self, other: Number) -> Floats:
        return self.kernel.float_op("fmul", other, self)

    def __truediv__(self, other: Floats | Number) -> Floats:
        return self.kernel.float_op("fdiv", self, other)

    def __rtruediv__(self, other: Number) -> Floats:
        return self.kernel.float_op("fdiv", other, self)

    def __neg__(self) -> Floats:
        return Floats(self.kernel, self.kernel.put(f"fneg {self.kernel.floats} {self.name}"))

    def __lt__(self, other: Floats | Number) -> Mask:
        return self.kernel.compare("fcmp olt", self, other)

    def __le__(self, other: Floats | Number) -> Mask:
        return self.kernel.compare("fcmp ole", self, other)

    def __gt__(self, other: Floats | Number) -> Mask:
        return self.kernel.compare("fcmp ogt", self, other)

    def __ge__(self, other: Floats | Number) -> Mask:
        return self.kernel.compare("fcmp oge", self, other)

    def equals(self, other: Floats | Number) -> Mask:
        """Where the two are equal."""
        return self.kernel.compare("fcmp oeq", self, other)

    def beyond(self, other: Floats | Number) -> Mask:
        """Where self >= other, or one of them is a NaN."""
        return self.kernel.compare("fcmp uge", self, other)

    @property
    def bits(self) -> Ints:
        """The same 64 bits as integers."""
        k = self.kernel
        return Ints(k, k.put(f"bitcast {k.floats} {self.name} to {k.ints}"))


@dataclass(eq=False, frozen=True, slots=True)
class Ints:
    """64-bit integers, one per lane."""

    kernel: Kernel
    name: str

    def _op(self, opcode: str, other: Ints | int) -> Ints:
        k = self.kernel
        return Ints(k, k.put(f"{opcode} {k.ints} {self.name}, {k.int_name(other)}"))

    def __add__(self, other: Ints | int) -> Ints:
        return self._op("add", other)

    def __sub__(self, other: Ints | int) -> Ints:
        return self._op("sub", other)

    def __rsub__(self, other: int) -> Ints:
        k = self.kernel
        return Ints(k, k.put(f"sub {k.ints} {k.int_name(other)}, {self.name}"))

    def __and__(self, other: Ints | int) -> Ints:
        return self._op("and", other)

    def __or__(self, other: Ints | int) -> Ints:
        return self._op("or", other)

    def __xor__(self, other: Ints | int) -> Ints:
        return self._op("xor", other)

    def __lshift__(self, count: int) -> Ints:
        return self._op("shl", count)

    def __rshift__(self, count: int) -> Ints:
        """Shifted down; zeros come in at the top."""
        return self._op("lshr", count)

    def outside(self, low: float, high: float) -> Mask:
        """Where the bits are not those of a number in [low, high), both positive."""
        size = bits_of(high) - bits_of(low)
        return self.kernel.compare("icmp uge", self - bits_of(low), size)

    @property
    def is_odd(self) -> Mask:
        return self.kernel.compare("icmp ne", self & 1, 0)

    @property
    def floats(self) -> Floats:
        """The doubles with these bits."""
        k = self.kernel
        return Floats(k, k.put(f"bitcast {k.ints} {self.name} to {k.floats}"))


@dataclass(eq=False, frozen=True, slots=True)
class Mask:
    """Truth values, one per lane."""

    kernel: Kernel
    name: str

    def __or__(self, other: Mask) -> Mask:
        k = self.kernel
        return Mask(k, k.put(f"or {k.masks} {self.name}, {other.name}"))

    def __and__(self, other: Mask) -> Mask:
        k = self.kernel
        return Mask(k, k.put(f"and {k.masks} {self.name}, {other.name}"))


Cold = Callable[["Kernel", Sequence[Floats], Mask, Results], Results]
_Handle = TypeVar("_Handle", Floats, Ints)


@dataclass(slots=True)
class Kernel:
    """One LLVM function while it is being written.

    Attributes:
        symbol: its name; the names of what it calls for rare operands begin with it.
        lanes: the number of elements in every register; 1 makes them scalars.
        machine: what the processor has.
        declarations: what the module has to declare, by name.
        helpers: the texts of other functions that this one calls.
    """

    symbol: str
    lanes: int
    machine: Machine = PORTABLE
    declarations: dict[str, str] = field(default_factory=dict[str, str])
    helpers: list[str] = field(default_factory=list[str])
    lines: list[str] = field(default_factory=list[str])
    block: str = "entry"
    _count: int = 0

    @property
    def scales(self) -> bool:
        """Whether one instruction multiplies by powers of two."""
        return self.machine.avx512 and self.lanes in (2, 4, 8)

    def type(self, element: str) -> str:
        """The type of a register of this kernel."""
        return element if self.lanes == 1 else f"<{self.lanes} x {element}>"

    @property
    def floats(self) -> str:
        return self.type("double")

    @property
    def ints(self) -> str:
        return self.type("i64")

    @property
    def masks(self) -> str:
        return self.type("i1")

    def put(self, instruction: str) -> str:
        """A new register holding the result of `instruction`."""
        name = f"%v{self._count}"
        self._count += 1
        self.lines.append(f"  {name} = {instruction}")
        return name

    def float_name(self, x: Floats | Number) -> str:
        """The text of an operand: a register, or a constant in every lane."""
        if isinstance(x, Floats):
            return x.name
        return double(x) if self.lanes == 1 else f"splat (double {double(x)})"

    def int_name(self, x: Ints | int) -> str:
        if isinstance(x, Ints):
            return x.name
        return str(x) if self.lanes == 1 else f"splat (i64 {x})"

    def constant(self, number: Number) -> Floats:
        """`number` in every lane, where an operator cannot be told that it is meant."""
        return Floats(self, self.float_name(number))

    def float_op(self, opcode: str, x: Floats | Number, y: Floats | Number) -> Floats:
        names = f"{self.float_name(x)}, {self.float_name(y)}"
        return Floats(self, self.put(f"{opcode} {self.floats} {names}"))

    def compare(self, predicate: str, x: Floats | Ints, y: Floats | Ints | Number) -> Mask:
        if isinstance(x, Floats):
            assert not isinstance(y, Ints)
            kind, other = self.floats, self.float_name(y)
        else:
            assert isinstance(y, Ints | int)
            kind, other = self.ints, self.int_name(y)
        return Mask(self, self.put(f"{predicate} {kind} {x.name}, {other}"))

    def intrinsic(self, name: str, *operands: Floats | Number) -> Floats:
        """The result of one of LLVM's functions on doubles."""
        suffix = "f64" if self.lanes == 1 else f"v{self.lanes}f64"
        return Floats(self, self.call(f"llvm.{name}.{suffix}", operands, self.floats, ""))

    def call(
        self, name: str, operands: Sequence[Floats | Number], result: str, attributes: str
    ) -> str:
        types = ", ".join([self.floats] * len(operands))
        self.declarations[name] = f"declare {result} @{name}({types}){attributes}"
        passed = ", ".join(f"{self.floats} {self.float_name(x)}" for x in operands)
        return self.put(f"call {result} @{name}({passed})")

    # Rare operands.

    def any(self, mask: Mask) -> str:
        """Whether `mask` holds in any lane."""
        if self.lanes == 1:
            return mask.name
        name = f"llvm.vector.reduce.or.v{self.lanes}i1"
        self.declarations[name] = f"declare i1 @{name}({self.masks})"
        return self.put(f"call i1 @{name}({self.masks} {mask.name})")

    def rarely(self, bad: Mask, cold: Cold, operands: Sequence[Floats], fast: Results) -> Results:
        """`fast`, but in the lanes that are `bad` what `cold` computes from `operands`.

        If there are such lanes, a function of its own is called. It is never inlined.
        """
        number = len(self.helpers)
        other = Kernel(f"{self.symbol}.cold{number}", self.lanes, self.machine)
        parameters = [Floats(other, f"%x{i}") for i in range(len(operands))]
        known = tuple(Floats(other, f"%y{i}") for i in range(len(fast)))
        where = Mask(other, "%bad")
        results = cold(other, parameters, where, known)
        results = tuple(select(where, r, y) for r, y in zip(results, known, strict=True))
        names = [*(p.name for p in parameters), *(y.name for y in known)]
        arguments = ", ".join([*(f"{self.floats} {n}" for n in names), f"{self.masks} %bad"])
        result = self.returned(len(fast))
        self.helpers += [
            *other.helpers,
            f"define internal {result} @{other.symbol}({arguments}) cold noinline {PURE} {{\n"
            f"{other.body(results)}\n}}",
        ]
        self.declarations |= other.declarations

        passed = ", ".join(
            [*(f"{self.floats} {x.name}" for x in (*operands, *fast)), f"{self.masks} {bad.name}"]
        )
        here, label = self.block, f"rare{number}"
        self.lines += [f"  br i1 {self.any(bad)}, label %{label}, label %{label}.done", f"{label}:"]
        both = self.put(f"call {result} @{other.symbol}({passed})")
        changed = [both]
        if len(fast) > 1:
            changed = [self.put(f"extractvalue {result} {both}, {i}") for i in range(len(fast))]
        self.lines += [f"  br label %{label}.done", f"{label}.done:"]
        self.block = f"{label}.done"
        return tuple(
            Floats(self, self.put(f"phi {self.floats} [ {x.name}, %{here} ], [ {c}, %{label} ]"))
            for x, c in zip(fast, changed, strict=True)
        )

    def libm(self, name: str, operands: Sequence[Floats], where: Mask, otherwise: Floats) -> Floats:
        """A function of C's library, called for one lane after the other; for a cold kernel."""
        types = ", ".join(["double"] * len(operands))
        self.declarations[name] = f"declare double @{name}({types}) #0"
        if self.lanes == 1:
            passed = ", ".join(f"double {x.name}" for x in operands)
            return Floats(self, self.put(f"call double @{name}({passed})"))
        symbol = f"{self.symbol}.{name}"
        names = [f"%x{i}" for i in range(len(operands))]
        arguments = ", ".join(f"{self.floats} {n}" for n in [*names, "%y"])
        elements = "\n".join(
            f"  %e{i} = extractelement {self.floats} {n}, i64 %i" for i, n in enumerate(names)
        )
        passed = ", ".join(f"double %e{i}" for i in range(len(operands)))
        self.helpers.append(f"""\
define internal {self.floats} @{symbol}({arguments}, {self.masks} %where) cold noinline {PURE} {{
entry:
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %next, %tail ]
  %r = phi {self.floats} [ %y, %entry ], [ %s, %tail ]
  %wanted = extractelement {self.masks} %where, i64 %i
  br i1 %wanted, label %call, label %tail
call:
{elements}
  %v = call double @{name}({passed})
  %changed = insertelement {self.floats} %r, double %v, i64 %i
  br label %tail
tail:
  %s = phi {self.floats} [ %r, %head ], [ %changed, %call ]
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, {self.lanes}
  br i1 %more, label %head, label %exit
exit:
  ret {self.floats} %s
}}""")
        passed = ", ".join(f"{self.floats} {x.name}" for x in (*operands, otherwise))
        call = f"call {self.floats} @{symbol}({passed}, {self.masks} {where.name})"
        return Floats(self, self.put(call))

    # The function as a whole.

    def returned(self, results: int) -> str:
        """The type of a function's result."""
        return self.floats if results == 1 else f"{{ {', '.join([self.floats] * results)} }}"

    def body(self, results: Results) -> str:
        """All instructions, and the return of `results`."""
        return "\n".join(["entry:", *self.lines, *self.ret(self.floats, [r.name for r in results])])

    def ret(self, type: str, names: Sequence[str]) -> list[str]:
        """The instructions that return the registers `names`, all of one type."""
        if len(names) == 1:
            return [f"  ret {type} {names[0]}"]
        pair = f"{{ {', '.join([type] * len(names))} }}"
        lines: list[str] = []
        whole = "poison"
        for i, name in enumerate(names):
            lines.append(f"  %r{i} = insertvalue {pair} {whole}, {type} {name}, {i}")
            whole = f"%r{i}"
        return [*lines, f"  ret {pair} {whole}"]


def by_libm(*names: str) -> Cold:
    """What computes rare lanes by these functions of C's library, one for each result."""

    def cold(k: Kernel, operands: Sequence[Floats], where: Mask, fast: Results) -> Results:
        return tuple(k.libm(n, operands, where, y) for n, y in zip(names, fast, strict=True))

    return cold


PURE: Final = "nounwind willreturn memory(none)"


def select(where: Mask, x: Floats | Number, y: Floats | Number) -> Floats:
    """x where the mask holds, else y."""
    k = where.kernel
    names = f"{k.floats} {k.float_name(x)}, {k.floats} {k.float_name(y)}"
    return Floats(k, k.put(f"select {k.masks} {where.name}, {names}"))


def fma(x: Floats, y: Floats | Number, z: Floats | Number) -> Floats:
    """x y + z, rounded once where the machine has the instruction, else twice."""
    return x.kernel.intrinsic("fma" if x.kernel.machine.fused else "fmuladd", x, y, z)


def horner(x: Floats, coefficients: Sequence[float]) -> Floats:
    """The polynomial with these coefficients, lowest power first."""
    result: Floats | Number = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        result = fma(x, result, c)
    assert isinstance(result, Floats)
    return result


def polynomial(x: Floats, square: Floats, coefficients: Sequence[Floats | Number]) -> Floats:
    """The polynomial with these coefficients in half the time, given x**2 (Estrin's first step).

    No more instructions than Horner's rule, but a chain of them that is half as long.
    """
    pairs: list[Floats | Number] = [
        fma(x, odd, even) for even, odd in zip(coefficients[::2], coefficients[1::2], strict=False)
    ]
    result = coefficients[-1] if len(coefficients) % 2 else pairs.pop()
    for pair in reversed(pairs):
        result = fma(square, result, pair)
    assert isinstance(result, Floats)
    return result


def absolute(x: Floats) -> Floats:
    """|x|."""
    return x.kernel.intrinsic("fabs", x)


def sqrt(x: Floats) -> Floats:
    """The square root, correctly rounded."""
    return x.kernel.intrinsic("sqrt", x)


def copysign(x: Floats, sign: Floats | Number) -> Floats:
    """|x| with the sign of `sign`."""
    return x.kernel.intrinsic("copysign", x, sign)


def at_most(x: Floats, bound: float) -> Floats:
    """min(x, bound); a NaN stays one."""
    return select(x.kernel.compare("fcmp ogt", x, bound), bound, x)


def at_least(x: Floats, bound: float) -> Floats:
    """max(x, bound); a NaN stays one."""
    return select(x.kernel.compare("fcmp olt", x, bound), bound, x)


def nearest(x: Floats, factor: float = 1.0, offset: int = 0) -> tuple[Floats, Ints]:
    """The integer n nearest to x * factor, |n| < 2**51, and integers that end in the bits of
    n + offset.

    Ties and numbers very close to them may go either way.
    """
    rounder = _ROUNDER + offset
    t = x + rounder if factor == 1.0 else fma(x, factor, rounder)
    return t - rounder, t.bits


def power_of_two(n: Floats) -> Floats:
    """2**n for integers -1022 <= n <= 1023."""
    return (nearest(n, offset=1023)[1] << 52).floats


def scaled(x: Floats, n: Floats) -> Floats:
    """x * 2**n for integers n, rounded once; |n| < 2044, and 1/2 < |x| < 2.

    Too large a result is an infinity, too small a one becomes subnormal or zero.
    """
    k = x.kernel
    if k.scales:
        name = f"llvm.x86.avx512.mask.scalef.pd.{64 * k.lanes}"
        wide = k.lanes == 8  # where the rounding mode is an operand: 4 is the current one
        rest, types = (", i32 4", ", i32") if wide else ("", "")
        signature = f"{k.floats}, {k.floats}, {k.floats}, i8{types}"
        k.declarations[name] = f"declare {k.floats} @{name}({signature})"
        operands = f"{k.floats} {x.name}, {k.floats} {n.name}, {k.floats} zeroinitializer"
        return Floats(k, k.put(f"call {k.floats} @{name}({operands}, i8 -1{rest})"))
    half, _ = nearest(n, 0.5)
    return x * power_of_two(half) * power_of_two(n - half)


def two_sum(x: Floats | Number, y: Floats) -> tuple[Floats, Floats]:
    """x + y rounded, and the error: |x| >= |y|, or x = 0 (Dekker 1971)."""
    s = x + y
    return s, y - (s - x)


def any_two_sum(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """x + y rounded, and the error (Knuth)."""
    s = x + y
    z = s - x
    return s, (x - (s - z)) + (y - z)


def two_product(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """x * y rounded, and the error, exactly or to 2**-106 of the product."""
    p = x * y
    if x.kernel.machine.fused:
        return p, fma(x, y, -p)
    xh, yh = ((v.bits & -(1 << 27)).floats for v in (x, y))
    xl, yl = x - xh, y - yh
    return p, ((xh * yh - p) + xh * yl + xl * yh) + xl * yl


def excess(x: Floats, y: Floats, z: Floats) -> Floats:
    """x * y - z where the product is next to z, exactly or to 2**-106 of the product."""
    if x.kernel.machine.fused:
        return fma(x, y, -z)
    p, rest = two_product(x, y)
    return (p - z) + rest


def quotient(x: tuple[Floats, Floats], y: tuple[Floats, Floats]) -> Floats:
    """x / y for unevaluated sums of a number and its rounding error; -0.0 / 1 = -0.0."""
    inverse = 1.0 / y[0]
    q = x[0] * inverse
    error = excess(q, y[0], x[0]) + fma(q, y[1], -x[1])
    return fma(-error, inverse, q)


@dataclass(frozen=True, slots=True)
class VectorFunction:
    """One function of vectors, to be put into a module once.

    Attributes:
        symbol: what to call.
        text: its definition, after those of the functions that it calls for rare operands.
        declarations: what the module has to declare, by name, as LLVMEmitter has it.
    """

    symbol: str
    text: str
    declarations: Mapping[str, str]


def write(
    kernel: Kernel, arity: int, body: Callable[..., Floats | Results], single: bool
) -> VectorFunction:
    """The function that `body` describes; with `single`, of floats, through doubles."""
    k = kernel
    element = k.type("float" if single else "double")
    arguments = ", ".join(f"{element} %x{i}" for i in range(arity))
    operands = [Floats(k, f"%x{i}") for i in range(arity)]
    if single:
        operands = [Floats(k, k.put(f"fpext {element} {x.name} to {k.floats}")) for x in operands]
    found = body(*operands)
    results = found if isinstance(found, tuple) else (found,)
    names = [r.name for r in results]
    if single:
        names = [k.put(f"fptrunc {k.floats} {name} to {element}") for name in names]
    returned = element if len(names) == 1 else f"{{ {', '.join([element] * len(names))} }}"
    lines = [
        f"define internal {returned} @{k.symbol}({arguments}) alwaysinline {PURE} {{",
        "entry:",
        *k.lines,
        *k.ret(element, names),
        "}",
    ]
    return VectorFunction(k.symbol, "\n\n".join([*k.helpers, "\n".join(lines)]), k.declarations)
