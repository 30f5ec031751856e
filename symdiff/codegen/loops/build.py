"""A function of tensors to a loop program."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from math import prod
from typing import Any

from symdiff.codegen.loops.columns import copy_columns, turn_scratch
from symdiff.codegen.loops.donation import donate
from symdiff.codegen.loops.evaluate import Evaluator, Memory, MustStore, Scope
from symdiff.codegen.loops.fuse import Root, Tree, arrange, common
from symdiff.codegen.loops.fuse import add as put_alone
from symdiff.codegen.loops.layout import share_stores
from symdiff.codegen.loops.memory import drop_unread, plan
from symdiff.codegen.loops.nests import NestBuilder, running_place
from symdiff.codegen.loops.order import fixed_values, reorder
from symdiff.codegen.loops.prepare import prepare
from symdiff.codegen.loops.program import (
    Affine,
    Block,
    Buffer,
    Program,
    Step,
    Var,
    Zero,
)
from symdiff.codegen.loops.replaced import Replacements
from symdiff.codegen.loops.shapes import Place
from symdiff.codegen.loops.values import (
    CHANGES,
    REDUCTIONS,
    STEPS,
    is_short_sum,
    scattered,
    stored_values,
)
from symdiff.codegen.loops.whole import WholeSteps
from symdiff.errors import UnsupportedError
from symdiff.ir import CONST, ITEM, Function, Value, use_counts
from symdiff.ops import OPS
from symdiff.ops.structure import borders, reduced_axes

_GATHERS = (OPS["gather"], OPS["scatter_add"], *CHANGES)
_CUTTING = (OPS["concatenate"], OPS["embed"])  # what loops are cut for
_ATTEMPTS = 4  # to find the few of those that need memory, before all of them get it


def build_program(
    fn: Function, blas: bool = True, donated: Sequence[tuple[int, int]] = ()
) -> Program:
    """The loops that compute `fn`.

    `donated` has positions of outputs, and of the parameters in whose memory they are written.

    Raises:
        UnsupportedError: an operation that has no loops.
    """
    fn = prepare(fn, blas)
    extra: set[Value] = set()
    attempts = 0
    while True:
        try:
            return _Builder(fn, blas, extra, donated).program()
        except MustStore as found:
            if extra.issuperset(found.values):
                raise UnsupportedError(f"{found} cannot be compiled") from None
            extra.update(found.values)
            attempts += 1
            if attempts == _ATTEMPTS:
                extra.update(value for value in fn.live() if value.op in _CUTTING)


class _Builder:
    """A program in the making."""

    def __init__(
        self,
        fn: Function,
        blas: bool,
        extra: Iterable[Value],
        donated: Sequence[tuple[int, int]],
    ) -> None:
        self.fn = fn
        self.replaced = Replacements(fn, donated)
        self.result = Program(fn.name)
        self.memory = Memory({})
        self.items: list[Any] = []  # trees, and values that are steps of their own
        self.position: dict[Value, int] = {}
        self.roots: dict[Value, list[Root]] = {}
        self.reads: dict[Value, list[tuple[Root | None, Place | None]]] = {}
        self.barrier = 0
        self.fixed = fixed_values(fn)
        self.layouts: dict[Value, tuple[int, ...]] = {}
        self.checked: set[tuple[Value, int]] = set()
        self.live = fn.live()
        self.items_of: dict[Value, dict[int, Value]] = {}
        for value in self.live:
            if value.op is ITEM:
                self.items_of.setdefault(value.args[0], {})[value.attr("index")] = value
        build = partial(build_program, blas=blas)
        self.whole = WholeSteps(self.result, self.memory, self.items_of, build)
        self.stored = stored_values(fn, {*extra, *self.replaced.elements()})

    def program(self) -> Program:
        self.make_buffers()
        later: set[Value] = set()  # what takes a step to compute
        for value in self.live:
            if value in self.stored or any(a in later for a in value.args):
                later.add(value)
            if value.op in _GATHERS and later.isdisjoint(scattered(value)[1]):
                self.check_indices(value)
        needed: dict[Value, None] = {}  # memory; all are found that can be in one round
        for value in self.replaced.late(self.live):
            try:
                self.place(value)
            except MustStore as found:
                needed.update(dict.fromkeys(found.values))
        if needed:
            raise MustStore(*needed)
        self.copy_outputs()
        self.shrink()
        for item in self.items:
            if isinstance(item, Tree):
                self.result.steps += self.zeros(item)
                try:
                    self.result.steps.append(self.nest(item))
                except MustStore as found:
                    needed.update(dict.fromkeys(found.values))
            else:
                self.result.steps += item
        if needed:
            raise MustStore(*needed)
        share_stores(self.result)
        copy_columns(self.result)
        turn_scratch(self.result)
        drop_unread(self.result)
        donate(self.result, self.replaced.buffers(self.memory.buffers))
        plan(self.result)
        return self.result

    def place(self, value: Value) -> None:
        """Put what computes `value` into the program, if that is not done where it is used."""
        if value.op in _GATHERS:
            self.check_indices(value)
        if value.op is OPS["scan"] or (value.op is OPS["contract"] and value in self.stored):
            self.whole_step(value)
        elif value in self.stored and not self.is_item_of_step(value):
            barrier = self.barrier
            if value.op in CHANGES:
                self.whole_step(value)
                barrier = len(self.items)
            for root in self.make_roots(value):
                self.arrange(root, barrier)

    # Buffers.

    def buffer(self, value: Value, name: str, kind: str, position: int = -1) -> Buffer:
        made = Buffer(name, value.type.dtype, value.type.size, kind, position=position)
        lists = {"param": self.result.params, "output": self.result.outputs}
        lists.get(kind, self.result.scratch).append(made)
        return made

    def make_buffers(self) -> None:
        buffers = self.memory.buffers
        for i, param in enumerate(self.fn.params):
            buffers[param] = self.buffer(param, f"in{i}", "param", i)
        self.copies: list[tuple[Value, Buffer]] = []
        for i, output in enumerate(self.fn.outputs):
            buffer = self.buffer(output, f"out{i}", "output", i)
            if self.replaced.note(i, buffer):
                pass  # it is there already
            elif output in buffers or output.op is CONST:
                self.copies.append((output, buffer))
            else:
                buffers[output] = buffer
        self.share_changes()
        for value in self.live:
            literal = value.literal
            if literal is not None and literal.scalar is None:
                data = literal.data
                name = f"const{len(self.result.constants)}"
                made = Buffer(name, value.type.dtype, value.type.size, "const", data=data)
                self.result.constants.append(made)
                buffers[value] = made
            elif value in self.stored and value not in buffers:
                buffers[value] = self.buffer(value, f"s{value.index}", "scratch")

    def share_changes(self) -> None:
        """Give an array that only serves to be changed further the memory of what becomes of it."""
        buffers, uses = self.memory.buffers, use_counts(self.fn)
        for value in reversed(self.live):
            if value.op in CHANGES:
                if value not in buffers:
                    buffers[value] = self.buffer(value, f"s{value.index}", "scratch")
                before = value.args[0]
                if before.op in CHANGES and before not in buffers and uses[before] == 1:
                    buffers[before] = buffers[value]

    def is_item_of_step(self, value: Value) -> bool:
        return value.op is ITEM and value.args[0].op in STEPS

    # Roots.

    def make_roots(self, value: Value) -> list[Root]:
        buffer = self.memory.buffers[value]
        op, shape = value.op, value.type.shape
        plain = tuple(range(len(shape)))
        if op in REDUCTIONS and not is_short_sum(value):
            source = value.args[0]
            lead = len(source.type.shape) - len(shape)
            gone = reduced_axes(source.type.shape, shape)
            axes = tuple(None if a in gone else a - lead for a in range(len(source.type.shape)))
            return [Root(value, source, "reduce", source.type.shape, axes, buffer)]
        if op.name in ("argmax", "argmin"):
            source = value.args[0]
            axis: int = value.attr("axis")
            loops = (*shape, source.type.shape[axis])
            order = (*(a for a in range(len(loops)) if a != axis), axis)
            return [Root(value, source, "position", loops, (*plain, None), buffer, order=order)]
        if op is OPS["cumsum"]:
            return [Root(value, value.args[0], "running", shape, plain, buffer, whole=True)]
        if op is OPS["scatter_add"] or op in CHANGES:
            source, _ = scattered(value)
            loops = source.type.shape
            nothing = (None,) * len(loops)
            return [Root(value, source, "scatter", loops, nothing, buffer, whole=True)]
        if op is OPS["embed"]:
            (part,) = value.args
            start, step = value.attr("start"), value.attr("step")
            loops = part.type.shape
            return [Root(value, part, "map", loops, plain, buffer, start, step, whole=True)]
        if op is OPS["concatenate"]:
            axis: int = value.attr("axis")
            found: list[Root] = []
            for part, (first, _) in zip(value.args, borders(value.args, axis), strict=True):
                start = tuple(first if a == axis else 0 for a in plain)
                loops, step = part.type.shape, (1,) * len(shape)
                found.append(
                    Root(value, part, "map", loops, plain, buffer, start, step, whole=True)
                )
            return found
        return [Root(value, value, "map", shape, plain, buffer)]

    def check_indices(self, value: Value) -> None:
        """Make sure that the indices of a gather or a scatter are in range, before it runs."""
        source, indices = scattered(value)
        extents = source.type.shape if value.op is OPS["gather"] else value.type.shape
        for offset, index in enumerate(indices):
            first: int = value.attr("axis")
            extent = extents[first + offset]
            if index.type.size == 0 or self.is_known(index, extent):
                continue
            key = (index, extent)
            if key in self.checked:
                continue
            self.checked.add(key)
            self.result.checks.append(
                f"an index into an axis of {extent} elements is out of range; "
                f"indices go from {-extent} to {extent - 1}"
            )
            shape = index.type.shape
            status = len(self.result.checks)
            root = Root(
                index, index, "check", shape, (None,) * len(shape), extent=extent, status=status
            )
            self.record(root)
            tree = Tree()
            put_alone(root, tree, [])
            self.items.append(tree)
            self.barrier = len(self.items)  # what reads at these indices comes after their check

    def is_known(self, index: Value, extent: int) -> bool:
        """Whether an index is within 0 <= index < extent whatever the arguments are."""
        if index.literal is not None:
            array = index.literal.array
            return bool(array.min() >= 0 and array.max() < extent)
        evaluator = Evaluator(self.memory, lambda value, place: None)
        vars = [Var(n, 0) for n in index.type.shape]
        affine = evaluator.affine(index, tuple(Affine(0, ((v, 1),)) for v in vars))
        if affine is None:
            return False
        low, high = affine.bounds()
        return low >= 0 and high < extent

    def arrange(self, root: Root, barrier: int) -> None:
        self.record(root)
        reorder(root, self.layouts, self.fixed)
        if root.order and root.value not in self.fixed:
            self.layouts[root.value] = tuple(a for a in root.axes if a is not None)
        self.roots.setdefault(root.value, []).append(root)
        self.into_tree(root, self.position, barrier)

    def into_tree(self, root: Root, position: dict[Value, int], barrier: int) -> None:
        """Put `root` into the loops of others, or into loops of its own."""
        barrier = max(barrier, self.replaced.first(root, self.items, self.memory.buffers))
        arrange(self.items, root, position, barrier, partial(self.replaced.suits, root))

    def record(self, root: Root) -> None:
        """Find out what `root` reads, by evaluating one element of it."""
        reads = root.reads

        def on_load(value: Value, place: Place | None) -> None:
            reads.setdefault(value, []).append(place)

        evaluator = Evaluator(self.memory, on_load)
        evaluator.recording = True
        depth = len(root.loops)
        evaluator.scopes = [Scope(Block(k)) for k in range(depth + 1)]
        root.vars = tuple(Var(n, k + 1) for k, n in enumerate(root.loops))
        place = tuple(Affine(0, ((v, 1),)) for v in root.vars)
        if 0 in root.loops:
            return
        place = root.along(place)
        if root.kind == "running":
            place = running_place(root, place)
        if root.kind == "scatter":
            _, indices = scattered(root.value)
            axis: int = root.value.attr("axis")
            at = place[axis : axis + len(indices[0].type.shape)]
            for index in indices:
                if evaluator.affine(index, at) is None:
                    evaluator.element(index, at)
        if root.source is root.value and self.memory.buffers.get(root.value) is root.buffer:
            evaluator.compute_here(root.source, place)
        else:
            evaluator.element(root.source, place)
        root.work = evaluator.count
        for value, places in reads.items():
            self.reads.setdefault(value, []).extend((root, p) for p in places)

    # Steps of their own.

    def whole_step(self, value: Value) -> None:
        """Put the steps that compute `value`, or its base, behind what is there already."""
        for arg in value.args[:1] if value.op in CHANGES else value.args:
            self.reads.setdefault(arg, []).append((None, None))
        self.position[value] = len(self.items)
        for item in self.items_of.get(value, {}).values():
            self.position[item] = len(self.items)
        self.items.append(self.whole.steps(value))

    def copy_outputs(self) -> None:
        for value, buffer in self.copies:
            shape = value.type.shape
            root = Root(value, value, "map", shape, tuple(range(len(shape))), buffer)
            self.record(root)
            self.into_tree(root, dict(self.position), self.barrier)

    # Trees to nests.

    def shrink(self) -> None:
        """Leave out the axes of scratch buffers along which nothing has to be kept."""
        for value, roots in self.roots.items():
            buffer = self.memory.buffers[value]
            if buffer.kind != "scratch" or len(roots) != 1 or roots[0].whole:
                continue
            (root,) = roots
            shared = len(root.loops)
            for reader, place in self.reads.get(value, ()):
                if reader is None or place is None or not reader.path:
                    shared = 0
                    break
                shared = min(shared, common(root.path, reader.path))
            dropped = {root.axes[level] for level in range(shared)}
            axes = self.layouts.get(value) or range(len(value.type.shape))
            kept = tuple(a for a in axes if a not in dropped)
            self.memory.kept[value] = kept
            buffer.size = prod(value.type.shape[a] for a in kept)

    def zeros(self, tree: Tree) -> list[Step]:
        """Buffers to clear before the tree adds to them, or fills only a part of them."""
        return [
            Zero(r.buffer, location=r.value.location)
            for r in tree.roots()
            if r.buffer
            and (r.value.op is OPS["scatter_add"] or (r.start and r.value.op is OPS["embed"]))
        ]

    def nest(self, tree: Tree) -> Any:
        evaluator = Evaluator(self.memory, lambda value, place: None)
        return NestBuilder(evaluator).build(tree)
