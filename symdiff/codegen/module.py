"""Modules: the body of a function wrapped for its callers.

A body reads parameters and writes outputs. Three wrappers call it:

    @NAME(ptr x, ..., ptr value, ...)           C: a pointer per parameter and per output
    @NAME.batch(ptr pointers, ptr steps, i64 n, ptr ws)
                                                n points; steps in bytes, 0 to broadcast
    @NAME.many(ptr pointers, ptr steps, i64 n, ptr ws)
                                                the same in the lanes of vectors; see lanes.py
    @NAME.call(ptr self, ptr args, i64 nargs, ptr kwnames)
                                                CPython's vectorcall, for numbers

A small body stands in each wrapper itself, as registers. A huge one is cut into chunks that read
`in`, write `out` and keep in `ws` what crosses their borders.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Final

from symdiff.codegen.chunks import CHUNK, SMALL, Plan, plan_chunks
from symdiff.codegen.lanes import Groups, GroupWriter, Item, group_function
from symdiff.codegen.llvm import (
    LLVMEmitter,
    constant,
    emit_value,
    emit_values,
    module_text,
    require_scalars,
    transfer_loop,
)
from symdiff.codegen.points import points_function
from symdiff.codegen.tensors import has_tensors
from symdiff.codegen.vectors import NO_VECTORS, VectorMath
from symdiff.codegen.work import of_function
from symdiff.errors import UnsupportedError
from symdiff.ir import CONST, Branch, DType, Function, Leaf, Tree, Value, f32, f64, leaves

if TYPE_CHECKING:
    from symdiff.codegen.loops import Program as LoopProgram
    from symdiff.codegen.loops import Team

RELEASE_GIL_ABOVE: Final = 50_000  # work: some microseconds
FAST_FLAGS: Final = "reassoc nsz arcp contract afn"  # not nnan, ninf: NaNs stay visible

# Offsets in CPython objects, in bytes; runtime.native checks them before it uses @NAME.call.
FALLBACK_OFFSET: Final = 24


def loop_room():  # pyright infers the module, which no annotation can name
    """The room `symdiff.codegen.loops`, loaded with the first function of arrays."""
    from symdiff.codegen import loops

    return loops


@dataclass(frozen=True)
class Layout:
    """A lowered function and how its code is laid out.

    `plan` is how a huge body is cut, None for a small one. A huge one is generated as one module
    with every wrapper and without optimisation: it is too long to be compiled twice. Loops may run
    on as many as `threads` threads. `donated` has positions of outputs, and of the parameters in
    whose memory loops write them; straight-line code reads everything before it writes anything.
    """

    fn: Function
    plan: Plan | None
    loops: LoopProgram | None = None
    threads: int = 1
    donated: tuple[tuple[int, int], ...] = ()

    @cached_property
    def team(self) -> Team | None:
        """The loops for several threads, where that is worth while for one point."""
        if self.loops is None or self.threads == 1:
            return None
        return loop_room().team_of(self.loops, self.threads)

    @cached_property
    def work(self) -> int:
        """How long one point takes, in the units of `codegen.work`."""
        return loop_room().of_program(self.loops) if self.loops else of_function(self.fn)

    @cached_property
    def loops_alone(self) -> LoopProgram:
        """The loops without BLAS, for an object file that is linked elsewhere."""
        return loop_room().build_program(self.fn, False, self.donated)

    def groups(self, vectors: VectorMath) -> Groups | None:
        """How a batch is computed in the lanes of vectors; None where it goes point by point."""
        if vectors.lanes == 1 or self.plan is not None or not self.fn.params:
            return None
        types = [v.type for v in (*self.fn.params, *self.fn.live())]
        lanes = vectors.lanes_of(t.dtype for t in types if hasattr(t, "dtype"))
        if self.loops is not None:
            return loop_room().grouped(self.loops, lanes)
        inputs, outputs = (
            tuple(Item(v.type.dtype, 1) for v in values)
            for values in (self.fn.params, self.fn.outputs)
        )
        return Groups(inputs, outputs, lanes)

    def batch_workspace(self, vectors: VectorMath) -> int:
        """The number of 8-byte words that a batch of many points needs as `ws`."""
        groups = self.groups(vectors)
        return max(self.workspace, -(-groups.workspace // 8) if groups else 0)

    @property
    def checks(self) -> tuple[str, ...]:
        """What each failed check of indices means, counted from 1."""
        return tuple(self.loops.checks) if self.loops else ()

    @property
    def symbol(self) -> str:
        """The name of the function as a C identifier."""
        name = re.sub(r"\W", "_", self.fn.name, flags=re.ASCII)
        return name if name and not name[0].isdigit() else f"f_{name}"

    @property
    def workspace(self) -> int:
        """The number of 8-byte words that a point needs as `ws`; 0 for a small body."""
        if self.loops is not None:
            return -(-self.loops.workspace // 8)
        if self.plan is None:
            return 0
        return len(self.fn.params) + len(self.fn.outputs) + self.plan.slot_count


def layout(fn: Function, threads: int = 1, donated: tuple[tuple[int, int], ...] = ()) -> Layout:
    """The layout of `fn`, which must have only operations with an `emit` rule."""
    if has_tensors(fn):
        return Layout(fn, None, loop_room().build_program(fn, True, donated), threads, donated)
    return Layout(fn, plan_chunks(fn) if _is_huge(fn) else None)


def is_long(fn: Function) -> bool:
    """Whether `fn` is straight-line code too long to be one function of LLVM."""
    return _is_huge(fn) and not has_tensors(fn)


def _is_huge(fn: Function) -> bool:
    return len(fn.live()) > SMALL or len(fn.params) + len(fn.outputs) > SMALL


def loop_text(place: Layout, traced: bool = False) -> str:
    """The loop program of a function of arrays, as text; `traced` as in `lower`.

    Raises:
        UnsupportedError: the function is one of numbers.
    """
    if place.loops is None:
        raise UnsupportedError(f"{place.fn.name} is straight-line code: it has no loops")
    return loop_room().print_program(place.loops, traced=traced)


def lower(
    place: Layout,
    wrappers: Sequence[str],
    fastmath: bool = False,
    vectors: VectorMath = NO_VECTORS,
    traced: bool = False,
) -> str:
    """LLVM text that computes every output of a function, behind "c", "batch", "many" or "call".

    `vectors` are those of the machine; "many" needs `place.groups(vectors)`. With `traced`, lines
    are marked with the `location` of the value that they compute, see `codegen.origins`.

    Numbers are read and written with their own size, Booleans as bytes.

    Raises:
        UnsupportedError: an operation has no scalar emission.
    """
    if place.loops is not None:
        flags = FAST_FLAGS if fastmath else ""
        program = place.loops_alone if tuple(wrappers) == ("c",) else place.loops
        groups = place.groups(vectors) if "many" in wrappers else None
        team = place.team if "team" in wrappers else None
        return loop_room().lower_program(
            program, place.symbol, wrappers, flags, vectors, groups, team, traced
        )
    require_scalars(place.fn)
    return _Module(place, FAST_FLAGS if fastmath else "", vectors, traced).text(wrappers)


class _Module:
    """One module in the making."""

    def __init__(self, place: Layout, flags: str, vectors: VectorMath, traced: bool) -> None:
        self.place = place
        self.traced = traced
        self.vectors = vectors
        self.fn = place.fn
        self.flags = flags
        self.symbol = place.symbol
        self.plan = place.plan
        self.words = place.workspace
        self.chunk_count = 0
        self.bodies: dict[Function, str] = {}  # the names of those that are mapped
        self.helpers: set[str] = set()
        self.functions: list[str] = []
        self.declarations: dict[str, str] = {}

    def text(self, wrappers: Sequence[str]) -> str:
        if self.plan is not None:
            self._chunks(self.plan)
        makers = {"c": self._c, "batch": self._batch, "many": self._many, "call": self._call}
        for wrapper in wrappers:
            makers[wrapper]()
        return module_text(self.functions, self.declarations)

    def _finish(self, header: str, emitter: LLVMEmitter) -> None:
        self.functions.append("\n".join([f"define {header} {{", *emitter.lines, "}"]))
        self.declarations.update(emitter.declarations)

    def _point(
        self, b: LLVMEmitter, read: Callable[[int], str], write: Callable[[int, str], None]
    ) -> None:
        """A small body: parameter i from `read(i)`, output i to `write(i, register)`."""
        values = self.fn.live()
        used = set(values)
        handles: dict[Value, str] = {}
        for i, param in enumerate(self.fn.params):
            if param in used:
                b.at(param.location)
                handles[param] = read(i)
        emit_values(b, values, handles)
        for i, output in enumerate(self.fn.outputs):
            b.at(output.location)
            write(i, handles[output])
        b.at(None)

    def _body(self, b: LLVMEmitter, place: Callable[[int], str]) -> None:
        """A small body, from and to memory; `place(i)` is the pointer of operand i."""
        inputs, outputs = self.fn.params, self.fn.outputs
        self._point(
            b,
            lambda i: b.load(inputs[i].type.dtype, place(i)),
            lambda i, value: b.store(outputs[i].type.dtype, value, place(len(inputs) + i)),
        )

    def _run(self, b: LLVMEmitter, buffers: tuple[str, str, str]) -> None:
        """A huge body, from the array `in` to the array `out`."""
        arguments = ", ".join(f"ptr {pointer}" for pointer in buffers)
        for k in range(self.chunk_count):
            b.lines.append(f"  call void @{self.symbol}.chunk{k}({arguments})")

    def _chunks(self, plan: Plan) -> None:
        """The body in pieces, and then the outputs that nothing computes."""
        places: dict[Value, list[int]] = {}
        for i, output in enumerate(self.fn.outputs):
            places.setdefault(output, []).append(i)
        position = {p: i for i, p in enumerate(self.fn.params)}
        for chunk in plan.chunks:
            b = LLVMEmitter(self.flags, prefix="%", traced=self.traced)
            if chunk[0] in plan.points:
                self._map_points(b, chunk, position, plan, places)
                continue
            # Read what is needed when it is needed, and store results at once: code that is not
            # optimised would move them to and from the stack.
            handles: dict[Value, str] = {}
            parts: dict[Value, tuple[str, ...]] = {}
            for value in chunk:
                if self.traced:
                    b.at(value.location)
                for arg in value.args:
                    if arg not in handles and arg not in parts:
                        handles[arg] = self._operand_of_chunk(b, arg, position, plan)
                emit_value(b, value, handles, parts)
                for i in places.get(value, ()):
                    b.store(value.type.dtype, handles[value], b.offset("%out", i))
                if value in plan.slots:
                    b.store(value.type.dtype, handles[value], b.offset("%ws", plan.slots[value]))
            self._finish_chunk(b)
        given = [(i, v) for i, v in enumerate(self.fn.outputs) if v in position or v.op is CONST]
        for first in range(0, len(given), CHUNK):
            b = LLVMEmitter(self.flags, prefix="%", traced=self.traced)
            for i, value in given[first : first + CHUNK]:
                b.at(value.location)
                register = self._operand_of_chunk(b, value, position, plan)
                b.store(value.type.dtype, register, b.offset("%out", i))
            self._finish_chunk(b)

    def _map_points(
        self,
        b: LLVMEmitter,
        chunk: tuple[Value, ...],
        position: dict[Value, int],
        plan: Plan,
        places: dict[Value, list[int]],
    ) -> None:
        """A body at several points, and those of its results that are outputs."""
        whole, *items = chunk
        points, body = plan.points[whole], whole.attr("body")
        if body not in self.bodies:
            self.bodies[body] = name = f"{self.symbol}.{body.name}{len(self.bodies)}"
            text, declarations = points_function(name, body, self.flags, self.vectors)
            self.functions.append(text)
            self.declarations |= declarations
        b.at(whole.location)
        for operand, slot in points.copied:
            register = self._operand_of_chunk(b, operand, position, plan)
            b.store(operand.type.dtype, register, b.offset("%ws", slot))
        operands, results = b.offset("%ws", points.operands), b.offset("%ws", points.results)
        counts = f"i64 {points.count}, i64 {points.extent}"
        arguments = f"ptr {operands}, ptr {results}, {counts}"
        b.lines.append(f"  call void @{self.bodies[body]}({arguments}){b.origin}")
        for item in items:
            for i in places.get(item, ()):
                register = self._operand_of_chunk(b, item, position, plan)
                b.store(item.type.dtype, register, b.offset("%out", i))
        self._finish_chunk(b)

    def _operand_of_chunk(
        self, b: LLVMEmitter, value: Value, position: dict[Value, int], plan: Plan
    ) -> str:
        """A value that the chunk does not compute: a constant, a parameter, or one kept in ws."""
        if value.op is CONST:
            return constant(b, value)
        if value in position:
            return b.load(value.type.dtype, b.offset("%in", position[value]))
        return b.load(value.type.dtype, b.offset("%ws", plan.slots[value]))

    def _finish_chunk(self, b: LLVMEmitter) -> None:
        b.lines.insert(0, "entry:")  # or it would be number 0
        b.lines.append("  ret void")
        arguments = "ptr noalias %in, ptr noalias %out, ptr noalias %ws"
        self._finish(f"internal void @{self.symbol}.chunk{self.chunk_count}({arguments})", b)
        self.chunk_count += 1

    def _buffers(self, b: LLVMEmitter, words: str) -> tuple[str, str, str]:
        """The arrays in, out and ws inside the memory at `words`."""
        sink = b.offset(words, len(self.fn.params))
        return words, sink, b.offset(sink, len(self.fn.outputs))

    def _c(self) -> None:
        b = LLVMEmitter(self.flags, traced=self.traced)
        fn = self.fn
        params = [_register("in", name) for name in fn.param_names]
        results = [_register("out", leaf.name) for leaf in leaves(fn.result)]
        if self.plan is None:
            self._body(b, [*params, *results].__getitem__)
        else:
            words = b.put(f"call ptr @malloc(i64 {8 * self.words})")
            buffers = self._buffers(b, words)
            for i, param in enumerate(fn.params):
                loaded = b.load(param.type.dtype, params[i])
                b.store(param.type.dtype, loaded, b.offset(buffers[0], i))
            self._run(b, buffers)
            for i, output in enumerate(fn.outputs):
                loaded = b.load(output.type.dtype, b.offset(buffers[1], i))
                b.store(output.type.dtype, loaded, results[i])
            b.lines.append(f"  call void @free(ptr {words})")
            self.declarations["malloc"] = "declare ptr @malloc(i64)"
            self.declarations["free"] = "declare void @free(ptr)"
        b.lines.append("  ret void")
        arguments = ", ".join(f"ptr {p}" for p in [*params, *results])
        self._finish(f"void @{self.symbol}({arguments})", b)

    def _many(self) -> None:
        """A batch in the lanes of vectors."""
        groups = self.place.groups(self.vectors)
        assert groups is not None

        def compute(b: LLVMEmitter, pointers: Sequence[str]) -> None:
            self._body(b, pointers.__getitem__)

        b = LLVMEmitter(self.flags, groups.lanes, self.vectors, traced=self.traced)
        group, declarations = group_function(self.symbol, groups, compute, b.fresh())
        writer = GroupWriter(groups, self.symbol, compute, b)
        self.functions += [group, *writer.functions()]
        self.declarations |= declarations | b.declarations

    def _batch(self) -> None:
        """A batch, one point after the other."""
        b = LLVMEmitter(self.flags, traced=self.traced)
        inputs, outputs = self.fn.params, self.fn.outputs
        # In a small kernel the pointers and steps live in registers, outside the loop.
        small = self.plan is None
        count = len(inputs) + len(outputs) if small else 0
        operands = [self._operand(b, i) for i in range(count)]
        b.lines += ["  br label %head", "head:"]
        b.lines.append("  %i = phi i64 [ 0, %entry ], [ %next, %body ]")
        b.lines.append("  %more = icmp slt i64 %i, %n")
        b.lines += ["  br i1 %more, label %body, label %exit", "body:"]

        def place(i: int) -> str:
            pointer, step = operands[i]
            return b.offset(pointer, b.put(f"mul i64 %i, {step}"), size=1)

        if small:
            self._body(b, place)
        else:
            buffers = self._buffers(b, "%ws")
            self._transfer(b, "gather", inputs, 0, buffers[0])
            self._run(b, buffers)
            self._transfer(b, "scatter", outputs, len(inputs), buffers[1])
        b.lines += ["  %next = add i64 %i, 1", "  br label %head", "exit:", "  ret void"]
        b.lines.insert(0, "entry:")
        arguments = "ptr %pointers, ptr %steps, i64 %n, ptr %ws"
        self._finish(f"void @{self.symbol}.batch({arguments})", b)

    def _transfer(
        self, b: LLVMEmitter, verb: str, values: Sequence[Value], first: int, words: str
    ) -> None:
        """Point i of the operands from `first` on to or from `words`, by a loop per dtype."""
        start = 0
        for dtype, run in groupby(v.type.dtype for v in values):
            size = len(list(run))
            name = f"{self.symbol}.{verb}.{dtype}"
            if name not in self.helpers:
                self.helpers.add(name)
                self.functions.append(transfer_loop(name, verb, dtype))
            pointers, steps = (b.offset(p, first + start) for p in ("%pointers", "%steps"))
            arguments = f"ptr {pointers}, ptr {steps}, i64 %i, ptr {b.offset(words, start)}"
            b.lines.append(f"  call void @{name}({arguments}, i64 {size})")
            start += size

    def _operand(self, b: LLVMEmitter, i: int) -> tuple[str, str]:
        """Base pointer and step of operand i of a batch."""
        pointer = b.put(f"load ptr, ptr {b.offset('%pointers', i)}")
        return pointer, b.put(f"load i64, ptr {b.offset('%steps', i)}")

    def _call(self) -> None:
        """The CPython entry: numbers in, result objects out; anything else to the fallback."""
        fn = self.fn
        if any(v.type.dtype not in (f64, f32) for v in (*fn.params, *fn.outputs)):
            raise UnsupportedError("the native entry takes and returns floating-point numbers")
        b = LLVMEmitter(self.flags)
        n = len(fn.params)
        words = self.words or n + len(fn.outputs)
        memory = self._call_memory(b, words)
        b.lines += [
            "  %count = and i64 %nargs, 9223372036854775807",
            f"  %right = icmp eq i64 %count, {n}",
            "  %bare = icmp eq ptr %kwnames, null",
            "  %plain = and i1 %right, %bare",
            "  br i1 %plain, label %read, label %slow",
            "read:",
        ]
        few = self.plan is None and n <= FEW
        given = self._floats(b) if few else []
        b.lines += [
            f"  %ok = call i1 @symdiff_read_numbers(ptr %args, i64 {n}, ptr {memory})",
            f"  br i1 %ok, label %{'convert' if given else 'body'}, label %slow",
        ]
        if given:
            b.lines.append("convert:")
            read = [b.load(f64, b.offset(memory, i)) for i in range(n)]
            b.lines += ["  br label %body", "body:"]
            pairs = zip(given, read, strict=True)
            given = [b.put(f"phi double [ {x}, %direct ], [ {y}, %convert ]") for x, y in pairs]
        else:
            b.lines.append("body:")
        buffers = source, sink, _ = self._buffers(b, memory)
        thread = (
            b.put("call ptr @PyEval_SaveThread()") if self.place.work > RELEASE_GIL_ABOVE else ""
        )
        if self.plan is None:
            self._point(
                b,
                lambda i: self._narrowed(
                    b,
                    fn.params[i].type.dtype,
                    given[i] if given else b.load(f64, b.offset(source, i)),
                ),
                lambda i, value: self._widened(
                    b, fn.outputs[i].type.dtype, value, b.offset(sink, i)
                ),
            )
        else:
            for i, param in enumerate(fn.params):
                if param.type.dtype is not f64:
                    at = b.offset(source, i)
                    value = self._narrowed(b, param.type.dtype, b.load(f64, at))
                    b.store(param.type.dtype, value, at)
            self._run(b, buffers)
            for i, output in enumerate(fn.outputs):
                if output.type.dtype is not f64:
                    at = b.offset(sink, i)
                    self._widened(b, output.type.dtype, b.load(output.type.dtype, at), at)
        if thread:
            b.lines.append(f"  call void @PyEval_RestoreThread(ptr {thread})")
        result, _, _ = self._build(b, fn.result, sink, 0, 0)
        if words > STACK_WORDS:
            b.lines.append(f"  call void @free(ptr {memory})")
        b.lines += [f"  ret ptr {result}", "slow:"]
        if words > STACK_WORDS:
            b.lines.append(f"  call void @free(ptr {memory})")
        fallback = b.put(f"load ptr, ptr {b.offset('%self', FALLBACK_OFFSET, size=1)}")
        arguments = f"ptr {fallback}, ptr %args, i64 %nargs, ptr %kwnames"
        b.lines.append(f"  ret ptr {b.put(f'call ptr @PyObject_Vectorcall({arguments})')}")
        self.declarations |= dict(_CALL_DECLARATIONS)
        self._finish(f"ptr @{self.symbol}.call(ptr %self, ptr %args, i64 %nargs, ptr %kwnames)", b)

    def _call_memory(self, b: LLVMEmitter, words: int) -> str:
        if words <= STACK_WORDS:
            return b.put(f"alloca [{words} x double]")
        memory = b.put(f"call ptr @malloc(i64 {8 * words})")
        missing = b.put(f"icmp eq ptr {memory}, null")
        b.lines += [f"  br i1 {missing}, label %poor, label %rich", "poor:"]
        failure = b.put("call ptr @PyErr_NoMemory()")
        b.lines += [f"  ret ptr {failure}", "rich:"]
        return memory

    def _floats(self, b: LLVMEmitter) -> list[str]:
        """The numbers of a few floats, after which `body` follows; else the code goes on."""
        count = len(self.fn.params)
        objects = [b.put(f"load ptr, ptr {b.offset('%args', i)}") for i in range(count)]
        types = [b.put(f"load ptr, ptr {b.offset(x, 8, size=1)}") for x in objects]
        all_floats = "true"
        for kind in types:
            same = b.put(f"icmp eq ptr {kind}, @PyFloat_Type")
            all_floats = b.put(f"and i1 {all_floats}, {same}")
        b.lines += [f"  br i1 {all_floats}, label %direct, label %other", "direct:"]
        numbers = [b.load(f64, b.offset(x, 16, size=1)) for x in objects]
        b.lines += ["  br label %body", "other:"]
        self.declarations["PyFloat_Type"] = "@PyFloat_Type = external global i8"
        return numbers

    def _narrowed(self, b: LLVMEmitter, dtype: DType, value: str) -> str:
        return b.put(f"fptrunc double {value} to float") if dtype is f32 else value

    def _widened(self, b: LLVMEmitter, dtype: DType, value: str, pointer: str) -> None:
        if dtype is f32:
            value = b.put(f"fpext float {value} to double")
        b.store(f64, value, pointer)

    def _build(
        self, b: LLVMEmitter, tree: Tree, sink: str, leaf: int, branch: int
    ) -> tuple[str, int, int]:
        """The result object of `tree`, whose leaves start at `leaf` and named tuples at `branch`.

        Returns the register and the numbers of the next leaf and the next named tuple.
        """
        if isinstance(tree, Leaf):
            number = b.load(f64, b.offset(sink, leaf))
            return b.put(f"call ptr @PyFloat_FromDouble(double {number})"), leaf + 1, branch
        kind = "null"
        if tree.fields is not None:
            kind = f"@{self.symbol}.type{branch}"
            self.declarations[kind] = f"{kind} = external global i8"
            branch += 1
        size = len(tree.children)
        if all(isinstance(child, Leaf) for child in tree.children):
            first = b.offset(sink, leaf)
            built = b.put(f"call ptr @symdiff_pack_numbers(ptr {kind}, ptr {first}, i64 {size})")
            return built, leaf + size, branch
        children: list[str] = []
        for child in tree.children:
            register, leaf, branch = self._build(b, child, sink, leaf, branch)
            children.append(register)
        array = b.put(f"alloca [{size} x ptr]")
        b.lines.insert(0, b.lines.pop())  # in the entry block: a fixed place in the frame
        for i, child in enumerate(children):
            b.lines.append(f"  store ptr {child}, ptr {b.offset(array, i)}")
        built = b.put(f"call ptr @symdiff_pack_objects(ptr {kind}, ptr {array}, i64 {size})")
        return built, leaf, branch


FEW: Final = 8  # numbers that the entry reads itself where they are floats
STACK_WORDS: Final = 4096  # up to 32 KiB of scratch on the stack, more on the heap

_CALL_DECLARATIONS: Final = {
    "PyObject_Vectorcall": "declare ptr @PyObject_Vectorcall(ptr, ptr, i64, ptr)",
    "PyFloat_FromDouble": "declare ptr @PyFloat_FromDouble(double)",
    "PyErr_NoMemory": "declare ptr @PyErr_NoMemory()",
    "PyEval_SaveThread": "declare ptr @PyEval_SaveThread()",
    "PyEval_RestoreThread": "declare void @PyEval_RestoreThread(ptr)",
    "malloc": "declare ptr @malloc(i64)",
    "free": "declare void @free(ptr)",
    "read_numbers": "declare i1 @symdiff_read_numbers(ptr, i64, ptr)",
    "pack_numbers": "declare ptr @symdiff_pack_numbers(ptr, ptr, i64)",
    "pack_objects": "declare ptr @symdiff_pack_objects(ptr, ptr, i64)",
}


def _register(prefix: str, name: str) -> str:
    """A register named after a parameter or an output; quoted where LLVM's syntax asks for it."""
    if re.fullmatch(r"\w+", name, re.ASCII):
        return f"%{prefix}.{name}"
    return '%"' + prefix + "." + "".join(f"\\{byte:02X}" for byte in name.encode()) + '"'


def named_tuples(tree: Tree) -> list[Branch]:
    """The named tuples of a result in the order in which @NAME.call numbers their types."""
    if isinstance(tree, Leaf):
        return []
    below = [branch for child in tree.children for branch in named_tuples(child)]
    return [tree, *below] if tree.fields is not None else below
