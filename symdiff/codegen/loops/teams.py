"""Loop programs for several threads: long loops cut into parts, the rest done by one thread.

A loop is cut by ranges of its outermost variable, into a number of parts that depends on the
number of threads alone, whoever comes to do them. What all iterations add to is private to each
part, and joined in the order of the parts; so are buffers that every iteration fills anew. What
stands around such a loop becomes nests of their own, which pass on numbers through memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from symdiff.codegen.loops import work
from symdiff.codegen.loops.memory import ALIGNMENT
from symdiff.codegen.loops.pieces import Pieces
from symdiff.codegen.loops.program import (
    ZERO,
    Affine,
    Block,
    Buffer,
    For,
    Gemm,
    Load,
    Local,
    Nest,
    Program,
    Read,
    Step,
    Store,
    Update,
    Var,
    Write,
    buffers_of,
    neutral,
    statements,
)
from symdiff.ir import DType

PER_THREAD: Final = 4  # parts of a loop: those who come late find something left to do
_MOST_SUMS: Final = 64  # parts of a loop that adds to arrays

# In the units of `codegen.work`, of about 0.05 nanoseconds.
WORTHWHILE: Final = 20_000  # of a loop: to open a phase takes a microsecond
WORTHWHILE_IN_ALL: Final = 2_000_000  # of a call: to wake up a thread takes tens of microseconds
_SHARE_OF_ALL: Final = 0.3  # of the work, for others to stay for a whole call
_JOINING: Final = 1 / 8  # of the work of a loop, for joining what its parts have added up
_MOST_BYTES: Final = 1 << 26  # of private memory for one loop


@dataclass(eq=False, slots=True)
class Share:
    """A step that is run for parts of the range of its outermost loop.

    Attributes:
        step: a nest that is given the range, from the first value to the one after the last; or
            products of many matrices.
        start, stop: the whole range.
        parts: into how many parts it is cut.
        private: buffers of which every part has its own. They lie one after the other in another.
    """

    step: Nest | Gemm
    start: int
    stop: int
    parts: int
    private: dict[Buffer, Buffer] = field(default_factory=dict[Buffer, Buffer])


@dataclass(eq=False, slots=True)
class Team:
    """A program for several threads.

    Attributes:
        program: the same for one thread.
        phases: what one thread does, and what is shared, in order.
        scratch: buffers besides those of `program`.
        workspace: bytes, of both.
    """

    program: Program
    phases: list[Step | Share]
    scratch: list[Buffer]
    workspace: int

    @property
    def shares(self) -> list[Share]:
        """The phases that are shared."""
        return [phase for phase in self.phases if isinstance(phase, Share)]


def team_of(program: Program, threads: int) -> Team | None:
    """`program` for a number of threads; None if it is not worth their while."""
    splitter = _Splitter(program, threads)
    for step in program.steps:
        splitter.step(step)
    whole = work.of_program(program)
    if splitter.shared < max(WORTHWHILE_IN_ALL, _SHARE_OF_ALL * whole):
        return None
    return Team(program, splitter.phases, splitter.scratch, splitter.workspace)


def stride(buffer: Buffer) -> int:
    """Bytes from what one part has of a private buffer to what the next one has."""
    return -(-buffer.size * buffer.dtype.itemsize // ALIGNMENT) * ALIGNMENT


@dataclass(slots=True)
class _Cut:
    """A loop that is to be shared, and what its iterations write to that is not theirs alone.

    Attributes:
        sums: buffers that they only add to, and how: "sum", "max", "min" or "any".
        locals: the same for variables.
        own: buffers that each iteration fills anew.
    """

    loop: For
    parts: int = 1
    sums: dict[Buffer, str] = field(default_factory=dict[Buffer, str])
    locals: dict[Local, str] = field(default_factory=dict[Local, str])
    own: list[Buffer] = field(default_factory=list[Buffer])


class _Joined:
    """A variable, and what each part has added to it."""

    def __init__(self, local: Local, kind: str, parts: int, sums: Buffer) -> None:
        self.local, self.kind, self.parts, self.sums = local, kind, parts, sums

    def statement(self, register: int) -> For:
        """Add the sums of the parts to the variable, in order."""
        var = Var(self.parts, 1)
        step = ALIGNMENT // self.local.dtype.itemsize
        body = Block(1, [Load(register, self.sums, Affine(0, ((var, step),)))])
        body.statements.append(Update(self.kind, self.local, ZERO, register, self.local.dtype))
        return For(var, (ZERO,), (Affine(self.parts),), body, parallel=False)


class _Splitter:
    def __init__(self, program: Program, threads: int) -> None:
        self.threads = threads
        self.phases: list[Step | Share] = []
        self.scratch: list[Buffer] = []
        self.workspace = program.workspace
        self.shared = 0  # work
        # The steps, and the statements of nests, that use each buffer.
        self.users: dict[Buffer, list[Any]] = {}
        for step in program.steps:
            for user in step.block.statements if isinstance(step, Nest) else [step]:
                part = Nest(Block(0, [user])) if isinstance(step, Nest) else step
                for buffer in buffers_of(part):
                    self.users.setdefault(buffer, []).append(user)

    def memory(self, name: str, dtype: DType, size: int) -> Buffer:
        """A new buffer."""
        made = Buffer(name, dtype, size, "scratch", offset=self.workspace)
        self.workspace += stride(made)
        self.scratch.append(made)
        return made

    def step(self, step: Step) -> None:
        """Add the phases of a step."""
        if isinstance(step, Nest):
            cuts = [self.cut(s) for s in step.block.statements]
            if any(cuts):
                self.nest(step, cuts)
                return
        elif isinstance(step, Gemm) and step.batch[0] > 1 and work.of_step(step) >= WORTHWHILE:
            self.shared += work.of_step(step)
            parts = min(step.batch[0], PER_THREAD * self.threads)
            self.phases.append(Share(step, 0, step.batch[0], parts))
            return
        self.phases.append(step)

    # What can be shared.

    def cut(self, statement: Any) -> _Cut | None:
        """How a statement of a nest is to be shared; None if it is for one thread."""
        if not isinstance(statement, For):
            return None
        effort = work.of_block(Block(0, [statement]))
        if effort < WORTHWHILE or (found := self.uses(statement)) is None:
            return None
        parts = min(PER_THREAD * self.threads, statement.var.stop - statement.var.start)
        joined = sum(buffer.size for buffer in found.sums)
        if joined:
            parts = min(parts, _MOST_SUMS)
            while parts > self.threads and parts * joined > _JOINING * effort:
                parts //= 2
            if parts * joined > _JOINING * effort:
                return None
        if parts < 2 or parts * sum(map(stride, (*found.sums, *found.own))) > _MOST_BYTES:
            return None
        found.parts = parts
        return found

    def uses(self, loop: For) -> _Cut | None:
        """What the iterations of `loop` share; None if they need each other's results."""
        found = _Cut(loop)
        places: dict[type, dict[Buffer, list[Affine]]] = {Load: {}, Store: {}, Update: {}}
        kinds: dict[Buffer | Local, set[str]] = {}
        inside: set[Local] = set()
        for s in statements(loop.body):
            if isinstance(s, Local):
                inside.add(s)
            elif isinstance(s, (Read, Write)) and s.local not in inside:
                return None
            elif isinstance(s, (Load, Store)):
                places[type(s)].setdefault(s.buffer, []).append(s.index)
            elif isinstance(s, Update):
                kinds.setdefault(s.target, set()).add(s.kind)
                if isinstance(s.target, Buffer):
                    places[Update].setdefault(s.target, []).append(s.index)
        loads, stores, updates = places.values()
        for buffer in dict.fromkeys((*stores, *updates)):
            writes = [*stores.get(buffer, ()), *updates.get(buffer, ())]
            apart = all(_distinct(index, loop.var) for index in writes)
            if apart and (loop.parallel or _separate((*writes, *loads.get(buffer, ())), loop.var)):
                continue
            if buffer not in stores and buffer not in loads:
                found.sums[buffer] = ""
            elif buffer in stores and self.is_own(buffer, loop.var):
                found.own.append(buffer)
            else:
                return None
        for target, how in kinds.items():
            if isinstance(target, Local) and target not in inside:
                found.locals[target] = min(how)
            elif target in found.sums:
                found.sums[target] = min(how)
            else:
                continue
            if len(how) > 1:
                return None
        return found

    def is_own(self, buffer: Buffer, var: Var) -> bool:
        """Whether an iteration finds nothing in `buffer` that another one has left there."""
        if buffer.kind != "scratch":
            return False
        for user in self.users[buffer]:
            stored = False
            for s in statements(user.body) if isinstance(user, For) else [user]:
                if getattr(s, "target" if isinstance(s, Update) else "buffer", None) is buffer:
                    stored = stored or isinstance(s, Store)
                    if not stored or any(v is var for v, _ in s.index.terms):
                        return False
            if not stored:
                return False
        return True

    # A nest with loops that are shared.

    def nest(self, nest: Nest, cuts: Sequence[_Cut | None]) -> None:
        """Add the phases of a nest: in turn what is around the shared loops, and these."""
        parts: list[tuple[list[Any], _Cut | None]] = [([], None)]
        for statement, cut in zip(nest.block.statements, cuts, strict=True):
            if cut is not None:
                parts += [([statement], cut), ([], None)]
                self.shared += work.of_block(Block(0, [statement]))
            else:
                parts[-1][0].append(statement)
        kept = [] if nest.status is None else [nest.status[0]]
        pieces = Pieces([piece for piece, _ in parts], kept, self.memory)
        joined: list[_Joined] = []
        for at, (piece, cut) in enumerate(parts):
            if cut is not None:
                joined = self.share(pieces, at, cut)
                continue
            last = at == len(parts) - 1
            block = Block(0, pieces.before(at))
            block.statements += [j.statement(pieces.register()) for j in joined]
            block.statements += [*piece, *pieces.after(at)]
            if block.statements:
                self.phases.append(Nest(block, nest.status if last else None))

    def share(self, pieces: Pieces, at: int, cut: _Cut) -> list[_Joined]:
        """Add the phases of one loop. What comes back has to be joined after it."""
        loop = cut.loop
        low, high = Var(loop.var.extent + 1, 0), Var(loop.var.extent + 1, 0)
        block = Block(0, [*pieces.before(at), *cut.locals])
        private = {b: self.private(b, cut.parts) for b in (*cut.sums, *cut.own)}
        for buffer, kind in cut.sums.items():
            index, var = _along(buffer)
            body = Block(1, [Store(buffer, index, neutral(kind, buffer.dtype))])
            block.statements.append(For(var, (ZERO,), (Affine(buffer.size),), body))
        first, last = (*loop.low, Affine(0, ((low, 1),))), (*loop.high, Affine(0, ((high, 1),)))
        block.statements.append(For(loop.var, first, last, loop.body, loop.parallel))
        joined: list[_Joined] = []
        for local, kind in cut.locals.items():
            mine = Buffer(f"{local.name}_part", local.dtype, 1, "scratch")
            private[mine] = self.private(mine, cut.parts)
            register = pieces.register()
            block.statements += [Read(register, local), Store(mine, ZERO, register)]
            joined.append(_Joined(local, kind, cut.parts, private[mine]))
        nest = Nest(block, given=(low, high))
        self.phases.append(Share(nest, loop.var.start, loop.var.stop, cut.parts, private))
        for buffer, kind in cut.sums.items():
            self.join(buffer, kind, private[buffer], cut.parts)
        return joined

    def private(self, buffer: Buffer, parts: int) -> Buffer:
        """Memory for a buffer of every part."""
        size = parts * stride(buffer) // buffer.dtype.itemsize
        return self.memory(f"{buffer.name}_parts", buffer.dtype, size)

    def join(self, buffer: Buffer, kind: str, sums: Buffer, parts: int) -> None:
        """Add the phase in which what the parts have added up is added to a buffer, in order."""
        index, var = _along(buffer)
        step = stride(buffer) // buffer.dtype.itemsize
        body = Block(1)
        for part in range(parts):
            body.statements.append(Load(part, sums, index + part * step))
            body.statements.append(Update(kind, buffer, index, part, buffer.dtype))
        if 2 * parts * buffer.size < WORTHWHILE:
            loop = For(var, (ZERO,), (Affine(buffer.size),), body)
            self.phases.append(Nest(Block(0, [loop])))
            return
        low, high = Var(buffer.size + 1, 0), Var(buffer.size + 1, 0)
        loop = For(var, (Affine(0, ((low, 1),)),), (Affine(0, ((high, 1),)),), body)
        nest = Nest(Block(0, [loop]), given=(low, high))
        self.phases.append(Share(nest, 0, buffer.size, min(buffer.size, PER_THREAD * self.threads)))


