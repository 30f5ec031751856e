"""One element of a value: the statements that compute it, placed as far out as they can be.

Values with memory are loaded; others are computed from their operands. Views only change the
place at which their operand is read. A statement goes into the block of the innermost loop that
it depends on, so what a loop does not change stands outside of it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any

from symdiff.codegen.loops.program import (
    Affine,
    Block,
    Buffer,
    Compute,
    Constant,
    Index,
    Load,
    Operand,
    Var,
)
from symdiff.codegen.loops.shapes import Place, linear, view_place
from symdiff.codegen.loops.values import REDUCTIONS, UNROLLED
from symdiff.ir import ITEM, DType, Location, TupleType, Value, i64
from symdiff.ops import OPS, add, and_, broadcast, convert, reshape, slice_, transpose, where
from symdiff.ops.structure import borders

Steps = Generator[Any, Any, Any]


class SplitLoop(Exception):  # noqa: N818 -- a signal, caught by the builder of loops
    """The code differs along `var`: its loop has to be cut at `points`.

    With memory for `value` it would not; None where the cut is there in any case.
    """

    def __init__(self, var: Var, points: tuple[int, ...], value: Value | None = None) -> None:
        super().__init__(f"{value!r} at {points}")
        self.var, self.points, self.value = var, points, value


class MustStore(Exception):  # noqa: N818 -- a signal, caught by the builder of programs
    """The `values` cannot be computed where they are used and need memory."""

    def __init__(self, *values: Value) -> None:
        super().__init__(", ".join(map(repr, values)))
        self.values = values


class Memory:
    """Where stored values are: a buffer, and the axes for which it has memory (None: all)."""

    def __init__(self, buffers: Mapping[Value, Buffer]) -> None:
        self.buffers = dict(buffers)
        self.kept: dict[Value, tuple[int, ...]] = {}

    def index(self, value: Value, place: Place) -> Affine:
        return linear(place, value.type.shape, self.kept.get(value))


class Scope:
    """A block that is open, and the elements that are known in it."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.known: dict[tuple[Value, Place], Any] = {}


