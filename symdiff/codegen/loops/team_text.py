"""Programs for several threads as LLVM text."""

from __future__ import annotations

from symdiff.codegen.llvm import LLVMEmitter
from symdiff.codegen.loops.llvm import ProgramWriter
from symdiff.codegen.loops.memory import own_size
from symdiff.codegen.loops.program import Buffer, Gemm, Program, buffers_of
from symdiff.codegen.loops.teams import Share, Team, stride


def write_team(writer: ProgramWriter, team: Team, symbol: str) -> None:
    """Add `i64 @NAME.team(ptr pointers, ptr ws, ptr shared)`, for one point.

    It returns 0 or the number of the check that failed. `shared` is for `symdiff_share`, see
    `codegen.sharing`; other threads help by `symdiff_help(shared)`.
    """
    program = team.program
    b = LLVMEmitter()
    context = b.put("alloca [2 x ptr]")
    b.lines += [f"  store ptr %pointers, ptr {context}"]
    b.lines += [f"  store ptr %ws, ptr {b.offset(context, 1)}"]
    b.lines += [f"  store ptr {context}, ptr {b.offset('%shared', 2)}"]
    buffers = [*program.params, *program.outputs, *program.constants]
    pointers = _pointers(writer, b, program, [*buffers, *program.scratch, *team.scratch])
    rest = b.offset("%ws", own_size(program), 1)
    opened = 0
    for phase in team.phases:
        if isinstance(phase, Share):
            function = f"@{symbol}.part{opened}"
            _part(writer, program, phase, function)
            passed = f"ptr %shared, i64 {opened}, i64 {phase.parts}, ptr {function}"
            b.lines.append(f"  call void @symdiff_share({passed})")
            opened += 1
        else:
            writer.step(b, phase, pointers, rest)
    b.lines.append("  ret i64 0")
    writer.declarations |= b.declarations
    writer.declarations["symdiff_share"] = "declare void @symdiff_share(ptr, i64, i64, ptr)"
    arguments = "ptr %pointers, ptr %ws, ptr %shared"
    head = f"define internal i64 @{symbol}.lead({arguments}) {{"
    writer.functions.append("\n".join([head, "entry:", *b.lines, "}"]))
    writer.functions.append(f"""\
define i64 @{symbol}.team({arguments}) {{
entry:
  %status = call i64 @{symbol}.lead({arguments})
  store atomic i64 -1, ptr %shared release, align 8
  ret i64 %status
}}""")


def _pointers(
    writer: ProgramWriter, b: LLVMEmitter, program: Program, buffers: list[Buffer]
) -> dict[Buffer, str]:
    """The addresses of buffers, computed from `%pointers` and `%ws`."""
    order = {buffer: i for i, buffer in enumerate((*program.params, *program.outputs))}
    found: dict[Buffer, str] = {}
    for buffer in buffers:
        if buffer in order:
            found[buffer] = b.put(f"load ptr, ptr {b.offset('%pointers', order[buffer])}")
        elif buffer.kind == "const":
            found[buffer] = writer.constant(buffer)
        else:
            found[buffer] = b.offset("%ws", buffer.offset, 1)
    return found


def _part(writer: ProgramWriter, program: Program, share: Share, name: str) -> None:
    """Add `void @name(ptr context, i64 part, i64 me)`: one part of a shared step."""
    b = LLVMEmitter()
    b.lines += [
        "  %pointers = load ptr, ptr %context",
        "  %ws.at = getelementptr ptr, ptr %context, i64 1",
        "  %ws = load ptr, ptr %ws.at",
    ]
    low, high = (_border(b, share, part) for part in ("%part", b.put("add i64 %part, 1")))
    step = share.step
    pointers = _pointers(
        writer, b, program, [buf for buf in buffers_of(step) if buf not in share.private]
    )
    for buffer, memory in share.private.items():
        distance = b.put(f"mul i64 %part, {stride(buffer)}")
        pointers[buffer] = b.offset(b.offset("%ws", memory.offset, 1), distance, 1)
    if isinstance(step, Gemm):
        _products(writer, b, step, pointers, (low, high))
    else:
        writer.nest(b, step, pointers, (low, high))
    b.lines.append("  ret void")
    writer.declarations |= b.declarations
    head = f"define internal void {name}(ptr %context, i64 %part, i64 %me) {{"
    writer.functions.append("\n".join([head, "entry:", *b.lines, "}"]))


def _border(b: LLVMEmitter, share: Share, part: str) -> str:
    """Where a part of the range begins."""
    product = b.put(f"mul i64 {part}, {share.stop - share.start}")
    first = b.put(f"sdiv i64 {product}, {share.parts}")
    return b.put(f"add i64 {first}, {share.start}")


def _products(
    writer: ProgramWriter,
    b: LLVMEmitter,
    step: Gemm,
    pointers: dict[Buffer, str],
    range: tuple[str, str],
) -> None:
    """A loop over some of the matrices."""
    low, high = range
    b.lines += [
        "  br label %head",
        "head:",
        f"  %i = phi i64 [ {low}, %entry ], [ %next, %body ]",
        f"  %more = icmp slt i64 %i, {high}",
        "  br i1 %more, label %body, label %exit",
        "body:",
    ]
    moved: dict[Buffer, str] = {}
    for buffer, move in zip((step.a, step.b, step.c), step.batch[1], strict=True):
        distance = b.put(f"mul i64 %i, {move * buffer.dtype.itemsize}")
        moved[buffer] = b.offset(pointers[buffer], distance, 1)
    one = Gemm(step.a, step.b, step.c, step.m, step.n, step.k, step.transposed, (1, (0, 0, 0)))
    writer.gemm(b, one, moved)
    b.lines += ["  %next = add i64 %i, 1", "  br label %head", "exit:"]
