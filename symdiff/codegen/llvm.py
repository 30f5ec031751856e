"""LLVM text for straight-line code: the emitter of single operations, and bodies of functions.

The emitter writes for one point or for W of them at once, whose numbers are then the lanes of a
vector: an operation's `emit` rule does not know which.

The text is written directly. Building it through llvmlite's IR classes costs ten times as much
as all the other stages together, and a formula has nothing that would need them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Final, cast

from symdiff.codegen.origins import mark
from symdiff.codegen.vectors import NO_VECTORS, VectorMath
from symdiff.errors import UnsupportedError
from symdiff.ir import (
    CONST,
    DTYPES,
    ITEM,
    PARAM,
    DType,
    Function,
    Location,
    Value,
    boolean,
    f32,
    f64,
)

TYPES: Final = {"f64": "double", "f32": "float", "i64": "i64", "i32": "i32", "bool": "i1"}
MEMORY_TYPES: Final = {**TYPES, "bool": "i8"}
SCIPY_PREFIX: Final = "scipy_special_"

_SIGNED: Final = {"olt": "slt", "ole": "sle", "ogt": "sgt"}

# Pure functions: may be moved or dropped, never throw, always return.
_ATTRIBUTES: Final = "attributes #0 = { nounwind willreturn memory(none) }"


def vector_math():  # pyright infers the module, which no annotation can name
    """Our own functions of vectors, loaded with the first code in lanes: scalars need none."""
    from symdiff.codegen import vector_math

    return vector_math


class LLVMEmitter:
    """Writes one instruction per call into `lines`; operands and results are registers.

    `dtype` is that of the operation being emitted, `declarations` what the module must declare,
    `lanes` how many points every register holds, and `went_lane_by_lane` says whether a function
    had to be called for each of them. `prefix` begins the names of registers. With "%" they are
    numbers, which LLVM reads faster; the lines must then stay in their order and be those of a
    function without other registers. A `traced` emitter marks lines with where they come from.
    """

    def __init__(
        self,
        flags: str = "",
        lanes: int = 1,
        vectors: VectorMath = NO_VECTORS,
        prefix: str = "%t",
        traced: bool = False,
    ) -> None:
        self.lines: list[str] = []
        self.declarations: dict[str, str] = {}
        self.dtype: DType = f64
        self.lanes = lanes
        self.vectors = vectors
        self.went_lane_by_lane = False
        self.traced = traced
        self.origin = ""  # what ends the lines that follow
        self._flags = f" {flags}" if flags else ""
        self._count = 0
        self._prefix = prefix

    def fresh(self) -> LLVMEmitter:
        """An emitter of the same kind that has written nothing yet."""
        return LLVMEmitter(self._flags.strip(), self.lanes, self.vectors, traced=self.traced)

    # Building blocks.

    def at(self, origin: Location | None) -> None:
        """What follows comes from there, if that is of interest."""
        if self.traced:
            self.origin = mark(origin)

    def put(self, instruction: str) -> str:
        """A new register holding the result of `instruction`."""
        register = f"{self._prefix}{self._count}"
        self._count += 1
        self.lines.append(f"  {register} = {instruction}{self.origin}")
        return register

    @property
    def type(self) -> str:
        return self._wide(TYPES[self.dtype.name])

    @property
    def mask(self) -> str:
        """The type of a comparison."""
        return self._wide("i1")

    def _wide(self, scalar: str) -> str:
        return scalar if self.lanes == 1 else f"<{self.lanes} x {scalar}>"

    def const(self, number: float) -> str:
        return self.constant(number, self.dtype)

    def constant(self, number: float, dtype: DType) -> str:
        """`number` in every lane."""
        text = literal(number, dtype)
        return text if self.lanes == 1 else f"splat ({TYPES[dtype.name]} {text})"

    def splat(self, dtype: DType, scalar: str) -> str:
        """The scalar register in every lane."""
        if self.lanes == 1:
            return scalar
        kind = TYPES[dtype.name]
        wide = self._wide(kind)
        first = self.put(f"insertelement {wide} poison, {kind} {scalar}, i64 0")
        order = f"<{self.lanes} x i32> zeroinitializer"
        return self.put(f"shufflevector {wide} {first}, {wide} poison, {order}")

    def _binary(self, opcode: str, x: str, y: str) -> str:
        if self.dtype.kind == "i":
            return self.put(f"{opcode[1:]} {self.type} {x}, {y}")
        return self.put(f"{opcode}{self._flags} {self.type} {x}, {y}")

    def _intrinsic(self, name: str, *operands: str) -> str:
        return self.call(f"llvm.{name}.{self.suffix}", operands, self.type, attributes="")

    @property
    def suffix(self) -> str:
        """What LLVM appends to the names of intrinsics."""
        lanes = "" if self.lanes == 1 else f"v{self.lanes}"
        return lanes + ("f32" if self.dtype is f32 else "f64")

    def call(self, name: str, operands: Iterable[str], result: str, attributes: str = " #0") -> str:
        """The result of calling `name` on operands of the current dtype."""
        operands = list(operands)
        types = ", ".join([self.type] * len(operands))
        self.declarations[name] = f"declare {result} @{name}({types}){attributes}"
        passed = ", ".join(f"{self.type} {x}" for x in operands)
        flags = self._flags if result == self.type else ""
        return self.put(f"call{flags} {result} @{name}({passed})")

    # The Emitter protocol.

    def neg(self, x: str) -> str:
        if self.dtype.kind == "i":
            return self.put(f"sub {self.type} {self.const(0)}, {x}")
        return self.put(f"fneg{self._flags} {self.type} {x}")

    def add(self, x: str, y: str) -> str:
        return self._binary("fadd", x, y)

    def sub(self, x: str, y: str) -> str:
        return self._binary("fsub", x, y)

    def mul(self, x: str, y: str) -> str:
        return self._binary("fmul", x, y)

    def div(self, x: str, y: str) -> str:
        return self._binary("fdiv", x, y)

    def fma(self, x: str, y: str, z: str) -> str:
        return self._intrinsic("fmuladd", x, y, z)  # fused where the target has it

    def abs(self, x: str) -> str:
        if self.dtype.kind == "i":
            return self.select(self.lt(x, self.const(0)), self.neg(x), x)
        return self._intrinsic("fabs", x)

    def sqrt(self, x: str) -> str:
        return self._intrinsic("sqrt", x)

    def floor(self, x: str) -> str:
        return self._intrinsic("floor", x)

    def ceil(self, x: str) -> str:
        return self._intrinsic("ceil", x)

    def trunc(self, x: str) -> str:
        return self._intrinsic("trunc", x)

    def rint(self, x: str) -> str:
        return self._intrinsic("rint", x)

    def copysign(self, x: str, y: str) -> str:
        return self._intrinsic("copysign", x, y)

    def minimum(self, x: str, y: str) -> str:
        return self._extremum("olt", x, y)

    def maximum(self, x: str, y: str) -> str:
        return self._extremum("ogt", x, y)

    def _extremum(self, predicate: str, x: str, y: str) -> str:
        # Compare and select is one minsd or maxsd, which gives y if either is NaN. llvm.maximum
        # would also order -0.0 before 0.0, which costs four instructions more.
        chosen = self.select(self._compare(predicate, x, y), x, y)
        if self.dtype.kind == "i":
            return chosen
        return self.select(self._compare("uno", x, x), x, chosen)

    def _compare(self, predicate: str, x: str, y: str) -> str:
        if self.dtype.kind == "i":
            signed = _SIGNED.get(predicate, predicate[1:])
            return self.put(f"icmp {signed} {self.type} {x}, {y}")
        return self.put(f"fcmp {predicate} {self.type} {x}, {y}")

    def lt(self, x: str, y: str) -> str:
        return self._compare("olt", x, y)

    def le(self, x: str, y: str) -> str:
        return self._compare("ole", x, y)

    def eq(self, x: str, y: str) -> str:
        if self.dtype is boolean:
            return self.not_(self.ne(x, y))
        return self._compare("oeq", x, y)

    def ne(self, x: str, y: str) -> str:
        if self.dtype is boolean:
            return self.put(f"xor {self.mask} {x}, {y}")
        return self._compare("une", x, y)

    def and_(self, x: str, y: str) -> str:
        return self.put(f"and {self.mask} {x}, {y}")

    def or_(self, x: str, y: str) -> str:
        return self.put(f"or {self.mask} {x}, {y}")

    def not_(self, x: str) -> str:
        return self.put(f"xor {self.mask} {x}, {self.constant(1, boolean)}")

    def select(self, condition: str, x: str, y: str) -> str:
        return self.put(f"select {self.mask} {condition}, {self.type} {x}, {self.type} {y}")

    def libm(self, name: str, *operands: str) -> str:
        symbol = name + ("f" if self.dtype is f32 else "")
        if self.lanes == 1:
            return self.call(symbol, operands, self.type)
        vector = self.vectors.symbol(symbol, len(operands), self.lanes, self.dtype is f32)
        ours = name in vector_math().FUNCTIONS and self.vectors.inlines
        if ours and not (vector and self.dtype is f32):  # ours compute in doubles
            return self._vector(name, operands, self.type)
        if vector:
            return self.call(vector, operands, self.type)
        return self._lane_by_lane(partial(self.libm, name), operands)

    def special(self, name: str, *operands: str) -> str:
        """A call into SciPy, whose functions take doubles and a flag that we leave at zero."""
        if self.lanes > 1:
            return self._lane_by_lane(partial(self.special, name), operands)
        symbol = SCIPY_PREFIX + name
        types = ", ".join(["double"] * len(operands))
        self.declarations[symbol] = f"declare double @{symbol}({types}, i32) #0"
        narrow = self.dtype is f32
        wide = [self.put(f"fpext float {x} to double") if narrow else x for x in operands]
        passed = ", ".join(f"double {x}" for x in wide)
        result = self.put(f"call double @{symbol}({passed}, i32 0)")
        return self.put(f"fptrunc double {result} to float") if narrow else result

    def _vector(self, name: str, operands: Sequence[str], result: str) -> str:
        """A call of one of our own functions of vectors, which becomes part of the module."""
        kind = "f32" if self.dtype is f32 else "f64"
        found = vector_math().function(name, self.lanes, kind, self.vectors.machine)
        called = self.call(found.symbol, operands, result, attributes="")
        self.declarations |= {**found.declarations, found.symbol: found.text}
        return called

    def _lane_by_lane(self, call: Callable[..., str], operands: Sequence[str]) -> str:
        """The result of a function that has no vector form, called for every lane."""
        self.went_lane_by_lane = True
        wide, lanes, kind = self.type, self.lanes, TYPES[self.dtype.name]
        result = "poison"
        for i in range(lanes):
            parts = [self.put(f"extractelement {wide} {x}, i64 {i}") for x in operands]
            self.lanes = 1
            part = call(*parts)
            self.lanes = lanes
            result = self.put(f"insertelement {wide} {result}, {kind} {part}, i64 {i}")
        return result

    def sincos(self, x: str) -> tuple[str, str]:
        pair = f"{{ {self.type}, {self.type} }}"
        if self.lanes > 1 and not self.vectors.inlines:
            return self.libm("sin", x), self.libm("cos", x)
        if self.lanes > 1:
            both = self._vector("sincos", [x], pair)
        else:
            both = self.call(f"llvm.sincos.{self.suffix}", [x], pair, attributes="")
        return (
            self.put(f"extractvalue {pair} {both}, 0"),
            self.put(f"extractvalue {pair} {both}, 1"),
        )

    def convert(self, x: str, dtype: str) -> str:
        source, target = self.dtype.name, dtype
        if source == target:
            return x
        if target == "bool":
            return self._compare("une", x, self.const(0.0))
        kinds = self.dtype.kind + DTYPES[target].kind
        wider = DTYPES[target].itemsize > self.dtype.itemsize
        opcode = {
            "bf": "uitofp", "bi": "zext", "if": "sitofp", "fi": "fptosi",
            "ii": "sext" if wider else "trunc", "ff": "fpext" if wider else "fptrunc",
        }[kinds]  # fmt: skip
        source, target = self._wide(TYPES[source]), self._wide(TYPES[target])
        return self.put(f"{opcode} {source} {x} to {target}")

    # Memory.

    def load(self, dtype: DType, pointer: str, tail: str = "") -> str:
        """The element at `pointer`, one after the other for the lanes; `tail` is metadata."""
        kind = self.memory_type(dtype)
        loaded = self.put(f"load {kind}, ptr {pointer}{self._alignment(dtype)}{tail}")
        if dtype is boolean:
            return self.put(f"trunc {kind} {loaded} to {self.mask}")
        return loaded

    def store(self, dtype: DType, value: str, pointer: str, tail: str = "") -> None:
        """Store one element, one after the other for the lanes."""
        kind = self.memory_type(dtype)
        if dtype is boolean:
            value = self.put(f"zext {self.mask} {value} to {kind}")
        where = f"{pointer}{self._alignment(dtype)}{tail}"
        self.lines.append(f"  store {kind} {value}, ptr {where}{self.origin}")

    def memory_type(self, dtype: DType) -> str:
        """What the element of a buffer is in memory."""
        return self._wide(MEMORY_TYPES[dtype.name])

    def _alignment(self, dtype: DType) -> str:
        return "" if self.lanes == 1 else f", align {dtype.itemsize}"

    def offset(self, pointer: str, count: int | str, size: int = 8) -> str:
        """`pointer` moved by `count` elements of `size` bytes; `count` may be a register."""
        if count == 0:
            return pointer
        if isinstance(count, int):
            return self.put(f"getelementptr i8, ptr {pointer}, i64 {count * size}")
        unit = "i8" if size == 1 else f"i{size * 8}"
        return self.put(f"getelementptr {unit}, ptr {pointer}, i64 {count}")


def literal(number: float, dtype: DType) -> str:
    """`number` as an LLVM constant: decimal where that is short and exact, else its bits."""
    if dtype is boolean:
        return "true" if number else "false"
    if dtype.kind == "i":
        return str(int(number))
    if dtype is f32:
        number = struct.unpack("<f", struct.pack("<f", number))[0]
    text = repr(number)
    if len(text) <= 8 and "." in text and Decimal(text) == Decimal(number):
        return text
    return f"0x{struct.unpack('<Q', struct.pack('<d', number))[0]:016X}"


def emit_values(emitter: LLVMEmitter, values: Iterable[Value], handles: dict[Value, str]) -> None:
    """Emit `values` in order; `handles` maps operands to registers and grows by the results.

    Raises:
        UnsupportedError: an operation has no scalar emission.
    """
    parts: dict[Value, tuple[str, ...]] = {}
    for value in values:
        if value.op is PARAM or value in handles:
            continue
        if value.op is CONST:
            handles[value] = constant(emitter, value)
        else:
            emit_value(emitter, value, handles, parts)


def emit_value(
    emitter: LLVMEmitter,
    value: Value,
    handles: dict[Value, str],
    parts: dict[Value, tuple[str, ...]],
) -> None:
    """Emit one operation; `parts` has the results of those that have several.

    Raises:
        UnsupportedError: the operation has no scalar emission.
    """
    op, args = value.op, value.args
    if op is ITEM:
        handles[value] = parts[args[0]][value.attr("index")]
        return
    if op.emit is None or not op.elementwise:
        raise UnsupportedError(f"{op.name} {value.type} cannot be compiled to scalar code")
    if emitter.traced:
        emitter.at(value.location)
    emitter.dtype = args[-1].type.dtype
    operands = [handles[a] for a in args]
    attrs = value.attrs
    result = op.emit(emitter, *operands, **dict(attrs)) if attrs else op.emit(emitter, *operands)
    if isinstance(result, tuple):
        parts[value] = cast("tuple[str, ...]", result)
    else:
        handles[value] = result


def constant(emitter: LLVMEmitter, value: Value) -> str:
    """The LLVM constant that a `const` value is."""
    assert value.literal is not None
    number = value.literal.scalar
    if number is None or value.type.shape:
        raise UnsupportedError(f"a constant of type {value.type} cannot be compiled yet")
    return emitter.constant(number, value.type.dtype)


def require_scalars(fn: Function) -> None:
    """Refuse functions of arrays, and of integers.

    Raises:
        UnsupportedError: a value has axes or is an integer; the message names its operation.
    """
    for value in (*fn.params, *fn.live()):
        if getattr(value.type, "dtype", f64).kind == "i":
            raise UnsupportedError(f"{value.op.name} of type {value.type}: integers arrive later")
        if getattr(value.type, "shape", ()):
            raise UnsupportedError(f"{value.op.name} of type {value.type} cannot be compiled yet")


def transfer_loop(name: str, verb: str, dtype: DType) -> str:
    """A function that gathers element i of n arrays into 8-byte words, or scatters them back."""
    kind = MEMORY_TYPES[dtype.name]
    source, target = ("%element", "%word") if verb == "gather" else ("%word", "%element")
    return f"""\
define internal void @{name}(ptr %pointers, ptr %steps, i64 %i, ptr %words, i64 %n) {{
entry:
  br label %head
head:
  %j = phi i64 [ 0, %entry ], [ %next, %body ]
  %more = icmp slt i64 %j, %n
  br i1 %more, label %body, label %exit
body:
  %pointer.at = getelementptr ptr, ptr %pointers, i64 %j
  %pointer = load ptr, ptr %pointer.at
  %step.at = getelementptr i64, ptr %steps, i64 %j
  %step = load i64, ptr %step.at
  %distance = mul i64 %i, %step
  %element = getelementptr i8, ptr %pointer, i64 %distance
  %word = getelementptr i64, ptr %words, i64 %j
  %value = load {kind}, ptr {source}
  store {kind} %value, ptr {target}
  %next = add i64 %j, 1
  br label %head
exit:
  ret void
}}"""


def module_text(functions: Iterable[str], declarations: Mapping[str, str]) -> str:
    """A whole module: functions, then what they declare."""
    return "\n\n".join([*functions, "\n".join(declarations.values()), _ATTRIBUTES]) + "\n"