class Evaluator:
    """Writes statements into the open scopes; `scopes[k]` is k loops deep.

    `on_load(value, place)` sees every element that is read from memory.
    """

    def __init__(self, memory: Memory, on_load: Callable[[Value, Place | None], None]) -> None:
        self.memory = memory
        self.on_load = on_load
        self.scopes: list[Scope] = []
        self.depth_of: dict[int, int] = {}
        self.true: list[Affine] = []  # expressions known to be negative here
        self.recording = False  # look at both sides of every border
        self.count = 0  # registers so far
        self.origin: Location | None = None  # of the value whose statements are being written
        self._vars: dict[int, Var] = {}
        self._wide: dict[int, int] = {}

    # Registers.

    def register(self, depth: int) -> int:
        self.count += 1
        self.depth_of[self.count] = depth
        return self.count

    def depth(self, operand: Operand) -> int:
        return self.depth_of[operand] if isinstance(operand, int) else 0

    def put(self, depth: int, statement: Any) -> None:
        statement.location = self.origin
        self.scopes[depth].block.statements.append(statement)

    def compute(
        self, op: Any, args: tuple[Operand, ...], dtype: DType, attrs: Any = (), parts: int = 0
    ) -> Any:
        """The register of op(args), or `parts` of them."""
        depth = max(map(self.depth, args), default=0)
        dest: Any = self.register(depth)
        if parts:
            dest = (dest, *(self.register(depth) for _ in range(parts - 1)))
        self.put(depth, Compute(dest, op, args, attrs, dtype))
        return dest

    # Elements.

    def element(self, value: Value, place: Place) -> Any:
        """The element of `value` at `place`.

        Raises:
            SplitLoop, MustStore: it cannot be told from here.
        """
        # Rules are generators that yield the elements they need: no recursion over the graph.
        result: Any = None  # what the rule on top has asked for
        waiting: list[tuple[Value, Place, Steps]] = []
        found = self._known(value, place)
        if found is not None:
            return found
        outer = self.origin
        waiting.append((value, place, self._rule(value, place)))
        while waiting:
            current, at, steps = waiting[-1]
            self.origin = current.location
            try:
                wanted, where_ = steps.send(result)
            except StopIteration as stop:
                waiting.pop()
                result = stop.value
                self._remember(current, at, result)
                continue
            result = self._known(wanted, where_)
            if result is None:
                waiting.append((wanted, where_, self._rule(wanted, where_)))
        self.origin = outer
        return result

    def _known(self, value: Value, place: Place) -> Any:
        for scope in reversed(self.scopes):
            found = scope.known.get((value, place))
            if found is not None:
                return found
        return None

    def _remember(self, value: Value, place: Place, result: Any) -> None:
        several = isinstance(value.type, TupleType)
        self.remember(value, place, result, self.depth(result[0] if several else result))

    def remember(self, value: Value, place: Place, result: Any, depth: int) -> None:
        """Note that `result` is the element, for as long as the scope at `depth` is open."""
        depth = max(depth, *(i.depth for i in place)) if place else depth
        self.scopes[depth].known[value, place] = result

    def _rule(self, value: Value, place: Place) -> Steps:
        if value in self.memory.buffers:
            return self._load(value, place)
        literal = value.literal
        if literal is not None:
            assert literal.scalar is not None
            return self._now(Constant(literal.scalar, value.type.dtype))
        return _RULES.get(value.op, Evaluator.elementwise_rule)(self, value, place)

    def compute_here(self, value: Value, place: Place) -> Operand:
        """The element of a stored value, computed rather than loaded."""
        found = self._known(value, place)
        if found is not None:
            return found
        buffer = self.memory.buffers.pop(value, None)
        try:
            return self.element(value, place)
        finally:
            if buffer is not None:
                self.memory.buffers[value] = buffer

    def _now(self, result: Any) -> Steps:
        return result
        yield

    def _load(self, value: Value, place: Place) -> Steps:
        self.on_load(value, place)
        # Memory for one round of a loop holds another element in the next: read it in there.
        depth = max((i.depth for i in place), default=0)
        return self.load(self.memory.buffers[value], self.memory.index(value, place), depth)
        yield

    def load(self, buffer: Buffer, index: Affine, depth: int = 0) -> int:
        depth = max(depth, index.depth)
        dest = self.register(depth)
        self.put(depth, Load(dest, buffer, index))
        return dest

    # Rules: yield (value, place) to have an element, return the result.

    def elementwise_rule(self, value: Value, place: Place) -> Steps:
        if value.op in _ORDER:
            known = self._decided(value, place)
            if known is not None:
                return Constant(float(known), value.type.dtype)
        if value.op is where:
            condition = yield value.args[0], place
            if isinstance(condition, Constant):
                return (yield value.args[1 if condition.number else 2], place)
        args: list[Operand] = []
        for arg in value.args:
            operand = yield arg, place
            args.append(operand)
        dtype = value.args[-1].type.dtype
        parts = len(getattr(value.type, "elements", ()))
        return self.compute(value.op, tuple(args), dtype, value.attrs, parts)

    def item_rule(self, value: Value, place: Place) -> Steps:
        parts = yield value.args[0], place
        return parts[value.attr("index")]

    def view_rule(self, value: Value, place: Place) -> Steps:
        (source,) = value.args
        before = view_place(value, place)
        if before is not None:
            return (yield source, before)
        if source not in self.memory.buffers:
            raise MustStore(source)
        self.on_load(source, None)
        return self.load(self.memory.buffers[source], linear(place, value.type.shape))

    def embed_rule(self, value: Value, place: Place) -> Steps:
        (source,) = value.args
        zero = Constant(0.0, value.type.dtype)
        before: list[Affine] = []
        for start, step, index, extent in zip(
            value.attr("start"), value.attr("step"), place, source.type.shape, strict=True
        ):
            offset = index + -start
            if extent == 0:
                return zero
            if abs(step) != 1:
                if offset.terms:
                    raise MustStore(value)
                whole, rest = divmod(offset.const, step)
                inside = rest == 0 and 0 <= whole < extent
                offset = Affine(whole)
            else:
                offset = offset * step
                inside = self._within(offset, 0, extent, value)
            if not inside:
                return zero
            before.append(offset)
        return (yield source, tuple(before))

    def concatenate_rule(self, value: Value, place: Place) -> Steps:
        axis: int = value.attr("axis")
        result: Any = None
        for part, (start, stop) in zip(value.args, borders(value.args, axis), strict=True):
            offset = place[axis] + -start
            if stop > start and self._within(offset, 0, stop - start, value):
                result = yield part, (*place[:axis], offset, *place[axis + 1 :])
                if not self.recording:
                    return result
        return result

    def _within(self, index: Affine, low: int, high: int, value: Value) -> bool:
        """Whether low <= index < high; the loop is cut where that is not the same throughout."""
        if self.recording:
            return True
        least, most = index.bounds()
        if low <= least and most < high:
            return True
        if most < low or least >= high:
            return False
        if len(index.terms) != 1 or index.terms[0][0].register is not None:
            raise MustStore(value)
        ((var, step),) = index.terms
        # The first iteration on the other side of each border, in the direction of the loop.
        borders_ = (-(-(b - index.const) // step) if step > 0 else (index.const - b) // -step + 1
                    for b in (low, high))  # fmt: skip
        points = tuple(p for p in borders_ if var.start < p < var.stop)
        if not points:
            raise MustStore(value)
        raise SplitLoop(var, points, value)

    def gather_rule(self, value: Value, place: Place) -> Steps:
        source, *indices = value.args
        axis: int = value.attr("axis")
        count = len(indices[0].type.shape)
        at = place[axis : axis + count]
        found: list[Affine] = []
        for offset, index in enumerate(indices):
            extent = source.type.shape[axis + offset]
            found.append((yield from self.as_index(index, at, extent)))
        return (yield source, (*place[:axis], *found, *place[axis + count :]))

    def as_index(self, value: Value, place: Place, extent: int) -> Steps:
        """An element of an integer value as an index along an axis of `extent`."""
        affine = self.affine(value, place)
        if affine is not None:
            return affine
        return self.index_of((yield value, place), value.type.dtype, extent)

    def index_of(self, element: Any, dtype: DType, extent: int) -> Affine:
        """A register, or a number, as an index along an axis of `extent`."""
        if isinstance(element, Constant):
            return Affine(int(element.number))
        if dtype is not i64:
            if element not in self._wide:
                attrs = (("dtype", "i64"),)
                self._wide[element] = self.compute(convert, (element,), dtype, attrs)
            element = self._wide[element]
        var = self._vars.get(element)
        if var is None or var.extent != extent:
            var = self._vars[element] = Var(extent, self.depth_of[element], element)
        return Affine(0, ((var, 1),))

    def short_sum_rule(self, value: Value, place: Place) -> Steps:
        """A reduction with few terms, written out."""
        (source,) = value.args
        lead = len(source.type.shape) - len(place)
        full = (Affine(0),) * lead + place
        axes = [
            a
            for a, n in enumerate(source.type.shape)
            if n > 1 and (a < lead or value.type.shape[a - lead] == 1)
        ]
        places = [full]
        for axis in axes:
            extent = source.type.shape[axis]
            places = [(*p[:axis], Affine(k), *p[axis + 1 :]) for p in places for k in range(extent)]
        assert len(places) <= UNROLLED
        combine = _COMBINE[REDUCTIONS[value.op]]
        total: Any = None
        for at in places:
            term = yield source, at
            total = (
                term if total is None else self.compute(combine, (total, term), value.type.dtype)
            )
        return total

    def iota_rule(self, value: Value, place: Place) -> Steps:
        axis: int = value.attr("axis")
        index = place[axis]
        if not index.terms:
            return Constant(float(index.const), value.type.dtype)
        dest = self.register(index.depth)
        self.put(index.depth, Index(dest, index, value.type.dtype))
        return dest
        yield

    # Integer expressions.

    def affine(self, value: Value, place: Place) -> Affine | None:
        """An integer element as an affine expression of loop variables, or None."""
        # Index expressions are short: products and sums of indices as people write them.
        if value.type.dtype.kind != "i" or value in self.memory.buffers:
            return None
        if value.literal is not None:
            number = value.literal.scalar
            return None if number is None else Affine(int(number))
        name = value.op.name
        if name == "iota":
            axis: int = value.attr("axis")
            return place[axis]
        if value.op in _VIEWS:
            before = view_place(value, place)
            return None if before is None else self.affine(value.args[0], before)
        if name == "convert":
            return self.affine(value.args[0], place)
        if name not in ("add", "sub", "mul", "neg"):
            return None
        parts = [self.affine(a, place) for a in value.args]
        if any(p is None for p in parts):
            return None
        first, *rest = (p for p in parts if p is not None)
        if name == "neg":
            return first * -1
        if name == "add":
            return first + rest[0]
        if name == "sub":
            return first - rest[0]
        if first.terms and rest[0].terms:
            return None
        return rest[0] * first.const if not first.terms else first * rest[0].const

    def below_zero(self, value: Value, place: Place) -> Affine | None:
        """e where the comparison `value` of integers says e < 0, or None if it is not affine."""
        if value.op not in _ORDER or value.args[0].type.dtype.kind != "i":
            return None
        left, right = (self.affine(a, place) for a in value.args)
        if left is None or right is None:
            return None
        return left - right + (0 if value.op is OPS["lt"] else -1)

    def masks(self, value: Value, place: Place) -> Iterator[tuple[Value, Place]]:
        """Conditions, and places of them, outside of which an element of `value` is zero."""
        pending = [(value, place)]
        while pending:
            value, place = pending.pop()
            name = value.op.name
            if value in self.memory.buffers:
                continue
            if value.op is where:
                otherwise = value.args[2].literal
                if otherwise is not None and otherwise.scalar == 0.0:
                    yield from ((c, place) for c in _conjuncts(value.args[0]))
                    pending.append((value.args[1], place))
            elif name == "mul":
                pending += [(a, place) for a in value.args]
            elif name in ("neg", "div"):
                pending.append((value.args[0], place))
            elif name in ("broadcast", "reshape"):
                before = view_place(value, place)
                if before is not None:
                    pending.append((value.args[0], before))

    def _decided(self, value: Value, place: Place) -> bool | None:
        expression = self.below_zero(value, place)
        if expression is None:
            return None
        low, high = expression.bounds()
        if high < 0 or expression in self.true:
            return True
        return False if low >= 0 else None


def _conjuncts(condition: Value) -> Iterator[Value]:
    pending = [condition]
    while pending:
        condition = pending.pop()
        if condition.op is and_:
            pending += condition.args
        else:
            yield condition


_ORDER = (OPS["lt"], OPS["le"])
_VIEWS = (broadcast, reshape, slice_, transpose)  # one element of theirs is one of the operand's
_COMBINE = {"sum": add, "max": OPS["max"], "min": OPS["min"]}
_RULES: dict[Any, Callable[[Evaluator, Value, Place], Steps]] = {
    OPS["embed"]: Evaluator.embed_rule,
    OPS["concatenate"]: Evaluator.concatenate_rule,
    OPS["gather"]: Evaluator.gather_rule,
    OPS["iota"]: Evaluator.iota_rule,
    ITEM: Evaluator.item_rule,
    **dict.fromkeys(_VIEWS, Evaluator.view_rule),
    **dict.fromkeys(REDUCTIONS, Evaluator.short_sum_rule),
}