def _along(buffer: Buffer) -> tuple[Affine, Var]:
    """A variable for a loop over the elements of a buffer, and the element."""
    var = Var(buffer.size, 1)
    return Affine(0, ((var, 1),)), var


def _distinct(index: Affine, var: Var) -> bool:
    """Whether different values of `var` give different elements, whatever the other variables."""
    step = abs(dict(index.terms).get(var, 0))
    if not step:
        return False
    others = [(abs(c), v) for v, c in index.terms if v is not var and v.stop - v.start > 1]
    if step > sum(c * (v.stop - v.start - 1) for c, v in others):
        return True
    # Otherwise each variable has to be one digit of the index, so to speak.
    if any(v.register is not None for _, v in others):
        return False
    reached = 0
    for c, v in sorted([*others, (step, var)], key=lambda pair: pair[0]):
        if c <= reached:
            return False
        reached += c * (v.stop - v.start - 1)
    return True


def _separate(indices: Sequence[Affine], var: Var) -> bool:
    """Whether indices that have one element in common are of one value of `var`."""
    steps = {dict(index.terms).get(var, 0) for index in indices}
    if len(steps) > 1 or 0 in steps:
        return False
    step = abs(steps.pop())
    farthest = step * (var.stop - var.start - 1)
    rests = {
        Affine(index.const, tuple((v, c) for v, c in index.terms if v is not var)).bounds()
        for index in indices
    }
    for low, high in rests:
        for least, most in rests:
            # The first multiple of the step that may be between the two, if any is.
            first = max(step, -((high - least) // step) * step)
            if first <= min(farthest, most - low):
                return False
    return True
