"""Loop programs as LLVM text.

Every nest is a function of its own, whose pointers do not overlap; the body of the program calls
one after the other. Innermost loops are left to LLVM's vectoriser, which is told that their
iterations are independent and which vector functions there are for those of libm.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from symdiff.codegen.llvm import TYPES, LLVMEmitter
from symdiff.codegen.loops.memory import own_size
from symdiff.codegen.loops.program import (
    Affine,
    Block,
    Buffer,
    Compute,
    Constant,
    Copy,
    For,
    Gemm,
    Index,
    Load,
    Local,
    Nest,
    Operand,
    Program,
    Read,
    Repeat,
    Step,
    Store,
    Update,
    Write,
    Zero,
    buffers_of,
)
from symdiff.codegen.vector_math import FUNCTIONS, function
from symdiff.codegen.vectors import FASTER, VectorMath
from symdiff.ir import DType, boolean, f32
from symdiff.ops import mul

BLAS_PREFIX: Final = "scipy_blas_"

_CONTRACTIBLE: Final = "fmul contract"


class _LoopEmitter(LLVMEmitter):
    """Single operations within loops that LLVM is to vectorise, unless they have lanes already."""

    def __init__(self, flags: str, lanes: int, vectors: VectorMath, traced: bool) -> None:
        super().__init__(flags, lanes, vectors, traced=traced)
        self.variants: dict[str, str] = {}  # declarations that have to be kept
        self.attributes: dict[str, str] = {}

    def sincos(self, x: str) -> tuple[str, str]:
        if self.lanes > 1:
            return super().sincos(x)
        return self.libm("sin", x), self.libm("cos", x)  # which vectorise one by one

    def libm(self, name: str, *operands: str) -> str:
        result = super().libm(name, *operands)
        if self.lanes == 1:
            self.vectorizable(name, len(operands))
        return result

    def vectorizable(self, name: str, arity: int) -> None:
        """Say in the declaration of a function which vector functions stand for it."""
        single = self.dtype is f32
        scalar = name + ("f" if single else "")
        mappings: list[str] = []
        lanes = self.vectors.lanes * (2 if single else 1)
        while lanes > 1:
            symbol = self.vectors.symbol(scalar, arity, lanes, single)
            better = single or name in FASTER  # than ours, which compute in doubles
            if name in FUNCTIONS and not (symbol and better):
                ours = function(name, lanes, "f32" if single else "f64", self.vectors.machine)
                symbol = ours.symbol
                self.declarations |= ours.declarations
                self.variants[symbol] = ours.text
            elif symbol:
                vector = f"<{lanes} x {self.type}>"
                passed = ", ".join([vector] * arity)
                self.variants[symbol] = f"declare {vector} @{symbol}({passed}) #0"
            if symbol:
                mappings.append(f"_ZGV_LLVM_N{lanes}{'v' * arity}_{scalar}({symbol})")
            lanes //= 2
        if mappings:
            self.attributes[scalar] = f'"vector-function-abi-variant"="{",".join(mappings)}"'


class ProgramWriter:
    """The text of a program: functions, and what they declare.

    With `lanes` above 1 it is for as many points at once. Every element of a buffer is then a
    vector of their numbers. With `traced`, lines are marked with the `location` of statements.
    """

    def __init__(
        self,
        symbol: str,
        flags: str,
        vectors: VectorMath,
        lanes: int = 1,
        traced: bool = False,
    ) -> None:
        self.symbol = symbol
        self.traced = traced
        self.flags = flags
        self.vectors = vectors
        self.lanes = lanes
        self.functions: list[str] = []
        self.declarations: dict[str, str] = {}
        self.variants: dict[str, str] = {}
        self.attributes: dict[str, str] = {}
        self.metadata: list[str] = []
        self._nests = 0
        self._bodies = 0
        self._constants: dict[Buffer, str] = {}

    def write(self, program: Program, name: str) -> None:
        """Add the function `i64 @name(ptr parameter, ..., ptr output, ..., ptr workspace)`.

        It returns 0, or the number of the check that failed. A parameter whose memory an output
        takes is read where the output is.
        """
        b = LLVMEmitter(self.flags, traced=self.traced)
        given = [(buffer, f"%in{i}") for i, buffer in enumerate(program.params)]
        given += [(buffer, f"%out{i}") for i, buffer in enumerate(program.outputs)]
        pointers = dict(given)
        arguments = [f"ptr {p}" for _, p in given]
        for buffer in program.constants:
            pointers[buffer] = self.constant(buffer)
        for buffer in program.scratch:
            pointers[buffer] = b.offset("%ws", buffer.offset * self.lanes, 1)
        rest = b.offset("%ws", own_size(program) * self.lanes, 1)
        for step in program.steps:
            b.at(step.location)
            self.step(b, step, pointers, rest)
        b.at(None)
        b.lines.append("  ret i64 0")
        self.declarations |= b.declarations
        header = f"internal i64 @{name}({', '.join([*arguments, 'ptr %ws'])})"
        self.functions.append("\n".join([f"define {header} {{", "entry:", *b.lines, "}"]))

    def constant(self, buffer: Buffer) -> str:
        if buffer not in self._constants:
            name = f"@{self.symbol}.const{len(self._constants)}"
            size = buffer.dtype.itemsize
            elements = range(0, len(buffer.data), size)
            content = b"".join(buffer.data[i : i + size] * self.lanes for i in elements)
            data = "".join(f"\\{byte:02X}" for byte in content)
            self.declarations[name] = (
                f'{name} = internal constant [{len(content)} x i8] c"{data}", align 64'
            )
            self._constants[buffer] = name
        return self._constants[buffer]

    def step(self, b: LLVMEmitter, step: Step, pointers: dict[Buffer, str], rest: str) -> None:
        if isinstance(step, Nest):
            self.nest(b, step, pointers)
        elif isinstance(step, Zero):
            size = self.bytes(step.buffer, step.buffer.size)
            self.declarations["memset"] = "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)"
            target = pointers[step.buffer]
            b.lines.append(
                f"  call void @llvm.memset.p0.i64(ptr {target}, i8 0, i64 {size}, i1 false)"
                f"{b.origin}"
            )
        elif isinstance(step, Copy):
            self.copy(b, pointers[step.source], pointers[step.target], step.source)
        elif isinstance(step, Gemm):
            self.gemm(b, step, pointers)
        else:
            self.repeat(b, step, pointers, rest)

    def bytes(self, buffer: Buffer, elements: int) -> int:
        """What so many elements of a buffer take."""
        return elements * buffer.dtype.itemsize * self.lanes

    def copy(self, b: LLVMEmitter, source: str, target: str, buffer: Buffer) -> None:
        self.move(b, source, target, str(self.bytes(buffer, buffer.size)))

    def move(self, b: LLVMEmitter, source: str, target: str, size: str) -> None:
        """Copy so many bytes, of memory that may overlap."""
        self.declarations["memcpy"] = "declare void @llvm.memmove.p0.p0.i64(ptr, ptr, i64, i1)"
        arguments = f"ptr {target}, ptr {source}, i64 {size}, i1 false"
        b.lines.append(f"  call void @llvm.memmove.p0.p0.i64({arguments}){b.origin}")

    def gemm(self, b: LLVMEmitter, step: Gemm, pointers: dict[Buffer, str]) -> None:
        """A product by BLAS, whose matrices are column-major.

        c' = b' a' for the transposed matrices, which are the same memory.
        """
        letter = "s" if step.c.dtype is f32 else "d"
        name = f"{self.symbol}.{letter}gemm"
        if name not in self.declarations:
            self.declarations[name] = ""
            self.functions.append(_gemm(name, letter))
        count, moves = step.batch
        for i in range(count):
            size = step.c.dtype.itemsize
            a, bb, c = (
                b.offset(pointers[buffer], move * i * size, 1)
                for buffer, move in zip((step.a, step.b, step.c), moves, strict=True)
            )
            ta, tb = (int(t) for t in step.transposed)
            sizes = f"i32 {step.m}, i32 {step.n}, i32 {step.k}"
            b.lines.append(
                f"  call void @{name}(i32 {ta}, i32 {tb}, {sizes}, ptr {a}, ptr {bb}, ptr {c})"
                f"{b.origin}"
            )

    def repeat(self, b: LLVMEmitter, step: Repeat, pointers: dict[Buffer, str], rest: str) -> None:
        name = f"{self.symbol}.loop{self._bodies}"
        label = f"L{self._bodies}"
        self._bodies += 1  # before what is in the body, which has numbers of its own
        self.write(step.body, name)
        first, move, end = (step.length - 1, -1, -1) if step.reverse else (0, 1, step.length)
        b.lines += [
            f"  br label %{label}.pre",
            f"{label}.pre:",
            f"  br label %{label}",
            f"{label}:",
            f"  %{label}.i = phi i64 [ {first}, %{label}.pre ], [ %{label}.n, %{label}.next ]",
        ]
        passed: list[str] = []
        for buffer, elements in step.operands:
            pointer = pointers[buffer]
            if elements:
                distance = b.put(f"mul i64 %{label}.i, {self.bytes(buffer, elements)}")
                pointer = b.put(f"getelementptr i8, ptr {pointer}, i64 {distance}")
            passed.append(f"ptr {pointer}")
        status = b.put(f"call i64 @{name}({', '.join([*passed, f'ptr {rest}'])})")
        fine = b.put(f"icmp eq i64 {status}, 0")
        b.lines += [f"  br i1 {fine}, label %{label}.next, label %{label}.bad", f"{label}.bad:"]
        moved = b.put(f"add i64 {status}, {step.status}")
        b.lines += [
            f"  ret i64 {moved}",
            f"{label}.next:",
            f"  %{label}.n = add i64 %{label}.i, {move}",
            f"  %{label}.more = icmp ne i64 %{label}.n, {end}",
            f"  br i1 %{label}.more, label %{label}, label %{label}.end",
            f"{label}.end:",
        ]

    def nest(
        self,
        b: LLVMEmitter,
        nest: Nest,
        pointers: dict[Buffer, str],
        given: Sequence[str] = (),
    ) -> None:
        """A call of a nest; `given` are registers for the variables that it is given."""
        name = f"{self.symbol}.nest{self._nests}"
        self._nests += 1
        buffers = buffers_of(nest)
        writer = _NestWriter(self, {buffer: f"%b{i}" for i, buffer in enumerate(buffers)})
        writer.vars.update((var, f"%g{i}") for i, var in enumerate(nest.given))
        writer.block(nest.block)
        e = writer.e
        kind, result = "void", "  ret void"
        if nest.status is not None:
            flag = writer.any(e.load(boolean, f"%{nest.status[0].name}"))
            kind, result = "i1", f"  ret i1 {flag}"
        parameters = [f"ptr noalias %b{i}" for i in range(len(buffers))]
        parameters += [f"i64 %g{i}" for i in range(len(given))]
        arguments = ", ".join(parameters)
        # Not inlined: LLVM takes half the time, and keeps what it knows about the pointers.
        header = f"define internal {kind} @{name}({arguments}) noinline nounwind {{"
        self.functions.append("\n".join([header, "entry:", *writer.allocas, *e.lines, result, "}"]))
        self.declarations |= e.declarations
        self.variants |= e.variants
        self.attributes |= e.attributes
        operands = [f"ptr {pointers[buffer]}" for buffer in buffers]
        passed = ", ".join(operands + [f"i64 {register}" for register in given])
        if nest.status is None:
            b.lines.append(f"  call void @{name}({passed})")
            return
        bad = b.put(f"call i1 @{name}({passed})")
        b.lines += [
            f"  br i1 {bad}, label %bad{self._nests}, label %good{self._nests}",
            f"bad{self._nests}:",
            f"  ret i64 {nest.status[1]}",
            f"good{self._nests}:",
        ]

    def finish(self) -> None:
        """Complete the declarations of functions that have vector variants."""
        for name, attribute in self.attributes.items():
            self.declarations[name] = self.declarations[name] + " " + attribute
        self.declarations |= self.variants
        if self.variants:
            used = ", ".join(f"ptr @{symbol}" for symbol in self.variants)
            count = len(self.variants)
            self.declarations["used"] = (
                f"@llvm.compiler.used = appending global [{count} x ptr] [{used}], "
                'section "llvm.metadata"'
            )
        if self.metadata:
            self.declarations["metadata"] = "\n".join(self.metadata)


class _NestWriter:
    """The text of one nest."""

    def __init__(self, owner: ProgramWriter, pointers: dict[Buffer, str]) -> None:
        self.owner = owner
        self.e = _LoopEmitter(owner.flags, owner.lanes, owner.vectors, owner.traced)
        self.pointers = pointers
        self.handles: dict[int, str] = {}
        self.types: dict[int, DType] = {}
        self.vars: dict[Any, str] = {}
        self.allocas: list[str] = []
        self.group = ""  # metadata for the memory accesses of a parallel loop
        self.loops = 0
        self.summed: set[int] = set()

    def operand(self, operand: Operand) -> str:
        if isinstance(operand, Constant):
            return self.e.constant(operand.number, operand.dtype)
        return self.handles[operand]

    def block(self, block: Block) -> None:
        self.mark_products(block)
        for statement in block.statements:
            self.e.at(statement.location)
            _WRITERS[type(statement)](self, statement)
        self.e.at(None)

    def mark_products(self, block: Block) -> None:
        """Find the products that are only added to a sum: the two become one instruction."""
        uses: dict[int, int] = {}
        for statement in block.statements:
            if isinstance(statement, Compute):
                for arg in statement.args:
                    if isinstance(arg, int):
                        uses[arg] = uses.get(arg, 0) + 1
            elif isinstance(statement, (Store, Write, Update)) and isinstance(statement.value, int):
                uses[statement.value] = uses.get(statement.value, 0) + 1
        for statement in block.statements:
            if not isinstance(statement, Update) or statement.kind != "sum":
                continue
            if isinstance(statement.value, int) and uses[statement.value] == 1:
                self.summed.add(statement.value)

    # Statements.

    def compute(self, s: Compute) -> None:
        self.e.dtype = s.dtype
        args = [self.operand(a) for a in s.args]
        assert s.op.emit is not None, s.op
        if s.op is mul and s.dest in self.summed and s.dtype.kind == "f":
            result: Any = self.e.put(f"{_CONTRACTIBLE} {self.e.type} {args[0]}, {args[1]}")
        else:
            result = s.op.emit(self.e, *args, **dict(s.attrs))
        if isinstance(s.dest, tuple):
            self.handles.update(zip(s.dest, result, strict=True))
        else:
            self.handles[s.dest] = result

    def load(self, s: Load) -> None:
        address = self.address(s.buffer, s.index)
        self.handles[s.dest] = self.e.load(s.buffer.dtype, address, self.group)

    def store(self, s: Store) -> None:
        address = self.address(s.buffer, s.index)
        self.e.store(s.buffer.dtype, self.operand(s.value), address, self.group)

    def index(self, s: Index) -> None:
        value = self.affine(s.index)
        if s.dtype.kind == "f":
            value = self.e.put(f"sitofp i64 {value} to {TYPES[s.dtype.name]}")
        elif s.dtype.itemsize < 8:
            value = self.e.put(f"trunc i64 {value} to {TYPES[s.dtype.name]}")
        self.handles[s.dest] = self.e.splat(s.dtype, value)

    def local(self, s: Local) -> None:
        self.allocas.append(f"  %{s.name} = alloca {self.e.memory_type(s.dtype)}")
        self.e.store(s.dtype, self.operand(s.initial), f"%{s.name}")

    def read_local(self, s: Read) -> None:
        self.handles[s.dest] = self.e.load(s.local.dtype, f"%{s.local.name}")

    def write_local(self, s: Write) -> None:
        self.e.store(s.local.dtype, self.operand(s.value), f"%{s.local.name}")

    def update(self, s: Update) -> None:
        e, dtype = self.e, s.dtype
        e.dtype = dtype
        if isinstance(s.target, Local):
            address = f"%{s.target.name}"
            held = e.load(dtype, address)
        else:
            address = self.address(s.target, s.index)
            held = e.load(dtype, address, self.group)
        value = self.operand(s.value)
        if s.kind == "any":
            total = e.or_(held, value)
        elif s.kind == "sum" and dtype.kind == "f":
            # Which order the terms are added in is up to us, and the same every time.
            total = e.put(f"fadd reassoc contract {e.type} {held}, {value}")
        elif s.kind == "sum":
            total = e.add(held, value)
        elif dtype.kind == "f":
            total = e.call(f"llvm.{s.kind}imum.{e.suffix}", (held, value), e.type, attributes="")
        else:
            total = e.maximum(held, value) if s.kind == "max" else e.minimum(held, value)
        if isinstance(s.target, Local):
            e.store(dtype, total, address)
        else:
            e.store(dtype, total, address, self.group)

    def any(self, flag: str) -> str:
        """Whether a flag is set in any lane."""
        lanes = self.e.lanes
        if lanes == 1:
            return flag
        name = f"llvm.vector.reduce.or.v{lanes}i1"
        self.e.declarations[name] = f"declare i1 @{name}({self.e.mask})"
        return self.e.put(f"call i1 @{name}({self.e.mask} {flag})")

    def loop(self, s: For) -> None:
        e = self.e
        name = f"l{self.loops}"
        self.loops += 1
        low, high = self.bound(s.low, "smax"), self.bound(s.high, "smin")
        innermost = not any(isinstance(x, For) for x in s.body.statements)
        outer = self.group
        tail = ""
        if innermost and s.parallel and e.lanes == 1:
            metadata = self.owner.metadata
            number = len(metadata)
            self.group = f", !llvm.access.group !{number}"
            metadata += [
                f"!{number} = distinct !{{}}",
                f"!{number + 1} = distinct !{{!{number + 1}, !{number + 2}}}",
                f'!{number + 2} = !{{!"llvm.loop.parallel_accesses", !{number}}}',
            ]
            tail = f", !llvm.loop !{number + 1}"
        else:
            self.group = ""
        e.lines += [f"  br label %{name}.pre", f"{name}.pre:"]
        if low.lstrip("-").isdigit() and high.lstrip("-").isdigit():
            e.lines.append(f"  br label %{name}")
        else:
            e.lines += [
                f"  %{name}.any = icmp slt i64 {low}, {high}",
                f"  br i1 %{name}.any, label %{name}, label %{name}.end",
            ]
        e.lines += [
            f"{name}:",
            f"  %{name}.i = phi i64 [ {low}, %{name}.pre ], [ %{name}.n, %{name}.next ]",
        ]
        self.vars[s.var] = f"%{name}.i"
        self.block(s.body)
        e.lines += [
            f"  br label %{name}.next",
            f"{name}.next:",
            f"  %{name}.n = add nsw i64 %{name}.i, 1",
            f"  %{name}.more = icmp slt i64 %{name}.n, {high}",
            f"  br i1 %{name}.more, label %{name}, label %{name}.end{tail}",
            f"{name}.end:",
        ]
        self.group = outer

    def bound(self, parts: Sequence[Affine], combine: str) -> str:
        """The largest or smallest of some affine expressions."""
        result = self.affine(parts[0])
        for part in parts[1:]:
            name = f"llvm.{combine}.i64"
            self.e.declarations[name] = f"declare i64 @{name}(i64, i64)"
            result = self.e.put(f"call i64 @{name}(i64 {result}, i64 {self.affine(part)})")
        return result

    # Memory.

    def affine(self, index: Affine) -> str:
        total = ""
        for var, step in index.terms:
            term = self.vars[var] if var.register is None else self.index_register(var)
            if step != 1:
                term = self.e.put(f"mul nsw i64 {term}, {step}")
            total = self.e.put(f"add nsw i64 {total}, {term}") if total else term
        if not total:
            return str(index.const)
        return self.e.put(f"add nsw i64 {total}, {index.const}") if index.const else total

    def index_register(self, var: Any) -> str:
        """A loaded index as a 64-bit register."""
        handle = self.handles[var.register]
        if var not in self.vars:
            return handle
        return self.vars[var]

    def address(self, buffer: Buffer, index: Affine) -> str:
        place = self.affine(index)
        pointer = self.pointers[buffer]
        if place == "0":
            return pointer
        kind = self.e.memory_type(buffer.dtype)
        return self.e.put(f"getelementptr inbounds {kind}, ptr {pointer}, i64 {place}")


_WRITERS: Final[dict[type, Any]] = {
    Compute: _NestWriter.compute,
    Load: _NestWriter.load,
    Store: _NestWriter.store,
    Index: _NestWriter.index,
    Local: _NestWriter.local,
    Read: _NestWriter.read_local,
    Write: _NestWriter.write_local,
    Update: _NestWriter.update,
    For: _NestWriter.loop,
}


def _gemm(name: str, letter: str) -> str:
    """c = op(a) op(b) for row-major matrices, by BLAS."""
    kind = "float" if letter == "s" else "double"
    blas = f"@{BLAS_PREFIX}{letter}gemm"
    sizes = "i32 %ta, i32 %tb, i32 %m, i32 %n, i32 %k"
    passed = (
        "ptr %opb, ptr %opa, ptr %columns, ptr %rows, ptr %terms, ptr %one, "
        "ptr %b, ptr %stepb, ptr %a, ptr %stepa, ptr %zero, ptr %c, ptr %columns"
    )
    return f"""\
declare void {blas}({", ".join(["ptr"] * 13)})

define internal void @{name}({sizes}, ptr %a, ptr %b, ptr %c) noinline {{
entry:
  %opa = alloca i8
  %opb = alloca i8
  %rows = alloca i32
  %columns = alloca i32
  %terms = alloca i32
  %stepa = alloca i32
  %stepb = alloca i32
  %one = alloca {kind}
  %zero = alloca {kind}
  %ifa = icmp ne i32 %ta, 0
  %ifb = icmp ne i32 %tb, 0
  %la = select i1 %ifa, i8 84, i8 78
  %lb = select i1 %ifb, i8 84, i8 78
  %lda = select i1 %ifa, i32 %m, i32 %k
  %ldb = select i1 %ifb, i32 %k, i32 %n
  store i8 %la, ptr %opa
  store i8 %lb, ptr %opb
  store i32 %m, ptr %rows
  store i32 %n, ptr %columns
  store i32 %k, ptr %terms
  store i32 %lda, ptr %stepa
  store i32 %ldb, ptr %stepb
  store {kind} 1.0, ptr %one
  store {kind} 0.0, ptr %zero
  call void {blas}({passed})
  ret void
}}"""
