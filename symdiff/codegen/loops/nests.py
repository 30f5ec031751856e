"""Trees of loops to nests: loops cut and unrolled where that helps, sums kept in registers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from symdiff.codegen.loops.evaluate import Evaluator, MustStore, Scope, SplitLoop
from symdiff.codegen.loops.fuse import Loop, Root, Tree
from symdiff.codegen.loops.program import (
    ZERO,
    Affine,
    Block,
    Constant,
    For,
    Index,
    Load,
    Local,
    Nest,
    Operand,
    Read,
    Store,
    Update,
    Var,
    Write,
    neutral,
)
from symdiff.codegen.loops.shapes import Place, linear
from symdiff.codegen.loops.values import REDUCTIONS, scattered
from symdiff.ir import Value, boolean, i64
from symdiff.ops import OPS, and_, le, lt, ne, not_, or_, where

UNROLL: Final = 4  # extents up to which a loop is written out
_UNROLLED_IN_ALL: Final = 32
_PIECES: Final = 12  # into how many pieces a loop may be cut


@dataclass(slots=True)
class _Frame:
    """The variables in which a root is reduced, by the element of the result that they are for."""

    scope: int
    locals: dict[Place, list[Local]]


class NestBuilder:
    """Writes one tree as a nest."""

    def __init__(self, evaluator: Evaluator) -> None:
        self.e = evaluator
        self.frames: dict[Root, _Frame] = {}
        self.in_memory: set[Root] = set()
        self.status: tuple[Local, int] | None = None

    def build(self, tree: Tree) -> Nest:
        """The nest of `tree`.

        Raises:
            MustStore: a value has to have memory before this can be written.
        """
        _choose_unrolled(tree)
        block = Block(0)
        self.e.scopes = [Scope(block)]
        self.children(tree.children, ())
        return Nest(block, self.status)

    def children(self, children: Sequence[Loop | Root], place: Place) -> None:
        for child in children:
            if isinstance(child, Loop):
                self.loop(child, place)
            elif child.kind == "check" and not child.loops:  # a single index
                self.start(child, place)
                self.root(child, place)
                self.finish(child)
            else:
                self.root(child, place)

    # Loops.

    def loop(self, loop: Loop, place: Place) -> None:
        if loop.extent == 0:
            return
        level = len(place)
        starting = [r for r in loop.roots() if r.reduced == level]
        for root in starting:
            self.e.origin = root.value.location
            self.start(root, place)
        if loop.unrolled:
            for k in range(loop.extent):
                self.children(loop.children, (*place, Affine(k)))
        else:
            self.pieces(loop, place)
        for root in starting:
            self.e.origin = root.value.location
            self.finish(root)
        self.e.origin = None

    def pieces(self, loop: Loop, place: Place) -> None:
        """A loop that runs, cut where its code differs from one part to the next."""
        cuts = {0, loop.extent}
        causes: dict[Value, None] = {}
        while True:
            points = sorted(cuts)
            depth = len(self.e.scopes)
            vars = [Var(loop.extent, depth) for _ in points[1:]]
            try:
                found = [
                    self.piece(loop, place, var, start, stop)
                    for var, (start, stop) in zip(vars, pairwise(points), strict=True)
                ]
            except SplitLoop as split:
                if split.var not in vars:
                    raise
                cuts.update(split.points)
                if split.value is not None:
                    causes[split.value] = None
                if len(cuts) > _PIECES and causes:
                    raise MustStore(*causes) from None
                del self.e.scopes[depth:]
                continue
            self.e.origin = None  # a loop is there for all that is in it
            for piece in found:
                self.e.put(depth - 1, piece)
            return

    def piece(self, loop: Loop, place: Place, var: Var, start: int, stop: int) -> For:
        depth = var.depth
        var.start, var.stop = start, stop
        inner = (*place, Affine(0, ((var, 1),)))
        low, high = [Affine(start)], [Affine(stop)]
        known = len(self.e.true)
        for expression in self.limits(loop, inner):
            ((_, step),) = (t for t in expression.terms if t[0] is var)
            rest = expression - Affine(0, ((var, step),))
            if step == 1:
                high.append(rest * -1)
            else:
                low.append(rest + 1)
            self.e.true.append(expression)
        body = Block(depth)
        self.e.scopes.append(Scope(body))
        self.children(loop.children, inner)
        self.e.scopes.pop()
        del self.e.true[known:]
        parallel = all(self.is_parallel(r, len(place)) for r in loop.roots())
        return For(var, tuple(low), tuple(high), body, parallel)

    def is_parallel(self, root: Root, level: int) -> bool:
        if root.kind == "reduce":
            return root not in self.in_memory or root.axes[level] is not None
        if root.kind == "running":
            return root.axes[level] != root.value.attr("axis")
        if root.kind == "scatter":  # places may be met again, the axes around them not
            first: int = root.value.attr("axis")
            _, (index, *_) = scattered(root.value)
            return level not in range(first, first + len(index.type.shape))
        return root.kind in ("map", "check")

    def limits(self, loop: Loop, place: Place) -> list[Affine]:
        """Expressions that are negative wherever any root in `loop` has something to add."""
        ((var, _),) = place[-1].terms
        shared: list[Affine] | None = None
        for root in loop.roots():
            if self.is_fleeting(root):
                continue
            if root.kind != "reduce" or REDUCTIONS[root.value.op] != "sum":
                return []
            inner = (*place, *(Affine(0, ((Var(n, 99), 1),)) for n in root.loops[len(place) :]))
            masks = self.e.masks(root.source, root.along(inner))
            found = [e for m, at in masks if (e := self.e.below_zero(m, at))]
            shared = [e for e in found if shared is None or e in shared]
        return [
            e for e in shared or () if e.depth == var.depth and abs(dict(e.terms).get(var, 0)) == 1
        ]

    def is_fleeting(self, root: Root) -> bool:
        """Whether the value is used only by the iteration that computes it."""
        buffer = root.buffer
        shared = root.value in self.e.memory.kept and root.value.type.size > 1
        return root.kind == "map" and shared and buffer is not None and buffer.size == 1

    # Reductions.

    def start(self, root: Root, place: Place) -> None:
        """Get ready for the loops in which `root` is reduced."""
        inner = [
            i
            for i, loop in enumerate(root.path)
            if i > len(place) and root.axes[i] is not None and not loop.unrolled
        ]
        if not inner or root.kind != "reduce":
            self.in_memory.discard(root)
            self.frames[root] = _Frame(len(self.e.scopes) - 1, {})
            return
        self.in_memory.add(root)
        loops = {
            i: root.loops[i] for i, a in enumerate(root.axes) if a is not None and i >= len(place)
        }
        depth = len(self.e.scopes)
        index = list(place) + [ZERO] * (len(root.loops) - len(place))
        vars: list[Var] = []
        for i, extent in loops.items():
            if extent > 1:
                vars.append(Var(extent, depth + len(vars)))
                index[i] = Affine(0, ((vars[-1], 1),))
        assert root.buffer is not None
        target = self.e.memory.index(root.value, self.result_place(root, tuple(index)))
        inside = Block(depth + len(vars) - 1)
        where_ = root.value.location
        inside.statements.append(Store(root.buffer, target, _initial(root), location=where_))
        for var in reversed(vars):
            outer = Block(var.depth - 1)
            outer.statements.append(For(var, (ZERO,), (Affine(var.extent),), inside))
            inside = outer
        for statement in inside.statements:
            self.e.put(depth - 1, statement)

    def finish(self, root: Root) -> None:
        """Store what the loops have summed up in registers."""
        if root in self.in_memory:
            return
        frame = self.frames.pop(root)
        scope = frame.scope
        for place, locals_ in frame.locals.items():
            registers: list[int] = []
            for local in locals_:
                registers.append(self.e.register(scope))
                self.e.put(scope, Read(registers[-1], local))
            if root.kind == "check":
                return
            result = registers[-1]
            self.store(root, place, result)
            self.e.remember(root.value, place, result, scope)

    def result_place(self, root: Root, place: Place) -> Place:
        """The element of the result that iteration `place` belongs to."""
        found = [ZERO] * len(getattr(root.value.type, "shape", ()))
        for index, axis in zip(place, root.axes, strict=True):
            if axis is not None:
                found[axis] = index
        return tuple(found)

    def local(self, root: Root, place: Place, initial: Sequence[Constant]) -> list[Local]:
        """The variables for the element of `root` at `place`, set before its loops."""
        frame = self.frames[root]
        if place not in frame.locals:
            frame.locals[place] = []
            for constant in initial:
                local = Local(f"acc{self.e.register(frame.scope)}", constant.dtype, constant)
                self.e.put(frame.scope, local)
                frame.locals[place].append(local)
        return frame.locals[place]

    # Roots.

    def root(self, root: Root, place: Place) -> None:
        for level, (index, extent) in enumerate(zip(place, root.loops, strict=True)):
            if root.path[level].extent != extent and not self.inside(index, extent, root):
                return
        self.e.origin = root.value.location
        _KINDS[root.kind](self, root, place)

    def inside(self, index: Affine, extent: int, root: Root) -> bool:
        low, high = index.bounds()
        if high < extent:
            return True
        if low >= extent:
            return False
        raise SplitLoop(index.terms[0][0], (extent,))

    def store(self, root: Root, place: Place, value: Operand) -> None:
        assert root.buffer is not None
        if root.start:
            moved = zip(place, root.start, root.step, strict=True)
            place = tuple(i * step + start for i, start, step in moved)
        shape = root.value.type.shape
        kept = self.e.memory.kept.get(root.value)
        self.put_innermost(Store(root.buffer, linear(place, shape, kept), value), place)

    def put_innermost(self, statement: Any, place: Place) -> None:
        self.e.put(len(self.e.scopes) - 1, statement)

    def map(self, root: Root, place: Place) -> None:
        place = root.along(place)
        if root.source is root.value and root.source in self.e.memory.buffers:
            if self.e.memory.buffers[root.source] is root.buffer:
                element = self.e.compute_here(root.source, place)
                self.e.remember(root.value, place, element, self.e.depth(element))
            else:  # another copy of something that has memory
                element = self.e.element(root.source, place)
        else:
            element = self.e.element(root.source, place)
        self.store(root, place, element)

    def reduce(self, root: Root, place: Place) -> None:
        value = root.source
        kind = REDUCTIONS[root.value.op]
        element = self.e.element(value, root.along(place))
        at = self.result_place(root, place)
        dtype = root.value.type.dtype
        if root.reduced is None:  # nothing is reduced: every loop has an axis
            self.store(root, at, element)
            self.e.remember(root.value, at, element, self.e.depth(element))
        elif root in self.in_memory:
            assert root.buffer is not None
            index = self.e.memory.index(root.value, at)
            self.put_innermost(Update(kind, root.buffer, index, element, dtype), at)
        else:
            (local,) = self.local(root, at, (_initial(root),))
            self.put_innermost(Update(kind, local, ZERO, element, dtype), at)

    def position(self, root: Root, place: Place) -> None:
        """argmax or argmin: the best element so far and its index along the axis."""
        op, source = root.value.op, root.source
        at = place[:-1]
        dtype = source.type.dtype
        element = self.e.element(source, root.along(place))
        worst = neutral("max" if op is OPS["argmax"] else "min", dtype)
        best, where_ = self.local(root, at, (worst, Constant(-1, i64)))
        depth = len(self.e.scopes) - 1
        held, index, here = (self.e.register(depth) for _ in range(3))
        for statement in (Read(held, best), Read(index, where_), Index(here, place[-1], i64)):
            self.e.put(depth, statement)
        pair = (held, element) if op is OPS["argmax"] else (element, held)
        better = self.e.compute(lt, pair, dtype)
        first = self.e.compute(lt, (index, Constant(0, i64)), i64)
        better = self.e.compute(or_, (better, first), boolean)
        if dtype.kind == "f":  # a NaN beats all but another NaN
            odd = self.e.compute(ne, (element, element), dtype)
            held_odd = self.e.compute(ne, (held, held), dtype)
            fine = self.e.compute(not_, (held_odd,), boolean)
            better = self.e.compute(or_, (better, odd), boolean)
            better = self.e.compute(and_, (better, fine), boolean)
        self.e.put(depth, Write(best, self.e.compute(where, (better, element, held), dtype)))
        self.e.put(depth, Write(where_, self.e.compute(where, (better, here, index), i64)))

    def running(self, root: Root, place: Place) -> None:
        """A running sum: the element plus the sum before it, which is in memory."""
        axis: int = root.value.attr("axis")
        reverse: bool = root.value.attr("reverse")
        assert root.buffer is not None
        index = place[axis]
        at = running_place(root, place)
        element = self.e.element(root.source, at)
        if index.bounds()[0] > 0:
            before = (*at[:axis], at[axis] + (1 if reverse else -1), *at[axis + 1 :])
            held = self.e.register(len(self.e.scopes) - 1)
            self.e.put(
                len(self.e.scopes) - 1,
                Load(held, root.buffer, self.e.memory.index(root.value, before)),
            )
            element = self.e.compute(OPS["add"], (held, element), root.value.type.dtype)
        elif index.bounds()[1] > 0:
            raise SplitLoop(index.terms[0][0], (1,))
        self.store(root, at, element)

    def scatter(self, root: Root, place: Place) -> None:
        source, indices = scattered(root.value)
        axis: int = root.value.attr("axis")
        count = len(indices[0].type.shape)
        shape = root.value.type.shape
        at = place[axis : axis + count]
        found: list[Affine] = []
        for offset, index in enumerate(indices):
            affine = self.e.affine(index, at)
            if affine is None:
                element = self.e.element(index, at)
                affine = self.e.index_of(element, index.type.dtype, shape[axis + offset])
            found.append(affine)
        target = (*place[:axis], *found, *place[axis + count :])
        element = self.e.element(source, place)
        assert root.buffer is not None
        at = linear(target, shape)
        if root.value.op is OPS["put_at"]:
            self.put_innermost(Store(root.buffer, at, element), place)
        else:
            dtype = root.value.type.dtype
            self.put_innermost(Update("sum", root.buffer, at, element, dtype), place)

    def check(self, root: Root, place: Place) -> None:
        """Whether an index is outside of its axis."""
        extent = root.extent
        (bad,) = self.local(root, (), (neutral("any", boolean),))
        self.status = (bad, root.status)
        element = self.e.element(root.source, place)
        dtype = root.source.type.dtype
        below = self.e.compute(lt, (element, Constant(0, dtype)), dtype)
        above = self.e.compute(le, (Constant(extent, dtype), element), dtype)
        either = self.e.compute(or_, (below, above), boolean)
        self.put_innermost(Update("any", bad, ZERO, either, boolean), place)


_KINDS = {
    "map": NestBuilder.map,
    "reduce": NestBuilder.reduce,
    "position": NestBuilder.position,
    "running": NestBuilder.running,
    "scatter": NestBuilder.scatter,
    "check": NestBuilder.check,
}


def running_place(root: Root, place: Place) -> Place:
    """The element that iteration `place` of a running sum adds: from the end, if reversed."""
    axis: int = root.value.attr("axis")
    if not root.value.attr("reverse"):
        return place
    return (*place[:axis], place[axis] * -1 + (root.loops[axis] - 1), *place[axis + 1 :])


def _choose_unrolled(tree: Tree) -> None:
    """Mark the loops that are short enough to be written out."""
    pending: list[tuple[Loop, int]] = [(tree, 1)]
    while pending:
        loop, copies = pending.pop()
        for child in loop.children:
            if isinstance(child, Loop):
                inside = copies * child.extent
                child.unrolled = child.extent == 1 or (
                    child.extent <= UNROLL and inside <= _UNROLLED_IN_ALL
                )
                pending.append((child, inside if child.unrolled else 1))


def _initial(root: Root) -> Constant:
    return neutral(REDUCTIONS[root.value.op], root.value.type.dtype)
