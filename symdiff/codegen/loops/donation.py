"""Results in the memory of parameters: the steps in an order in which that is right.

An output that replaces a parameter may be written where the parameter lies once nothing reads its
old elements any more. Steps that read them come before the one that writes; within a nest the
element that an iteration writes may be read by the same iteration. Where that cannot be, as when
two parameters are made of each other's neighbours, the output is computed in scratch memory and
copied at the end. Nothing is written before all indices are checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from symdiff.codegen.loops.access import blocks_of, read_by, with_buffers, written_by
from symdiff.codegen.loops.program import (
    Affine,
    Block,
    Buffer,
    Copy,
    For,
    Load,
    Nest,
    Program,
    Repeat,
    Step,
    Store,
    Update,
    statements,
)

Donated = Mapping[Buffer, Buffer]  # outputs, and the parameters that they replace


def donate(program: Program, donated: Donated) -> None:
    """Write outputs into the memory of the parameters that they replace.

    Such an output is the buffer of its parameter afterwards, in `program.outputs` too.
    """
    if not donated:
        return
    for step in program.steps:
        if isinstance(step, Nest):
            for block in blocks_of(step.block):
                _store_last(block, donated)
    direct = {
        output: param
        for output, param in donated.items()
        if all(_in_place(step, param, output) for step in program.steps)
    }
    direct, order = _largest_order(program.steps, direct)
    instead = dict(direct)
    copies: list[Step] = []
    for output, param in donated.items():
        if output not in direct:
            made = Buffer(f"new_{param.name}", param.dtype, param.size, "scratch")
            program.scratch.append(made)
            copies.append(Copy(made, param))
            instead[output] = made
    steps = [with_buffers(program.steps[at], instead) for at in order]
    steps = [s for s in steps if not (isinstance(s, Copy) and s.source is s.target)]
    program.steps = steps + copies
    program.outputs = [donated.get(output, output) for output in program.outputs]


def _store_last(block: Block, donated: Donated) -> None:
    """Move stores to outputs behind what still reads parameters in the same block."""
    params = set(donated.values())
    kept: list[object] = []
    moved: list[object] = []
    touched: set[Buffer] = set()
    for s in reversed(block.statements):
        if isinstance(s, Store) and s.buffer in donated and s.buffer not in touched:
            (kept if params.isdisjoint(touched) else moved).append(s)
        else:
            kept.append(s)
        inside = statements(s.body) if isinstance(s, For) else (s,)
        for part in inside:
            buffer = part.target if isinstance(part, Update) else getattr(part, "buffer", None)
            if isinstance(buffer, Buffer):
                touched.add(buffer)
    block.statements = [*reversed(kept), *reversed(moved)]


# Within a step.


@dataclass(frozen=True, slots=True)
class _Access:
    """An element that is read or written: the loops around it, and its place in the text."""

    index: Affine
    loops: tuple[For, ...]
    order: tuple[int, ...]


def _in_place(step: Step, param: Buffer, output: Buffer) -> bool:
    """Whether a step stays right where both buffers are the same memory."""
    if output not in written_by(step):
        return True
    if isinstance(step, Repeat) and step.body.checks:
        return False  # it may end half-way
    if param not in read_by(step):
        return True
    if isinstance(step, Copy):
        return True  # of the parameter to itself
    if not isinstance(step, Nest):
        return False
    loads: list[_Access] = []
    stores: list[_Access] = []
    for s, access in _accesses(step.block, (), ()):
        if isinstance(s, Load) and s.buffer is param:
            loads.append(access)
        elif (isinstance(s, Store) and s.buffer is output) or (
            isinstance(s, Update) and s.target is output
        ):
            stores.append(access)
    return all(_reads_first(load, store) for load in loads for store in stores)


def _accesses(
    block: Block, loops: tuple[For, ...], order: tuple[int, ...]
) -> Iterator[tuple[object, _Access]]:
    for at, s in enumerate(block.statements):
        if isinstance(s, For):
            yield from _accesses(s.body, (*loops, s), (*order, at))
        elif isinstance(s, (Load, Store, Update)):
            yield s, _Access(s.index, loops, (*order, at))


def _reads_first(load: _Access, store: _Access) -> bool:
    """Whether each element that both come to is read before it is written."""
    if _apart(load.index, store.index):
        return True
    shared = [
        a.var
        for a, b in zip(load.loops, store.loops, strict=False)
        if a is b and a.var.stop - a.var.start > 1
    ]
    steps = [dict(load.index.terms).get(var, 0) for var in shared]
    if steps != [dict(store.index.terms).get(var, 0) for var in shared]:
        return False
    common = Affine(0, tuple(zip(shared, steps, strict=True)))
    rests = load.index - common, store.index - common
    if load.order > store.order and not _apart(*rests):
        return False  # not even in one iteration of the loops that they share
    # Each of the variables has to be one digit of the index, above what the rests reach over.
    bounds = [rest.bounds() for rest in rests]
    reach = max(high for _, high in bounds) - min(low for low, _ in bounds)
    pairs = [(abs(step), var) for step, var in zip(steps, shared, strict=True)]
    for step, var in sorted(pairs, key=lambda pair: pair[0]):
        if step <= reach:
            return False
        reach += step * (var.stop - var.start - 1)
    return True


def _apart(first: Affine, second: Affine) -> bool:
    """Whether two indices have no element in common, whatever their variables are."""
    (low, high), (least, most) = first.bounds(), second.bounds()
    return high < least or most < low


# Between steps.


def _largest_order(steps: Sequence[Step], direct: Donated) -> tuple[Donated, list[int]]:
    """As many of the pairs as have an order of the steps, the largest first; and that order."""
    graph = _Order(steps)
    order = graph.sorted(direct)
    if order is not None:
        return direct, order
    kept: dict[Buffer, Buffer] = {}
    for output in sorted(direct, key=lambda output: -output.size):
        if graph.sorted({**kept, output: direct[output]}) is not None:
            kept[output] = direct[output]
    order = graph.sorted(kept)
    assert order is not None  # that of the steps as they are, if nothing else
    return kept, order


class _Order:
    """What has to come before what among some steps."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.count = len(steps)
        self.before: list[set[int]] = [set() for _ in steps]
        self.readers: dict[Buffer, list[int]] = {}
        self.writers: dict[Buffer, list[int]] = {}
        self.checks = [at for at, step in enumerate(steps) if _may_fail(step)]
        since: dict[Buffer, list[int]] = {}  # what used a buffer since it was last written
        for at, step in enumerate(steps):
            reads, writes = read_by(step), written_by(step)
            for buffer in reads | writes:
                if buffer in self.writers:
                    self.before[at].add(self.writers[buffer][-1])
            for buffer in writes:
                self.before[at].update(since.pop(buffer, ()))
                self.writers.setdefault(buffer, []).append(at)
            for buffer in reads:
                since.setdefault(buffer, []).append(at)
                self.readers.setdefault(buffer, []).append(at)
        # What reads at an index comes after the check of it.
        for first, check in enumerate(self.checks):
            end = self.checks[first + 1] + 1 if first + 1 < len(self.checks) else self.count
            for at in range(check + 1, end):
                self.before[at].add(check)
        for at in range(self.count):
            self.before[at].discard(at)

    def sorted(self, direct: Donated) -> list[int] | None:
        """The steps in order, as they are where that is right; None if there is none."""
        before = [set(needed) for needed in self.before]
        for output, param in direct.items():
            for at in self.writers.get(output, ()):
                before[at].update(self.readers.get(param, ()))
                before[at].update(self.checks)
                before[at].discard(at)
        after: list[list[int]] = [[] for _ in before]
        ready: list[int] = []
        left = [len(needed) for needed in before]
        for at, needed in enumerate(before):
            for earlier in needed:
                after[earlier].append(at)
            if not needed:
                heappush(ready, at)
        order: list[int] = []
        while ready:
            at = heappop(ready)
            order.append(at)
            for later in after[at]:
                left[later] -= 1
                if not left[later]:
                    heappush(ready, later)
        return order if len(order) == self.count else None


def _may_fail(step: Step) -> bool:
    if isinstance(step, Repeat):
        return bool(step.body.checks)
    return isinstance(step, Nest) and step.status is not None
