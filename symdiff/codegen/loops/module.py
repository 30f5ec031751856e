"""Modules of loop programs: the body behind a C signature, and the loop over a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from symdiff.codegen.lanes import Groups, GroupWriter, Item
from symdiff.codegen.llvm import LLVMEmitter, module_text
from symdiff.codegen.loops.llvm import ProgramWriter
from symdiff.codegen.loops.program import Gemm, Program, loads_indices, steps_of
from symdiff.codegen.loops.team_text import write_team
from symdiff.codegen.loops.teams import Team
from symdiff.codegen.vectors import VectorMath
from symdiff.errors import UnsupportedError

_STACK: Final = 32768  # bytes of workspace that the C function takes from the stack
_CACHE: Final = 1 << 19  # bytes that a group of points may take: half of a second-level cache


def grouped(program: Program, lanes: int) -> Groups | None:
    """How `program` computes as many points at once as there are lanes; None if it should not.

    Matrices that go to BLAS are large enough by themselves, other large arrays leave the cache,
    and indices among the numbers may differ from lane to lane.
    """
    if any(isinstance(step, Gemm) for step in steps_of(program)) or loads_indices(program):
        return None
    inputs, outputs = (
        tuple(Item(b.dtype, b.size) for b in buffers)
        for buffers in (program.params, program.outputs)
    )
    groups = Groups(inputs, outputs, lanes, program.workspace * lanes, replaced(program))
    constants = lanes * sum(len(b.data) for b in program.constants)
    return groups if groups.workspace + constants <= _CACHE else None


def replaced(program: Program) -> dict[int, int]:
    """The parameters whose memory outputs take, by the positions of these."""
    params = {buffer: i for i, buffer in enumerate(program.params)}
    return {i: params[b] for i, b in enumerate(program.outputs) if b in params}


def lower_program(
    program: Program,
    symbol: str,
    wrappers: Sequence[str],
    flags: str,
    vectors: VectorMath,
    groups: Groups | None,
    team: Team | None,
    traced: bool = False,
) -> str:
    """LLVM text of `program` behind "c", "batch" or "many", or of `team` behind "team".

    With `traced`, lines are marked with where they come from.

    `i64 @NAME.batch(ptr pointers, ptr steps, i64 n, ptr ws)` returns 0 or the number of the check
    that failed. `void @NAME(ptr x, ..., ptr value, ...)` leaves the outputs as they are then. What
    replaces a parameter may be given the same pointer in it; else the parameter is copied first.
    """
    writers: list[ProgramWriter] = []
    if set(wrappers) - {"many", "team"}:
        writers.append(ProgramWriter(symbol, flags, vectors, traced=traced))
        writers[0].write(program, f"{symbol}.body")
    for wrapper in wrappers:
        if wrapper == "call":
            raise UnsupportedError("the native entry takes and returns numbers")
        if wrapper == "many":
            assert groups is not None
            writers.append(_many(program, groups, symbol, flags, vectors, traced))
        elif wrapper == "team":
            assert team is not None
            writers.append(ProgramWriter(f"{symbol}.shared", flags, vectors))
            write_team(writers[-1], team, symbol)
        else:
            (_c if wrapper == "c" else _batch)(writers[0], program, symbol)
    for writer in writers:
        writer.finish()
    functions = [text for w in writers for text in w.functions]
    declarations = {name: text for w in writers for name, text in w.declarations.items()}
    return module_text(functions, declarations)


def _many(
    program: Program,
    groups: Groups,
    symbol: str,
    flags: str,
    vectors: VectorMath,
    traced: bool,
) -> ProgramWriter:
    """The functions for a batch in lanes."""
    writer = ProgramWriter(f"{symbol}.wide", flags, vectors, groups.lanes, traced)
    writer.write(program, f"{symbol}.group")
    b = LLVMEmitter()
    writer.functions += GroupWriter(groups, symbol, None, b).functions()
    return writer


def _finish(writer: ProgramWriter, header: str, b: LLVMEmitter) -> None:
    writer.functions.append("\n".join([f"define {header} {{", "entry:", *b.lines, "}"]))
    writer.declarations |= b.declarations


def _c(writer: ProgramWriter, program: Program, symbol: str) -> None:
    b = LLVMEmitter()
    count = len(program.params) + len(program.outputs)
    pointers = [f"%p{i}" for i in range(count)]
    heap = program.workspace > _STACK
    if heap:
        workspace = b.put(f"call ptr @malloc(i64 {program.workspace})")
        writer.declarations |= {
            "malloc": "declare ptr @malloc(i64)",
            "free": "declare void @free(ptr)",
        }
        missing = b.put(f"icmp eq ptr {workspace}, null")
        b.lines += [f"  br i1 {missing}, label %poor, label %rich", "poor:", "  ret void", "rich:"]
    else:
        workspace = b.put(f"alloca [{max(8, program.workspace)} x i8], align 64")
    for output, param in replaced(program).items():
        source, target = pointers[param], pointers[len(program.params) + output]
        same = b.put(f"icmp eq ptr {source}, {target}")
        size = writer.bytes(program.params[param], program.params[param].size)
        writer.move(b, source, target, b.put(f"select i1 {same}, i64 0, i64 {size}"))
    arguments = ", ".join(f"ptr {p}" for p in [*pointers, workspace])
    b.put(f"call i64 @{symbol}.body({arguments})")
    if heap:
        b.lines.append(f"  call void @free(ptr {workspace})")
    b.lines.append("  ret void")
    _finish(writer, f"void @{symbol}({', '.join(f'ptr {p}' for p in pointers)})", b)


def _batch(writer: ProgramWriter, program: Program, symbol: str) -> None:
    b = LLVMEmitter()
    count = len(program.params) + len(program.outputs)
    bases = [b.put(f"load ptr, ptr {b.offset('%pointers', i)}") for i in range(count)]
    steps = [b.put(f"load i64, ptr {b.offset('%steps', i)}") for i in range(count)]
    b.lines += [
        "  br label %head",
        "head:",
        "  %i = phi i64 [ 0, %entry ], [ %next, %good ]",
        "  %more = icmp slt i64 %i, %n",
        "  br i1 %more, label %body, label %exit",
        "body:",
    ]
    passed: list[str] = []
    for base, step in zip(bases, steps, strict=True):
        distance = b.put(f"mul i64 %i, {step}")
        passed.append(f"ptr {b.offset(base, distance, 1)}")
    status = b.put(f"call i64 @{symbol}.body({', '.join([*passed, 'ptr %ws'])})")
    fine = b.put(f"icmp eq i64 {status}, 0")
    b.lines += [
        f"  br i1 {fine}, label %good, label %bad",
        "bad:",
        f"  ret i64 {status}",
        "good:",
        "  %next = add i64 %i, 1",
        "  br label %head",
        "exit:",
        "  ret i64 0",
    ]
    _finish(writer, f"i64 @{symbol}.batch(ptr %pointers, ptr %steps, i64 %n, ptr %ws)", b)
